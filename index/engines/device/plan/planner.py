"""Plans the search of a batch: kernel, number kind, buckets, segments, blocks.

The plan depends on sizes alone, so it can be tested without a device.
"""

from dataclasses import dataclass
from typing import Literal

from gleann.index.engines.device.plan.bucketing import (
    KEPT,
    MAX_SPAN,
    Bucketing,
    span_count,
)
from gleann.index.engines.device.plan.kinds import TILE, Kind
from gleann.index.engines.device.plan.roofline import Batch, Ceilings, bounds
from gleann.index.params import Segments

Selection = Literal["buckets", "exact"]
Kernel = Literal["list-major", "query-major"]

KEY_BYTES = 8

TEMPORARIES = 4
"""Copies of the keys in memory at once during the merge."""

_KINDS: tuple[Kind, ...] = ("bf16", "int8")

MOST_QUERIES = 16_384
"""Maximum queries searched at once: larger blocks share no more lists."""

QUERY_TILES = (16, 32, 64)
"""Queries per work item for which kernels are built."""

FEW_BUCKETS, MANY_BUCKETS = 32, TILE
FEW_NEIGHBOURS, MANY_NEIGHBOURS = 16, 100
"""Above the second limit on k, most pairs would be scanned twice."""

USUAL_QUERIES = 10_000
"""Batch size used to choose a number kind; larger ones hardly change the choice."""

ITEMS_A_PROGRAM = 2
"""Small batches cut spans until every multiprocessor has this many."""

SHORT_SPAN = KEPT * TILE
"""Span size whose slots drop no entry: a tenth as many pairs are scanned again."""

SHORT_ITEMS = 32
"""Maximum short spans per multiprocessor: each is folded separately."""

MERGES_A_PROGRAM = 8
"""Programs of the first merge per multiprocessor, in small batches."""

STEPS_A_LAUNCH = 2
"""Merge steps that take as long as a second launch that merges parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Search plan of one block of queries.

    Attributes:
        selection: keep the best of buckets and certify, or store all scores and sort.
        bucketing: partition of the spans; unused for "exact".
        block: queries searched at once.
        again: queries scanned again at once.
    """

    selection: Selection
    bucketing: Bucketing
    block: int
    again: int

    @property
    def how(self) -> tuple[Selection, Bucketing]:
        """The selection for a block of a given size."""
        return self.selection, self.bucketing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes that a plan depends on.

    Attributes:
        queries: queries per call.
        nprobe: lists per query.
        longest: entries of the longest list, in the scanned segments.
        k: neighbours per query.
        rerank: rows re-ranked per query.
        nlist: number of lists.
    """

    queries: int
    nprobe: int
    longest: int
    k: int
    rerank: int
    nlist: int


def plan(sizes: Sizes, *, programs: int, budget: int) -> Plan:
    """Plan a search.

    Args:
        sizes: sizes of the search.
        programs: kernel programs that the device runs concurrently.
        budget: bytes for the keys of one block of queries.
    """
    selection, bucketing = select_by(sizes, programs=programs)
    first, second = bytes_a_query(sizes, selection, bucketing)
    most = min(MOST_QUERIES, max(1, sizes.queries))
    return Plan(
        selection=selection,
        bucketing=bucketing,
        block=max(1, min(budget // first, most)),
        again=max(1, min(budget // second, most)),
    )


def select_by(sizes: Sizes, *, programs: int) -> tuple[Selection, Bucketing]:
    """The selection method for the best entries of a list."""
    bucketing = Bucketing(
        buckets=FEW_BUCKETS if sizes.k <= FEW_NEIGHBOURS else MANY_BUCKETS,
        span=span_for(sizes, programs=programs),
    )
    return "exact" if sizes.k > MANY_NEIGHBOURS else "buckets", bucketing


def bytes_a_query(
    sizes: Sizes, selection: Selection, bucketing: Bucketing
) -> tuple[int, int]:
    """Bytes of keys and of the bitmap of lists per query.

    Returns:
        The bytes in the first pass, and the bytes if all its pairs are scanned again.
    """
    first = sizes.nprobe * keys_a_pair(sizes, selection, bucketing) + sizes.rerank
    second = first + sizes.nprobe * max(1, sizes.longest)
    beside = sizes.nlist // 2
    return (
        TEMPORARIES * KEY_BYTES * first + beside,
        TEMPORARIES * KEY_BYTES * second + beside,
    )


def keys_a_pair(sizes: Sizes, selection: Selection, bucketing: Bucketing) -> int:
    """Keys kept per (query, list) pair."""
    if selection == "exact":
        return max(1, sizes.longest)
    return 2 * bucketing.buckets * span_count(sizes.longest, bucketing.span)


def span_for(sizes: Sizes, *, programs: int) -> int:
    """Entries per span: few in small batches, else as many as can be numbered.

    Short spans leave more keys to merge, and hardly any pair to scan again.
    """
    pairs = max(1, sizes.queries * sizes.nprobe)
    if pairs * span_count(sizes.longest, SHORT_SPAN) <= SHORT_ITEMS * programs:
        return SHORT_SPAN
    wanted = -(-ITEMS_A_PROGRAM * programs // pairs)
    tiles = -(-sizes.longest // (wanted * TILE))
    return TILE * max(1, min(tiles, MAX_SPAN // TILE))


def merge_share(queries: int, width: int, *, at_once: int, programs: int) -> int:
    """Keys of a query that one program merges: all `width` except in small batches.

    Args:
        queries: queries in the batch.
        width: keys per query.
        at_once: keys that a program processes per step.
        programs: kernel programs that the device runs concurrently.
    """
    steps = -(-width // at_once)
    parts = min(steps, MERGES_A_PROGRAM * programs // max(1, queries))
    share = -(-steps // max(1, parts))
    return at_once * (share if share + STEPS_A_LAUNCH < steps else max(1, steps))


def choose_kernel(queries_a_list: float) -> Kernel:
    """List-major if queries share lists, else query-major.

    With about one query per list, nothing is shared and a tile of queries is mostly
    empty.
    """
    return "list-major" if queries_a_list >= 1 else "query-major"


def choose_query_tile(queries_a_list: float) -> int:
    """The smallest tile that fits a list's queries, or the largest tile."""
    return next((t for t in QUERY_TILES if t >= queries_a_list), QUERY_TILES[-1])


def choose_kind(batch: Batch, *, on: Ceilings) -> Kind:
    """The number kind of the scan: int8 if it saves a quarter of the time, else bf16.

    bf16 has more precision; int8 halves the bytes, which matters if memory bounds.
    """
    by_kind = {kind: least_seconds(batch, kind=kind, on=on) for kind in _KINDS}
    return "int8" if by_kind["int8"] < 0.75 * by_kind["bf16"] else "bf16"


def usual_batch(*, nlist: int, entries: int, dim: int) -> Batch:
    """The batch that the layout of an index is planned for.

    Recall 0.95 took 15 probes of 4,096 lists and 20 to 32 of 16,384 on real data, or
    data as hard: about a quarter of the square root of the number of lists.
    """
    nprobe = max(1, round(nlist**0.5 / 4))
    return Batch(
        queries=USUAL_QUERIES, nprobe=nprobe, nlist=nlist, entries=entries, dim=dim
    )


def choose_segments(
    both: Batch, primary: Batch, *, kind: Kind, on: Ceilings
) -> Segments:
    """The cheaper of two searches of equal recall, with or without spilled copies.

    A batch that touches all lists reads every copy once, whatever nprobe is: copies
    then pay only if the pairs that they save cost more than reading the copies.
    """
    with_copies = least_seconds(both, kind=kind, on=on)
    without = least_seconds(primary, kind=kind, on=on)
    return "both" if with_copies <= without else "primary"


def least_seconds(batch: Batch, *, kind: Kind, on: Ceilings) -> float:
    """Lower bound on the time to scan and merge `batch`."""
    query_tile = choose_query_tile(batch.queries_a_list)
    return bounds(batch, kind=kind, on=on, query_tile=query_tile).seconds
