"""Arrays of strings: their UTF-8 in one buffer, and offsets.

NumPy's fixed-width strings take, for every string, four bytes a character of the
longest one: a single long id among a million short ones would cost gigabytes. Held as
here, it costs its own length. Arrow, whose layout this is, gathers, compares and pads.
"""

from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann._needed import needing

NEEDING = "an array of texts, such as ids,"
"""What needs pyarrow, in messages."""
FEW = 128
"""Strings up to which Python's own strings take less time than calling Arrow."""

FixedWidth: TypeAlias = NDArray[np.str_]
"""What NumPy's users expect: "<U" and as wide as the longest string of the array."""

_Positions: TypeAlias = NDArray[np.int64] | NDArray[np.bool_] | slice


class Texts:
    """Strings (n,) in order; immutable.

    Attributes:
        offsets: int64 (n + 1,), where in `text` each string begins and the last ends.
        text: their UTF-8; a slice has that of its neighbours as well.
    """

    __slots__ = ("_begins", "offsets", "text")

    def __init__(self, offsets: NDArray[np.int64], text: bytes) -> None:
        self.offsets = offsets
        self.text = text
        # Indexing it costs a third of what indexing the array costs.
        self._begins: memoryview[int] = memoryview(offsets)  # type: ignore[arg-type]

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Self:
        """Hold `texts`.

        Raises:
            UnicodeEncodeError: half of a surrogate pair, which has no UTF-8.
        """
        with needing(NEEDING):
            import pyarrow as pa

        return cls.of_arrow(pa.array(texts, pa.large_string()))

    @classmethod
    def of_packed(cls, text: bytes, lengths: NDArray[np.int64]) -> Self:
        """Hold the strings (n,) that take `lengths` (n,) bytes of `text` each.

        Raises:
            ValueError: the lengths do not add up to the text, or a string is not UTF-8.
        """
        shortest, longest = lengths.min(initial=0), lengths.max(initial=0)
        total = int(lengths.sum())
        # The sum alone could wrap around.
        if shortest < 0 or longest > len(text) or total != len(text):
            raise ValueError(
                f"lengths from {shortest} to {longest} that add up to {total},"
                f" for {len(text)} bytes"
            )
        held = cls(_offsets(lengths), text)
        held.to_arrow().validate(full=True)  # an ArrowInvalid is a ValueError
        return held

    @classmethod
    def concatenated(cls, parts: Sequence["Texts"]) -> Self:
        """The strings of all `parts`, at least one, in order."""
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(_offsets(lengths), b"".join(part.packed() for part in parts))

    @classmethod
    def of_arrow(cls, array: Any) -> Self:
        """Hold a `large_string` array that has no nulls and was validated."""
        _, ends, text = array.buffers()
        if text is None or not len(array):
            return cls(np.zeros(len(array) + 1, np.int64), b"")
        offsets = np.frombuffer(ends, np.int64)[array.offset :][: len(array) + 1]
        return cls(offsets, text.to_pybytes())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.offsets - self.offsets[0], self.packed())

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, positions: _Positions) -> "Texts":
        """The strings at `positions` (m,), of a mask (n,), or of a slice of step 1."""
        if isinstance(positions, slice):
            start, stop, step = positions.indices(len(self))
            assert step == 1, step
            return Texts(self.offsets[start : max(start, stop) + 1], self.text)
        if positions.dtype == np.bool_:
            return self.take(np.flatnonzero(positions))
        return self.take(positions.astype(np.int64, copy=False))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) bytes of each."""
        return np.diff(self.offsets)

    @property
    def nbytes(self) -> int:
        """Bytes of all."""
        return self._begins[-1] - self._begins[0]

    def packed(self) -> bytes:
        """The UTF-8 of all, one after the other, and of nothing else."""
        return self.text[self._begins[0] : self._begins[-1]]

    def take(self, rows: NDArray[np.int64]) -> "Texts":
        """The strings at `rows` (m,); "" for row -1."""
        array = self.to_arrow()
        import pyarrow as pa

        # What a null would say is in a bitmap that is left behind: its length is 0.
        return self.of_arrow(array.take(pa.array(rows, mask=rows < 0)))

    def at(self, row: int) -> str:
        """One string."""
        return self.text[self._begins[row] : self._begins[row + 1]].decode()

    def tolist(self) -> list[str]:
        """All strings."""
        return list(self.to_arrow().to_numpy(zero_copy_only=False))

    def to_numpy(self) -> FixedWidth:
        """All strings (n,), fixed-width, as wide as the longest of them."""
        if not self.nbytes:
            return np.zeros(len(self), "<U1")
        array = self.to_arrow()
        import pyarrow.compute as pc

        if self.packed().isascii():
            width = int(self.lengths.max())
            padded = pc.ascii_rpad(array, width, "\0")
            points = np.frombuffer(padded.buffers()[2], np.uint8).astype("<u4")
        else:
            width = pc.max(pc.utf8_length(array)).as_py()
            padded = pc.utf8_rpad(array, width, "\0")
            text = padded.buffers()[2].to_pybytes().decode().encode("utf-32-le")
            points = np.frombuffer(text, "<u4")
        return points[: len(self) * width].view(f"<U{width}")

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> FixedWidth:
        """`to_numpy`, which is what makes this array-like."""
        return self.to_numpy() if dtype is None else self.to_numpy().astype(dtype)

    def texts_at(self, rows: NDArray[np.int64]) -> FixedWidth:
        """Fixed-width strings at `rows`, in their shape; "" for row -1."""
        if rows.size > FEW:
            return self.take(rows.ravel()).to_numpy().reshape(rows.shape)
        text, begins = self.text, self._begins
        few = [
            text[begins[row] : begins[row + 1]].decode() if row >= 0 else ""
            for row in rows.ravel().tolist()
        ]
        return np.array(few, np.str_).reshape(rows.shape)

    def equals(self, others: "Texts") -> NDArray[np.bool_]:
        """(n,) whether each string is the one of `others` (n,) at its place."""
        import pyarrow.compute as pc

        same = pc.equal(self.to_arrow(), others.to_arrow())
        return np.asarray(same.to_numpy(zero_copy_only=False), np.bool_)

    def to_arrow(self) -> Any:
        """All strings as a `pyarrow.LargeStringArray`, without a copy."""
        with needing(NEEDING):
            import pyarrow as pa

        return pa.LargeStringArray.from_buffers(
            len(self), pa.py_buffer(self.offsets), pa.py_buffer(self.text)
        )


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
