"""The coarse step in one kernel: no score of a query and a list reaches memory.

Slot j of a query sees lists j, j + TILE, ... The first pass keeps the best score of
each slot. At least nprobe lists score as much as the nprobe-th best of those: the
second pass scores all lists again and writes down which ones do. Where lists lie in
slots at random they are hardly more than nprobe (`device.planner.rank_room`); where
they are more than there is room for, the caller is told.

Scores are those of `metric.ListRanking` to the last bit: sums of integers, and then
single rounded operations, which must not be fused. The twin in plain torch is
`device.coarse.DeviceRanking.likely`.
"""

import triton
import triton.language as tl

from gleann.index.engines.triton_kernels.scan_lists import dots_with, held_parts
from gleann.index.engines.triton_kernels.selecting import TILE, least_keys


@triton.jit
def list_scores(
    codes,
    scales,
    norms,
    queries,
    numbers,
    doubled,
    held,
    lists,
    last,
    D,
    PARTS,
    SHIFTED,
):
    """(lists, queries): scores, higher is better; -inf for lists from `last` on."""
    dots = dots_with(codes, queries, lists, numbers, held, D, PARTS, tl.int32, "ieee")
    scores = dots.to(tl.float32) * tl.load(scales + lists)[:, None]
    if SHIFTED:
        # The minimum changes nothing and keeps the product from being fused with the
        # difference: for sm_100 it is even where the compiler is told not to.
        twice = tl.minimum(scores * doubled[None, :], float("inf"))
        scores = twice - tl.load(norms + lists)[:, None]
    return tl.where((lists < last)[:, None], scores, float("-inf"))


@triton.jit
def nth_largest(values, n):
    """(queries): the n-th largest, from 1 on, of each column (TILE, queries)."""
    ranked = tl.sort(tl.trans(values), descending=True)
    there = tl.arange(0, TILE)[None, :] == n - 1
    return tl.max(tl.where(there, ranked, float("-inf")), axis=1)


@triton.jit
def rank_lists(
    codes,  # int8 (nlist + TILE, D)
    scales,  # float32 (nlist + TILE)
    norms,  # float32 (nlist + TILE)
    queries,  # int8 (nq, D)
    doubled,  # float32 (nq), twice their scales
    keys,  # int64 (nq, room), NONE where this does not write
    counts,  # int32 (nq), lists that should have been written
    nq,
    nlist,
    nprobe,
    room,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEPS: tl.constexpr,
    REST: tl.constexpr,
    LAST: tl.constexpr,
    QUERIES: tl.constexpr,
    SHIFTED: tl.constexpr,
):
    """Keys of all lists that can be among the nprobe best, nprobe <= TILE."""
    PARTS: tl.constexpr = (BLOCK, STEPS, REST, LAST)
    numbers = (tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)).to(tl.int64)
    live = numbers < nq
    numbers = tl.where(live, numbers, 0)
    twice = tl.load(doubled + numbers)
    held = held_parts(queries, numbers, D, PARTS)
    given = codes, scales, norms, queries, numbers, twice, held
    best = tl.full((TILE, QUERIES), float("-inf"), tl.float32)
    for first in range(0, nlist, TILE):
        lists = (first + tl.arange(0, TILE)).to(tl.int64)
        best = tl.maximum(best, list_scores(*given, lists, nlist, D, PARTS, SHIFTED))
    least = nth_largest(best, nprobe)
    count = tl.zeros((QUERIES,), tl.int32)
    for first in range(0, nlist, TILE):
        lists = (first + tl.arange(0, TILE)).to(tl.int64)
        scores = list_scores(*given, lists, nlist, D, PARTS, SHIFTED)
        found = (scores >= least[None, :]) & (lists < nlist)[:, None]
        place = count[None, :] + tl.cumsum(found.to(tl.int32), axis=0) - 1
        target = keys + (numbers * room)[None, :] + place
        key = least_keys(-scores) | lists[:, None]
        tl.store(target, key, mask=found & live[None, :] & (place < room))
        count += tl.sum(found.to(tl.int32), axis=0)
    tl.store(counts + numbers, count, mask=live)
