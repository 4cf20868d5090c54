"""Type aliases of arrays: the dtype, and what the numbers mean.

Shapes are stated where an array is used.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.texts import Texts

Vectors: TypeAlias = NDArray[np.float32]
"""Rows of a matrix, C-contiguous (n, d)."""

Distances: TypeAlias = NDArray[np.float32]
"""Smaller is nearer: squared L2, 1 - cos, or -ip."""

Ids: TypeAlias = NDArray[np.int64] | NDArray[np.str_]
"""The caller's names of vectors; -1 or "" for none."""

HeldIds: TypeAlias = NDArray[np.int64] | Texts
"""Ids in memory: int64, or UTF-8 in which a long string costs its own length only."""

Rows: TypeAlias = NDArray[np.int64]
"""Positions in a matrix; -1 for none."""

ListNos: TypeAlias = NDArray[np.int32]
"""Numbers of inverted lists; -1 for none."""

Mask: TypeAlias = NDArray[np.bool_]
"""One flag a row."""
