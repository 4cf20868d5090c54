"""What the scan kernels do with scores: pack, keep two a slot, fold slots to buckets.

The twin in plain torch is `device.scan.bucket_keys`, which says what all this means.
"""

import triton
import triton.language as tl

from gleann.index.engines.device import bucketing, keys, kinds, layout, scan

TILE = tl.constexpr(kinds.TILE)
KEPT = tl.constexpr(bucketing.KEPT)
CHUNK_MASK = tl.constexpr(bucketing.CHUNK_MASK)
SCORE_MASK = tl.constexpr(~bucketing.CHUNK_MASK)
MAGNITUDE = tl.constexpr(0x7FFFFFFF)
NONE = tl.constexpr(keys.NONE)
NUMBER_BITS = tl.constexpr(keys.NUMBER_BITS)
NUMBER_MASK = tl.constexpr(keys.NUMBER_MASK)
EMPTY_BIAS = tl.constexpr(layout.EMPTY_BIAS)
EMPTY_SCORE = tl.constexpr(layout.EMPTY_SCORE)
PACKED_NOTHING = tl.constexpr(scan.PACKED_NOTHING)


@triton.jit
def packed_with(scores, chunk):
    """Float32 scores with their low bits replaced by the number of the chunk."""
    bits = scores.to(tl.int32, bitcast=True)
    return ((bits & SCORE_MASK) | chunk).to(tl.float32, bitcast=True)


@triton.jit
def least_keys(scores):
    """The least key that an entry of each score can have."""
    bits = (scores + 0.0).to(tl.int32, bitcast=True)
    ordered = bits ^ ((bits >> 31) & MAGNITUDE)
    return ordered.to(tl.int64) << NUMBER_BITS


@triton.jit
def make_keys(scores, entries):
    """See `device.keys.make_keys`; NONE where the score is that of no entry."""
    key = least_keys(scores) | entries.to(tl.int64)
    return tl.where(scores >= EMPTY_SCORE, NONE, key)


@triton.jit
def by_chunk(best, second):
    """The same packed scores, equal ones in the order of their chunks.

    Of equal negative scores the later chunk packs lower.
    """
    low = best.to(tl.int32, bitcast=True)
    high = second.to(tl.int32, bitcast=True)
    swap = ((low ^ high) & SCORE_MASK) == 0
    swap &= (low & CHUNK_MASK) > (high & CHUNK_MASK)
    return tl.where(swap, second, best), tl.where(swap, best, second)


@triton.jit
def unpacked(packed, start, slots):
    """Keys of packed scores, in the span that begins at entry `start`."""
    bits = packed.to(tl.int32, bitcast=True)
    scores = (bits & SCORE_MASK).to(tl.float32, bitcast=True)
    return make_keys(scores, start + (bits & CHUNK_MASK) * TILE + slots)


@triton.jit
def three_smallest(a1, a2, a3, b1, b2, b3):
    """The three smallest of two ascending triples."""
    second = tl.minimum(tl.minimum(a2, b2), tl.maximum(a1, b1))
    third = tl.minimum(
        tl.minimum(a3, b3),
        tl.minimum(tl.maximum(a1, b2), tl.maximum(a2, b1)),
    )
    return tl.minimum(a1, b1), second, third


@triton.jit
def hidden_by_slots(second, places, length):
    """The least key that slots dropped, by the packed second best of each.

    A slot of two entries dropped none.
    """
    bits = second.to(tl.int32, bitcast=True)
    scores = (bits & SCORE_MASK).to(tl.float32, bitcast=True)
    hiding = places + KEPT * TILE < length
    least = tl.min(tl.where(hiding, scores, PACKED_NOTHING), axis=0)
    return tl.where(least >= EMPTY_SCORE, NONE, least_keys(least))


@triton.jit
def hidden_by_buckets(third):
    """The least key that buckets dropped, by the third of each."""
    least = tl.min(third, axis=0)
    return tl.where(least == NONE, NONE, least >> NUMBER_BITS << NUMBER_BITS)


@triton.jit
def kept_keys(best, second, start, places, length, SHAPE: tl.constexpr):
    """Fold the slots of one span, which begins at entry `start`, to buckets.

    SHAPE is (buckets, slots a bucket) and what else `best` and `second` have. `places`
    are the numbers of the slots, to broadcast with them.

    Returns:
        Keys of the best and the second of each bucket, and the least key dropped.
    """
    best, second = by_chunk(best, second)
    bound = hidden_by_slots(second, places, length)
    low = unpacked(best, start, places)
    high = unpacked(second, start, places)
    if SHAPE[0] < TILE:
        low, high, third = tl.reduce(
            (
                tl.reshape(low, SHAPE),
                tl.reshape(high, SHAPE),
                tl.full(SHAPE, NONE, tl.int64),
            ),
            1,
            three_smallest,
        )
        bound = tl.minimum(bound, hidden_by_buckets(third))
    return low, high, bound
