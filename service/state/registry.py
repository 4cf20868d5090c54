"""Registry of open indexes: views, stored changes and served versions."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from sqlite3 import Row

import numpy as np

from gleann.index import SoarIndex
from gleann.index.arrays import HeldIds, Vectors
from gleann.index.errors import (
    AlreadyExistsError,
    GleannError,
    InvalidParamsError,
    NotReadyError,
    OutcomeUnknownError,
    UnknownIndexError,
)
from gleann.index.ids.held import take_ids
from gleann.index.params import Metric
from gleann.service.state import changes, orphans
from gleann.service.state.broken_index import Broken, broken
from gleann.service.state.delta import Delta
from gleann.service.state.index_info import index_info
from gleann.service.state.live_index import Sealed, View
from gleann.service.state.seal import (
    Seal,
    read_seal,
    require_sealed,
    seal_of,
    write_seal,
)
from gleann.service.state.store import Store, Transaction
from gleann.service.state.versions import Versions
from gleann.service.values import IndexInfo, IndexVersion, OptimizerParams

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_log = logging.getLogger(__name__)

Watcher = Callable[[str, bool | None], None]


class Registry:
    """The indexes of one data directory.

    A change is committed to the store first and applied to the index's view then; the
    store runs changes one at a time. Readers take a view and no lock.
    """

    def __init__(self, store: Store, versions: Versions) -> None:
        self._store = store
        self._versions = versions
        self._views: dict[str, View] = {}
        self._broken: dict[str, Broken] = {}
        self._tell: Watcher = _nobody

    def watch(self, tell: Watcher) -> None:
        """Register `tell` for the health of all indexes, now and on changes.

        Args:
            tell: called with an index name and whether it is served; None for a
                deleted one.
        """
        self._tell = tell
        for name in self.names():
            tell(name, name in self._views)

    def open(self) -> None:
        """Load every index, and clean up files of an interrupted process.

        An index that cannot be loaded does not affect the others: it is listed with the
        reason, and calls on it raise that.

        Raises:
            CorruptDataError: sealed rows are missing in the database; nothing was
                changed.
        """
        orphans.settle_indexes(self._store, self._versions)
        rows = self._store.rows("SELECT * FROM indexes ORDER BY number")
        whole = [
            row for row in rows if row["number"] not in self._store.damaged("indexes")
        ]
        for row in whole:
            orphans.require_not_older(self._store, self._versions, row)
        for row in rows:
            if self._opened(row) and not self._store.damaged("sessions"):
                orphans.sweep_versions(self._versions, row, self._needed(row))

    def create(self, name: str, *, dim: int, metric: Metric) -> View:
        """Create an empty index.

        Raises:
            InvalidParamsError: a bad name.
            AlreadyExistsError: the name is taken.
        """
        if not NAME.fullmatch(name):
            raise InvalidParamsError(
                f"name must match ^[a-z][a-z0-9-]{{0,62}}$, got {name[:80]!r}"
            )
        with self._store.transaction() as transaction:
            if name in self._views or name in self._broken:
                raise AlreadyExistsError(f"there is an index {name!r} already")
            number = transaction.run(
                "INSERT INTO indexes (name, dim, metric, created) VALUES (?, ?, ?, ?)",
                name,
                dim,
                metric,
                time.time(),
            ).lastrowid
            assert number is not None
            view = View(
                number=number, name=name, dim=dim, metric=metric, delta=Delta(dim)
            )
            transaction.after_commit(lambda: self._publish(view))
        return view

    def view(self, name: str) -> View:
        """The current view of the index.

        Raises:
            UnknownIndexError: no index has this name.
            CorruptDataError: the load failed.
            NotReadyError: not enough memory to load it.
            DeviceMemoryError: it does not fit the required device.
            DeviceLostError: that device failed.
        """
        if (view := self._views.get(name)) is not None:
            return view
        if (left := self._broken.get(name)) is not None:
            raise left.kind(left.reason)
        raise UnknownIndexError(f"there is no index {name[:80]!r}")

    def names(self) -> list[str]:
        """Names of all indexes, sorted; also those that cannot be served."""
        return sorted({*self._views, *self._broken})

    def broken(self) -> dict[str, str]:
        """Reasons of the indexes that cannot be served, by name."""
        return {name: left.reason for name, left in list(self._broken.items())}

    def describe(self, name: str) -> IndexInfo:
        """Describe an index, also one that cannot be served.

        Raises:
            UnknownIndexError: no index has this name.
        """
        if (left := self._broken.get(name)) is not None:
            return left.info
        return self.info(self.view(name))

    def info(self, view: View) -> IndexInfo:
        """Describe an index in the state `view`.

        Raises:
            UnknownIndexError: it was deleted meanwhile.
        """
        return index_info(view, self._row(view))

    def optimizer(self, name: str) -> OptimizerParams:
        """What is set of an index's compaction; None in what is not.

        Raises:
            UnknownIndexError: no index has this name.
        """
        self.view(name)
        return OptimizerParams()

    def version_path(self, view: View) -> Path:
        """The directory of the sealed version of a view."""
        return self._versions.path(view.number, view.version)

    def delete(self, name: str) -> None:
        """Remove an index and its files.

        Raises:
            UnknownIndexError: no index has this name.
            NotReadyError: an operation or a session is open on it.
        """
        with self._store.transaction() as transaction:
            number = self._number(transaction, name)
            _require_idle(transaction, name, number)
            transaction.run("DELETE FROM indexes WHERE number = ?", number)
            # Until its files are removed, this record explains them.
            transaction.run(
                "INSERT INTO deleted (number, name) VALUES (?, ?)", number, name
            )
            transaction.after_commit(lambda: self._forget(name, number))

    def upsert(self, name: str, ids: HeldIds, vectors: Vectors) -> IndexVersion:
        """Store prepared `vectors` (m, dim) under distinct `ids`.

        Returns:
            The first state with them.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidInputError: the index has the other kind of ids.
        """
        with self._store.transaction() as transaction:
            view = self.view(name)
            sequence = changes.log_change(transaction, view, ids, vectors)
            transaction.after_commit(
                lambda: self._take(
                    view, lambda: view.upserted(ids, vectors, sequence=sequence)
                )
            )
        return IndexVersion(sealed=view.version, sequence=sequence)

    def delete_vectors(
        self, name: str, ids: HeldIds, *, missing_ok: bool
    ) -> tuple[int, IndexVersion]:
        """Remove the vectors of distinct `ids`; unknown ones only if `missing_ok`.

        Returns:
            The number of removed vectors, and the first state without them.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownIdError: unknown id; nothing is removed.
        """
        with self._store.transaction() as transaction:
            view = self.view(name)
            if missing_ok:
                ids = take_ids(ids, np.flatnonzero(view.find(ids) >= 0))
                if not len(ids):
                    return 0, IndexVersion(sealed=view.version, sequence=view.sequence)
            else:
                view.require(ids)
            sequence = changes.log_change(transaction, view, ids, None)
            transaction.after_commit(
                lambda: self._take(view, lambda: view.deleted(ids, sequence=sequence))
            )
        return len(ids), IndexVersion(sealed=view.version, sequence=sequence)

    def stage(self, name: str, operation: str, ids: HeldIds, vectors: Vectors) -> None:
        """Write a part of an import to disk, not visible yet."""
        with self._store.transaction() as transaction:
            changes.log_staged(transaction, self.view(name), operation, ids, vectors)

    def drop_staged(self, operation: str) -> None:
        """Remove the parts of a failed import."""
        with self._store.transaction() as transaction:
            if changes.drop_staged(transaction, operation):
                transaction.after_commit(self._store.give_back_space_soon)

    def count_published(self, operation: str) -> int:
        """Number of rows that an import published; valid until the next build."""
        return changes.count_published(self._store, operation)

    def publish_staged(self, name: str, operation: str, ids: HeldIds) -> None:
        """Publish all parts of an import, whose ids are `ids`, atomically.

        Raises:
            InvalidInputError: the index has the other kind of ids.
        """
        with self._store.transaction() as transaction:
            view = self.view(name)
            changes.publish_staged(transaction, view, operation, ids)
            transaction.after_commit(
                lambda: self._take(view, lambda: changes.replayed(self._store, view))
            )

    def publish_version(self, view: View, save: Callable[[Path], object]) -> None:
        """Serve the index that `save` builds from `view` and writes to a directory.

        Changes newer than `view` stay in the delta. One transaction publishes the new
        version; before it, the old one is served and is loaded after a restart.

        Raises:
            StorageError: a disk error; the old version is still served.
            UnknownIndexError: the index was deleted meanwhile.
            DeviceMemoryError: it does not fit the required device; likewise.
            DeviceLostError: that device failed.
        """
        version = view.version + 1
        old = None if view.sealed is None else view.sealed.index
        seal = seal_of(self._row(view), version=version, sequence=view.sequence)
        published = self._versions.published(save, seal=seal, old=old)
        try:
            with published as index:
                self._publish_sealed(view, version, Sealed(index))
        except BaseException as error:
            if not isinstance(error, OutcomeUnknownError):  # a crash may publish it
                self._discard(view.number, version)
            raise
        self.sweep(view.number)
        self._store.give_back_space_soon()

    def _publish_sealed(self, view: View, version: int, sealed: Sealed) -> None:
        with self._store.transaction() as transaction:
            self.view(view.name)
            transaction.run(
                "UPDATE indexes SET version = ?, sealed_sequence = ?, built = ?"
                " WHERE number = ?",
                version,
                view.sequence,
                time.time(),
                view.number,
            )
            changes.drop_sealed(transaction, view)
            base = View(
                number=view.number,
                name=view.name,
                dim=view.dim,
                metric=view.metric,
                delta=Delta(view.dim),
                version=version,
                sequence=view.sequence,
                sealed=sealed,
            )
            following = changes.replayed(self._store, base)
            transaction.after_commit(lambda: self._publish(following))

    def sealed_version(self, number: int, version: int) -> SoarIndex:
        """A sealed version by number, also one that is no longer the current one."""
        for view in list(self._views.values()):
            if view.number == number and view.version == version and view.sealed:
                return view.sealed.index
        return self._versions.load(number, version)

    def sweep(self, number: int) -> None:
        """Remove the unneeded versions of an index.

        A broken index keeps all of them: they may be its only remaining data. Errors
        are logged, not raised: the change that made them unneeded is committed.
        """
        if self._store.damaged("sessions"):
            return  # the versions that sessions need are not certain
        try:
            row = self._store.row("SELECT * FROM indexes WHERE number = ?", number)
            if row is not None and row["name"] in self._views:
                needed = self._needed(row)
                self._versions.drop_older(number, than=row["version"], needed=needed)
        except (GleannError, OSError) as error:
            _log.warning("old versions of index %d were not removed: %s", number, error)

    def _discard(self, number: int, version: int) -> None:
        """Remove a version, unless it was published after all."""
        row = self._store.row("SELECT * FROM indexes WHERE number = ?", number)
        if row is None or version not in self._needed(row):
            self._versions.drop(number, version)

    def _needed(self, row: Row) -> set[int]:
        pinned = self._store.rows(
            "SELECT DISTINCT version FROM sessions WHERE index_number = ?",
            row["number"],
        )
        return {row["version"]} | {session["version"] for session in pinned}

    def _row(self, view: View) -> Row:
        row = self._store.row("SELECT * FROM indexes WHERE number = ?", view.number)
        if row is None:
            raise UnknownIndexError(f"there is no index {view.name!r}")
        return row

    def _number(self, transaction: Transaction, name: str) -> int:
        if (left := self._broken.get(name)) is not None:
            return left.number
        row = transaction.run("SELECT number FROM indexes WHERE name = ?", name)
        found = row.fetchone()
        if found is None:
            raise UnknownIndexError(f"there is no index {name[:80]!r}")
        return int(found["number"])

    def _opened(self, row: Row) -> bool:
        """Load an index and serve it, or record why not; return if it is served."""
        try:
            self._publish(self._load(row))
        except Exception as error:  # noqa: BLE001  the edge: one index is not all
            if not isinstance(error, GleannError):
                _log.exception("index %r was not loaded", row["name"])
            is_damaged = row["number"] in self._store.damaged("indexes")
            left = broken(row, self._seal(row) if is_damaged else None, error)
            self._views.pop(row["name"], None)
            self._broken[left.info.name] = left
            self._tell(left.info.name, False)
            _log.error("%s", left.reason)
            return False
        return True

    def _load(self, row: Row) -> View:
        number, version = row["number"], row["version"]
        self._store.require_whole("indexes", number)
        if version:
            require_sealed(self._versions.path(number, version), row)
        view = View(
            number=number,
            name=row["name"],
            dim=row["dim"],
            metric=row["metric"],
            delta=Delta(row["dim"]),
            version=version,
            sequence=row["sealed_sequence"],
            sealed=Sealed(self._versions.serve(number, version)) if version else None,
        )
        view = changes.replayed(self._store, view)
        if version and self._seal(row) is None:
            self._seal_anew(row)
        return view

    def _seal(self, row: Row) -> Seal | None:
        """The newest readable seal of an index's versions."""
        number = row["number"]
        for _, path in reversed(self._versions.numbered(number)):
            with suppress(GleannError):
                if (seal := read_seal(path)) is not None and seal.number == number:
                    return seal
        return None

    def _seal_anew(self, row: Row) -> None:
        """Write a seal for a version of an older gleann."""
        version, sequence = row["version"], row["sealed_sequence"]
        path = self._versions.path(row["number"], version)
        try:
            write_seal(path, seal_of(row, version=version, sequence=sequence))
        except OSError as error:
            _log.warning("%s could not be sealed: %s", path, error.strerror)

    def _publish(self, view: View) -> None:
        is_new = view.name not in self._views
        self._views[view.name] = view
        if is_new:
            self._tell(view.name, True)

    def _take(self, view: View, change: Callable[[], View]) -> None:
        """Apply a committed change to `view` and serve the result.

        On failure the index is reloaded from disk, which has the change: the served
        state is never behind the acknowledged one.
        """
        try:
            self._publish(change())
        except Exception:  # noqa: BLE001  the edge: it is committed, and acknowledged
            _log.exception("index %r is loaded anew after a change", view.name)
            self._opened(self._row(view))

    def _forget(self, name: str, number: int) -> None:
        self._views.pop(name, None)
        self._broken.pop(name, None)
        self._tell(name, None)
        self._store.mended("indexes", number)
        self._versions.forget(number)
        self._store.give_back_space_soon()


def _nobody(_name: str, _serving: bool | None) -> None:
    """The default watcher: does nothing."""


def _require_idle(transaction: Transaction, name: str, number: int) -> None:
    queries: Iterable[tuple[str, str, int | str]] = (
        (
            "operation",
            # A compaction is nobody's wish: it ends by itself without its index.
            "SELECT name FROM operations WHERE index_name = ?"
            " AND state IN ('queued', 'running') AND kind != 'optimize'",
            name,
        ),
        ("session", "SELECT name FROM sessions WHERE index_number = ?", number),
    )
    for what, query, value in queries:
        if open_ones := transaction.run(query, value).fetchall():
            raise NotReadyError(
                f"{name!r} has {len(open_ones)} open {what}s: end"
                f" {open_ones[0]['name']!r} first"
            )
