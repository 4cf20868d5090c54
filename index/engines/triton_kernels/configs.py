"""All kernel configurations; tests compile each and inspect the result.

Tiles are TILE rows by `queries` queries. What the compiler makes of them (registers,
shared memory, matrix instructions) is checked without a GPU; how fast they are is to be
measured on one.
"""

from dataclasses import dataclass, replace
from typing import Any

from gleann.index.engines.device.plan.kinds import Kind, padded_dim
from gleann.index.engines.device.plan.planner import FEW_BUCKETS, QUERY_TILES

FIRST_WITH_TENSOR_MEMORY = 10
"""CUDA devices by the major number of their compute capability."""

FEWEST_QUERIES, MOST_QUERIES = QUERY_TILES[0], QUERY_TILES[-1]

RESIDENT_WIDTH = 128
"""Up to here a tile of queries is read once and stays; beyond, once a tile of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanConfig:
    """How a list-major scan kernel is built.

    Attributes:
        kind: of number.
        queries: a tile.
        block: values along d that one matrix instruction sequence takes, at most.
        warps: a program.
        stages: tiles of rows in flight.
    """

    kind: Kind
    queries: int
    block: int
    warps: int
    stages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A dimension as a sum of powers of two, so that none of it is padding.

    Attributes:
        block: of the whole steps.
        steps: how many there are.
        rests: two more parts, each a power of two or 0, in descending order.
    """

    block: int
    steps: int
    rests: tuple[int, int]


SHORT: dict[tuple[Kind, int], ScanConfig] = {
    ("bf16", 16): ScanConfig(kind="bf16", queries=16, block=128, warps=4, stages=3),
    ("bf16", 32): ScanConfig(kind="bf16", queries=32, block=128, warps=4, stages=3),
    ("bf16", 64): ScanConfig(kind="bf16", queries=64, block=128, warps=4, stages=3),
    ("fp16", 16): ScanConfig(kind="fp16", queries=16, block=128, warps=4, stages=3),
    ("fp16", 32): ScanConfig(kind="fp16", queries=32, block=128, warps=4, stages=3),
    ("fp16", 64): ScanConfig(kind="fp16", queries=64, block=128, warps=4, stages=3),
    ("fp32", 16): ScanConfig(kind="fp32", queries=16, block=32, warps=4, stages=2),
    ("fp32", 32): ScanConfig(kind="fp32", queries=32, block=32, warps=8, stages=2),
    ("int8", 16): ScanConfig(kind="int8", queries=16, block=128, warps=4, stages=3),
    ("int8", 32): ScanConfig(kind="int8", queries=32, block=128, warps=4, stages=3),
    ("int8", 64): ScanConfig(kind="int8", queries=64, block=128, warps=4, stages=3),
}
"""For padded d up to `RESIDENT_WIDTH`.

With 4 warps all slots of a bucket lie in one thread (`bucketing.SHARED_STEPS`). fp32
with 32 queries takes 8, since it spills 8 bytes on sm_80 with 4.
"""

LONG: dict[tuple[Kind, int], ScanConfig] = {
    ("bf16", 16): ScanConfig(kind="bf16", queries=16, block=64, warps=4, stages=3),
    ("bf16", 32): ScanConfig(kind="bf16", queries=32, block=64, warps=4, stages=3),
    ("bf16", 64): ScanConfig(kind="bf16", queries=64, block=64, warps=4, stages=3),
    ("fp16", 16): ScanConfig(kind="fp16", queries=16, block=64, warps=4, stages=3),
    ("fp16", 32): ScanConfig(kind="fp16", queries=32, block=64, warps=4, stages=3),
    ("fp16", 64): ScanConfig(kind="fp16", queries=64, block=64, warps=4, stages=3),
    ("fp32", 16): ScanConfig(kind="fp32", queries=16, block=32, warps=4, stages=2),
    ("fp32", 32): ScanConfig(kind="fp32", queries=32, block=32, warps=8, stages=2),
    ("int8", 16): ScanConfig(kind="int8", queries=16, block=128, warps=4, stages=3),
    ("int8", 32): ScanConfig(kind="int8", queries=32, block=128, warps=4, stages=3),
    ("int8", 64): ScanConfig(kind="int8", queries=64, block=128, warps=4, stages=3),
}
"""For longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignConfig:
    """How a kernel of float32 products is built: of rows and lists, or candidates.

    Attributes:
        rows: a tile.
        lists: a tile.
        block: values along d that are taken at once.
        warps: a program.
        stages: blocks in flight.
    """

    rows: int
    lists: int
    block: int
    warps: int
    stages: int


Table = dict[tuple[Kind, int], ScanConfig]


def table_for(
    dim: int, kind: Kind, *, generation: int, buckets: int = FEW_BUCKETS
) -> Table:
    """What is shipped for d on CUDA devices of a generation (8, 9, 10, ...).

    Some tiles need 8 warps not to spill: of 32 and 64 queries where more buckets are
    kept, and from generation 10 on, whose sums of 16-bit products come out of a memory
    of their own, of 64 queries. With 3 stages int8 would still spill 8 bytes there.
    """
    table = SHORT if padded_dim(dim, kind) <= RESIDENT_WIDTH else LONG
    tensor_memory = generation >= FIRST_WITH_TENSOR_MEMORY
    wide = set[tuple[Kind, int]]()
    for of, queries in table:
        many = buckets > FEW_BUCKETS and queries > FEWEST_QUERIES
        newer = tensor_memory and of in ("bf16", "fp16") and queries == MOST_QUERIES
        if many or newer:
            wide.add((of, queries))
    stages = 2 if tensor_memory else 3
    return {
        of: replace(config, warps=8, stages=min(stages, config.stages))
        if of in wide
        else config
        for of, config in table.items()
    }


PAIR_BLOCKS: dict[Kind, int] = {"bf16": 32, "fp16": 32, "fp32": 32, "int8": 64}
"""Values along d that the query-major kernels take at once, at most.

All but int8 spill a register or two on sm_80 with 64.
"""

PAIR_WARPS = 4

RANK = ScanConfig(kind="int8", queries=64, block=128, warps=8, stages=3)
"""Of the kernel that finds the best score of each group of lists.

Tiles of 128 queries take 14 % fewer instructions a score on sm_90, and all registers.
"""

RANKED_AT_ONCE = 32
"""Lists of one query that the second kernel of the coarse step scores at once."""

RANK_WARPS = 1
"""Of that kernel: all that it counts stays within a warp."""

BITMAP_WORDS, BITMAP_WARPS = 128, 1
"""Words of a bitmap that one program sets."""

QUANTISED_A_WARP = 512
"""Values of a query that one warp codes; 16 a thread."""

COUNTED_PAIRS = 128
"""(query, list) pairs that one program counts."""

CUT_LISTS, LISTS_BEFORE, CUT_WARPS = 128, 2048, 8
"""Lists whose items one program cuts, and lists before them that it adds up at once."""

PAIRS_A_PROGRAM = 32
"""Pairs of rows whose distance one program computes, 16 lanes each."""

SQUARES_WARPS = 4

ASSIGN = AssignConfig(rows=128, lists=128, block=16, warps=8, stages=3)
"""Of the kernel that assigns rows to lists by one product."""

ASSIGN_SOAR = AssignConfig(rows=64, lists=64, block=16, warps=4, stages=3)
"""By two, under SOAR; with 128 rows and 8 warps it spills on sm_90."""

GAINS = AssignConfig(rows=128, lists=128, block=16, warps=8, stages=3)
"""Of the kernel that sums what candidates add to a coverage."""

PROGRAMS_A_PLACE = 4
"""Of those kernels for each multiprocessor, at least: the last ones then leave a fifth
of the time idle at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConfig:
    """How the two kernels that merge keys are built.

    Attributes:
        keep: keys a run, a power of two.
        runs: of entries, sorted at once; a power of two.
        warps: a program that sorts.
        sorted_warps: a program that merges sorted runs.
    """

    keep: int
    runs: int
    warps: int
    sorted_warps: int

    @property
    def at_once(self) -> int:
        """Keys of entries that are sorted at once."""
        return self.runs * self.keep

    @property
    def sorted_runs(self) -> int:
        """Sorted runs that are merged at once."""
        return SORTED_AT_ONCE // self.keep


MERGE = (
    MergeConfig(keep=64, runs=4, warps=1, sorted_warps=4),
    MergeConfig(keep=128, runs=2, warps=1, sorted_warps=4),
    MergeConfig(keep=256, runs=1, warps=1, sorted_warps=4),
    MergeConfig(keep=512, runs=1, warps=1, sorted_warps=4),
    MergeConfig(keep=1024, runs=1, warps=8, sorted_warps=8),
)
"""By keys kept. Eight a thread and one warp: most comparisons are within a thread, and
up to 256 there is no barrier.

Keeping 512, two warps spill 8 bytes on sm_90; keeping 1,024, two do there and four on
sm_80, and four that merge sorted runs on sm_100.
"""

MERGE_MOST = MERGE[-1].keep
"""Rows kept a query by the merge kernels; more candidates are selected by torch."""

SORTED_AT_ONCE = 1024
"""Keys of sorted runs that are merged at once."""

RERANK: dict[int, int] = {64: 4, 128: 8}
"""Warps of the kernel that re-ranks, by the candidates of its tile."""

RERANK_BLOCKS = (64, 32)
"""Values along d that it reads at once."""

ADJACENT = 4
"""Values, 16 bytes, that a thread of it reads at once of rows aligned to them."""


def merge_config_for(keep: int) -> MergeConfig:
    """The first configuration that keeps so many of at most `MERGE_MOST` keys."""
    return next(config for config in MERGE if config.keep >= keep)


def rerank_tile_for(width: int) -> int:
    """The smallest tile that holds the candidates, or the largest there is."""
    return next((tile for tile in RERANK if tile >= width), max(RERANK))


def rerank_block_for(dim: int) -> int:
    """The longest block among those that pad d the least."""
    return min(RERANK_BLOCKS, key=lambda block: -dim % block)


def adjacent_for(dim: int) -> int:
    """Values that a thread reads at once of rows of d values."""
    return 1 if dim % ADJACENT else ADJACENT


def config_for(
    kind: Kind,
    dim: int,
    *,
    queries: int,
    generation: int = 9,
    buckets: int = FEW_BUCKETS,
) -> ScanConfig:
    """The shipped configuration for d, a wanted tile of queries, and buckets a span.

    The tile is the largest shipped one of at most `queries`.
    """
    table = table_for(dim, kind, generation=generation, buckets=buckets)
    tile = max(tile for of, tile in table if of == kind and tile <= queries)
    return table[kind, tile]


def parts_of(width: int, *, block: int) -> Parts:
    """Cut a padded dimension into steps of at most `block` and two rests.

    Where `block` does not divide `width`, steps are at most 64, so that two rests are
    always enough: 96 is 64 + 32 and 112 is 64 + 32 + 16.
    """
    if width % block:
        block = min(block, 64, 1 << (width.bit_length() - 1))
    left = width % block
    first = 1 << (left.bit_length() - 1) if left else 0
    return Parts(block=block, steps=width // block, rests=(first, left - first))


def constants_for(width: int, *, block: int) -> dict[str, Any]:
    """The compile-time constants of a kernel that say how a padded d is cut."""
    parts = parts_of(width, block=block)
    return {
        "D": width,
        "BLOCK": parts.block,
        "STEPS": parts.steps,
        "REST": parts.rests[0],
        "LAST": parts.rests[1],
    }


def quantise_constants(width: int) -> dict[str, Any]:
    """How the kernel that codes queries is built for a padded d."""
    block = 1 << (width - 1).bit_length()
    return {
        "WIDTH": width,
        "BLOCK": block,
        "num_warps": min(8, max(1, block // QUANTISED_A_WARP)),
        "enable_fp_fusion": False,
    }


PACK_QUERIES, PACK_COLUMNS, PACK_WARPS = 32, 16, 4
"""Of the kernel that packs answers."""

COMPACT_PAIRS, COMPACT_WARPS = 512, 4
"""Of the kernel that moves flagged pairs to the front."""
