"""Squared distances of pairs of rows, in the one order that picks are defined by.

The definition is `selection.coreset.distance.contract.squared_l2`: differences in
float64, squared, and added in sixteen lanes, which are then folded in halves; every
operation is rounded by itself. So products and sums must not be fused. The twin in
plain torch, `selection.coreset.distance.device.squared_l2`, holds each pair's values in
float64 several times over; here they never leave the registers.
"""

import triton
import triton.language as tl

LANES = tl.constexpr(16)


@triton.jit
def halved(lanes):
    """(m, w / 2): the first half of the lanes (m, w) plus the second."""
    WIDTH: tl.constexpr = lanes.shape[1] // 2
    halves = tl.reshape(lanes, (lanes.shape[0], 2, WIDTH))
    low, high = tl.split(tl.permute(halves, (0, 2, 1)))
    return low + high


# Counts of pairs differ from call to call: each kind would have it compiled anew.
@triton.jit(do_not_specialize=["count"])
def pair_squares(
    vectors,  # float32 (n, dim)
    first,  # int64 (count)
    second,  # int64 (count)
    squares,  # float64 (count)
    count,
    dim,
    PAIRS: tl.constexpr,
):
    """The squared distance of each row of `first` to the one of `second` beside it."""
    place = tl.program_id(0).to(tl.int64) * PAIRS + tl.arange(0, PAIRS)
    live = place < count
    a = vectors + tl.load(first + place, mask=live, other=0)[:, None] * dim
    b = vectors + tl.load(second + place, mask=live, other=0)[:, None] * dim
    lanes = tl.zeros((PAIRS, LANES), tl.float64)
    for begin in range(0, dim, LANES):
        along = begin + tl.arange(0, LANES)[None, :]
        x = tl.load(a + along, mask=along < dim, other=0).to(tl.float64)
        y = tl.load(b + along, mask=along < dim, other=0).to(tl.float64)
        lanes += (x - y) * (x - y)
    folded = halved(halved(halved(halved(lanes))))
    tl.store(squares + place, tl.reshape(folded, (PAIRS,)), mask=live)
