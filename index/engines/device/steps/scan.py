"""The scan in plain torch on any device: the reference for the Triton kernels.

It does list by list what the kernels do tile by tile: the same buckets, the same
rounding of scores to store a number, the same keys. Only the summation order of a dot
product may differ.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gleann.index.codes import CODE_MAX
from gleann.index.engines.device.layout.layout import EMPTY_SCORE, DeviceLists
from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.plan.bucketing import (
    KEPT,
    Bucketing,
    slot_table,
    span_count,
)
from gleann.index.engines.device.plan.kinds import TILE
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.compaction import Compacted, Flags
from gleann.index.engines.device.steps.grouping import Pairs, group
from gleann.index.engines.device.steps.keys import NONE, least_keys, make_keys, smallest
from gleann.index.engines.device.steps.packed import Block
from gleann.index.engines.device.steps.queries import CodedQueries
from gleann.index.engines.device.steps.rerank import RowStore
from gleann.index.params import Metric

PACKED_NOTHING = 2.0**100
"""Score of a missing entry; its low bits are zero."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """The entries kept by bucketed selection for a block of queries.

    Keys are of entries (see `keys`), with scores rounded towards zero by
    `Bucketing.low_bits` bits; `NONE` stands for a missing entry or one that is not
    allowed.

    Attributes:
        keys: (nq, nprobe, spans, KEPT, buckets), the best of each bucket before the
            second; ties are in any order.
        bounds: (nq, nprobe, spans), the least possible key of the best dropped entry,
            from its score; `NONE` if no allowed entry was dropped.
    """

    keys: Tensor
    bounds: Tensor


def nothing_kept(list_nos: Tensor, *, longest: int, bucketing: Bucketing) -> Kept:
    """Allocate for pairs of `list_nos` (nq, nprobe), lists of at most `longest`."""
    shape = (*list_nos.shape, span_count(longest, bucketing.span))
    device = list_nos.device
    return Kept(
        keys=torch.full((*shape, KEPT, bucketing.buckets), NONE, device=device),
        bounds=torch.full(shape, NONE, device=device),
    )


class Scanner(Protocol):
    """Ranks lists, scans, merges and re-ranks, in plain torch or in Triton kernels."""

    @property
    def name(self) -> str:
        """Name of the scanner, such as "torch"."""

    def coded(self, queries: Tensor, lists: DeviceLists) -> CodedQueries:
        """Prepared float32 queries (nq, d) in the number kind of `lists`."""

    def likely(
        self, ranking: DeviceRanking, queries: Tensor, *, nprobe: int
    ) -> tuple[Tensor, Tensor]:
        """The best lists of prepared queries; see `DeviceRanking.likely`."""

    def probed(self, list_nos: Tensor, *, nlist: int) -> Tensor:
        """The bitmap of `list_nos`; see `bitmap.bitmap_of`."""

    def bucketed(
        self,
        queries: CodedQueries,
        list_nos: Tensor,
        view: ListView,
        bucketing: Bucketing,
    ) -> Kept:
        """The two best of each bucket of each span of the probed lists.

        Args:
            queries: nq queries.
            list_nos: int64 (nq, nprobe), -1 for no list.
            view: the lists.
            bucketing: partition into spans and buckets.
        """

    def exact(
        self, queries: CodedQueries, list_nos: Tensor, view: ListView, *, keep: int
    ) -> Tensor:
        """The best entries of one list for each query, by full scan scores.

        Args:
            queries: m queries.
            list_nos: int64 (m,), -1 for no list.
            view: the lists.
            keep: number of entries kept.

        Returns:
            Keys (m, keep) of entries, ascending.
        """

    def merge(
        self, keys: Tensor, lists: DeviceLists, probed: Tensor, *, keep: int
    ) -> Tensor:
        """The best distinct rows of each query.

        Args:
            keys: (nq, w) of entries.
            lists: the lists of the entries.
            probed: int32 (nq, words), the lists each query scans; see `probed`.
            keep: rows to keep.

        Returns:
            Keys (nq, keep) of rows, ascending. A spilled entry counts only if its
            row's primary list is not probed, so rows are distinct.
        """

    def compact(self, flags: Flags, list_nos: Tensor, *, room: int) -> Compacted:
        """The first flagged pairs of a block; see `compaction.compact`."""

    def rerank(
        self,
        queries: Tensor,
        candidates: Tensor,
        store: RowStore,
        *,
        metric: Metric,
        k: int,
    ) -> Tensor:
        """The k nearest rows of each query's candidates; see `rerank.rerank`."""

    def pack(self, block: Block, unanswered: Tensor) -> Tensor:
        """The answers of a block as one tensor; see `packed.packed`."""


def bucketed(
    queries: CodedQueries, list_nos: Tensor, view: ListView, bucketing: Bucketing
) -> Kept:
    """See `Scanner.bucketed`."""
    nprobe = list_nos.shape[1]
    out = nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
    keys, bounds = out.keys.flatten(0, 1), out.bounds.flatten(0, 1)
    for list_no, slots in _touched(group(list_nos, nlist=view.lists.nlist)):
        first, last = int(view.starts[list_no]), int(view.ends[list_no])
        some = queries.take(slots // nprobe)
        for span, start in enumerate(range(first, last, bucketing.span)):
            entries = slice(start, min(start + bucketing.span, last))
            scores = score(view, entries, some)
            keys[slots, span], bounds[slots, span] = select(scores, start, bucketing)
    return out


def exact(
    queries: CodedQueries, list_nos: Tensor, view: ListView, *, keep: int
) -> Tensor:
    """See `Scanner.exact`."""
    out = torch.full((len(list_nos), keep), NONE, device=list_nos.device)
    for list_no, slots in _touched(group(list_nos[:, None], nlist=view.lists.nlist)):
        first, last = int(view.starts[list_no]), int(view.ends[list_no])
        scores = score(view, slice(first, last), queries.take(slots))
        entries = torch.arange(first, last, device=scores.device)
        out[slots] = smallest(_keys(scores, entries[:, None]).T, keep)
    return out


def score(view: ListView, entries: slice, queries: CodedQueries) -> Tensor:
    """Scan scores float32 (entries, nq), less is better; see `layout`."""
    if view.lists.differences:
        return _differences(view, entries, queries)
    biases = view.biases[entries, None] * queries.ratios
    return biases - _dots(view.lists, entries, queries.values)


def _differences(view: ListView, entries: slice, queries: CodedQueries) -> Tensor:
    """Sums of squares, one dimension after another; see `codes.Encoding`."""
    rows, ratios = view.lists.vectors[entries], queries.ratios
    scores = view.biases[entries, None] + torch.zeros_like(ratios)
    for j in range(view.lists.dim):
        apart = rows[:, j, None] * ratios - queries.values[:, j]
        scores = scores + apart * apart
    return scores


def select(
    scores: Tensor, first_entry: int, bucketing: Bucketing
) -> tuple[Tensor, Tensor]:
    """Select from one span.

    Args:
        scores: float32 (entries, nq), less is better.
        first_entry: first entry of the span.
        bucketing: its partition into buckets.

    Returns:
        Keys (nq, KEPT, buckets) and bounds (nq,); see `Kept`.
    """
    packed = _by_bucket(scores, bucketing)
    three = torch.topk(packed, KEPT + 1, dim=0, largest=True, sorted=True).values
    keys = _unpack(three[:KEPT], first_entry, bucketing)
    hidden = _unpack(three[KEPT:], first_entry, bucketing).amin(dim=(0, 1))
    return keys.permute(2, 0, 1), least_keys(hidden)


def _by_bucket(scores: Tensor, bucketing: Bucketing) -> Tensor:
    """Packed scores (entries per bucket, buckets, nq), padded to more than are kept.

    Negated as in the kernels, so that ties keep the same entries, also for zero, which
    has no opposite sign.
    """
    count, nq = scores.shape
    slots = bucketing.slots
    chunks = max(KEPT + 1, -(-count // TILE))
    padded = scores.new_full((chunks * TILE, nq), -PACKED_NOTHING)
    padded[:count] = 0.0 - scores
    table = torch.tensor(slot_table(bucketing.buckets), device=scores.device)
    by_slot = padded.view(chunks, TILE, nq)[:, table.T].flatten(0, 1)
    numbers = torch.arange(chunks * slots, dtype=torch.int32, device=scores.device)
    # Past the end of the span, numbers are unused and could need more bits.
    numbers &= (1 << bucketing.low_bits) - 1
    bits = by_slot.view(torch.int32) >> bucketing.low_bits << bucketing.low_bits
    return (bits | numbers[:, None, None]).view(torch.float32)


def _unpack(packed: Tensor, first_entry: int, bucketing: Bucketing) -> Tensor:
    """Keys (ranks, buckets, nq) of packed scores of the same shape."""
    table = torch.tensor(slot_table(bucketing.buckets), device=packed.device)
    bits = packed.contiguous().view(torch.int32)
    scores = bits >> bucketing.low_bits << bucketing.low_bits
    numbers = (bits ^ scores).long()
    buckets = torch.arange(bucketing.buckets, device=packed.device)[:, None]
    slots = table[buckets, numbers % bucketing.slots]
    entries = first_entry + numbers // bucketing.slots * TILE + slots
    return _keys(-scores.view(torch.float32), entries)


def _keys(scores: Tensor, entries: Tensor) -> Tensor:
    return torch.where(scores >= EMPTY_SCORE, NONE, make_keys(scores, entries))


def _touched(pairs: Pairs) -> list[tuple[int, Tensor]]:
    """Each probed list with the slots of its pairs."""
    counts = pairs.counts.tolist()
    parts = pairs.slots[: sum(counts)].split(counts)
    return [(j, slots) for j, slots in enumerate(parts) if len(slots)]


def _dots(lists: DeviceLists, entries: slice, queries: Tensor) -> Tensor:
    """Dot products float32 (entries, nq), accumulated in float32 or exactly.

    Products of 16-bit numbers are exact in float32, so this equals tensor cores; a
    matrix product of 16-bit tensors would round its result to 16 bits.
    """
    stored = lists.vectors[entries]
    if lists.kind != "int8":
        return stored.float() @ queries.float().T
    # Float products of integers are exact while the sums fit the mantissa.
    narrow = stored.shape[1] * CODE_MAX**2 < 1 << 24
    wide = torch.float32 if narrow else torch.float64
    dots = (stored.to(wide) @ queries.to(wide).T).float()
    return dots * lists.factors[entries, None]
