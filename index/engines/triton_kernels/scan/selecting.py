"""Selection in the scan kernels: pack scores, keep the best of each bucket, unpack.

The twin in plain torch is `device.steps.scan.select`, which says what all this means.
Only what is kept becomes a key of 64 bits; all comparisons are of packed float32
scores. Scores are negated until then, and so the greatest are the best: products enter
one fused multiply-add with each bias without having their signs changed first.
"""

import triton
import triton.language as tl

from gleann.index.engines.device.layout import layout
from gleann.index.engines.device.plan import kinds
from gleann.index.engines.device.steps import keys, scan

TILE = tl.constexpr(kinds.TILE)
MAGNITUDE = tl.constexpr(0x7FFFFFFF)
NONE = tl.constexpr(keys.NONE)
NUMBER_BITS = tl.constexpr(keys.NUMBER_BITS)
NUMBER_MASK = tl.constexpr(keys.NUMBER_MASK)
EMPTY_BIAS = tl.constexpr(layout.EMPTY_BIAS)
EMPTY_SCORE = tl.constexpr(layout.EMPTY_SCORE)
PACKED_NOTHING = tl.constexpr(-scan.PACKED_NOTHING)


@triton.jit
def packed_with(negated, numbers, low_bits):
    """Negated float32 scores with their low bits replaced by `numbers`."""
    bits = negated.to(tl.int32, bitcast=True)
    return ((bits & (-1 << low_bits)) | numbers).to(tl.float32, bitcast=True)


@triton.jit
def split_packed(packed, low_bits):
    """Rounded scores, no longer negated, and what took their low bits."""
    bits = packed.to(tl.int32, bitcast=True)
    rounded = bits & (-1 << low_bits)
    return -rounded.to(tl.float32, bitcast=True), bits ^ rounded


@triton.jit
def least_keys(scores):
    """The least key that an entry of each score can have."""
    bits = (scores + 0.0).to(tl.int32, bitcast=True)
    ordered = bits ^ ((bits >> 31) & MAGNITUDE)
    return ordered.to(tl.int64) << NUMBER_BITS


@triton.jit
def make_keys(scores, entries):
    """See `device.steps.keys.make_keys`; NONE where the score is that of no entry."""
    key = least_keys(scores) | entries.to(tl.int64)
    return tl.where(scores >= EMPTY_SCORE, NONE, key)


@triton.jit
def three_greatest(a1, a2, a3, b1, b2, b3):
    """The three greatest of two descending triples."""
    second = tl.maximum(tl.maximum(a2, b2), tl.minimum(a1, b1))
    third = tl.maximum(
        tl.maximum(a3, b3),
        tl.maximum(tl.minimum(a1, b2), tl.minimum(a2, b1)),
    )
    return tl.maximum(a1, b1), second, third


@triton.jit
def with_one_more(a1, a2, a3, one):
    """The three greatest of a descending triple and one more."""
    less = tl.minimum(a1, one)
    third = tl.maximum(a3, tl.minimum(a2, less))
    return tl.maximum(a1, one), tl.maximum(a2, less), third


@triton.jit
def with_four_more(a1, a2, a3, four):
    """The three greatest of a descending triple and four more, by 18 comparisons."""
    high, low = tl.maximum(four[0], four[1]), tl.minimum(four[0], four[1])
    other, least = tl.maximum(four[2], four[3]), tl.minimum(four[2], four[3])
    upper, lower = tl.minimum(high, other), tl.maximum(low, least)
    second, third = tl.maximum(upper, lower), tl.minimum(upper, lower)
    return three_greatest(a1, a2, a3, tl.maximum(high, other), second, third)


@triton.jit
def kept_keys(packed, start, buckets, low_bits, SLOTS: tl.constexpr):
    """Keys of packed scores of `buckets`, in the span that begins at entry `start`.

    The slots of a bucket are those of `device.plan.bucketing.slot_table`.
    """
    scores, numbers = split_packed(packed, low_bits)
    entries = start + numbers // SLOTS * TILE
    if SLOTS == 1:
        entries += buckets
    else:
        entries += (buckets >> 3 << 4) + (buckets & 7)
        entries += ((numbers & 1) << 3) + ((numbers & (SLOTS - 2)) << 5)
    return make_keys(scores, entries)


@triton.jit
def dropped_key(third, low_bits):
    """The least key of what was dropped, by the best third of all buckets."""
    score, _ = split_packed(third, low_bits)
    return tl.where(score >= EMPTY_SCORE, NONE, least_keys(score))
