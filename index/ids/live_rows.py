"""`LiveRows`: which rows of an index are not deleted, one bit a row."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows

BITS = 1 << np.arange(8, dtype=np.uint8)
"""The bit of row 8 i + j in byte i is the j-th."""


class LiveRows:
    """The live rows of n; immutable. A deletion copies an eighth of a byte for each.

    Attributes:
        bits: uint8 (ceil(n / 8),), the bit of a live row is 1; zeros follow the last.
        count: live rows.
    """

    def __init__(self, n: int, bits: NDArray[np.uint8], count: int) -> None:
        """Of bits that are not changed any more, `count` of which are 1."""
        self._n = n
        self.bits = bits
        self.bits.flags.writeable = False
        self.count = count

    @classmethod
    def of(cls, mask: Mask) -> "LiveRows":
        """The rows of a mask, bool (n,)."""
        bits = np.packbits(mask, bitorder="little")
        return cls(len(mask), bits, int(np.count_nonzero(mask)))

    @classmethod
    def all_of(cls, n: int) -> "LiveRows":
        """All of n rows."""
        bits = np.full(-(-n // 8), 255, np.uint8)
        if n % 8:
            bits[-1] = (1 << n % 8) - 1
        return cls(n, bits, n)

    def __len__(self) -> int:
        return self._n

    def has(self, rows: ArrayLike) -> Mask:
        """Which of some rows (m,), in 0..n-1, are live."""
        asked = np.asarray(rows, np.int64)
        live: Mask = (self.bits[asked >> 3] & BITS[asked & 7]) != 0
        return live

    def without(self, rows: Rows) -> "LiveRows":
        """Those but `rows` (m,), of which any may be dead already, or come again."""
        gone = np.unique(rows)
        gone = gone[self.has(gone)]
        bits = self.bits.copy()
        np.bitwise_and.at(bits, gone >> 3, ~BITS[gone & 7])
        return LiveRows(self._n, bits, self.count - len(gone))

    def died_since(self, earlier: "LiveRows | None") -> Rows:
        """Rows (m,) that are dead, and lived in `earlier`; None for all alive."""
        before = self.all_of(self._n) if earlier is None else earlier
        died = before.bits & ~self.bits
        at = np.flatnonzero(died)
        flags = (died[at, None] & BITS) != 0
        byte, bit = np.nonzero(flags)
        return at[byte] * 8 + bit

    @cached_property
    def mask(self) -> Mask:
        """True (n,) for each live row; read-only. Kept, since a scan may take it."""
        whole = np.unpackbits(self.bits, count=self._n, bitorder="little")
        mask = whole.astype(np.bool_)  # of its own, so that filters made of it are kept
        mask.flags.writeable = False
        return mask
