"""The coarse step in two kernels: the best score of each group of lists, then lists.

Lists are partitioned into blocks of tiles; the lists of one block at the same position
in their tiles form a group. The first kernel writes the best score of each group, its
peak. Groups are disjoint, so at least nprobe lists score no less than the nprobe-th
best peak. The second kernel scores the lists of the groups that reach this threshold,
or one slightly lower, again and sorts the lists that reach it. If more groups or lists
reach it than fit (many ties, or near lists crowded in few groups), the query is in
doubt.

Scores are bit-identical to `metric.ListRanking`: integer sums, then single rounded
operations, which must not be fused. The torch twin is
`device.steps.coarse.DeviceRanking.likely`.
"""

import triton
import triton.language as tl

from gleann.index.engines.triton_kernels.scan.scan_lists import dots_with, held_parts
from gleann.index.engines.triton_kernels.scan.selecting import (
    MAGNITUDE,
    NONE,
    NUMBER_MASK,
    TILE,
    least_keys,
)

LEAST_COLUMNS = tl.constexpr(16)
"""Minimum columns of a matrix product; all of them are the same query."""


@triton.jit
def score_of(dots, scales, doubled, norms):
    """Scores from sums of code products, higher is better; all arguments broadcast."""
    scores = dots.to(tl.float32) * scales * doubled
    # The minimum has no effect on values and prevents fusion of product and
    # difference, which happens on sm_100 even if fusion is disabled.
    return tl.minimum(scores, float("inf")) - norms


@triton.jit
def doubled_or_one(query_scales, numbers, shifted):
    """Factor of the scores before biases, if any, are subtracted."""
    return tl.where(shifted == 0, 1.0, 2 * tl.load(query_scales + numbers))


@triton.jit
def ascending(scores):
    """Order-preserving int32 of `scores`; -0 and 0 are equal."""
    bits = (scores + 0.0).to(tl.int32, bitcast=True)
    return bits ^ ((bits >> 31) & MAGNITUDE)


@triton.jit(do_not_specialize=["nq", "nlist", "tiles", "shifted"])
def group_peaks(
    codes,  # int8 (nlist + TILE, D)
    scales,  # float32 (nlist + TILE)
    norms,  # float32 (nlist + TILE)
    queries,  # int8 (nq, D)
    query_scales,  # float32 (nq)
    peaks,  # float32 (nq, blocks * TILE), -inf for groups without lists
    nq,
    nlist,
    tiles,
    shifted,  # 0 where lists have no biases
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEPS: tl.constexpr,
    REST: tl.constexpr,
    LAST: tl.constexpr,
    QUERIES: tl.constexpr,
):
    """Peaks of one tile of queries and one block of lists."""
    PARTS: tl.constexpr = (BLOCK, STEPS, REST, LAST)
    numbers = (tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)).to(tl.int64)
    live = numbers < nq
    numbers = tl.where(live, numbers, 0)
    doubled = doubled_or_one(query_scales, numbers, shifted)[None, :]
    held = held_parts(queries, numbers, D, PARTS)
    places = tl.arange(0, TILE)
    block = tl.program_id(1)
    best = tl.full((TILE, QUERIES), float("-inf"), tl.float32)
    start = block.to(tl.int64) * tiles
    for tile in range(0, tl.minimum(tiles, tl.cdiv(nlist, TILE) - block * tiles)):
        first = (start + tile) * TILE
        dots = dots_with(
            codes + first * D,
            queries,
            places,
            numbers,
            held,
            D,
            PARTS,
            tl.int32,
            "ieee",
        )
        weights = tl.load(scales + first + places)[:, None]
        shifts = tl.load(norms + first + places)[:, None]
        scores = score_of(dots, weights, doubled, shifts)
        best = tl.maximum(best, scores)
    groups = tl.num_programs(1) * TILE
    target = peaks + (numbers * groups)[None, :] + (block * TILE + places)[:, None]
    tl.store(target, best, mask=live[None, :])


@triton.jit
def threshold(bits, nprobe, room):
    """A threshold that at least nprobe of `bits` reach, and at most `room` if possible.

    Returns:
        The threshold, and how many reach it.
    """
    missing = ascending(tl.full(bits.shape, float("-inf"), tl.float32))
    high = tl.max(bits, axis=0).to(tl.int64) + 1
    least = tl.min(tl.where(bits > missing, bits, 0x7FFFFFFF), axis=0).to(tl.int64)
    count = tl.sum((bits >= least.to(tl.int32)).to(tl.int32), axis=0)
    while (count > room) & (high - least > 1):
        middle = (least + high) >> 1
        reaching = tl.sum((bits >= middle.to(tl.int32)).to(tl.int32), axis=0)
        enough = reaching >= nprobe
        least = tl.where(enough, middle, least)
        count = tl.where(enough, reaching, count)
        high = tl.where(enough, high, middle)
    return least.to(tl.int32), count


@triton.jit
def chosen_groups(peaks, near, groups, nprobe, room, GROUPS: tl.constexpr):
    """Store up to `room` groups that reach a threshold.

    Returns:
        The threshold in the form of `ascending`, and how many groups reach it.
    """
    columns = tl.arange(0, GROUPS)
    peak = tl.load(peaks + columns, mask=columns < groups, other=float("-inf"))
    bits = ascending(peak)
    least, count = threshold(bits, nprobe, room)
    reach = bits >= least
    place = tl.cumsum(reach.to(tl.int32), axis=0) - 1
    tl.store(near + place, columns, mask=reach & (place < room))
    tl.debug_barrier()  # visible to the other threads of the program
    return least, count


@triton.jit
def list_of(near, member, end, shift):
    """The list of each `member`, numbered through the chosen groups."""
    group = tl.load(near + (member >> shift), mask=member < end, other=0)
    tile = ((group // TILE) << shift) + (member & ((1 << shift) - 1))
    return tile * TILE + group % TILE


@triton.jit
def store_best(keys, list_nos, nprobe, written, doubt, KEYS: tl.constexpr):
    """Sort `written` keys and store the lists of the first nprobe; -1 if in doubt."""
    tl.debug_barrier()
    ranks = tl.arange(0, KEYS)
    key = tl.load(keys + ranks, mask=ranks < written, other=NONE)
    best = tl.where(doubt, -1, tl.sort(key, 0) & NUMBER_MASK)
    tl.store(list_nos + ranks, best, mask=ranks < nprobe)


# The arguments make it longer than a screen.
@triton.jit(do_not_specialize=["nlist", "nprobe", "blocks", "shift", "room", "shifted"])
def best_lists(
    codes,  # int8 (nlist + TILE, D)
    scales,  # float32 (nlist + TILE)
    norms,  # float32 (nlist + TILE)
    queries,  # int8 (nq, D)
    query_scales,  # float32 (nq)
    peaks,  # float32 (nq, blocks * TILE)
    near,  # int32 (nq, room), for groups
    keys,  # int64 (nq, KEYS), for lists
    list_nos,  # int64 (nq, nprobe), best first; -1 where in doubt
    doubted,  # bool (nq)
    nlist,
    nprobe,
    blocks,
    shift,  # a block has 2^shift tiles
    room,
    shifted,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEPS: tl.constexpr,
    REST: tl.constexpr,
    LAST: tl.constexpr,
    GROUPS: tl.constexpr,
    KEYS: tl.constexpr,
    LISTS: tl.constexpr,
):
    """The nprobe best lists of one query; scores LISTS lists at once."""
    PARTS: tl.constexpr = (BLOCK, STEPS, REST, LAST)
    query = tl.program_id(0).to(tl.int64)
    groups, near = blocks * TILE, near + query * room
    least, count = chosen_groups(
        peaks + query * groups, near, groups, nprobe, room, GROUPS
    )
    numbers = tl.zeros((LEAST_COLUMNS,), tl.int64) + query
    held = held_parts(queries, numbers, D, PARTS)
    doubled = doubled_or_one(query_scales, query, shifted)
    written, end = 0, tl.minimum(count, room) << shift
    for first in range(0, end, LISTS):
        member = first + tl.arange(0, LISTS)
        lists = list_of(near, member, end, shift)
        known = (member < end) & (lists < nlist)
        lists = tl.where(known, lists, 0).to(tl.int64)
        dots = dots_with(
            codes, queries, lists, numbers, held, D, PARTS, tl.int32, "ieee"
        )
        weights, shifts = tl.load(scales + lists), tl.load(norms + lists)
        scores = score_of(tl.max(dots, axis=1), weights, doubled, shifts)
        found = known & (ascending(scores) >= least)
        target = written + tl.cumsum(found.to(tl.int32), axis=0) - 1
        key = least_keys(-scores) | lists
        tl.store(keys + query * KEYS + target, key, mask=found & (target < KEYS))
        written += tl.sum(found.to(tl.int32), axis=0)
    doubt = (count > room) | (written > KEYS) | (written < nprobe)
    tl.store(doubted + query, doubt)
    store_best(
        keys + query * KEYS, list_nos + query * nprobe, nprobe, written, doubt, KEYS
    )
