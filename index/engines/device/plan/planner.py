"""Plans the search of a batch: kernel, kind of number, buckets, segments, blocks.

The plan follows from sizes alone, so it can be tested without a device.
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
"""Copies of the keys that are alive at once while they are merged."""

_KINDS: tuple[Kind, ...] = ("bf16", "int8")

MOST_QUERIES = 16_384
"""Queries searched at once: more share no list that these do not."""

QUERY_TILES = (16, 32, 64)
"""Queries a work item, as kernels are built for."""

FEW_BUCKETS, MANY_BUCKETS = 32, TILE
FEW_NEIGHBOURS, MANY_NEIGHBOURS = 16, 100
"""With more neighbours than the second, most pairs would be scanned twice."""

USUAL_QUERIES = 10_000
"""In a batch; beyond it the choice of a kind hardly changes."""

ITEMS_A_PROGRAM = 2
"""Spans are cut until every multiprocessor has so many, in small batches."""

SHORT_SPAN = KEPT * TILE
"""Entries of a span whose slots drop none: a tenth as many pairs are scanned again."""

SHORT_ITEMS = 32
"""Short spans that a multiprocessor is given at most: each is folded by itself."""

MERGES_A_PROGRAM = 8
"""Programs of the first merge that every multiprocessor is given, in small batches."""

STEPS_A_LAUNCH = 2
"""Steps of a merge that take as long as a second launch to merge its parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one block of queries is searched.

    Attributes:
        selection: keep the best of buckets and certify, or score into memory and sort.
        bucketing: how spans are cut; of no meaning for "exact".
        block: queries searched at once.
        again: queries scanned again at once.
    """

    selection: Selection
    bucketing: Bucketing
    block: int
    again: int

    @property
    def how(self) -> tuple[Selection, Bucketing]:
        """What a block of a given size is searched by."""
        return self.selection, self.bucketing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes that a plan depends on.

    Attributes:
        queries: in the call.
        nprobe: lists a query.
        longest: entries of the longest list, of the segments scanned.
        k: neighbours.
        rerank: rows re-ranked.
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
        sizes: of the search.
        programs: kernel programs that the device runs side by side.
        budget: bytes that one block of queries may take for keys.
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
    """How the best entries of a list are found."""
    bucketing = Bucketing(
        buckets=FEW_BUCKETS if sizes.k <= FEW_NEIGHBOURS else MANY_BUCKETS,
        span=span_for(sizes, programs=programs),
    )
    return "exact" if sizes.k > MANY_NEIGHBOURS else "buckets", bucketing


def bytes_a_query(
    sizes: Sizes, selection: Selection, bucketing: Bucketing
) -> tuple[int, int]:
    """Bytes of keys, and of the bitmap of lists, that a query takes.

    Returns:
        When it is scanned first, and when all its pairs are scanned again.
    """
    first = sizes.nprobe * keys_a_pair(sizes, selection, bucketing) + sizes.rerank
    second = first + sizes.nprobe * max(1, sizes.longest)
    beside = sizes.nlist // 2
    return (
        TEMPORARIES * KEY_BYTES * first + beside,
        TEMPORARIES * KEY_BYTES * second + beside,
    )


def keys_a_pair(sizes: Sizes, selection: Selection, bucketing: Bucketing) -> int:
    """Keys that one (query, list) pair leaves."""
    if selection == "exact":
        return max(1, sizes.longest)
    return 2 * bucketing.buckets * span_count(sizes.longest, bucketing.span)


def span_for(sizes: Sizes, *, programs: int) -> int:
    """Entries a span: few in small batches, else all that can be numbered.

    Short spans leave more keys to merge, and hardly a pair to be scanned again.
    """
    pairs = max(1, sizes.queries * sizes.nprobe)
    if pairs * span_count(sizes.longest, SHORT_SPAN) <= SHORT_ITEMS * programs:
        return SHORT_SPAN
    wanted = -(-ITEMS_A_PROGRAM * programs // pairs)
    tiles = -(-sizes.longest // (wanted * TILE))
    return TILE * max(1, min(tiles, MAX_SPAN // TILE))


def merge_share(queries: int, width: int, *, at_once: int, programs: int) -> int:
    """Keys of a query that one program merges: all `width` but in small batches.

    Args:
        queries: in the batch.
        width: keys a query.
        at_once: keys that a program takes in a step.
        programs: kernel programs that the device runs side by side.
    """
    steps = -(-width // at_once)
    parts = min(steps, MERGES_A_PROGRAM * programs // max(1, queries))
    share = -(-steps // max(1, parts))
    return at_once * (share if share + STEPS_A_LAUNCH < steps else max(1, steps))


def choose_kernel(queries_a_list: float) -> Kernel:
    """List-major once lists are shared, query-major below.

    Where every list has about one query, nothing is shared and a tile of queries is
    mostly empty.
    """
    return "list-major" if queries_a_list >= 1 else "query-major"


def choose_query_tile(queries_a_list: float) -> int:
    """The smallest tile that holds a list's queries, or the largest there is."""
    return next((t for t in QUERY_TILES if t >= queries_a_list), QUERY_TILES[-1])


def choose_kind(batch: Batch, *, on: Ceilings) -> Kind:
    """The kind of number for the scan: int8 where it saves a quarter, else bf16.

    bf16 keeps more digits; int8 halves the bytes, which counts where memory bounds.
    """
    by_kind = {kind: least_seconds(batch, kind=kind, on=on) for kind in _KINDS}
    return "int8" if by_kind["int8"] < 0.75 * by_kind["bf16"] else "bf16"


def usual_batch(*, nlist: int, entries: int, dim: int) -> Batch:
    """The batch that an index is laid out for, before any query is seen.

    Recall 0.95 took 15 probes of 4,096 lists and 20 to 32 of 16,384 where data were
    real, or as hard as real ones: about a quarter of the root of the lists.
    """
    nprobe = max(1, round(nlist**0.5 / 4))
    return Batch(
        queries=USUAL_QUERIES, nprobe=nprobe, nlist=nlist, entries=entries, dim=dim
    )


def choose_segments(
    both: Batch, primary: Batch, *, kind: Kind, on: Ceilings
) -> Segments:
    """The cheaper of two searches of equal recall: with second copies, or without.

    A batch that touches all lists reads every copy once, whatever nprobe is: there
    copies pay only if the pairs that they save cost more than reading them.
    """
    with_copies = least_seconds(both, kind=kind, on=on)
    without = least_seconds(primary, kind=kind, on=on)
    return "both" if with_copies <= without else "primary"


def least_seconds(batch: Batch, *, kind: Kind, on: Ceilings) -> float:
    """What scanning and merging `batch` takes at the least."""
    query_tile = choose_query_tile(batch.queries_a_list)
    return bounds(batch, kind=kind, on=on, query_tile=query_tile).seconds
