"""The list-major scan: one list's entries against all the queries that probe it.

Rows lie along M and queries along N of the matrix instructions, whose N can be as small
as 8: a list with few queries wastes little. A persistent grid takes item after item.
"""

import triton
import triton.language as tl

from gleann.index.engines.device import grouping
from gleann.index.engines.triton_kernels.selecting import (
    EMPTY_BIAS,
    NONE,
    PACKED_NOTHING,
    TILE,
    by_chunk,
    hidden_by_buckets,
    hidden_by_slots,
    packed_with,
    three_smallest,
    unpacked,
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
    ACC: tl.constexpr = tl.int32 if CODED else tl.float32
    AFTER: tl.constexpr = STEPS * BLOCK
    count = tl.load(total)
    for item in tl.range(tl.program_id(0), count, tl.num_programs(0)):
        start = tl.load(items + item * ITEM_FIELDS)
        length = tl.load(items + item * ITEM_FIELDS + 1)
        first = tl.load(items + item * ITEM_FIELDS + 2)
        live = tl.load(items + item * ITEM_FIELDS + 3)
        span = tl.load(items + item * ITEM_FIELDS + 4)

        columns = tl.arange(0, QUERIES)
        # Columns past the last pair score query 0 again, and are not stored.
        slot = tl.load(slots + first + columns, mask=columns < live, other=0)
        numbers = slot // nprobe
        ratio = tl.load(ratios + numbers)
        if STEPS == 1:
            held = query_part(queries, numbers, 0, BLOCK, D)
        if REST > 0:
            held_rest = query_part(queries, numbers, AFTER, REST, D)
        if LAST > 0:
            held_last = query_part(queries, numbers, AFTER + REST, LAST, D)

        best = tl.full((TILE, QUERIES), PACKED_NOTHING, tl.float32)
        second = tl.full((TILE, QUERIES), PACKED_NOTHING, tl.float32)
        for chunk in range(0, tl.cdiv(length, TILE)):
            place = tl.arange(0, TILE) + chunk * TILE
            # A tile may read into the next list: only the bias keeps its rows out.
            rows = (start + place).to(tl.int64)
            bias = tl.load(biases + rows, mask=place < length, other=EMPTY_BIAS)
            dots = tl.zeros((TILE, QUERIES), dtype=ACC)
            if STEPS == 1:
                part = row_part(vectors, rows, 0, BLOCK, D)
                dots = tl.dot(
                    part, held, dots, input_precision=PRECISION, out_dtype=ACC
                )
            else:
                for step in range(STEPS):
                    part = row_part(vectors, rows, step * BLOCK, BLOCK, D)
                    along = tl.arange(0, BLOCK) + step * BLOCK
                    asked = tl.load(queries + numbers[None, :] * D + along[:, None])
                    dots = tl.dot(
                        part, asked, dots, input_precision=PRECISION, out_dtype=ACC
                    )
            if REST > 0:
                part_rest = row_part(vectors, rows, AFTER, REST, D)
                dots = tl.dot(
                    part_rest, held_rest, dots, input_precision=PRECISION, out_dtype=ACC
                )
            if LAST > 0:
                part_last = row_part(vectors, rows, AFTER + REST, LAST, D)
                dots = tl.dot(
                    part_last, held_last, dots, input_precision=PRECISION, out_dtype=ACC
                )
            if CODED:
                factor = tl.load(factors + rows)
                weighed = dots.to(tl.float32) * factor[:, None]
            else:
                weighed = dots
            packed = packed_with(bias[:, None] * ratio[None, :] - weighed, chunk)
            second = tl.minimum(second, tl.maximum(best, packed))
            best = tl.minimum(best, packed)

        places = tl.arange(0, TILE)[:, None]
        best, second = by_chunk(best, second)
        bound = hidden_by_slots(second, places, length)
        low = unpacked(best, start, places)
        high = unpacked(second, start, places)
        if BUCKETS < TILE:
            low, high, third = tl.reduce(
                (
                    tl.reshape(low, (BUCKETS, TILE // BUCKETS, QUERIES)),
                    tl.reshape(high, (BUCKETS, TILE // BUCKETS, QUERIES)),
                    tl.full((BUCKETS, TILE // BUCKETS, QUERIES), NONE, tl.int64),
                ),
                1,
                three_smallest,
            )
            bound = tl.minimum(bound, hidden_by_buckets(third))
        into = slot * spans + span
        target = keys + (into * (2 * BUCKETS))[None, :] + tl.arange(0, BUCKETS)[:, None]
        tl.store(target, low, mask=columns[None, :] < live)
        tl.store(target + BUCKETS, high, mask=columns[None, :] < live)
        tl.store(bounds + into, bound, mask=columns < live)
