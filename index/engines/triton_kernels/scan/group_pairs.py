"""(query, list) pairs grouped by list through counting, and cut into items of work.

Three kernels: one counts the pairs of each list and ranks each pair in its list, one
adds up the counts and writes the items, one puts the pairs in their places. The order
of the pairs of a list follows from the order in which the device counts; no answer
depends on it, since each pair writes to a place of its own. The twin of the grouping in
plain torch is `device.steps.grouping.group`, which keeps the order of the queries.
"""

import triton
import triton.language as tl

from gleann.index.engines.device.steps import grouping

ITEM_FIELDS = tl.constexpr(grouping.ITEM_FIELDS)


@triton.jit(do_not_specialize=["pairs"], do_not_specialize_on_alignment=["list_nos"])
def count_pairs(
    list_nos,  # int64 (pairs), -1 for no list
    counts,  # int32 (nlist), zero
    ranks,  # int32 (pairs), of each pair in its list
    pairs,
    PAIRS: tl.constexpr,
):
    """Count PAIRS pairs."""
    pair = tl.program_id(0) * PAIRS + tl.arange(0, PAIRS)
    list_no = tl.load(list_nos + pair, mask=pair < pairs, other=-1)
    known = list_no >= 0
    target = counts + tl.maximum(list_no, 0)
    rank = tl.atomic_add(target, 1, mask=known, sem="relaxed")
    tl.store(ranks + pair, rank, mask=known)


@triton.jit
def tiles_and_spans(counts, starts, ends, lists, upto, query_tile, span):
    """Pairs of some lists below `upto`, and their tiles of queries and spans."""
    live = lists < upto
    count = tl.load(counts + lists, mask=live, other=0)
    start = tl.load(starts + lists, mask=live, other=0)
    length = tl.load(ends + lists, mask=live, other=0) - start
    return count, tl.cdiv(count, query_tile), tl.cdiv(length, span).to(tl.int32)


@triton.jit(
    do_not_specialize=["nlist", "query_tile", "span"],
    do_not_specialize_on_alignment=["starts", "ends"],
)
def cut_items(
    counts,  # int32 (nlist)
    starts,  # int64 (nlist), the first entry of each list
    ends,  # int64 (nlist)
    firsts,  # int32 (nlist), the first pair of each list
    items,  # int32 (capacity, ITEM_FIELDS)
    total,  # int32 (1), items
    nlist,
    query_tile,
    span,
    LISTS: tl.constexpr,
    BEFORE: tl.constexpr,
):
    """Cut the pairs of LISTS lists; what earlier lists have is added up again."""
    block = tl.program_id(0) * LISTS
    pair, item = 0, 0
    for first in range(0, block, BEFORE):
        lists = first + tl.arange(0, BEFORE)
        count, tiles, spans = tiles_and_spans(
            counts, starts, ends, lists, block, query_tile, span
        )
        pair += tl.sum(count, axis=0)
        item += tl.sum(tiles * spans, axis=0)
    lists = block + tl.arange(0, LISTS)
    count, tiles, spans = tiles_and_spans(
        counts, starts, ends, lists, nlist, query_tile, span
    )
    first_pair = pair + tl.cumsum(count, axis=0) - count
    tl.store(firsts + lists, first_pair, mask=lists < nlist)
    own = tiles * spans
    place = item + tl.cumsum(own, axis=0) - own
    start = tl.load(starts + lists, mask=lists < nlist, other=0)
    length = tl.load(ends + lists, mask=lists < nlist, other=0) - start
    for number in range(0, tl.max(own, axis=0)):
        # All tiles of queries of one span come together: they read the same entries.
        tile = number % tl.maximum(tiles, 1)
        span_no = number // tl.maximum(tiles, 1)
        target = items + (place + number).to(tl.int64) * ITEM_FIELDS
        there = number < own
        entries = tl.minimum(length - span_no * span, span)
        queries = tl.minimum(count - tile * query_tile, query_tile)
        tl.store(target, (start + span_no * span).to(tl.int32), mask=there)
        tl.store(target + 1, entries.to(tl.int32), mask=there)
        tl.store(target + 2, first_pair + tile * query_tile, mask=there)
        tl.store(target + 3, queries, mask=there)
        tl.store(target + 4, span_no, mask=there)
    last = tl.program_id(0) == tl.num_programs(0) - 1
    tl.store(total, item + tl.sum(own, axis=0), mask=last)


@triton.jit(do_not_specialize=["pairs"], do_not_specialize_on_alignment=["list_nos"])
def place_pairs(
    list_nos,  # int64 (pairs), -1 for no list
    ranks,  # int32 (pairs)
    firsts,  # int32 (nlist)
    slots,  # int64 (pairs), grouped by list
    pairs,
    PAIRS: tl.constexpr,
):
    """Put PAIRS pairs in their places; those without a list have none."""
    pair = tl.program_id(0) * PAIRS + tl.arange(0, PAIRS)
    list_no = tl.load(list_nos + pair, mask=pair < pairs, other=-1)
    known = list_no >= 0
    first = tl.load(firsts + tl.maximum(list_no, 0), mask=known, other=0)
    rank = tl.load(ranks + pair, mask=known, other=0)
    tl.store(slots + first + rank, pair.to(tl.int64), mask=known)
