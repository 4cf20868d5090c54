"""The votes of labelled rows on every row, kept as sums that grow with the labels.

`propagate_labels` scores a row by all labelled rows, each of weight 1 / d^4. A score
needs the sums of weights and of weighted labels only, and a new label is one more term
of each: a scan over the new labels alone gives the scores of a scan over all. A
labelled row has no term in its own sums: its score is the one without its own label.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Rows, Vectors
from gleann.selection.among import SomeVectors
from gleann.selection.estimate.proxies.distances import (
    Wide,
    as_votes,
    centred,
    median_of,
    rounding_of,
)
from gleann.selection.progress import ProgressCallback

BLOCK_ROWS, TILE_LABELS = 512, 512
"""Distances held at a time: 1 MiB in float32, which a core's second cache holds."""
PHASE = "propagate"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoteSums:
    """The sums of n rows over the labels so far.

    Attributes:
        nearest: float64 (n,), squared distance to the nearest labelled row other than
            itself; inf where there is none.
        weights: float64 (n,), sum of (nearest / squared distance)^2 over labels.
        votes: float64 (n,), the same with each term times its label.
        lowest: the least label so far.
        highest: the largest.
    """

    nearest: NDArray[np.float64]
    weights: NDArray[np.float64]
    votes: NDArray[np.float64]
    lowest: float = np.inf
    highest: float = -np.inf

    @classmethod
    def none(cls, n: int) -> "VoteSums":
        """Without a label."""
        return cls(nearest=np.full(n, np.inf), weights=np.zeros(n), votes=np.zeros(n))

    def proxies(self) -> NDArray[np.float32]:
        """Scores (n,), as of `propagate_labels` without a row's own label.

        0 for a row that no other label reaches.
        """
        reached = self.weights > 0
        scores = np.zeros_like(self.votes)
        np.divide(self.votes, self.weights, out=scores, where=reached)
        if reached.any():
            np.clip(scores, self.lowest, self.highest, out=scores, where=reached)
        return scores.astype(np.float32)


class LabelVotes:
    """Rows that labelled rows vote on, and the origin that distances are taken from.

    Args:
        vectors: (n, d).
        first: (m,) rows whose median is the origin: from the middle of the rows,
            distances lose few digits.
    """

    def __init__(self, vectors: Vectors | SomeVectors, first: Rows) -> None:
        self._vectors = vectors
        self._origin = median_of(vectors, first)

    def added(
        self,
        sums: VoteSums,
        rows: Rows,
        labels: NDArray[np.floating],
        *,
        progress: ProgressCallback | None = None,
    ) -> VoteSums:
        """`sums` with the votes of more labelled rows.

        The distances are those to the new rows only. The same rows in the same calls
        give the same bits; in other calls, sums differ by the rounding of float32
        within a tile of labels, about 1e-6 of the sum.

        Args:
            sums: of all rows, without these labels.
            rows: (m,) distinct, none of them added before.
            labels: (m,) numbers.
            progress: called as rows are scanned.
        """
        if not len(rows):
            return sums
        votes = as_votes(np.asarray(labels, np.float64))
        tiles = [
            _Tile.of(self._centred(rows[part]), rows[part], votes[part])
            for part in _slices(len(rows), TILE_LABELS)
        ]
        grown = VoteSums(
            nearest=sums.nearest.copy(),
            weights=sums.weights.copy(),
            votes=sums.votes.copy(),
            lowest=min(sums.lowest, float(votes.min())),
            highest=max(sums.highest, float(votes.max())),
        )
        n = len(self._vectors)
        for part in _slices(n, BLOCK_ROWS):
            block = _Block.of(self._centred(part), part)
            for tile in tiles:
                block.add(tile, grown)
            if progress is not None:
                progress(Progress(phase=PHASE, done=part.stop, total=n))
        return grown

    def _centred(self, rows: Rows | slice) -> Wide:
        return centred(self._vectors[rows], self._origin)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tile:
    """Some labelled rows.

    Attributes:
        doubled: (m, d), -2 times the rows.
        lengths: (m,), squared.
        rows: (m,).
        votes: (m,) labels.
    """

    doubled: Wide
    lengths: Wide
    rows: Rows
    votes: Wide

    @classmethod
    def of(cls, centres: Wide, rows: Rows, votes: Vectors) -> "_Tile":
        lengths = np.einsum("ij,ij->i", centres, centres)
        return cls(
            doubled=-2 * centres,
            lengths=lengths,
            rows=rows,
            votes=votes.astype(centres.dtype),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """Some rows that are voted on.

    Attributes:
        points: (b, d).
        lengths: (b, 1), squared.
        least: (b, 1), squared distance that takes the place of smaller ones.
        rows: the slice of them.
    """

    points: Wide
    lengths: Wide
    least: Wide
    rows: slice

    @classmethod
    def of(cls, points: Wide, rows: slice) -> "_Block":
        lengths = np.einsum("ij,ij->i", points, points)[:, None]
        tiny = np.finfo(points.dtype).tiny
        least = np.maximum(lengths * (2 * rounding_of(points.dtype)), tiny)
        return cls(points=points, lengths=lengths, least=least, rows=rows)

    def add(self, tile: _Tile, sums: VoteSums) -> None:
        """Add the votes of a tile to the sums of these rows."""
        squares = self._squares(tile)
        before = sums.nearest[self.rows]
        nearest = np.minimum(before, squares.min(axis=1))
        # A row whose only label is its own has no nearest: all weights are 0.
        within = np.where(np.isfinite(nearest), nearest, 0)
        weights = np.divide(within.astype(squares.dtype)[:, None], squares, out=squares)
        weights *= weights
        kept = np.square(within / before)
        sums.weights[self.rows] *= kept
        sums.votes[self.rows] *= kept
        sums.weights[self.rows] += weights @ np.ones_like(tile.votes)
        sums.votes[self.rows] += weights @ tile.votes
        sums.nearest[self.rows] = nearest

    def _squares(self, tile: _Tile) -> Wide:
        """Squared distances (b, m), inf from a row to itself."""
        squares: Wide = self.points @ tile.doubled.T
        squares += tile.lengths
        squares += self.lengths
        # Rounding errors between equal rows become one small number, so that these
        # rows have equal weights.
        np.maximum(squares, self.least, out=squares)
        own = (tile.rows >= self.rows.start) & (tile.rows < self.rows.stop)
        squares[tile.rows[own] - self.rows.start, np.flatnonzero(own)] = np.inf
        return squares


def _slices(n: int, step: int) -> Iterator[slice]:
    for first in range(0, n, step):
        yield slice(first, min(first + step, n))
