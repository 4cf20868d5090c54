"""The best list of each row in one kernel: no score of a row and a list reaches memory.

A program takes a tile of rows past a share of the lists. Products, loss and the best so
far stay in registers. Without residuals the best list is the nearest; with them it is
the one of the least SOAR loss, for which a second product runs beside the first, on the
same values of the centroids. Ties go to the lower list.

Products are of float32 and not of TF32. Where they are exact, as for integers, scores
are those of `build.device.assigner` to the last bit: single rounded operations, which
must not be fused.

Vectors come as columns: then four of one value lie side by side in shared memory, from
where these products, which no matrix unit takes, are read.
"""

import triton
import triton.language as tl


@triton.jit
def values_of(columns, width, first, numbers, BLOCK: tl.constexpr):
    """(BLOCK, numbers): values first.. of some columns."""
    along = (first + tl.arange(0, BLOCK)).to(tl.int64)
    return tl.load(columns + along[:, None] * width + numbers[None, :])


@triton.jit
def products(
    rows, rows_width, lists, lists_width, D: tl.constexpr, BLOCK: tl.constexpr
):
    """(rows, lists): x.c' of some rows and lists; each a pointer and numbers."""
    dots = tl.zeros((rows[1].shape[0], lists[1].shape[0]), tl.float32)
    for first in range(0, D, BLOCK):
        c = values_of(lists[0], lists_width, first, lists[1], BLOCK)
        x = values_of(rows[0], rows_width, first, rows[1], BLOCK)
        dots = tl.dot(tl.trans(x), c, dots, input_precision="ieee")
    return dots


@triton.jit
def products_twice(
    rows,
    residuals,
    rows_width,
    lists,
    lists_width,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """(rows, lists), twice: x.c' and r.c'."""
    dots = tl.zeros((rows[1].shape[0], lists[1].shape[0]), tl.float32)
    others = tl.zeros((rows[1].shape[0], lists[1].shape[0]), tl.float32)
    for first in range(0, D, BLOCK):
        c = values_of(lists[0], lists_width, first, lists[1], BLOCK)
        x = values_of(rows[0], rows_width, first, rows[1], BLOCK)
        r = values_of(residuals, rows_width, first, rows[1], BLOCK)
        dots = tl.dot(tl.trans(x), c, dots, input_precision="ieee")
        others = tl.dot(tl.trans(r), c, others, input_precision="ieee")
    return dots, others


# Blocks of rows differ in length: they would have it compiled anew, for no gain. Widths
# and shares are whole tiles: compiled as multiples of 16, they keep loads wide.
@triton.jit(do_not_specialize=["n", "nlist"])
def assign_lists(
    vectors,  # float32 (D, rows_width), a row a column
    centroids,  # float32 (D, lists_width)
    biases,  # float32 (nlist), -|c'|^2 / 2
    residuals,  # float32 (D, rows_width), None but under SOAR; so are the next two
    along,  # float32 (n), r.x
    weights,  # float32 (n), lambda / 2 / |r|^2
    barred,  # int32 (n), a list that is not taken, or None
    best,  # float32 (shares, n)
    found,  # int32 (shares, n)
    n,
    nlist,
    rows_width,  # n to whole tiles
    lists_width,  # nlist to whole tiles
    share,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    LISTS: tl.constexpr,
):
    """The best list of each row in each share of `share` lists, and its score."""
    numbers = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    live = numbers < n
    rows = vectors, numbers
    begin = tl.program_id(1) * share
    most = tl.full((ROWS,), float("-inf"), tl.float32)
    chosen = tl.zeros((ROWS,), tl.int32)
    for first in range(begin, tl.minimum(begin + share, nlist), LISTS):
        place = first + tl.arange(0, LISTS)
        bias = tl.load(biases + place, mask=place < nlist, other=float("-inf"))
        lists = centroids, place
        if residuals is None:
            dots = products(rows, rows_width, lists, lists_width, D, BLOCK)
            scores = dots + bias[None, :]
        else:
            dots, others = products_twice(
                rows, residuals, rows_width, lists, lists_width, D, BLOCK
            )
            losses = others - tl.load(along + numbers, mask=live, other=0)[:, None]
            weight = tl.load(weights + numbers, mask=live, other=0)
            # The weight first: squared without it, a long row's loss leaves float32.
            losses = losses * (losses * weight[:, None])
            # The minimum changes nothing; see `coarse.rank_lists.score_of`.
            scores = dots + bias[None, :] - tl.minimum(losses, float("inf"))
        if barred is not None:
            taken = tl.load(barred + numbers, mask=live, other=-1)
            other = taken[:, None] != place[None, :]
            scores = tl.where(other, scores, float("-inf"))
        highest, column = tl.max(scores, axis=1, return_indices=True)
        # Lists come in ascending order: an equal one is later.
        chosen = tl.where(highest > most, first + column, chosen)
        most = tl.maximum(most, highest)
    into = tl.program_id(1).to(tl.int64) * n + numbers
    tl.store(best + into, most, mask=live)
    tl.store(found + into, chosen, mask=live)
