"""Fused kernel for coverage gains of candidates; similarities never reach memory.

A program compares a tile of candidates with a share of the rows and keeps one sum per
candidate. Gains of a tile of rows are summed in float32 and the tiles in float64, in a
fixed order, so sums are reproducible, and exact for integer values.
"""

import triton
import triton.language as tl

from gleann.index.engines.triton_kernels.build.assign_lists import products


# Widths and shares are whole tiles: known multiples of 16, they keep loads wide.
@triton.jit
def sum_gains(
    vectors,  # float32 (D, rows_width), one row per column, zero-padded to whole tiles
    chosen,  # float32 (D, chosen_width), likewise
    covered,  # float32 (rows_width), 0 for padding
    sums,  # float64 (shares, chosen_width)
    rows_width,
    chosen_width,
    share,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    LISTS: tl.constexpr,
):
    """The sum over a share of rows of max(0, x.c - covered), for each candidate c."""
    numbers = tl.program_id(0) * LISTS + tl.arange(0, LISTS)
    candidates = chosen, numbers
    begin = tl.program_id(1) * share
    total = tl.zeros((LISTS,), tl.float64)
    for first in range(begin, tl.minimum(begin + share, rows_width), ROWS):
        place = first + tl.arange(0, ROWS)
        rows = vectors, place
        dots = products(rows, rows_width, candidates, chosen_width, D, BLOCK)
        gains = tl.maximum(dots - tl.load(covered + place)[:, None], 0)
        total += tl.sum(gains, axis=0).to(tl.float64)
    into = tl.program_id(1).to(tl.int64) * chosen_width + numbers
    tl.store(sums + into, total)
