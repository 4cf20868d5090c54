"""From kept entries to the best distinct rows of each query, one query a program.

The twin in plain torch is `device.merge.merge`.
"""

import triton
import triton.language as tl

from gleann.index.engines.device import bitmap
from gleann.index.engines.device import keys as key_format

NONE = tl.constexpr(key_format.NONE)
NUMBER_MASK = tl.constexpr(key_format.NUMBER_MASK)
SCORE_MASK = tl.constexpr(~key_format.NUMBER_MASK)
WORD_BITS = tl.constexpr(bitmap.WORD_BITS)


@triton.jit
def merge_keys(
    keys,  # int64 (nq, width) of entries
    rows,  # int32 (entries)
    copy_of,  # int32 (entries)
    probed,  # int32 (nq, words)
    out,  # int64 (nq, keep) of rows
    width,
    words,
    keep,
    KEEP: tl.constexpr,
):
    """Keep the `keep` smallest keys of a query in ascending order; KEEP >= keep."""
    query = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, KEEP)
    best = tl.full((KEEP,), NONE, tl.int64)
    for first in range(0, width, KEEP):
        place = columns + first
        key = tl.load(keys + query * width + place, mask=place < width, other=NONE)
        entry = tl.where(key == NONE, 0, key & NUMBER_MASK)
        home = tl.load(copy_of + entry)
        known = tl.maximum(home, 0)
        word = tl.load(probed + query * words + known // WORD_BITS)
        copy = (home >= 0) & (((word >> (known % WORD_BITS)) & 1) == 1)
        row = tl.load(rows + entry).to(tl.int64)
        found = tl.where((key == NONE) | copy, NONE, (key & SCORE_MASK) | row)
        # One ascends and the other descends: the smaller of each two are the smallest.
        best = tl.sort(tl.minimum(best, tl.flip(tl.sort(found, 0), 0)), 0)
    tl.store(out + query * keep + columns, best, mask=columns < keep)
