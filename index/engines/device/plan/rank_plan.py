"""Plans the coarse step: groups of lists, and the capacity for their scores.

The plan depends on sizes alone, so it can be tested without a device.
"""

from dataclasses import dataclass

from gleann.index.engines.device.plan.kinds import TILE

MOST_RANKED = TILE
"""Maximum nprobe for which the kernels rank lists."""

FEWEST_LISTS = 8 * TILE
"""Number of lists from which it pays not to store their scores."""

FEW_BLOCKS, MANY_BLOCKS = 4, 8
"""Blocks of lists: up to the first with groups of up to `FEW_TILES` lists, then the
second. Larger groups score more lists again, smaller ones leave more peaks to scan."""

FEW_TILES = 8

FEWEST_KEYS = 64
"""Minimum capacity, so that all small nprobe share one compiled kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankPlan:
    """Plan of the ranking kernels; see `triton_kernels.coarse.rank_lists`.

    Attributes:
        shift: a block has 2^shift tiles of lists, so a group has 2^shift lists.
        blocks: number of blocks of lists.
        room: maximum groups per query whose lists are scored again.
        keys: maximum lists per query that are sorted; a power of two.
    """

    shift: int
    blocks: int
    room: int
    keys: int

    @property
    def groups(self) -> int:
        """Number of groups of lists."""
        return self.blocks * TILE


def plan_ranking(*, nlist: int, nprobe: int) -> RankPlan:
    """Plan for at most `MOST_RANKED` probes.

    A larger group capacity finds a threshold sooner, and scores more lists again. With
    lists at random in G groups, the r best groups have G * ln(G / (G - r)) lists above
    the least of their peaks.
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
    """Whether the kernels rank lists, instead of a matrix product."""
    return nlist >= FEWEST_LISTS and nprobe <= MOST_RANKED


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
