"""The rows of each value of an indexed column."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.ids.held import IdLookup
from gleann.index.payload.gather import MOST_TEXT
from gleann.index.texts import Texts


class ValueRows:
    """Rows by value: 4 bytes a row, and the distinct values with a look-up table.

    Args:
        values: (n,) strings or int64 as Arrow has them, in any number of chunks; rows
            with null have no value.
    """

    def __init__(self, values: Any) -> None:
        if isinstance(values, pa.ChunkedArray):
            values = _whole(values)
        encoded = pc.dictionary_encode(values)
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        self._values = _held(encoded.dictionary)
        self._lookup = IdLookup(self._values)
        counts = np.bincount(codes + 1, minlength=len(self._values) + 1)
        self._ends = np.cumsum(counts)
        order = np.argsort(codes, kind="stable").astype(np.int32)
        order.flags.writeable = False
        self._rows = order

    def __len__(self) -> int:
        """Number of distinct values."""
        return len(self._values)

    @property
    def nbytes(self) -> int:
        """Bytes held, but for the look-up table, which takes 16 a value."""
        return self._rows.nbytes + self._values.nbytes + self._ends.nbytes

    def rows(self, value: object) -> NDArray[np.int32]:
        """The rows (m,) with this value, ascending; read-only."""
        if isinstance(value, str):
            asked: HeldIds = Texts.of_texts([value])
        elif isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
            asked = np.array([value], np.int64)
        else:
            return self._rows[:0]
        place = int(self._lookup.find(asked)[0])
        if place < 0:
            return self._rows[:0]
        return self._rows[self._ends[place] : self._ends[place + 1]]


def _whole(values: Any) -> Any:
    """All chunks in one; more text than offsets of 32 bits count has those of 64."""
    if pa.types.is_string(values.type) and values.nbytes > MOST_TEXT:
        values = values.cast(pa.large_string())
    return values.combine_chunks()


def _held(dictionary: Any) -> HeldIds:
    if pa.types.is_integer(dictionary.type):
        return dictionary.to_numpy().astype(np.int64)
    return Texts.of_arrow(dictionary.cast(pa.large_string()))
