"""Registry of the indexes of a data directory."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from sqlite3 import Row

from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import HeldIds, Vectors
from gleann.index.errors import (
    AlreadyExistsError,
    UnknownIndexError,
)
from gleann.index.params import Metric
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service import steady_clock
from gleann.service.optimizer_params import OptimizerParams, OptimizerState
from gleann.service.state import orphans
from gleann.service.state.adoption import Adopted, Adoption
from gleann.service.state.commits.group import Transaction
from gleann.service.state.damage.broken_index import Broken
from gleann.service.state.etag import require_etag
from gleann.service.state.idle import require_idle
from gleann.service.state.index_info import index_info, shards_info
from gleann.service.state.index_names import require_name
from gleann.service.state.loading import Loading
from gleann.service.state.log.columns import log_columns
from gleann.service.state.row_writer import RowWriter, Targets
from gleann.service.state.sealing import Sealing, publish_nothing_else
from gleann.service.state.served import Served, Watcher
from gleann.service.state.staging import Staging
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions
from gleann.service.values import IndexInfo, IndexVersion
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import View
from gleann.service.views.live_payload import LivePayload
from gleann.service.views.sharded_view import Readable, ShardedView

CompactionOf = Callable[[View], OptimizerState | None]


class Registry:
    """The indexes of one data directory.

    A change is committed to the store first and visible in the index's view then; the
    store runs changes one at a time. Readers take a view and no lock.
    """

    def __init__(self, store: Store, versions: Versions) -> None:
        self._store = store
        self._versions = versions
        self._served = Served()
        self._loading = Loading(store, versions)
        self._rows = RowWriter(store, self._served)
        self._staging = Staging(store, self._served, self._loading)
        self._sealing = Sealing(store, versions, self._served, self._loading.masks)
        self._adoption = Adoption(store, versions, self._served, self._loading.masks)
        self._compaction_of: CompactionOf = _unknown
        store.follow(self._served)

    def watch(self, tell: Watcher) -> None:
        """Register `tell` for the health of all indexes, now and on changes.

        Args:
            tell: called with an index name and whether it is served; None for a
                deleted one.
        """
        self._served.watch(tell)

    def ask_of_compaction(self, state_of: CompactionOf) -> None:
        """Register what knows the state of an index's compaction, to describe it."""
        self._compaction_of = state_of

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
                needed = self._sealing.needed(row)
                orphans.sweep_versions(self._versions, row, needed)

    def create(
        self,
        name: str,
        *,
        dim: int,
        metric: Metric,
        schema: Schema | None = None,
        optimizer: OptimizerParams | None = None,
    ) -> View:
        """Create an empty index.

        Raises:
            InvalidParamsError: a bad name.
            AlreadyExistsError: the name is taken.
        """
        require_name(name)
        schema = Schema() if schema is None else schema
        columns = schema.to_json()
        self._store.disk.require_room()
        with self._store.transaction() as transaction:
            if self._served.is_taken(name):
                raise AlreadyExistsError(f"there is an index {name!r} already")
            number = transaction.run(
                "INSERT INTO indexes (name, dim, metric, created, columns,"
                " sealed_columns, optimizer) VALUES (?, ?, ?, ?, ?, ?, ?)",
                name,
                dim,
                metric,
                steady_clock.now(),
                columns,
                columns,
                _optimizer_json(optimizer or OptimizerParams()),
            ).lastrowid
            assert number is not None
            view = View(
                number=number,
                name=name,
                dim=dim,
                metric=metric,
                delta=Delta(dim),
                payload=LivePayload(schema=schema, masks=self._loading.masks),
            )
            self._served.advance(name, lambda: view)
        return view

    def update(
        self,
        name: str,
        *,
        add_columns: Sequence[Column] = (),
        drop_columns: Sequence[str] = (),
        optimizer: OptimizerParams | None = None,
        etag: str = "",
    ) -> View:
        """Drop columns with their values, then add columns, and set the optimizer.

        A column to add that is there with the same type keeps its values, and is
        indexed from now on if it is given as that. Fields of `optimizer` that are None
        keep their values.

        Raises:
            UnknownIndexError: no index has this name.
            ConflictError: its etag is not `etag`, where that is not empty.
            UnknownColumnError: a column to drop that there is not.
            InvalidInputError: a column to add whose name is taken.
        """
        self._store.disk.require_room()
        with self._store.transaction() as transaction:
            view = self._served.latest(transaction, name)
            require_etag(_row_of(transaction, view.number), etag, name=name)
            if optimizer is not None:
                _set_optimizer(transaction, view, optimizer)
            following = log_columns(
                transaction, view, add=add_columns, drop=drop_columns
            )
            if following is view:
                return view
            self._served.advance(name, lambda: following)
        return following

    def view(self, name: str) -> View:
        """The current view of the index.

        Raises:
            UnknownIndexError: no index has this name.
            CorruptDataError: the load failed.
            NotReadyError: not enough memory to load it.
            DeviceMemoryError: it does not fit the required device.
            DeviceLostError: that device failed.
        """
        return self._served.view(name)

    def readable(self, name: str) -> Readable:
        """The current view of an index, or what a call that only reads takes for it.

        Raises:
            As `view`.
        """
        return self._served.readable(name)

    def serve_shards(self, view: ShardedView) -> None:
        """Serve an index in shards to calls that only read.

        Raises:
            InvalidParamsError: a bad name.
            AlreadyExistsError: the name is taken.
        """
        require_name(view.name)
        if self._served.is_taken(view.name):
            raise AlreadyExistsError(f"there is an index {view.name!r} already")
        self._served.serve_shards(view)

    def close_to_new(self, why: str) -> None:
        """Refuse to add indexes from now on, with the reason `why`; "" allows it."""
        self._served.closed = why

    def names(self) -> list[str]:
        """Names of all indexes, sorted; also those that cannot be served."""
        return self._served.names()

    def broken(self) -> dict[str, str]:
        """Reasons of the indexes that cannot be served, by name."""
        return self._served.broken()

    def describe(self, name: str) -> IndexInfo:
        """Describe an index, also one that cannot be served.

        Raises:
            UnknownIndexError: no index has this name.
        """
        if (left := self._served.left(name)) is not None:
            return left.info
        view = self.readable(name)
        return shards_info(view) if isinstance(view, ShardedView) else self.info(view)

    def info(self, view: View) -> IndexInfo:
        """Describe an index in the state `view`.

        Raises:
            UnknownIndexError: it was deleted meanwhile.
        """
        info = index_info(view, self._sealing.row(view))
        return replace(info, optimizer=self._compaction_of(view))

    def optimizer(self, view: View) -> OptimizerParams:
        """What is set of an index's compaction; None in what is not.

        Raises:
            UnknownIndexError: it was deleted meanwhile.
        """
        return optimizer_of(self._sealing.row(view))

    def optimizer_text(self, view: View) -> str:
        """JSON of what is set of an index's compaction.

        Raises:
            UnknownIndexError: it was deleted meanwhile.
        """
        return str(self._sealing.row(view)["optimizer"])

    def version_path(self, view: View) -> Path:
        """The directory of the sealed version of a view."""
        return self._versions.path(view.number, view.version)

    def fitted(self, view: View, params: BuildParams) -> BuildParams:
        """Parameters of a build of the live rows that can be served; see `Versions`.

        Raises:
            InvalidParamsError: there are none.
        """
        return self._versions.fitted(view, params)

    def directory(self, view: View) -> Path:
        """The directory of the files of an index."""
        return self._versions.index_directory(view.number)

    def delete(self, name: str, *, etag: str = "") -> None:
        """Remove an index and its files.

        Raises:
            UnknownIndexError: no index has this name.
            ConflictError: its etag is not `etag`, where that is not empty.
            NotReadyError: an operation or a session is open on it.
        """
        with self._store.transaction() as transaction:
            if self._served.left(name) is None:
                self._served.latest(transaction, name)
            number = self._number(transaction, name)
            require_etag(_row_of(transaction, number), etag, name=name)
            require_idle(transaction, name, number)
            transaction.run("DELETE FROM indexes WHERE number = ?", number)
            # Until its files are removed, this record explains them.
            transaction.run(
                "INSERT INTO deleted (number, name) VALUES (?, ?)", number, name
            )
            self._served.advance(name, lambda: None)
            transaction.after_commit(lambda: self._forget(number))

    def upsert(
        self,
        name: str,
        ids: HeldIds,
        vectors: Vectors,
        payload: Payload | None = None,
    ) -> IndexVersion:
        """As `RowWriter.upsert`."""
        return self._rows.upsert(name, ids, vectors, payload)

    def upserting(
        self, name: str, ids: HeldIds, vectors: Vectors, payload: Payload | None
    ) -> Callable[[], IndexVersion]:
        """As `RowWriter.upserting`."""
        return self._rows.upserting(name, ids, vectors, payload)

    def delete_vectors(
        self, name: str, targets: Targets, *, missing_ok: bool
    ) -> tuple[int, IndexVersion]:
        """As `RowWriter.delete`."""
        return self._rows.delete(name, targets, missing_ok=missing_ok)

    def update_payload(
        self, name: str, targets: Targets, payload: Payload
    ) -> tuple[int, IndexVersion]:
        """As `RowWriter.update_payload`."""
        return self._rows.update_payload(name, targets, payload)

    def delete_payload(
        self, name: str, targets: Targets, names: Sequence[str]
    ) -> tuple[int, IndexVersion]:
        """As `RowWriter.delete_payload`."""
        return self._rows.delete_payload(name, targets, names)

    def start_import(self, name: str, operation: str) -> View:
        """As `Staging.start`."""
        return self._staging.start(name, operation)

    def started_import(self, name: str, operation: str) -> View | None:
        """As `Staging.started`."""
        return self._staging.started(name, operation)

    def stage(
        self,
        name: str,
        operation: str,
        ids: HeldIds,
        vectors: Vectors,
        payload: Payload | None = None,
        *,
        add: Sequence[Column] = (),
    ) -> None:
        """As `Staging.stage`."""
        self._staging.stage(name, operation, ids, vectors, payload, add=add)

    def drop_staged(self, operation: str) -> None:
        """As `Staging.drop`."""
        self._staging.drop(operation)

    def count_published(self, operation: str) -> int:
        """As `Staging.count_published`."""
        return self._staging.count_published(operation)

    def publish_staged(
        self, name: str, operation: str, ids: HeldIds, *, add: Sequence[Column] = ()
    ) -> None:
        """As `Staging.publish`."""
        self._staging.publish(name, operation, ids, add=add)

    def publish_version(
        self,
        view: View,
        save: Callable[[Path], object],
        *,
        ids: HeldIds | None = None,
        published: Callable[[View], None] = publish_nothing_else,
    ) -> None:
        """As `Sealing.publish`."""
        self._sealing.publish(view, save, ids=ids, published=published)

    def adopt(
        self, name: str, adopted: Adopted, *, published: Callable[[View], None]
    ) -> None:
        """As `Adoption.adopt`."""
        self._adoption.adopt(name, adopted, published=published)

    def sealed_version(self, number: int, version: int) -> SoarIndex:
        """As `Sealing.version`."""
        return self._sealing.version(number, version)

    def sweep(self, number: int) -> None:
        """As `Sealing.sweep`."""
        self._sealing.sweep(number)

    def _number(self, transaction: Transaction, name: str) -> int:
        if (left := self._served.left(name)) is not None:
            return left.number
        row = transaction.run("SELECT number FROM indexes WHERE name = ?", name)
        found = row.fetchone()
        if found is None:
            raise UnknownIndexError(f"there is no index {name[:80]!r}")
        return int(found["number"])

    def _opened(self, row: Row) -> bool:
        """Load an index and serve it, or record why not; return if it is served."""
        loaded = self._loading.loaded(row)
        if isinstance(loaded, Broken):
            self._served.give_up(loaded)
            return False
        self._served.serve(loaded)
        return True

    def _forget(self, number: int) -> None:
        self._store.mended("indexes", number)
        self._versions.forget(number)
        self._store.give_back_space_soon()


def optimizer_of(row: Row) -> OptimizerParams:
    """What a row of the table `indexes` sets of the compaction."""
    return OptimizerParams(**json.loads(row["optimizer"]))


def _optimizer_json(params: OptimizerParams) -> str:
    given = {name: one for name, one in asdict(params).items() if one is not None}
    return json.dumps(given)


def _set_optimizer(
    transaction: Transaction, view: View, params: OptimizerParams
) -> None:
    row = transaction.run(
        "SELECT optimizer FROM indexes WHERE number = ?", view.number
    ).fetchone()
    transaction.run(
        "UPDATE indexes SET optimizer = ? WHERE number = ?",
        _optimizer_json(params.filled(optimizer_of(row))),
        view.number,
    )


def _unknown(_view: View) -> None:
    """What is known of the compaction before anything looks after it: nothing."""


def _row_of(transaction: Transaction, number: int) -> Row:
    """The row of an index in the table `indexes`."""
    sql = "SELECT * FROM indexes WHERE number = ?"
    row: Row = transaction.run(sql, number).fetchone()
    return row
