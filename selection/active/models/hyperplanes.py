"""The hyperplanes of a linear classifier, as queries to an index."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Vectors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hyperplanes:
    """Directions and decision planes of a linear classifier.

    Attributes:
        directions: float32 (c, d); a class grows likelier along each.
        normals: float32 (p, d), weights of the hyperplanes between classes.
        offsets: (p,); a row x lies on plane j where normals[j].x + offsets[j] is 0.
    """

    directions: Vectors
    normals: Vectors
    offsets: NDArray[np.float64]
