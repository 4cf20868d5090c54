"""Operations on ids of either kind: look-up, gathering, joining, display."""

from collections import Counter
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Ids, Rows
from gleann.index.parallel.blocks import block_slices
from gleann.index.texts import Texts

BLOCK = 1 << 16
"""Strings that Python holds at once while they are hashed."""

_SHOWN = 60
"""Characters of an id that a message shows."""


def to_numpy(ids: HeldIds) -> Ids:
    """The ids as callers take them; strings are as wide as the longest."""
    return ids.to_numpy() if isinstance(ids, Texts) else ids


def own_ids(ids: HeldIds) -> Ids:
    """The ids as an array that is the caller's own."""
    return ids.to_numpy() if isinstance(ids, Texts) else ids.copy()


def ids_at(ids: HeldIds, rows: Rows) -> Ids:
    """Ids at `rows`, in their shape, as callers take them; "" or -1 for row -1."""
    if isinstance(ids, Texts):
        return ids.texts_at(rows)
    return _integers_at(ids, rows)


def take_ids(ids: HeldIds, rows: Rows) -> HeldIds:
    """Ids at `rows` (m,) in their stored form; "" or -1 for row -1."""
    if isinstance(ids, Texts):
        return ids.take(rows)
    return _integers_at(ids, rows)


def _integers_at(ids: NDArray[np.int64], rows: Rows) -> NDArray[np.int64]:
    if not len(ids):
        return np.full(rows.shape, -1, np.int64)
    return np.where(rows < 0, -1, ids[rows])


def bytes_at(ids: HeldIds, rows: Rows) -> int:
    """Bytes of the ids at `rows`, without 4 for the length of each string."""
    if not isinstance(ids, Texts):
        return 8 * rows.size
    there = rows[rows >= 0]
    return 4 * rows.size + int((ids.offsets[there + 1] - ids.offsets[there]).sum())


def id_at(ids: HeldIds, row: int) -> int | str:
    """One id."""
    return ids.at(int(row)) if isinstance(ids, Texts) else int(ids[row])


def shown_id(value: object) -> str:
    """An id for a message, truncated if it is long."""
    text = repr(value[: _SHOWN + 1]) if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def kind_of(ids: HeldIds) -> str:
    """What the ids are: "strings" or "integers"."""
    return "strings" if isinstance(ids, Texts) else "integers"


def joined_ids(parts: Sequence[HeldIds]) -> HeldIds:
    """The ids of all `parts`, at least one and all of one kind, in order."""
    if isinstance(parts[0], Texts):
        return Texts.concatenated(cast("Sequence[Texts]", parts))
    return np.concatenate(cast("Sequence[NDArray[np.int64]]", parts))


def hashes_of(ids: HeldIds) -> NDArray[np.int64]:
    """(n,) a number an id, the same for equal ids and hardly ever for others.

    Integers are their own; strings have Python's, which nobody outside the process can
    foretell.
    """
    if not isinstance(ids, Texts):
        return ids
    hashes = np.empty(len(ids), np.int64)
    for block in block_slices(len(ids), BLOCK):
        texts = ids[block].tolist()
        hashes[block] = np.fromiter(map(hash, texts), np.int64, len(texts))
    return hashes


def repeated_id(ids: HeldIds) -> tuple[int | str, int, int] | None:
    """The id that is there most often, how often, and how many repeat another.

    None where all are distinct.
    """
    hashes = hashes_of(ids)
    order = np.sort(hashes)
    if not (same := order[1:] == order[:-1]).any():
        return None
    # Among strings, some of these may be different ones whose hashes are equal.
    alike = np.flatnonzero(np.isin(hashes, order[1:][same]))
    counts = Counter(ids[alike].tolist())
    twice, times = counts.most_common(1)[0]
    return None if times == 1 else (twice, times, len(alike) - len(counts))


class IdLookup:
    """Finds the positions of distinct ids."""

    def __init__(self, ids: HeldIds) -> None:
        self._ids = ids
        hashes = hashes_of(ids)
        self._order: Rows = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def find(self, ids: HeldIds) -> Rows:
        """Positions (m,) of `ids`, -1 for absent ones."""
        rows = np.full(len(ids), -1, np.int64)
        if not len(self._sorted) or kind_of(ids) != kind_of(self._ids):
            return rows
        wanted = hashes_of(ids)
        places = np.searchsorted(self._sorted, wanted)
        open_ = np.flatnonzero(self._hits(places, wanted))
        while open_.size:  # once, but for strings whose hashes are equal
            found = self._order[places[open_]]
            same = _equal(self._ids, found, ids, open_)
            rows[open_[same]] = found[same]
            open_ = open_[~same]
            places[open_] += 1
            open_ = open_[self._hits(places[open_], wanted[open_])]
        return rows

    def _hits(
        self, places: NDArray[np.int64], wanted: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Where the hash at `places` is the one wanted; a place may be the end."""
        last = len(self._sorted) - 1
        inside = self._sorted[np.minimum(places, last)] == wanted
        return np.asarray(inside & (places <= last))


def _equal(held: HeldIds, rows: Rows, ids: HeldIds, places: Rows) -> NDArray[np.bool_]:
    """Where the id of each row is that at its place; integers are, once found."""
    if isinstance(held, Texts) and isinstance(ids, Texts):
        return held.take(rows).equals(ids.take(places))
    return np.ones(len(rows), np.bool_)
