"""Distances of candidates and their order, a tile of candidates a program.

The twin in plain torch is `device.steps.rerank.rerank`. Both sum in float64 and round
once to float32, but in other orders: a distance may differ by one unit in the last
place.
"""

import triton
import triton.language as tl

from gleann.index.engines.device.steps import keys as key_format
from gleann.index.engines.triton_kernels.finish.sorting import (
    cube_of,
    log2_of,
    sorted_runs,
    store_run,
)
from gleann.index.engines.triton_kernels.scan.selecting import least_keys

NONE = tl.constexpr(key_format.NONE)
NUMBER_MASK = tl.constexpr(key_format.NUMBER_MASK)


@triton.jit
def terms_of(rows, query, METRIC: tl.constexpr):
    """The float64 terms whose sum gives the distance."""
    if METRIC == "ip":
        return rows * query
    apart = rows - query
    return apart * apart


@triton.jit
def distance_of(total, METRIC: tl.constexpr):
    """The distance by its sum of terms; see `device.steps.rerank.pair_distances`."""
    if METRIC == "ip":
        total = -total
    if METRIC == "cosine":
        total = total * 0.5
    return total.to(tl.float32)


@triton.jit
def summed_terms(
    query,  # float32 (D)
    vectors,  # float32 (n, D)
    row,  # int64 (TILE)
    known,  # bool (TILE)
    D: tl.constexpr,
    METRIC: tl.constexpr,
    BLOCK: tl.constexpr,
    ADJACENT: tl.constexpr,
):
    """Float64 (TILE): sums over all dimensions; 0 where `known` is false."""
    SHAPE: tl.constexpr = (row.numel, BLOCK // ADJACENT, ADJACENT)
    sums = tl.zeros((row.numel, BLOCK // ADJACENT), tl.float64)
    for first in range(0, D, BLOCK):
        column = first + tl.arange(0, BLOCK)
        inside = column < D
        asked = tl.load(query + column, mask=inside, other=0)
        stored = tl.load(
            vectors + row[:, None] * D + column[None, :],
            mask=known[:, None] & inside[None, :],
            other=0,
        )
        terms = terms_of(stored.to(tl.float64), asked.to(tl.float64)[None, :], METRIC)
        # What a thread has read at once it adds up at once: fewer sums to hold.
        sums += tl.sum(tl.reshape(terms, SHAPE), axis=2)
    return tl.sum(sums, axis=1)


@triton.jit(do_not_specialize=["width", "tiles", "keep"])
def rerank_rows(
    queries,  # float32 (nq, D)
    vectors,  # float32 (n, D)
    candidates,  # int64 (nq, width), keys of rows; their scores are ignored
    out,  # int64 (nq, tiles, keep)
    width,
    tiles,
    keep,
    D: tl.constexpr,
    METRIC: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    ADJACENT: tl.constexpr,
):
    """Keep the `keep` nearest of each tile of candidates, ascending; keep <= TILE."""
    LENGTH: tl.constexpr = log2_of(TILE)
    query = (tl.program_id(0) // tiles).to(tl.int64)
    column = tl.arange(0, TILE)
    place = tl.program_id(0) % tiles * TILE + column
    key = tl.load(candidates + query * width + place, mask=place < width, other=NONE)
    known = key != NONE
    row = tl.where(known, key & NUMBER_MASK, 0)
    total = summed_terms(
        queries + query * D, vectors, row, known, D, METRIC, BLOCK, ADJACENT
    )
    # The sums come copied to every thread of a row. Gathered they do not, and sorting
    # them takes a quarter of the instructions.
    near = tl.gather(distance_of(total, METRIC), column, 0)
    found = tl.where(known, least_keys(near) | row, NONE)
    runs = sorted_runs(tl.reshape(found, cube_of(TILE)), LENGTH, False)
    store_run(out + tl.program_id(0).to(tl.int64) * keep, runs, keep, LENGTH)
