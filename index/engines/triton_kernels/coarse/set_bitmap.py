"""The bitmap of the lists that each query probes.

The twin in plain torch is `device.steps.bitmap.bitmap_of`.
"""

import triton
import triton.language as tl

from gleann.index.engines.device.steps import bitmap

WORD_BITS = tl.constexpr(bitmap.WORD_BITS)


@triton.jit(
    do_not_specialize=["nprobe", "words"],
    do_not_specialize_on_alignment=["list_nos"],
)
def set_bitmap(
    list_nos,  # int64 (nq, nprobe), -1 for no list
    probed,  # int32 (nq, words)
    nprobe,
    words,
    WORDS: tl.constexpr,
):
    """WORDS words of one query."""
    query = tl.program_id(0).to(tl.int64)
    word = tl.program_id(1) * WORDS + tl.arange(0, WORDS)
    bits = tl.zeros((WORDS,), tl.int32)
    for rank in range(nprobe):
        list_no = tl.load(list_nos + query * nprobe + rank).to(tl.int32)
        bit = tl.full((WORDS,), 1, tl.int32) << (list_no & (WORD_BITS - 1))
        there = (list_no >= 0) & (list_no // WORD_BITS == word)
        bits |= tl.where(there, bit, 0)
    tl.store(probed + query * words + word, bits, mask=word < words)
