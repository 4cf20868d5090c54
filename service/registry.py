"""The open indexes: what they are, what is stored in them, which version they serve."""

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from sqlite3 import Row

from gleann.index import SoarIndex
from gleann.index.arrays import Ids, Vectors
from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    DeviceLostError,
    DeviceMemoryError,
    GleannError,
    InvalidParamsError,
    NotReadyError,
    UnknownIndexError,
)
from gleann.index.params import Metric
from gleann.service import changes
from gleann.service.index_info import index_info
from gleann.service.live_index import Delta, Sealed, View
from gleann.service.store import Store, Transaction
from gleann.service.values import IndexInfo, IndexVersion
from gleann.service.versions import Versions

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class Registry:
    """The indexes of one data directory.

    A change is committed to the store first and taken into the index's view after; the
    store runs changes one at a time. Reading takes a view and no lock.
    """

    def __init__(self, store: Store, versions: Versions) -> None:
        self._store = store
        self._versions = versions
        self._views: dict[str, View] = {}
        self._broken: dict[str, tuple[type[GleannError], str]] = {}

    def open(self) -> None:
        """Load every index, and remove what an interrupted process left behind.

        An index that cannot be read does not keep the others from being served: asking
        for it raises what was wrong.
        """
        rows = self._store.rows("SELECT * FROM indexes")
        self._versions.keep_indexes({row["number"] for row in rows})
        for row in rows:
            self._versions.keep_only(row["number"], self._needed(row))
            try:
                self._views[row["name"]] = self._load(row)
            except GleannError as error:
                # Not the error: its traceback would hold what loading had begun.
                self._broken[row["name"]] = _why_unservable(row["name"], error)

    def create(self, name: str, *, dim: int, metric: Metric) -> View:
        """Make an empty index.

        Raises:
            InvalidParamsError: a bad name.
            AlreadyExistsError: the name is taken.
        """
        if not _NAME.fullmatch(name):
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
        """What the index answers from now.

        Raises:
            UnknownIndexError: no index has this name.
            CorruptDataError: it could not be loaded.
            DeviceMemoryError: it does not fit the device that it must be on.
            DeviceLostError: that device failed.
        """
        if (view := self._views.get(name)) is not None:
            return view
        if (why := self._broken.get(name)) is not None:
            kind, said = why
            raise kind(said)
        raise UnknownIndexError(f"there is no index {name[:80]!r}")

    def names(self) -> list[str]:
        """The indexes that can be served, sorted."""
        return sorted(self._views)

    def info(self, view: View) -> IndexInfo:
        """Describe an index as `view` has it.

        Raises:
            UnknownIndexError: it was deleted meanwhile.
        """
        row = self._store.row("SELECT * FROM indexes WHERE number = ?", view.number)
        if row is None:
            raise UnknownIndexError(f"there is no index {view.name!r}")
        return index_info(view, row)

    def delete(self, name: str) -> None:
        """Remove an index and its files.

        Raises:
            UnknownIndexError: no index has this name.
            NotReadyError: an operation or a session is open on it.
        """
        with self._store.transaction() as transaction:
            row = transaction.run(
                "SELECT number FROM indexes WHERE name = ?", name
            ).fetchone()
            if row is None:
                raise UnknownIndexError(f"there is no index {name[:80]!r}")
            _require_idle(transaction, name, row["number"])
            transaction.run("DELETE FROM indexes WHERE number = ?", row["number"])
            transaction.after_commit(lambda: self._forget(name, row["number"]))

    def upsert(self, name: str, ids: Ids, vectors: Vectors) -> IndexVersion:
        """Store prepared `vectors` (m, dim) under distinct `ids`.

        Returns:
            The first state that holds them.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidInputError: the index has the other kind of ids.
        """
        with self._store.transaction() as transaction:
            view = self.view(name)
            sequence = changes.log_change(transaction, view, ids, vectors)
            transaction.after_commit(
                lambda: self._publish(view.upserted(ids, vectors, sequence=sequence))
            )
        return IndexVersion(sealed=view.version, sequence=sequence)

    def delete_vectors(self, name: str, ids: Ids) -> IndexVersion:
        """Remove the vectors of distinct `ids`.

        Returns:
            The first state that lacks them.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownIdError: an id is not there; nothing is removed.
        """
        with self._store.transaction() as transaction:
            view = self.view(name)
            view.require(ids)
            sequence = changes.log_change(transaction, view, ids, None)
            transaction.after_commit(
                lambda: self._publish(view.deleted(ids, sequence=sequence))
            )
        return IndexVersion(sealed=view.version, sequence=sequence)

    def stage(self, name: str, operation: str, ids: Ids, vectors: Vectors) -> None:
        """Put a part of an import on disk, where nobody sees it yet."""
        with self._store.transaction() as transaction:
            changes.log_staged(transaction, self.view(name), operation, ids, vectors)

    def drop_staged(self, operation: str) -> None:
        """Remove the parts of an import that did not get through."""
        with self._store.transaction() as transaction:
            changes.drop_staged(transaction, operation)

    def publish_staged(self, name: str, operation: str, ids: Ids) -> None:
        """Make all parts of an import, which have `ids`, visible at once.

        Raises:
            InvalidInputError: the index has the other kind of ids.
        """
        with self._store.transaction() as transaction:
            view = self.view(name)
            changes.publish_staged(transaction, view, operation, ids)
            transaction.after_commit(
                lambda: self._publish(changes.replayed(self._store, view))
            )

    def publish_version(self, view: View, save: Callable[[Path], object]) -> None:
        """Serve from now on the index that `save` builds from `view` into a directory.

        Changes newer than `view` stay on top of it. Until the one transaction that
        publishes the new version, the old one is served and is what a restart finds.

        Raises:
            StorageError: the disk refused; the old version goes on.
            UnknownIndexError: the index was deleted meanwhile.
            DeviceMemoryError: it does not fit the device that it must be on; likewise.
            DeviceLostError: that device failed.
        """
        version = view.version + 1
        old = None if view.sealed is None else view.sealed.index
        published = self._versions.published(view.number, version, save, old=old)
        try:
            with published as index:
                self._publish_sealed(view, version, Sealed(index))
        except BaseException:
            self._discard(view.number, version)
            raise
        self.sweep(view.number)

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
        """Remove the versions of an index that nobody needs any more."""
        row = self._store.row("SELECT * FROM indexes WHERE number = ?", number)
        if row is not None:
            self._versions.drop_older(
                number, than=row["version"], needed=self._needed(row)
            )

    def _discard(self, number: int, version: int) -> None:
        """Remove a version, unless the store has it after all."""
        row = self._store.row("SELECT * FROM indexes WHERE number = ?", number)
        if row is None or version not in self._needed(row):
            self._versions.drop(number, version)

    def _needed(self, row: Row) -> set[int]:
        pinned = self._store.rows(
            "SELECT DISTINCT version FROM sessions WHERE index_number = ?",
            row["number"],
        )
        return {row["version"]} | {session["version"] for session in pinned}

    def _load(self, row: Row) -> View:
        number, version = row["number"], row["version"]
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
        return changes.replayed(self._store, view)

    def _publish(self, view: View) -> None:
        self._views[view.name] = view

    def _forget(self, name: str, number: int) -> None:
        self._views.pop(name, None)
        self._broken.pop(name, None)
        self._versions.forget(number)


def require_vectors(view: View) -> None:
    """Refuse an empty index.

    Raises:
        NotReadyError: it has no vectors.
    """
    if view.count == 0:
        raise NotReadyError(f"{view.name!r} is empty: upsert or import vectors first")


def _why_unservable(name: str, error: GleannError) -> tuple[type[GleannError], str]:
    """What a call hears of an index that was not loaded because of `error`."""
    kept = (DeviceMemoryError, DeviceLostError)
    kind = type(error) if isinstance(error, kept) else CorruptDataError
    return kind, f"index {name!r} cannot be served: {error}"


def _require_idle(transaction: Transaction, name: str, number: int) -> None:
    queries: Iterable[tuple[str, str, int | str]] = (
        (
            "operation",
            "SELECT name FROM operations WHERE index_name = ?"
            " AND state IN ('queued', 'running')",
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
