"""`View`: one consistent state of an index, a sealed version and newer changes.

A `View` never changes: a search keeps the one it began with, a change makes the next.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gleann.index import SoarIndex
from gleann.index.arrays import HeldIds, Mask, Rows, Vectors
from gleann.index.errors import NotReadyError
from gleann.index.ids.held import (
    IdLookup,
    bytes_at,
    joined_ids,
    take_ids,
)
from gleann.index.ids.table import require_found
from gleann.index.params import Metric
from gleann.service.values import IndexVersion


class Sealed:
    """A sealed version, and where its ids lie."""

    def __init__(self, index: SoarIndex) -> None:
        self.index = index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def lookup(self) -> IdLookup:
        """Rows by id, masked ones included."""
        return self.index.id_lookup


class Delta:
    """Rows newer than the sealed version: appended, or masked, never changed.

    The buffers are shared by the deltas that follow one another: a later one writes
    only behind the rows that an earlier one reads.
    """

    def __init__(self, dim: int) -> None:
        self.ids: HeldIds = np.empty(0, np.int64)
        self.alive: Mask = np.empty(0, np.bool_)
        self._buffer: Vectors = np.empty((0, dim), np.float32)
        self._row_of: dict[int | str, int] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def vectors(self) -> Vectors:
        """(n, dim) prepared rows."""
        return self._buffer[: len(self)]

    @cached_property
    def count(self) -> int:
        """Rows that can be found."""
        return int(np.count_nonzero(self.alive))

    def find(self, ids: HeldIds) -> Rows:
        """Rows (m,) of `ids`, -1 where there is none that can be found."""
        rows, lookup = self._lookup
        at = lookup.find(ids)
        return np.where(at < 0, -1, rows[at]) if len(rows) else at

    def without(self, ids: HeldIds) -> "Delta":
        """The next delta, in which `ids` cannot be found; for the writer only."""
        stale = [
            self._row_of.pop(name) for name in ids.tolist() if name in self._row_of
        ]
        following = self._next()
        following.alive = self.alive.copy()
        following.alive[stale] = False
        return following

    def extended(self, ids: HeldIds, vectors: Vectors) -> "Delta":
        """The next delta, with new rows for `ids`; for the writer only."""
        start, end = len(self), len(self) + len(ids)
        following = self.without(ids)
        following._reserve(end)
        following._buffer[start:end] = vectors
        following.ids = joined_ids([self.ids, ids]) if start else ids
        following.alive = np.append(following.alive, np.ones(len(ids), np.bool_))
        self._row_of.update(zip(ids.tolist(), range(start, end), strict=True))
        return following

    @cached_property
    def _lookup(self) -> tuple[Rows, IdLookup]:
        rows = np.flatnonzero(self.alive)
        return rows, IdLookup(self.ids[rows])

    def _next(self) -> "Delta":
        following = Delta(0)
        following.ids, following._buffer = self.ids, self._buffer
        following._row_of = self._row_of
        return following

    def _reserve(self, rows: int) -> None:
        if rows > len(self._buffer):
            # Doubling, so that appending a row costs little on average.
            room = max(rows, 2 * len(self._buffer), 1024)
            grown = np.empty((room, self._buffer.shape[1]), np.float32)
            grown[: len(self.ids)] = self.vectors
            self._buffer = grown


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One state of an index. Rows of the delta are numbered after those sealed.

    Attributes:
        number: of the index, as in the store.
        name: of the index.
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        delta: rows newer than the sealed version.
        version: number of the sealed version, 0 for none.
        sequence: number of the last change taken in.
        sealed: the sealed version, or None.
        alive: bool (len(sealed),), rows of it that can be found; None for all.
    """

    number: int
    name: str
    dim: int
    metric: Metric
    delta: Delta
    version: int = 0
    sequence: int = 0
    sealed: Sealed | None = None
    alive: Mask | None = None

    @property
    def state(self) -> IndexVersion:
        """Which state this is."""
        return IndexVersion(sealed=self.version, sequence=self.sequence)

    @property
    def has_changes(self) -> bool:
        """Whether it differs from its sealed version."""
        return len(self.delta) > 0 or self.alive is not None

    @cached_property
    def sealed_count(self) -> int:
        """Rows of the sealed version that can be found."""
        if self.sealed is None:
            return 0
        return (
            len(self.sealed)
            if self.alive is None
            else int(np.count_nonzero(self.alive))
        )

    @property
    def count(self) -> int:
        """Vectors that can be found."""
        return self.sealed_count + self.delta.count

    @property
    def sealed_rows(self) -> int:
        """Rows of the sealed version, masked ones included."""
        return 0 if self.sealed is None else len(self.sealed)

    def find(self, ids: HeldIds) -> Rows:
        """Rows (m,) of `ids`, -1 where there is none that can be found."""
        rows = self.delta.find(ids)
        rows = np.where(rows < 0, -1, rows + self.sealed_rows)
        if self.sealed is None or self.sealed_count == 0:
            return rows
        old = self.sealed.lookup.find(ids)
        if self.alive is not None:
            old = np.where((old >= 0) & self.alive[old], old, -1)
        return np.where(rows < 0, old, rows)

    def require(self, ids: HeldIds) -> Rows:
        """Rows (m,) of `ids`.

        Raises:
            UnknownIdError: one is not there.
        """
        return require_found(self.find(ids), ids, where=repr(self.name))

    def vectors_at(self, rows: Rows) -> Vectors:
        """The prepared vectors (m, dim) of `rows`."""
        vectors = np.empty((len(rows), self.dim), np.float32)
        old = rows < self.sealed_rows
        if self.sealed is not None:
            vectors[old] = self.sealed.index.vectors[rows[old]]
        vectors[~old] = self.delta.vectors[rows[~old] - self.sealed_rows]
        return vectors

    def ids_at(self, rows: Rows) -> HeldIds:
        """The ids (m,) of `rows`; "" or -1 for row -1."""
        old, new = self._split(rows)
        if self.sealed is None:
            return take_ids(self.delta.ids, new)
        held = self.sealed.index.held_ids
        if not len(self.delta):
            return take_ids(held, old)
        parts = [take_ids(held, old), take_ids(self.delta.ids, new)]
        places = np.empty(len(rows), np.int64)
        places[np.argsort(rows >= self.sealed_rows, kind="stable")] = np.arange(
            len(rows)
        )
        return joined_ids(parts)[places]

    def id_bytes_at(self, rows: Rows) -> int:
        """How many bytes the ids of `rows` take in a message."""
        old, new = self._split(rows)
        held = bytes_at(self.delta.ids, new)
        if self.sealed is not None:
            held += bytes_at(self.sealed.index.held_ids, old)
        return held

    def _split(self, rows: Rows) -> tuple[Rows, Rows]:
        """Of `rows`, those of the sealed version, and those of the delta as its own."""
        if self.sealed is None:
            return rows[:0], rows
        newer = rows >= self.sealed_rows
        return rows[~newer], rows[newer] - self.sealed_rows

    def live_rows(self) -> Rows:
        """All rows that can be found, those sealed first."""
        old = np.arange(self.sealed_rows)
        if self.alive is not None:
            old = old[self.alive]
        new = np.flatnonzero(self.delta.alive) + self.sealed_rows
        return np.concatenate([old, new])

    def upserted(self, ids: HeldIds, vectors: Vectors, *, sequence: int) -> "View":
        """The next view, with `vectors` (prepared) under `ids`."""
        return replace(
            self,
            alive=self._alive_without(ids),
            delta=self.delta.extended(ids, vectors),
            sequence=sequence,
        )

    def deleted(self, ids: HeldIds, *, sequence: int) -> "View":
        """The next view, in which `ids` cannot be found."""
        return replace(
            self,
            alive=self._alive_without(ids),
            delta=self.delta.without(ids),
            sequence=sequence,
        )

    def _alive_without(self, ids: HeldIds) -> Mask | None:
        if self.sealed is None:
            return None
        rows = self.sealed.lookup.find(ids)
        rows = rows[rows >= 0]
        if not rows.size:
            return self.alive
        alive = (
            np.ones(len(self.sealed), np.bool_)
            if self.alive is None
            else self.alive.copy()
        )
        alive[rows] = False
        alive.flags.writeable = False  # so that what it leaves of lists is counted once
        return alive


def sealed_index(view: View) -> SoarIndex:
    """The index of a view that is built and unchanged since.

    Raises:
        NotReadyError: it is not.
    """
    if view.sealed is None:
        raise NotReadyError(f"{view.name!r} was never built: build it first")
    changed = view.delta.count + len(view.sealed) - view.sealed_count
    if changed:
        raise NotReadyError(
            f"{view.name!r} has {changed} changes since version {view.version}:"
            " build it first"
        )
    return view.sealed.index


def require_not_empty(view: View) -> None:
    """Refuse an empty index.

    Raises:
        NotReadyError: it has no vectors.
    """
    if view.count == 0:
        raise NotReadyError(f"{view.name!r} is empty: upsert or import vectors first")
