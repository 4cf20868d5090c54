"""Squared distances of pairs of rows, in the summation order that defines picks.

The definition is `selection.coreset.distance.contract.squared_l2`: float64 differences,
squared and summed in sixteen lanes, which are then folded by halves; every operation is
rounded separately, so products and sums must not be fused. The torch twin
`selection.coreset.distance.device.squared_l2` stores several float64 copies of each
pair's values; here they stay in registers.
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


# Not specialised on the count of pairs, which varies: it would trigger recompilation.
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
    """The squared distances of corresponding rows of `first` and `second`."""
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
