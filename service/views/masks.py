"""Masks of conditions, kept packed for rows that do not change."""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from itertools import count
from threading import Lock
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of packed masks and their keys kept at once: 512 masks of a million rows."""

ENTRY_BYTES = 512
"""Of a kept mask, beside its bits and the values in its key."""

_numbers = count()


class Owner:
    """Stands for rows whose masks are kept. Once it is gone, so are they."""

    __slots__ = ("__weakref__", "number")

    def __init__(self) -> None:
        self.number = next(_numbers)


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A packed mask of some rows, and the bytes that are counted for it."""

    rows: int
    packed: NDArray[np.uint8]
    size: int


class MaskCache:
    """Masks by owner and key, the least recently used ones dropped first.

    A mask takes one bit a row, so that a filter of a sealed version is evaluated once
    and not for each search.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._masks: OrderedDict[tuple[int, Hashable], _Kept] = OrderedDict()
        self._keys: dict[int, set[Hashable]] = {}
        self._bytes = 0
        self._guard = Lock()
        # Filled when an owner goes, which may be while this thread holds the lock.
        self._gone: deque[int] = deque()

    @property
    def bytes_held(self) -> int:
        """Bytes of the masks that are kept, and of their keys."""
        with self._guard:
            self._forget()
            return self._bytes

    def bytes_of(self, owners: Collection[Owner]) -> int:
        """Bytes of the masks of some owners."""
        with self._guard:
            return sum(
                self._masks[owner.number, key].size
                for owner in owners
                for key in self._keys.get(owner.number, ())
            )

    def mask(
        self,
        owner: Owner,
        key: Hashable,
        evaluate: Callable[[], Mask],
        *,
        key_bytes: int = 0,
    ) -> Mask:
        """The mask of `key`, a new array; from `evaluate` where it is not kept.

        `evaluate` runs outside the lock, so two threads may run it for one key.

        Args:
            owner: stands for the rows.
            key: of a mask of them, which never changes.
            evaluate: computes it.
            key_bytes: about what the key takes in memory.
        """
        with self._guard:
            if (kept := self._masks.get((owner.number, key))) is not None:
                self._masks.move_to_end((owner.number, key))
        if kept is not None:
            return np.unpackbits(kept.packed, count=kept.rows).view(np.bool_)
        mask = evaluate()
        self._keep(owner, key, mask, key_bytes)
        return mask

    def _keep(self, owner: Owner, key: Hashable, mask: Mask, key_bytes: int) -> None:
        packed = np.packbits(mask)
        kept = _Kept(len(mask), packed, packed.nbytes + key_bytes + ENTRY_BYTES)
        if kept.size > self._most_bytes:
            return
        with self._guard:
            self._forget()
            self._drop(owner.number, key)
            if owner.number not in self._keys:
                finalize(owner, self._gone.append, owner.number).atexit = False
            self._keys.setdefault(owner.number, set()).add(key)
            self._masks[owner.number, key] = kept
            self._bytes += kept.size
            while self._bytes > self._most_bytes:
                self._drop(*next(iter(self._masks)))

    def _forget(self) -> None:
        """Drop the masks of owners that are gone."""
        while self._gone:
            number = self._gone.popleft()
            for key in tuple(self._keys[number]):
                self._drop(number, key)
            del self._keys[number]

    def _drop(self, number: int, key: Hashable) -> None:
        if (dropped := self._masks.pop((number, key), None)) is None:
            return
        self._bytes -= dropped.size
        self._keys[number].remove(key)
