"""Plans the coarse step: groups of lists, and the room for their scores.

The plan follows from sizes alone, so it can be tested without a device.
"""

from dataclasses import dataclass

from gleann.index.engines.device.plan.kinds import TILE

MOST_RANKED = TILE
"""Probes up to which lists are ranked by the kernels."""

FEWEST_LISTS = 8 * TILE
"""From which on it pays to keep their scores out of memory."""

FEW_BLOCKS, MANY_BLOCKS = 4, 8
"""Blocks of lists: up to the first with groups of up to `FEW_TILES` lists, then the
second. More lists a group are scored again, fewer leave more peaks to look through."""

FEW_TILES = 8

FEWEST_KEYS = 64
"""So that any few probes share one compiled kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankPlan:
    """How lists are ranked; see `triton_kernels.coarse.rank_lists`.

    Attributes:
        shift: a block has 2^shift tiles of lists, so a group has as many lists.
        blocks: of lists.
        room: groups a query whose lists are scored again, at most.
        keys: lists a query that are sorted, at most; a power of two.
    """

    shift: int
    blocks: int
    room: int
    keys: int

    @property
    def groups(self) -> int:
        """Groups of lists."""
        return self.blocks * TILE


def plan_ranking(*, nlist: int, nprobe: int) -> RankPlan:
    """Plan for at most `MOST_RANKED` probes.

    The more groups there is room for, the sooner a threshold is found, and the more
    lists are scored again. Of G groups that lists lie in at random, r have
    G * ln(G / (G - r)) lists above the least of their peaks.
    """
    tiles = -(-nlist // TILE)
    few = min(FEW_TILES, _power_of_two(-(-tiles // FEW_BLOCKS)))
    a_block = max(few, _power_of_two(-(-tiles // MANY_BLOCKS)))
    room = nprobe + nprobe // 4 + 8
    return RankPlan(
        shift=a_block.bit_length() - 1,
        blocks=-(-tiles // a_block),
        room=room,
        keys=max(FEWEST_KEYS, _power_of_two(room + room // 8 + 8)),
    )


def ranks_in_kernels(*, nlist: int, nprobe: int) -> bool:
    """Whether lists are ranked by the kernels, not by a matrix product."""
    return nlist >= FEWEST_LISTS and nprobe <= MOST_RANKED


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
