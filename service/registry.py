"""The open indexes: what they are, what is stored in them, which version they serve."""

import re
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from os import fsync
from pathlib import Path
from secrets import token_hex
from sqlite3 import Row

import numpy as np

from gleann.index import SoarIndex
from gleann.index.arrays import Ids, Vectors
from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    GleannError,
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
    StorageError,
    UnknownIndexError,
)
from gleann.index.params import Metric
from gleann.service.live_index import Delta, Sealed, View
from gleann.service.store import Store, Transaction
from gleann.service.values import IdType, IndexInfo, IndexVersion
from gleann.service.wire import ids_of, ids_to_wire
from gleann.v1 import types_pb2

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class Registry:
    """The indexes of one data directory.

    Changes are committed to the store first and taken into the index's view after; the
    store runs them one at a time. Reading takes a view and no lock.
    """

    def __init__(
        self, store: Store, directory: Path, *, engine: str, threads: int
    ) -> None:
        self._store = store
        self._directory = directory / "indexes"
        self._engine = engine
        self._threads = threads
        self._views: dict[str, View] = {}
        self._broken: dict[str, GleannError] = {}

    def open(self) -> None:
        """Load every index, and remove what an interrupted process left behind.

        An index that cannot be read does not keep the others from being served: asking
        for it raises what was wrong.
        """
        rows = self._store.rows("SELECT * FROM indexes")
        for row in rows:
            self._sweep(row)
        self._keep_only(self._directory, {str(row["number"]) for row in rows})
        for row in rows:
            try:
                self._views[row["name"]] = self._load(row)
            except GleannError as error:
                self._broken[row["name"]] = error

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
        """
        if (view := self._views.get(name)) is not None:
            return view
        if (error := self._broken.get(name)) is not None:
            raise CorruptDataError(f"index {name!r} cannot be served: {error}")
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
        sealed = None if view.sealed is None else view.sealed.index
        return IndexInfo(
            name=view.name,
            dim=view.dim,
            metric=view.metric,
            id_type=row["id_type"],
            count=view.count,
            pending=view.delta.count,
            version=view.version,
            sequence=view.sequence,
            nlist=None if sealed is None else sealed.nlist,
            spill=None if sealed is None else sealed.params.spill,
            engine=None if sealed is None else sealed.engine_name,
            data_hash=None if sealed is None else sealed.data_hash,
            created_at=_moment(row["created"]),
            built_at=None if row["built"] is None else _moment(row["built"]),
        )

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
            _claim_id_type(transaction, view, _id_type_of(ids))
            after = _advance(transaction, view)
            transaction.run(
                "INSERT INTO changes (index_number, sequence, ids, vectors)"
                " VALUES (?, ?, ?, ?)",
                view.number,
                after,
                ids_to_wire(ids).SerializeToString(),
                vectors.tobytes(),
            )
            transaction.after_commit(
                lambda: self._publish(view.upserted(ids, vectors, sequence=after))
            )
        return IndexVersion(sealed=view.version, sequence=after)

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
            after = _advance(transaction, view)
            transaction.run(
                "INSERT INTO changes (index_number, sequence, ids) VALUES (?, ?, ?)",
                view.number,
                after,
                ids_to_wire(ids).SerializeToString(),
            )
            transaction.after_commit(
                lambda: self._publish(view.deleted(ids, sequence=after))
            )
        return IndexVersion(sealed=view.version, sequence=after)

    def stage(self, name: str, operation: str, ids: Ids, vectors: Vectors) -> None:
        """Put a part of an import on disk, where nobody sees it yet."""
        with self._store.transaction() as transaction:
            view = self.view(name)
            transaction.run(
                "INSERT INTO changes (index_number, operation, ids, vectors)"
                " VALUES (?, ?, ?, ?)",
                view.number,
                operation,
                ids_to_wire(ids).SerializeToString(),
                vectors.tobytes(),
            )

    def drop_staged(self, operation: str) -> None:
        """Remove the parts of an import that did not get through."""
        with self._store.transaction() as transaction:
            transaction.run(
                "DELETE FROM changes WHERE operation = ? AND sequence IS NULL", operation
            )

    def publish_staged(self, name: str, operation: str, ids: Ids) -> None:
        """Make all parts of an import, which have `ids`, visible at once.

        Raises:
            InvalidInputError: the index has the other kind of ids.
        """
        with self._store.transaction() as transaction:
            view = self.view(name)
            _claim_id_type(transaction, view, _id_type_of(ids))
            after = _advance(transaction, view)
            transaction.run(
                "UPDATE changes SET sequence = ? WHERE operation = ?", after, operation
            )
            transaction.after_commit(
                lambda: self._publish(self._replayed(view, view.sequence))
            )

    def publish_version(self, view: View, index: SoarIndex) -> None:
        """Save `index`, which was built from `view`, and serve it from now on.

        Changes newer than `view` stay on top of it. Until the one transaction that
        publishes the new version, the old one is served and is what a restart finds.

        Raises:
            StorageError: the disk refused; the old version goes on.
            UnknownIndexError: the index was deleted meanwhile.
        """
        version = view.version + 1
        versions = self._directory / str(view.number) / "versions"
        loaded = self._write_version(versions, version, index)
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
            transaction.run(
                "DELETE FROM changes WHERE index_number = ? AND sequence <= ?",
                view.number,
                view.sequence,
            )
            base = View(
                number=view.number,
                name=view.name,
                dim=view.dim,
                metric=view.metric,
                delta=Delta(view.dim),
                version=version,
                sequence=view.sequence,
                sealed=Sealed(loaded),
            )
            following = self._replayed(base, view.sequence)
            transaction.after_commit(lambda: self._publish(following))
        self.sweep_versions(view.number)

    def sealed_version(self, number: int, version: int) -> Sealed:
        """A sealed version by number, also one that is no longer the current one."""
        for view in list(self._views.values()):
            if view.number == number and view.version == version and view.sealed:
                return view.sealed
        path = self._directory / str(number) / "versions" / str(version)
        return Sealed(
            SoarIndex.load(path, engine=self._engine, threads=self._threads)
        )

    def sweep_versions(self, number: int) -> None:
        """Remove the versions of an index that nobody needs any more."""
        row = self._store.row("SELECT * FROM indexes WHERE number = ?", number)
        if row is not None:
            self._sweep(row)

    def _sweep(self, row: Row) -> None:
        pinned = self._store.rows(
            "SELECT DISTINCT version FROM sessions WHERE index_number = ?", row["number"]
        )
        needed = {str(row["version"])} | {str(session["version"]) for session in pinned}
        self._keep_only(self._directory / str(row["number"]) / "versions", needed)

    def _keep_only(self, directory: Path, names: set[str]) -> None:
        if directory.is_dir():
            for path in directory.iterdir():
                if path.name not in names:
                    shutil.rmtree(path, ignore_errors=True)

    def _write_version(self, versions: Path, version: int, index: SoarIndex) -> SoarIndex:
        scratch = versions / f".new-{token_hex(8)}"
        final = versions / str(version)
        try:
            versions.mkdir(parents=True, exist_ok=True)
            index.save(scratch)
            shutil.rmtree(final, ignore_errors=True)
            scratch.rename(final)
            for directory in (versions, versions.parent, self._directory):
                _sync(directory)
        except OSError as error:
            raise StorageError(f"{error.filename}: {error.strerror}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return SoarIndex.load(final, engine=self._engine, threads=self._threads)

    def _load(self, row: Row) -> View:
        sealed = None
        if row["version"]:
            sealed = self.sealed_version(row["number"], row["version"])
        view = View(
            number=row["number"],
            name=row["name"],
            dim=row["dim"],
            metric=row["metric"],
            delta=Delta(row["dim"]),
            version=row["version"],
            sequence=row["sealed_sequence"],
            sealed=sealed,
        )
        return self._replayed(view, row["sealed_sequence"])

    def _replayed(self, view: View, after: int) -> View:
        """`view` with the acknowledged changes newer than `after`."""
        changes = self._store.rows(
            "SELECT sequence, ids, vectors FROM changes"
            " WHERE index_number = ? AND sequence > ? ORDER BY sequence, number",
            view.number,
            after,
        )
        for change in changes:
            ids = ids_of(types_pb2.Ids.FromString(change["ids"]), name="ids")
            if change["vectors"] is None:
                view = view.deleted(ids, sequence=change["sequence"])
            else:
                vectors = np.frombuffer(change["vectors"], "<f4").reshape(-1, view.dim)
                view = view.upserted(ids, vectors, sequence=change["sequence"])
        return view

    def _publish(self, view: View) -> None:
        self._views[view.name] = view

    def _forget(self, name: str, number: int) -> None:
        self._views.pop(name, None)
        self._broken.pop(name, None)
        shutil.rmtree(self._directory / str(number), ignore_errors=True)


def require_vectors(view: View) -> None:
    """Refuse an empty index.

    Raises:
        NotReadyError: it has no vectors.
    """
    if view.count == 0:
        raise NotReadyError(f"{view.name!r} is empty: upsert or import vectors first")


def _id_type_of(ids: Ids) -> IdType:
    return "string" if ids.dtype.kind == "U" else "int64"


def _claim_id_type(transaction: Transaction, view: View, id_type: IdType) -> None:
    """Set the kind of ids by the first vectors, and hold later ones to it."""
    row = transaction.run(
        "SELECT id_type FROM indexes WHERE number = ?", view.number
    ).fetchone()
    if row["id_type"] is None:
        transaction.run(
            "UPDATE indexes SET id_type = ? WHERE number = ?", id_type, view.number
        )
    elif row["id_type"] != id_type:
        raise InvalidInputError(
            f"{view.name!r} has {row['id_type']} ids, these are {id_type} ids"
        )


def _advance(transaction: Transaction, view: View) -> int:
    """Number the next change."""
    transaction.run(
        "UPDATE indexes SET sequence = ? WHERE number = ?",
        view.sequence + 1,
        view.number,
    )
    return view.sequence + 1


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


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _sync(directory: Path) -> None:
    """Put a directory's entries on disk, so that a rename survives a power cut."""
    from os import O_RDONLY, close, open

    descriptor = open(directory, O_RDONLY)
    try:
        fsync(descriptor)
    finally:
        close(descriptor)
