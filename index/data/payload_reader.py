"""Payload by any number of rows, from blocks of other sizes."""

from collections.abc import Iterator

from gleann.index.payload.payload import Payload


class PayloadReader:
    """Rows of payload by any number, from blocks of other sizes."""

    def __init__(self, blocks: Iterator[Payload]) -> None:
        self._blocks = blocks
        self._left: Payload | None = None

    def next(self, n: int) -> Payload:
        """The next n rows, at least one; the blocks have as many."""
        parts: list[Payload] = []
        missing = n
        while missing:
            if self._left is None or not len(self._left):
                self._left = next(self._blocks)
            part = self._left.slice(0, min(missing, len(self._left)))
            self._left = self._left.slice(len(part), len(self._left))
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else Payload.concat(parts)

    def require_end(self) -> None:
        """Read to the end: the file says there if it has more rows."""
        for _ in self._blocks:
            pass
