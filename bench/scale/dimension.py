"""Intrinsic dimension of rows, from the distances of queries to their nearest rows.

Both estimators take the surface to be flat and evenly filled up to the distances they
look at. With few rows in many dimensions these are long, and both then tell too little:
so an estimate is to be read beside that of the rows before they were embedded.
"""

import numpy as np

from gleann.index.arrays import Distances


def two_nn(distances: Distances) -> tuple[float, float]:
    """TwoNN (Facco et al. 2017): the estimate and its standard error.

    The ratio of the distances to the second and the first neighbour has a Pareto
    distribution, whose exponent is the dimension. We take its maximum likelihood
    instead of a line through the empirical distribution.

    Args:
        distances: (nq, >= 2), ascending and metric (not squared); queries on a row are
            left out.
    """
    near = distances[distances[:, 0] > 0, :2].astype(np.float64)
    total = np.log(near[:, 1] / near[:, 0]).sum()
    count = len(near)
    return float((count - 1) / total), float((count - 1) / total / count**0.5)


def levina_bickel(distances: Distances) -> float:
    """Maximum likelihood (Levina and Bickel 2004), inverses averaged over queries.

    The average is that of MacKay and Ghahramani (2005), which has no bias.

    Args:
        distances: (nq, k), k at least 2; as in `two_nn`.
    """
    near = distances[distances[:, 0] > 0].astype(np.float64)
    inverses = np.log(near[:, -1:] / near[:, :-1]).mean(axis=1)
    return float(1 / inverses.mean())


def metric_distances(distances: Distances, metric: str) -> Distances:
    """Distances of gleann (squared, 1 - cos) as metric ones, at least 0."""
    factor = 2.0 if metric == "cosine" else 1.0  # 1 - cos is half the squared length
    return np.sqrt(factor * np.maximum(distances, 0))
