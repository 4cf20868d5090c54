"""Masks of conditions, kept packed for rows that do not change."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of packed masks and their keys kept at once: 512 masks of a million rows."""

ENTRY_BYTES = 512
"""Of a kept mask, beside its bits and the values in its key."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A packed mask of some rows, and the bytes that are counted for it."""

    rows: int
    packed: NDArray[np.uint8]
    size: int


class MaskCache:
    """Masks by key, the least recently used ones dropped first.

    A mask takes one bit a row, so that a filter of a sealed version is evaluated once
    and not for each search.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._masks: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0
        self._guard = Lock()

    @property
    def bytes_held(self) -> int:
        """Bytes of the masks that are kept, and of their keys."""
        return self._bytes

    def bytes_of(self, tokens: Collection[int]) -> int:
        """Bytes of the masks of some parts; keys begin with the token of a part."""
        with self._guard:
            return sum(
                kept.size
                for key, kept in self._masks.items()
                if isinstance(key, tuple) and key[0] in tokens
            )

    def mask(
        self, key: Hashable, evaluate: Callable[[], Mask], *, key_bytes: int = 0
    ) -> Mask:
        """The mask of `key`, a new array; from `evaluate` where it is not kept.

        `evaluate` runs outside the lock, so two threads may run it for one key.

        Args:
            key: of a mask that never changes.
            evaluate: computes it.
            key_bytes: about what the key takes in memory.
        """
        with self._guard:
            if (kept := self._masks.get(key)) is not None:
                self._masks.move_to_end(key)
        if kept is not None:
            return np.unpackbits(kept.packed, count=kept.rows).view(np.bool_)
        mask = evaluate()
        self._keep(key, mask, key_bytes)
        return mask

    def _keep(self, key: Hashable, mask: Mask, key_bytes: int) -> None:
        packed = np.packbits(mask)
        kept = _Kept(len(mask), packed, packed.nbytes + key_bytes + ENTRY_BYTES)
        if kept.size > self._most_bytes:
            return
        with self._guard:
            self._drop(key)
            self._masks[key] = kept
            self._bytes += kept.size
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._masks)))

    def _drop(self, key: Hashable) -> None:
        if (gone := self._masks.pop(key, None)) is not None:
            self._bytes -= gone.size
