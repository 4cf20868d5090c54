"""Query-major kernels: one (query, list) pair a program, without matrix instructions.

For batches in which lists are hardly shared, and for pairs that are scanned again.
"""

import triton
import triton.language as tl

from gleann.index.engines.triton_kernels.scan.selecting import (
    EMPTY_BIAS,
    NONE,
    PACKED_NOTHING,
    TILE,
    dropped_key,
    kept_keys,
    make_keys,
    packed_with,
    three_greatest,
    with_one_more,
)


@triton.jit
def dot_part(
    vectors, queries, rows, number, first, WIDTH: tl.constexpr, D, ACC: tl.constexpr
):
    """(TILE): dot products of some entries and one query, over WIDTH values."""
    along = tl.arange(0, WIDTH) + first
    part = tl.load(vectors + rows[:, None] * D + along[None, :])
    asked = tl.load(queries + number * D + along)
    return tl.sum(part.to(ACC) * asked.to(ACC)[None, :], axis=1)


@triton.jit
def negated_scores(
    vectors,
    biases,
    factors,
    queries,
    ratio,
    rows,
    inside,
    number,
    D: tl.constexpr,
    PARTS: tl.constexpr,
    CODED: tl.constexpr,
):
    """(TILE): negated scan scores of some entries for one query.

    PARTS is as in `held_parts`.
    """
    ACC: tl.constexpr = tl.int32 if CODED else tl.float32
    BLOCK: tl.constexpr = PARTS[0]
    REST: tl.constexpr = PARTS[2]
    AFTER: tl.constexpr = PARTS[0] * PARTS[1]
    dots = tl.zeros((TILE,), dtype=ACC)
    for step in range(PARTS[1]):
        dots += dot_part(vectors, queries, rows, number, step * BLOCK, BLOCK, D, ACC)
    if REST > 0:
        dots += dot_part(vectors, queries, rows, number, AFTER, REST, D, ACC)
    if PARTS[3] > 0:
        dots += dot_part(vectors, queries, rows, number, AFTER + REST, PARTS[3], D, ACC)
    weighed = dots.to(tl.float32)
    if CODED:
        weighed = weighed * tl.load(factors + rows)
    bias = tl.load(biases + rows, mask=inside, other=EMPTY_BIAS)
    return weighed - bias * ratio


@triton.jit
def slots_within(places, SLOTS: tl.constexpr):
    """Which of the slots of its bucket each place of a tile is."""
    within = places * 0
    if SLOTS > 1:
        within += (places >> 3) & 1
    if SLOTS > 2:
        within += ((places >> 6) & 1) << 1
    return within


@triton.jit
def folded(best, second, third, SLOTS: tl.constexpr):
    """From the three best of each slot to those of each bucket.

    See `device.plan.bucketing.SHARED_STEPS`.
    """
    BUCKETS: tl.constexpr = TILE // SLOTS
    if SLOTS > 1:
        EIGHTS: tl.constexpr = (TILE // 16, 2, 8)
        best, second, third = tl.reduce(
            (
                tl.reshape(best, EIGHTS),
                tl.reshape(second, EIGHTS),
                tl.reshape(third, EIGHTS),
            ),
            1,
            three_greatest,
        )
    if SLOTS > 2:
        HALVES: tl.constexpr = (2, TILE // 32, 8)
        best, second, third = tl.reduce(
            (
                tl.reshape(best, HALVES),
                tl.reshape(second, HALVES),
                tl.reshape(third, HALVES),
            ),
            0,
            three_greatest,
        )
    shape: tl.constexpr = (BUCKETS,)
    return (
        tl.reshape(best, shape),
        tl.reshape(second, shape),
        tl.reshape(third, shape),
    )


# Numbers that change with the search would have it compiled anew, for no gain, and so
# would `ends`, which begins at the second of `offsets` or the first of `mids`.
# Half of it are the arguments: the compiler wants each array and constant by itself.
@triton.jit(
    do_not_specialize=["nprobe", "spans", "span_entries", "low_bits"],
    do_not_specialize_on_alignment=["starts", "ends"],
)
def scan_pairs(
    vectors,
    biases,
    factors,
    queries,
    ratios,
    list_nos,  # int64 (pairs), -1 for none
    starts,  # int64 (nlist)
    ends,  # int64 (nlist)
    keys,  # int64 (pairs, spans, 2, BUCKETS)
    bounds,  # int64 (pairs, spans)
    nprobe,
    spans,
    span_entries,
    low_bits,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEPS: tl.constexpr,
    REST: tl.constexpr,
    LAST: tl.constexpr,
    BUCKETS: tl.constexpr,
    CODED: tl.constexpr,
):
    """Select from one span of one pair's list; writes NONE where it has no entries."""
    PARTS: tl.constexpr = (BLOCK, STEPS, REST, LAST)
    arrays = vectors, biases, factors, queries
    slot = (tl.program_id(0) // spans).to(tl.int64)
    span = tl.program_id(0) % spans
    list_no = tl.load(list_nos + slot)
    known = list_no >= 0
    start = tl.load(starts + list_no, mask=known, other=0) + span * span_entries
    end = tl.load(ends + list_no, mask=known, other=0)
    length = tl.minimum(end - start, span_entries)
    number = slot // nprobe
    ratio = tl.load(ratios + number)

    SLOTS: tl.constexpr = TILE // BUCKETS
    places = tl.arange(0, TILE)
    within = slots_within(places, SLOTS)
    best = tl.full((TILE,), PACKED_NOTHING, tl.float32)
    second = tl.full((TILE,), PACKED_NOTHING, tl.float32)
    third = tl.full((TILE,), PACKED_NOTHING, tl.float32)
    for chunk in range(0, tl.cdiv(tl.maximum(length, 0), TILE).to(tl.int32)):
        place = places + chunk * TILE
        negated = negated_scores(
            *arrays, ratio, start + place, place < length, number, D, PARTS, CODED
        )
        packed = packed_with(negated, chunk * SLOTS + within, low_bits)
        best, second, third = with_one_more(best, second, third, packed)

    best, second, third = folded(best, second, third, SLOTS)
    into = slot * spans + span
    tl.store(bounds + into, dropped_key(tl.max(third, axis=0), low_bits))
    buckets = tl.arange(0, BUCKETS)
    target = keys + into * (2 * BUCKETS) + buckets
    tl.store(target, kept_keys(best, start, buckets, low_bits, SLOTS))
    tl.store(target + BUCKETS, kept_keys(second, start, buckets, low_bits, SLOTS))


@triton.jit(
    do_not_specialize=["longest"], do_not_specialize_on_alignment=["starts", "ends"]
)
def score_pairs(
    vectors,
    biases,
    factors,
    queries,
    ratios,
    list_nos,  # int64 (pairs), -1 for none
    starts,
    ends,
    out,  # int64 (pairs, longest)
    longest,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEPS: tl.constexpr,
    REST: tl.constexpr,
    LAST: tl.constexpr,
    CODED: tl.constexpr,
):
    """Keys of all entries of each pair's list, by full scores; NONE past its end."""
    PARTS: tl.constexpr = (BLOCK, STEPS, REST, LAST)
    arrays = vectors, biases, factors, queries
    tiles = tl.cdiv(longest, TILE)
    pair = (tl.program_id(0) // tiles).to(tl.int64)
    list_no = tl.load(list_nos + pair)
    known = list_no >= 0
    start = tl.load(starts + list_no, mask=known, other=0)
    end = tl.load(ends + list_no, mask=known, other=0)
    place = tl.arange(0, TILE) + tl.program_id(0) % tiles * TILE
    rows = start + place
    inside = rows < end
    # Past the end of the list there may be nothing at all to read.
    rows = tl.where(inside, rows, 0)
    ratio = tl.load(ratios + pair)
    scores = -negated_scores(*arrays, ratio, rows, inside, pair, D, PARTS, CODED)
    found = tl.where(inside, make_keys(scores, rows), NONE)
    tl.store(out + pair * longest + place, found, mask=place < longest)
