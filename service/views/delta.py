"""`Delta`: the rows of an index that are newer than its sealed version."""

from functools import cached_property

import numpy as np

from gleann.index import SoarIndex
from gleann.index.arrays import HeldIds, Mask, Rows, Vectors
from gleann.index.ids.held import IdLookup, joined_ids, take_ids
from gleann.index.ids.live_rows import LiveRows
from gleann.index.newer.lists import NewerLists
from gleann.index.newer.rows import NewerRows
from gleann.index.newer.unsealed import UnsealedRows
from gleann.index.params import Metric


class Delta:
    """Rows newer than the sealed version: appended or masked, never changed.

    Successive deltas share their buffers: a later one writes only behind the rows that
    an earlier one reads.
    """

    def __init__(self, dim: int) -> None:
        self.ids: HeldIds = np.empty(0, np.int64)
        self.alive: Mask = np.empty(0, np.bool_)
        self._buffer: Vectors = np.empty((0, dim), np.float32)
        self._row_of: dict[int | str, int] = {}
        self._shared = _SharedLists()
        self._newer: tuple[LiveRows | None, NewerRows] | None = None
        self._among: tuple[NewerRows, Mask, NewerRows] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def vectors(self) -> Vectors:
        """(n, dim) prepared rows."""
        return self._buffer[: len(self)]

    @cached_property
    def count(self) -> int:
        """Number of live rows."""
        return int(np.count_nonzero(self.alive))

    def newer_lists(self, index: SoarIndex) -> NewerLists:
        """The lists of these rows in a sealed version, shared by successive deltas."""
        return self._shared.of(index)

    def unsealed(self, metric: Metric) -> UnsealedRows:
        """These rows before the first build, shared by successive deltas."""
        return self._shared.unsealed(metric, self._buffer.shape[1])

    def newer_rows(self, index: SoarIndex, sealed_alive: LiveRows | None) -> NewerRows:
        """These rows as searches of a sealed version read them.

        Args:
            index: the sealed version that they are newer than.
            sealed_alive: its live rows; None for all.
        """
        lists = self.newer_lists(index)
        last = self._newer
        if last and last[0] is sealed_alive and lists.is_current(last[1]):
            return last[1]
        alive = None if self.count == len(self) else self.alive
        rows = lists.rows(self.vectors, alive=alive, sealed_alive=sealed_alive)
        self._newer = sealed_alive, rows
        return rows

    def newer_among(
        self, index: SoarIndex, sealed_alive: LiveRows | None, allowed: Mask
    ) -> NewerRows:
        """`newer_rows` that a filter allows; those of the last filter are kept.

        Args:
            index: as in `newer_rows`.
            sealed_alive: as in `newer_rows`.
            allowed: bool (len(self),), live rows that may be found; never changed.
        """
        rows = self.newer_rows(index, sealed_alive)
        last = self._among
        if last and last[0] is rows and last[1] is allowed:
            return last[2]
        among = self.newer_lists(index).masked(rows, allowed)
        self._among = rows, allowed, among
        return among

    def find(self, ids: HeldIds) -> Rows:
        """Rows (m,) of `ids`, -1 without a live row."""
        rows, lookup = self._lookup
        at = lookup.find(ids)
        return np.where(at < 0, -1, rows[at]) if len(rows) else at

    def without(self, ids: HeldIds) -> "Delta":
        """The next delta, without `ids`; for the writer only."""
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

    def detached(self) -> "Delta":
        """An equal delta, with a look-up table that no undone change was written to."""
        following = self._next()
        following.alive = self.alive
        rows = np.flatnonzero(self.alive)
        following._row_of = dict(
            zip(take_ids(self.ids, rows).tolist(), rows.tolist(), strict=True)
        )
        return following

    @cached_property
    def _lookup(self) -> tuple[Rows, IdLookup]:
        rows = np.flatnonzero(self.alive)
        return rows, IdLookup(self.ids[rows])

    def _next(self) -> "Delta":
        following = Delta(0)
        following.ids, following._buffer = self.ids, self._buffer
        following._row_of = self._row_of
        following._shared = self._shared
        return following

    def _reserve(self, rows: int) -> None:
        if rows > len(self._buffer):
            # Doubling, so that the amortized cost of an append is constant.
            room = max(rows, 2 * len(self._buffer), 1024)
            grown = np.empty((room, self._buffer.shape[1]), np.float32)
            grown[: len(self.ids)] = self.vectors
            self._buffer = grown


class _SharedLists:
    """The lists of the rows of successive deltas in the latest sealed version."""

    def __init__(self) -> None:
        self._made: tuple[SoarIndex, NewerLists] | None = None
        self._unsealed: UnsealedRows | None = None

    def of(self, index: SoarIndex) -> NewerLists:
        """Those in `index`; made again where it differs from that of the last call."""
        made = self._made
        if made is None or made[0] is not index:
            self._made = made = index, index.newer_lists()
        return made[1]

    def unsealed(self, metric: Metric, dim: int) -> UnsealedRows:
        """Those in no version."""
        if self._unsealed is None:
            self._unsealed = UnsealedRows(metric, dim)
        return self._unsealed
