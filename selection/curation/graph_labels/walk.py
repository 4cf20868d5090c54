"""The random walk over a symmetrised graph."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.selection.curation.graph_labels.weights import Weights

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walk:
    """Steps between n rows: each to a neighbour, with a chance by the edge's weight.

    Attributes:
        order: int64 (n,), the rows in the order of `steps`: neighbours are near each
            other in it, so that a sweep reads memory that is in the cache (Cuthill and
            McKee 1969).
        steps: scipy matrix (n, n), rows and columns in that order; its rows sum to one,
            or to 0 where a row has no edges.
        degrees: float64 (n,), the sum of each row's weights.
        pieces: int32 (n,), the number of the connected piece that a row is in.
    """

    order: Rows
    steps: "csr_array"
    degrees: NDArray[np.float64]
    pieces: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.degrees)

    @property
    def positions(self) -> Rows:
        """(n,) the position of each row in `order`."""
        positions = np.empty(len(self), np.int64)
        positions[self.order] = np.arange(len(self))
        return positions

    @classmethod
    def of_edges(cls, places: NDArray[np.int32], weights: Weights) -> "Walk":
        """The walk over edges read in both directions.

        The weight between two rows is the mean of both directions', so an edge that
        both ends found counts twice as much as one that a single end found. Edges of
        weight 0 are left out.

        Args:
            places: int32 (n, k), the neighbours of each row, no row its own.
            weights: (n, k), 0 for no edge.
        """
        # Imported here: it takes a fifth of a second, which only this method needs.
        from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee

        matrix = _symmetric(places, weights)
        _, pieces = connected_components(matrix, directed=False)
        degrees = np.asarray(matrix.sum(axis=1), np.float64)
        shares = np.divide(1.0, degrees, out=np.zeros_like(degrees), where=degrees > 0)
        matrix.data *= np.repeat(shares, np.diff(matrix.indptr))
        order = reverse_cuthill_mckee(matrix, symmetric_mode=True).astype(np.int64)
        return cls(
            steps=_reordered(matrix, order),
            degrees=degrees,
            pieces=pieces,
            order=order,
        )

    def without_steps_from(self, rows: Rows) -> "Walk":
        """The same, but for `rows` (m,), which the walk does not leave."""
        from scipy.sparse import csr_array

        stays = np.zeros(len(self), np.bool_)
        stays[self.positions[rows]] = True
        counts = np.diff(self.steps.indptr)
        moving = np.repeat(~stays, counts)
        ends = np.cumsum(np.where(stays, 0, counts), dtype=np.int32)
        indptr = np.concatenate([np.zeros(1, np.int32), ends])
        parts = (self.steps.data[moving], self.steps.indices[moving], indptr)
        return replace(self, steps=csr_array(parts, shape=self.steps.shape))

    def blocks(self, width: int) -> list[tuple[slice, "csr_array"]]:
        """Slices of `order` and their steps (b, n), which share the memory of all.

        Args:
            width: values of a row; those of a block fit a core's private cache.
        """
        from scipy.sparse import csr_array

        steps, blocks = self.steps, []
        for block in block_slices(len(self), BLOCK_VALUES // width):
            first, last = steps.indptr[block.start], steps.indptr[block.stop]
            indptr = steps.indptr[block.start : block.stop + 1] - first
            parts = (steps.data[first:last], steps.indices[first:last], indptr)
            shape = (block.stop - block.start, len(self))
            blocks.append((block, csr_array(parts, shape=shape)))
        return blocks


def _symmetric(places: NDArray[np.int32], weights: Weights) -> "csr_array":
    """The mean of both directions' weights, as a matrix (n, n)."""
    from scipy.sparse import csr_array

    n = len(places)
    real = weights > 0
    indptr = np.concatenate([[0], np.cumsum(real.sum(axis=1))]).astype(np.int32)
    found = csr_array((weights[real], places[real], indptr), shape=(n, n))
    found.sort_indices()
    return (found + found.T.tocsr()) * 0.5


def _reordered(matrix: "csr_array", order: Rows) -> "csr_array":
    """Rows and columns in `order`, which are numbered by it."""
    from scipy.sparse import csr_array

    positions = np.empty(len(order), np.int32)
    positions[order] = np.arange(len(order), dtype=np.int32)
    moved = matrix[order]
    return csr_array(
        (moved.data, positions[moved.indices], moved.indptr), shape=matrix.shape
    )
