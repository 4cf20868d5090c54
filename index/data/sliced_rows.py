"""Rows (n, d) that are read from where they are when a slice is taken."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.parallel.blocks import block_slices

BLOCK_BYTES = 1 << 24
"""Bytes that a copy of all rows reads at once."""


class SlicedRows(ABC):
    """Rows that are read on access; a `RowSource` of `SoarIndex.build_on_disk`.

    Attributes:
        dtype: of the numbers, as they are stored.
        shape: (n, d).
    """

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @abstractmethod
    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows (m, d) of a slice without a step.

        Raises:
            CorruptDataError: the file was changed since it was opened.
            InvalidInputError: a row that is no vector, with its number; or no slice, or
                one with a step.
        """

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: np.dtype[np.generic] | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        """All rows, in memory."""
        del copy  # the result is always a copy
        out = np.empty(self.shape, self.dtype if dtype is None else dtype)
        row_bytes = max(1, self.dtype.itemsize * int(np.prod(self.shape[1:])))
        for block in block_slices(len(self), max(1, BLOCK_BYTES // row_bytes)):
            out[block] = self[block]
        return out


def ends_of(rows: object, n: int) -> tuple[int, int]:
    """The first of n rows that a slice takes, and the one behind the last.

    Raises:
        InvalidInputError: no slice, or one with a step.
    """
    if not isinstance(rows, slice) or rows.step not in (None, 1):
        raise InvalidInputError(
            f"rows are read by slices without a step, such as [:10], got {rows!r:.60};"
            " np.asarray reads all of them"
        )
    start, stop, _ = rows.indices(n)
    return start, max(start, stop)


class ChainedRows(SlicedRows):
    """The rows of several sources, one behind the other."""

    def __init__(self, parts: Sequence[SlicedRows], names: Sequence[str]) -> None:
        """Chain rows of one dimension.

        Args:
            parts: at least one.
            names: what messages call them.

        Raises:
            DimensionMismatchError: parts of different dimensions; names both.
        """
        self._parts = tuple(parts)
        for part, name in zip(parts, names, strict=True):
            if part.shape[1:] != parts[0].shape[1:]:
                raise DimensionMismatchError(
                    f"{name} has rows of shape {part.shape[1:]}, and {names[0]} of"
                    f" {parts[0].shape[1:]}"
                )
        self._ends = np.cumsum([len(part) for part in parts])
        self.dtype = np.result_type(*(part.dtype for part in parts))
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice, of the dtype that holds those of all parts."""
        start, stop = ends_of(rows, len(self))
        out = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for part, end in zip(self._parts, self._ends.tolist(), strict=True):
            begin = end - len(part)
            first, last = max(start, begin), min(stop, end)
            if first < last:
                out[first - start : last - start] = part[first - begin : last - begin]
        return out
