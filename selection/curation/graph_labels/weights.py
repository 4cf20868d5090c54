"""Weights of the edges of a neighbour graph, by a kernel of cosine or distance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, RowMatrix, Rows, Vectors
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import Metric
from gleann.selection.curation.graph_labels.params import PropagationParams

Weights = NDArray[np.float64]
"""At least 0; 0 for no edge."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearRows:
    """The neighbours of m rows, by place among them.

    Attributes:
        places: int32 (m, k), nearest first; -1 for none.
        distances: float32 (m, k), by the metric.
        norms: float64 (m,), the lengths of the rows.
        metric: of the distances.
    """

    places: NDArray[np.int32]
    distances: Distances
    norms: NDArray[np.float64]
    metric: Metric

    def squares(self) -> Weights:
        """Squared L2 distances (m, k); under cosine those of the unit rows."""
        far = self.distances.astype(np.float64)
        if self.metric == "cosine":
            far *= 2
        elif self.metric == "ip":
            own = np.square(self.norms)
            far = own[:, None] + own[self.places] + 2 * far
        return np.maximum(far, 0.0, out=far)

    def cosines(self) -> Weights:
        """Cosines (m, k) of the angles between the rows; 0 for a row of zeros."""
        far = self.distances.astype(np.float64)
        if self.metric == "cosine":
            return np.subtract(1.0, far, out=far)
        lengths = self.norms[:, None] * self.norms[self.places]
        if self.metric == "ip":
            inner = np.negative(far, out=far)
        else:
            own = np.square(self.norms)
            inner = (own[:, None] + own[self.places] - far) / 2
        return np.divide(inner, lengths, out=np.zeros_like(far), where=lengths > 0)


def edge_weights(near: NearRows, params: PropagationParams) -> Weights:
    """Weights (m, k) of the edges from each row to its neighbours; 0 for none."""
    if params.kernel == "cosine":
        weights = cosine_weights(near.cosines(), power=params.power)
    elif params.kernel == "gaussian":
        weights = _gaussian(near.squares(), near.places)
    else:
        weights = np.ones(near.places.shape)
    weights[near.places < 0] = 0.0
    return weights


def cosine_weights(cosines: Weights, *, power: float) -> Weights:
    """max(0, cos)^power; no edge, whatever the power, where the cosine is 0 or less."""
    positive = np.clip(cosines, 0.0, 1.0)
    return np.where(positive > 0, positive**power, 0.0)


def cosines_between(vectors: Vectors, rows: Rows, near: Rows) -> Weights:
    """Cosines (m, k) between `rows` (m,) and `near` (m, k) of `vectors` (n, d).

    0 for a row of zeros, and where near is -1.
    """
    found = np.zeros(near.shape)
    norms = norms_of(vectors)
    width = max(1, near.shape[1] * vectors.shape[1])
    for block in block_slices(len(rows), BLOCK_VALUES // width):
        own, others = rows[block], near[block]
        inner = np.einsum("md,mkd->mk", vectors[own], vectors[others], dtype=np.float64)
        lengths = norms[own][:, None] * norms[others]
        real = (others >= 0) & (lengths > 0)
        np.divide(inner, lengths, out=found[block], where=real)
    return found


def norms_of(vectors: RowMatrix) -> NDArray[np.float64]:
    """Lengths (n,) of the rows, in float64."""
    norms = np.empty(len(vectors))
    for block in block_slices(len(vectors), BLOCK_VALUES // vectors.shape[1]):
        wide = vectors[block].astype(np.float64)
        norms[block] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return norms


def _gaussian(squares: Weights, places: NDArray[np.int32]) -> Weights:
    """exp(-d^2 / (s_i s_j)), 1 between equal rows."""
    last = np.where(places >= 0, squares, 0.0).max(axis=1, initial=0.0)
    reach = np.sqrt(last)
    scale = reach[:, None] * reach[places]
    # Where a row has equal neighbours only, its reach is 0: it has no others.
    ratio = np.divide(
        squares, scale, out=np.full_like(squares, np.inf), where=scale > 0
    )
    ratio[squares == 0] = 0.0
    weights: Weights = np.exp(-ratio)
    return weights
