"""Type aliases of arrays: the dtype, and what the numbers mean.

Shapes are stated where an array is used.
"""

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.texts import Texts

Vectors: TypeAlias = NDArray[np.float32]
"""Rows of a matrix, C-contiguous (n, d)."""


class RowMatrix(Protocol):
    """Rows (n, d) that give float32 wherever they are indexed, however they are kept.

    An array is one; `HalfRows` and `DiskRows` are others. `np.asarray` makes a float32
    copy of all of these.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what is taken of them."""

    @property
    def nbytes(self) -> int:
        """Bytes as they are kept."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """Float32 (..., d) of a slice, a mask or of row numbers (...)."""

    def __array__(self) -> NDArray[Any]:
        """Float32 (n, d)."""


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
