"""The list-major scan: one list's entries against all the queries that probe it.

Rows lie along M and queries along N of the matrix instructions, whose N can be as small
as 8: a list with few queries wastes little. A persistent grid takes item after item.
"""

import triton
import triton.language as tl

from gleann.index.engines.device.steps import grouping
from gleann.index.engines.triton_kernels.scan.selecting import (
    EMPTY_BIAS,
    PACKED_NOTHING,
    TILE,
    dropped_key,
    kept_keys,
    packed_with,
    with_four_more,
    with_one_more,
)

ITEM_FIELDS = tl.constexpr(grouping.ITEM_FIELDS)


@triton.jit
def query_part(queries, numbers, FIRST: tl.constexpr, WIDTH: tl.constexpr, D):
    """(WIDTH, queries): values FIRST.. of some queries, transposed."""
    along = tl.arange(0, WIDTH) + FIRST
    return tl.load(queries + numbers[None, :] * D + along[:, None])


@triton.jit
def row_part(vectors, rows, FIRST, WIDTH: tl.constexpr, D):
    """(TILE, WIDTH): values FIRST.. of some entries."""
    along = tl.arange(0, WIDTH) + FIRST
    return tl.load(vectors + rows[:, None] * D + along[None, :])


@triton.jit
def held_parts(queries, numbers, D, PARTS: tl.constexpr):
    """Parts of some queries that stay while rows pass; 0 for one that there is not.

    PARTS is (BLOCK, STEPS, REST, LAST), with D = STEPS * BLOCK + REST + LAST: a single
    step stays, several are read anew for each tile of rows.
    """
    AFTER: tl.constexpr = PARTS[0] * PARTS[1]
    whole = query_part(queries, numbers, 0, PARTS[0], D) if PARTS[1] == 1 else 0
    rest = query_part(queries, numbers, AFTER, PARTS[2], D) if PARTS[2] > 0 else 0
    last = 0
    if PARTS[3] > 0:
        last = query_part(queries, numbers, AFTER + PARTS[2], PARTS[3], D)
    return whole, rest, last


@triton.jit
def dots_with(
    vectors,
    queries,
    rows,
    numbers,
    held,
    D,
    PARTS: tl.constexpr,
    ACC: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """(rows, queries): dot products of some entries and some queries."""
    AFTER: tl.constexpr = PARTS[0] * PARTS[1]
    dots = tl.zeros((rows.shape[0], numbers.shape[0]), dtype=ACC)
    if PARTS[1] == 1:
        part = row_part(vectors, rows, 0, PARTS[0], D)
        dots = tl.dot(part, held[0], dots, input_precision=PRECISION, out_dtype=ACC)
    else:
        for step in range(PARTS[1]):
            part = row_part(vectors, rows, step * PARTS[0], PARTS[0], D)
            asked = query_part(queries, numbers, step * PARTS[0], PARTS[0], D)
            dots = tl.dot(part, asked, dots, input_precision=PRECISION, out_dtype=ACC)
    if PARTS[2] > 0:
        part = row_part(vectors, rows, AFTER, PARTS[2], D)
        dots = tl.dot(part, held[1], dots, input_precision=PRECISION, out_dtype=ACC)
    if PARTS[3] > 0:
        part = row_part(vectors, rows, AFTER + PARTS[2], PARTS[3], D)
        dots = tl.dot(part, held[2], dots, input_precision=PRECISION, out_dtype=ACC)
    return dots


@triton.jit
def by_slot(scores, BUCKETS: tl.constexpr):
    """(TILE, queries) scores, apart for each slot of a bucket: (.., 8, queries).

    See `device.plan.bucketing.SHARED_STEPS`.
    """
    QUERIES: tl.constexpr = scores.shape[1]
    if BUCKETS == TILE:
        parts = (tl.reshape(scores, (TILE // 8, 8, QUERIES)),)
    elif BUCKETS == TILE // 2:
        pairs = tl.reshape(scores, (TILE // 16, 2, 8, QUERIES))
        parts = tl.split(tl.permute(pairs, (0, 2, 3, 1)))
    else:
        fours = tl.reshape(scores, (2, TILE // 32, 2, 8, QUERIES))
        near, far = tl.split(tl.permute(fours, (1, 3, 4, 2, 0)))
        first, second = tl.split(near)
        third, fourth = tl.split(far)
        parts = (first, second, third, fourth)
    return parts


@triton.jit
def three_a_bucket(
    vectors,
    biases,
    factors,
    queries,
    numbers,
    ratio,
    start,
    length,
    low_bits,
    D,
    PARTS: tl.constexpr,
    BUCKETS: tl.constexpr,
    CODED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """The three best packed scores of each bucket and query, over one span.

    Returns:
        Best, second and third, each (BUCKETS // 8, 8, queries).
    """
    ACC: tl.constexpr = tl.int32 if CODED else tl.float32
    SLOTS: tl.constexpr = TILE // BUCKETS
    SHAPE: tl.constexpr = (BUCKETS // 8, 8, numbers.shape[0])
    held = held_parts(queries, numbers, D, PARTS)
    best = tl.full(SHAPE, PACKED_NOTHING, tl.float32)
    second = tl.full(SHAPE, PACKED_NOTHING, tl.float32)
    third = tl.full(SHAPE, PACKED_NOTHING, tl.float32)
    for chunk in range(0, tl.cdiv(length, TILE)):
        place = tl.arange(0, TILE) + chunk * TILE
        # A tile may read into the next list: only the bias keeps its rows out.
        tile = (start + chunk * TILE).to(tl.int64)
        rows = tl.arange(0, TILE)
        bias = tl.load(biases + tile + rows, mask=place < length, other=EMPTY_BIAS)
        dots = dots_with(
            vectors + tile * D, queries, rows, numbers, held, D, PARTS, ACC, PRECISION
        )
        weighed = dots.to(tl.float32)
        if CODED:
            weighed = weighed * tl.load(factors + tile + rows)[:, None]
        negated = by_slot(weighed - bias[:, None] * ratio[None, :], BUCKETS)
        number = chunk * SLOTS
        if SLOTS == 4:
            four = (
                packed_with(negated[0], number, low_bits),
                packed_with(negated[1], number + 1, low_bits),
                packed_with(negated[2], number + 2, low_bits),
                packed_with(negated[3], number + 3, low_bits),
            )
            best, second, third = with_four_more(best, second, third, four)
        else:
            for slot in tl.static_range(SLOTS):
                packed = packed_with(negated[slot], number + slot, low_bits)
                best, second, third = with_one_more(best, second, third, packed)
    return best, second, third


# Numbers that change with the search would have it compiled anew, for no gain.
# Half of it are the arguments: the compiler wants each array and constant by itself.
@triton.jit(do_not_specialize=["nprobe", "spans", "low_bits"])
def scan_lists(
    vectors,  # (entries + TILE, D)
    biases,  # float32 (entries + TILE)
    factors,  # float32 (entries + TILE)
    queries,  # (nq, D)
    ratios,  # float32 (nq)
    slots,  # int64 (pairs), grouped by list
    items,  # int32 (capacity, ITEM_FIELDS)
    total,  # int32 (1), items
    keys,  # int64 (pairs, spans, 2, BUCKETS)
    bounds,  # int64 (pairs, spans)
    nprobe,
    spans,
    low_bits,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEPS: tl.constexpr,
    REST: tl.constexpr,
    LAST: tl.constexpr,
    QUERIES: tl.constexpr,
    BUCKETS: tl.constexpr,
    CODED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Scan `items`; D = STEPS * BLOCK + REST + LAST."""
    PARTS: tl.constexpr = (BLOCK, STEPS, REST, LAST)
    columns = tl.arange(0, QUERIES)
    for item in tl.range(tl.program_id(0), tl.load(total), tl.num_programs(0)):
        start = tl.load(items + item * ITEM_FIELDS)
        length = tl.load(items + item * ITEM_FIELDS + 1)
        first = tl.load(items + item * ITEM_FIELDS + 2)
        live = columns < tl.load(items + item * ITEM_FIELDS + 3)
        span = tl.load(items + item * ITEM_FIELDS + 4)
        # Columns past the last pair score query 0 again, and are not stored.
        slot = tl.load(slots + first + columns, mask=live, other=0)
        # All pairs of a block fit int32, whose division is ten times shorter.
        numbers = (slot.to(tl.int32) // nprobe).to(tl.int64)
        ratio = tl.load(ratios + numbers)
        arrays = vectors, biases, factors, queries
        best, second, third = three_a_bucket(
            *arrays,
            numbers,
            ratio,
            start,
            length,
            low_bits,
            D,
            PARTS,
            BUCKETS,
            CODED,
            PRECISION,
        )
        into = slot * spans + span
        third = tl.max(tl.reshape(third, (BUCKETS, QUERIES)), axis=0)
        tl.store(bounds + into, dropped_key(third, low_bits), mask=live)
        buckets = tl.arange(0, BUCKETS // 8)[:, None] * 8 + tl.arange(0, 8)[None, :]
        buckets = buckets[:, :, None]
        target = keys + (into * (2 * BUCKETS))[None, None, :] + buckets
        low = kept_keys(best, start, buckets, low_bits, TILE // BUCKETS)
        tl.store(target, low, mask=live[None, None, :])
        high = kept_keys(second, start, buckets, low_bits, TILE // BUCKETS)
        tl.store(target + BUCKETS, high, mask=live[None, None, :])
