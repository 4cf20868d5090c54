"""Distances to labelled rows for votes of 1 / d^4, and the labels as votes."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidInputError
from gleann.selection.among import SomeVectors, peak_of

_ROUNDING = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 2e-15}
SMALL, FAR = 1e-15, 1e15
"""Where all coordinates are smaller, or one is larger, squares leave float32."""
LARGEST_LABEL = 1e30
"""A label beyond it could leave float32 where many vote."""
Wide = NDArray[np.floating]
"""float32, or float64 where coordinates are far out."""


def as_votes(labels: NDArray[np.float64]) -> Vectors:
    """Labels (m,) in float32.

    Raises:
        InvalidInputError: one so large that a sum of votes could leave float32.
    """
    if (far := np.flatnonzero(np.abs(labels) > LARGEST_LABEL)).size:
        raise InvalidInputError(
            f"labels must be within {LARGEST_LABEL:g} of 0, got {labels[far[0]]:g}"
            f" at place {far[0]}"
        )
    return labels.astype(np.float32)


def median_of(points: Vectors | SomeVectors, labelled: Rows) -> Wide:
    """The median (d,) of the labelled rows, in the precision for distances from it.

    Distances between rows near the origin lose fewer digits, and outliers do not move
    the median away from the other rows.
    """
    middle = np.median(points[labelled].astype(np.float64), axis=0)
    peak = peak_of(points)
    return middle.astype(np.float32) if SMALL <= peak <= FAR else middle


def centred(points: Vectors, origin: Wide) -> Wide:
    """Points (m, d) from an origin (d,), in the precision of the origin."""
    moved: Wide = points - origin
    return moved


def rounding_of(dtype: np.dtype[np.floating]) -> float:
    """More than |x|^2 - 2 x.c + |c|^2 loses, relative to |x|^2 + |c|^2."""
    return _ROUNDING[dtype]
