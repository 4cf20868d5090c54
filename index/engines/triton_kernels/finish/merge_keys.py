"""Merges the kept entries to the best distinct rows of each query.

The twin in plain torch is `device.steps.merge.merge`.
"""

import triton
import triton.language as tl

from gleann.index.engines.device.steps import bitmap
from gleann.index.engines.device.steps import keys as key_format
from gleann.index.engines.triton_kernels.finish.sorting import (
    cube_of,
    log2_of,
    merged,
    reversed_bits,
    sorted_runs,
    store_run,
)

NONE = tl.constexpr(key_format.NONE)
NUMBER_MASK = tl.constexpr(key_format.NUMBER_MASK)
SCORE_MASK = tl.constexpr(~key_format.NUMBER_MASK)
WORD_BITS = tl.constexpr(bitmap.WORD_BITS)


@triton.jit
def row_keys(key, rows, copy_of, words):
    """Keys of entries as keys of rows; NONE for second copies. See `merge.rows_of`."""
    none = key == NONE
    entry = tl.where(none, 0, key & NUMBER_MASK)
    home = tl.load(copy_of + entry)
    known = tl.maximum(home, 0)
    word = tl.load(words + known // WORD_BITS)
    copy = (home >= 0) & (((word >> (known % WORD_BITS)) & 1) == 1)
    row = tl.load(rows + entry).to(tl.int64)
    return tl.where(none | copy, NONE, (key & SCORE_MASK) | row)


@triton.jit(do_not_specialize=["width", "share", "parts", "words", "keep"])
def merge_keys(
    keys,  # int64 (nq, width) of entries
    rows,  # int32 (entries)
    copy_of,  # int32 (entries)
    probed,  # int32 (nq, words)
    out,  # int64 (nq, parts, keep) of rows
    width,
    share,
    parts,
    words,
    keep,
    KEEP: tl.constexpr,
    RUNS: tl.constexpr,
):
    """Keep the `keep` smallest keys of each part of a query, ascending; KEEP >= keep.

    A part is `share` keys of a query's `width`.
    """
    LENGTH: tl.constexpr = log2_of(KEEP)
    query = (tl.program_id(0) // parts).to(tl.int64)
    first = tl.program_id(0) % parts * share
    end = tl.minimum(first + share, width)
    places = tl.arange(0, RUNS * KEEP)
    best = tl.full(cube_of(RUNS * KEEP), NONE, tl.int64)
    for start in range(first, end, RUNS * KEEP):
        place = start + places
        key = tl.load(keys + query * width + place, mask=place < end, other=NONE)
        found = row_keys(key, rows, copy_of, probed + query * words)
        # Any order will do for keys that are sorted.
        found = sorted_runs(tl.reshape(found, cube_of(RUNS * KEEP)), LENGTH, True)
        best = merged(tl.minimum(best, found), LENGTH, False)
    store_run(out + tl.program_id(0).to(tl.int64) * keep, best, keep, LENGTH)


@triton.jit(do_not_specialize=["parts", "length", "keep"])
def merge_runs(
    keys,  # int64 (nq, parts, length), each part ascending
    out,  # int64 (nq, keep)
    parts,
    length,
    keep,
    KEEP: tl.constexpr,
    RUNS: tl.constexpr,
):
    """Keep the `keep` smallest keys of a query; KEEP >= `keep` and `length`."""
    LENGTH: tl.constexpr = log2_of(KEEP)
    query = tl.program_id(0).to(tl.int64)
    flat = tl.arange(0, RUNS * KEEP)
    run = flat % RUNS
    place = reversed_bits(flat // RUNS, LENGTH)
    # Even runs of the best ascend: theirs must descend, and the other way about.
    place = tl.where(2 * run < RUNS, KEEP - 1 - place, place)
    best = tl.full(cube_of(RUNS * KEEP), NONE, tl.int64)
    for first in range(0, parts, RUNS):
        found = tl.load(
            keys + (query * parts + first + run) * length + place,
            mask=(first + run < parts) & (place < length),
            other=NONE,
        )
        found = tl.reshape(found, cube_of(RUNS * KEEP))
        best = merged(tl.minimum(best, found), LENGTH, False)
    store_run(out + query * keep, best, keep, LENGTH)
