"""SOAR and AIR spilling: the second list of each row.

SOAR (Sun et al., NeurIPS 2023, https://arxiv.org/abs/2404.00774) minimises
|r'|^2 + lambda * (r_hat . r')^2 over the second residual r' = x - c', so that the copy
is found by the queries that miss the primary. For L2 the sign of the correlation
matters: AIR (Yang and Chen, SIGMOD 2026, https://arxiv.org/abs/2601.07183) minimises
|r'|^2 + lambda * r.r', which is the nearest centroid to x + (lambda / 2) r.

Differences from the papers: in both, the primary stays in the arg-min (as in ScaNN and
SRAIR), so a row whose best second list is its first is not spilled, and lambda = 0
spills nothing. A residual counts as zero relative to the scale of the data, not
absolutely. And r.c' is computed from x.c' and the products among centroids, which saves
the second product of rows and centroids.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import ListNos, RowMatrix, Vectors
from gleann.index.heartbeat import beat
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import DEFAULT_LAMBDA, ZERO_RESIDUAL, BuildParams

MOST_PRODUCTS = 1 << 26
"""Limit on cached products among centroids; larger sets are computed block by block."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Products:
    """The inner products of a block of rows that determine the losses.

    Attributes:
        squares: (nlist,) |c'|^2.
        dots: (m, nlist) x.c'.
        residual_dots: (m, nlist) r.c', with r = x - c of the primary c.
        residual_row: (m,) r.x.
        residual_square: (m,) |r|^2.
        primary: (m,) the nearest list, ties to the lower number.
    """

    squares: Vectors
    dots: Vectors
    residual_dots: Vectors
    residual_row: Vectors
    residual_square: Vectors
    primary: ListNos


class Spiller:
    """Assigns blocks of rows to their first and second list.

    Args:
        centroids: (nlist, d).
        params: metric, spill and spill_lambda.
        scale: mean squared length of all rows; residuals far below it count as zero.
    """

    def __init__(
        self, centroids: Vectors, params: BuildParams, *, scale: float
    ) -> None:
        self._centroids = centroids
        self._params = params
        self._zero = ZERO_RESIDUAL * scale
        self._squares = np.einsum("ij,ij->i", centroids, centroids)
        self._gram = None
        if len(centroids) ** 2 <= MOST_PRODUCTS:
            self._gram = centroids @ centroids.T

    def assign(
        self, vectors: Vectors, among: ListNos | None = None
    ) -> tuple[ListNos, ListNos]:
        """First and second list of each prepared row (m, d); -1 where not spilled.

        Args:
            vectors: (m, d).
            among: int32 (m, p), the lists to choose from, at least two; None for all.
        """
        dots = vectors @ self._centroids.T
        losses = _only(self._squares / 2 - dots, among)
        primary = losses.argmin(axis=1).astype(np.int32)
        none = np.full(len(vectors), -1, np.int32)
        if self._params.assumed_spill == "none" or len(self._centroids) < 2:
            return primary, none
        products = self.products(vectors, dots, primary)
        second = self._second(products, among)
        if self._params.assumed_spill == "soar":
            second[products.residual_square <= self._zero] = -1
        second[second == primary] = -1
        return primary, second

    def products(self, vectors: Vectors, dots: Vectors, primary: ListNos) -> Products:
        """The products of a block, from its x.c' and primaries."""
        residuals = vectors - self._centroids[primary]
        if self._gram is None:
            among = self._centroids[primary] @ self._centroids.T
        else:
            among = self._gram[primary]
        return Products(
            squares=self._squares,
            dots=dots,
            residual_dots=np.subtract(dots, among, out=among),
            residual_row=np.einsum("ij,ij->i", residuals, vectors),
            residual_square=np.einsum("ij,ij->i", residuals, residuals),
            primary=primary,
        )

    def _second(self, products: Products, among: ListNos | None) -> ListNos:
        if self._params.spill == "naive":
            loss = naive_loss(products)
        else:
            weight = self._params.spill_lambda
            if weight is None:
                weight = DEFAULT_LAMBDA
            rule = air_loss if self._params.metric == "l2" else soar_loss
            loss = rule(products, spill_lambda=weight)
        return _only(loss, among).argmin(axis=1).astype(np.int32)


def _only(losses: Vectors, among: ListNos | None) -> Vectors:
    """Losses (m, nlist) of the lists of `among` (m, p), infinite for others."""
    if among is None:
        return losses
    kept = np.full_like(losses, np.inf)
    few = np.take_along_axis(losses, among, axis=1)
    np.put_along_axis(kept, among, few, axis=1)
    return kept


def soar_loss(products: Products, *, spill_lambda: float) -> Vectors:
    """|r'|^2 + lambda * (r_hat . r')^2 of every list (m, nlist), minus |x|^2."""
    square = products.residual_square
    weight = spill_lambda / np.where(square > 0, square, 1)
    loss: Vectors = products.residual_row[:, None] - products.residual_dots
    # Multiply by the weight first: the square alone can overflow float32 for long rows.
    loss *= loss * weight.astype(np.float32)[:, None]
    loss += products.squares
    loss -= 2 * products.dots
    return loss


def air_loss(products: Products, *, spill_lambda: float) -> Vectors:
    """|r'|^2 + lambda * r.r' of every list (m, nlist), minus terms common to all."""
    loss: Vectors = products.residual_dots * np.float32(-spill_lambda)
    loss += products.squares
    loss -= 2 * products.dots
    return loss


def naive_loss(products: Products) -> Vectors:
    """|r'|^2 of every list but the primary (m, nlist), minus |x|^2."""
    loss: Vectors = products.squares - 2 * products.dots
    np.put_along_axis(loss, products.primary[:, None].astype(np.int64), np.inf, axis=1)
    return loss


def less(vectors: Vectors, center: Vectors | None) -> Vectors:
    """Rows (m, d) minus `center` (d,), unless it is None."""
    return vectors if center is None else vectors - center


def scale_of(vectors: RowMatrix, center: Vectors | None = None) -> float:
    """Mean squared length of the rows (n, d) minus `center` (d,)."""
    blocks = scale_blocks(vectors.shape)
    return mean_of(squared_lengths(vectors, center, blocks), n=len(vectors))


def scale_blocks(shape: tuple[int, ...]) -> list[slice]:
    """The blocks of rows (n, d) whose squared lengths are added up one by one."""
    return block_slices(shape[0], BLOCK_VALUES // shape[1])


def squared_lengths(
    vectors: RowMatrix, center: Vectors | None, blocks: Iterable[slice]
) -> Iterator[float]:
    """The sum of the squared lengths of the rows of each block, less `center` (d,)."""
    for block in blocks:
        beat()
        wide = less(vectors[block], center).astype(np.float64)
        yield float(np.einsum("ij,ij->", wide, wide))


def mean_of(sums: Iterable[float], *, n: int) -> float:
    """The mean of n numbers of which there are `sums`, added in their order."""
    total = 0.0
    for one in sums:  # as it stands: `sum` makes up for rounding in newer Pythons
        total += one
    return total / n
