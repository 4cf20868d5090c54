"""Masks of conditions, kept packed for rows that do not change."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of packed masks kept at once: 512 masks of a million rows."""


class MaskCache:
    """Masks by key, the least recently used ones dropped first.

    A mask takes one bit a row, so that a filter of a sealed version is evaluated once
    and not for each search.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._masks: OrderedDict[Hashable, tuple[int, NDArray[np.uint8]]] = (
            OrderedDict()
        )
        self._bytes = 0
        self._guard = Lock()

    @property
    def bytes_held(self) -> int:
        """Bytes of the masks that are kept."""
        return self._bytes

    def mask(self, key: Hashable, evaluate: Callable[[], Mask]) -> Mask:
        """The mask of `key`, a new array; from `evaluate` where it is not kept.

        `evaluate` runs outside the lock, so two threads may run it for one key.
        """
        with self._guard:
            if (kept := self._masks.get(key)) is not None:
                self._masks.move_to_end(key)
        if kept is not None:
            rows, packed = kept
            return np.unpackbits(packed, count=rows).view(np.bool_)
        mask = evaluate()
        self._keep(key, mask)
        return mask

    def _keep(self, key: Hashable, mask: Mask) -> None:
        packed = np.packbits(mask)
        if packed.nbytes > self._most_bytes:
            return
        with self._guard:
            self._drop(key)
            self._masks[key] = len(mask), packed
            self._bytes += packed.nbytes
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._masks)))

    def _drop(self, key: Hashable) -> None:
        if (gone := self._masks.pop(key, None)) is not None:
            self._bytes -= gone[1].nbytes
