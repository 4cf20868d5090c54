"""Proxies from an index: propagate labels to neighbours."""
from numpy.typing import ArrayLike, NDArray
import numpy as np
from gleann.index import SoarIndex
from gleann.index.arrays import Rows


def representatives(vectors: ArrayLike, *, k: int, seed: int = 0) -> Rows:
    """k rows by farthest-first."""


def propagate_labels(vectors: ArrayLike, *, rows: ArrayLike, labels: ArrayLike, neighbours: int = 5) -> NDArray[np.float32]:
    """proxy (n,): distance-weighted mean over nearest labelled rows. `vectors` = index.vectors."""
