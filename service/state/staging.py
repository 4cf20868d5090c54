"""Imports: the state in which one starts, and its parts, which are published together.

Changes acknowledged after the start are newer than the rows of the file, however late
these are published, and however often the import is run again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gleann.index.arrays import HeldIds, Vectors
from gleann.index.errors import NotReadyError
from gleann.index.ids.held import IdLookup
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.state.commits.group import Transaction
from gleann.service.state.loading import Loading
from gleann.service.state.log import changes
from gleann.service.state.log.change import Change
from gleann.service.state.log.columns import log_columns, missing_columns
from gleann.service.state.row_writer import require_fitting
from gleann.service.state.served import Served
from gleann.service.state.store import Store
from gleann.service.views.live_index import View


class Staging:
    """Parts of imports, which nobody sees before the last one is on disk."""

    def __init__(self, store: Store, served: Served, loading: Loading) -> None:
        self._store = store
        self._served = served
        self._loading = loading

    def start(self, name: str, operation: str) -> View:
        """The state in which an import starts, which is recorded on disk.

        Raises:
            UnknownIndexError: no index has this name.
        """
        self._store.disk.require_room()
        with self._store.transaction() as transaction:
            view = self._served.latest(transaction, name)
            transaction.run(
                "UPDATE operations SET start_sequence = ? WHERE name = ?",
                view.sequence,
                operation,
            )
        return view

    def started(self, name: str, operation: str) -> View | None:
        """The state in which an earlier run of an import started; None without one.

        Raises:
            UnknownIndexError: no index has this name.
            NotReadyError: later changes are in a sealed version already.
            CorruptDataError: a change before it is damaged.
        """
        with self._store.transaction() as transaction:
            sequence = _start_sequence(transaction, operation)
            if sequence is None:
                return None
            view = self._served.latest(transaction, name)
            row = transaction.run(
                "SELECT * FROM indexes WHERE number = ?", view.number
            ).fetchone()
        if view.sequence <= sequence:
            return view
        if row["sealed_sequence"] > sequence:
            raise NotReadyError(
                f"{name!r} was built up to change {row['sealed_sequence']} since this"
                f" import started after change {sequence}: import the file again"
            )
        base = self._loading.base(row, view.sealed)
        return changes.replayed_to(self._store, base, sequence)

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
        """Write a part of an import to disk, not visible yet.

        Args:
            name: the index.
            operation: the import.
            ids: (m,) distinct ids.
            vectors: (m, dim) prepared rows.
            payload: (m,) their payload.
            add: columns that `publish` adds.

        Raises:
            UnknownColumnError: a column that the index does not have.
            InvalidInputError: a column of another type.
        """
        self._store.disk.require_room()
        part = Change(kind="upsert", ids=ids, vectors=vectors, payload=payload)
        with self._store.long_transaction() as transaction:
            view = self._served.latest(transaction, name)
            missing = missing_columns(view.schema, add)
            require_fitting(payload, view.schema.with_columns(missing))
            changes.log_staged(transaction, view, operation, part)

    def drop(self, operation: str) -> None:
        """Remove the parts of a failed import."""
        with self._store.transaction() as transaction:
            if changes.drop_staged(transaction, operation):
                transaction.after_commit(self._store.give_back_space_soon)

    def count_published(self, operation: str) -> int:
        """Number of rows that an import published; valid until the next build."""
        return changes.count_published(self._store, operation)

    def publish(
        self, name: str, operation: str, ids: HeldIds, *, add: Sequence[Column] = ()
    ) -> None:
        """Publish all parts of an import, whose ids are `ids`, atomically.

        Before them, the columns `add` are added, unless they are there meanwhile. What
        was changed of these ids since the import started is logged once more, so that
        it is newer than the parts.

        Raises:
            InvalidInputError: the index has the other kind of ids, or a column of
                this name and another type.
        """
        with self._store.long_transaction() as transaction:
            view = self._served.latest(transaction, name)
            wide = log_columns(transaction, view, add=add)
            sequence = changes.publish_staged(transaction, wide, operation, ids)
            start = _start_sequence(transaction, operation)
            if start is not None and start < view.sequence:
                for change in self._since(view, start, ids):
                    sequence += 1
                    changes.log_change(transaction, view, change, sequence=sequence)
            changes.set_sequence(transaction, view, sequence)
            self._served.advance(name, lambda: changes.replayed(self._store, view))

    def _since(self, view: View, start: int, ids: HeldIds) -> Iterator[Change]:
        """What the changes after `start`, up to `view`, did to vectors of `ids`."""
        lookup = IdLookup(ids)
        for logged in changes.following(self._store, replace(view, sequence=start)):
            if logged.sequence > view.sequence:
                return
            change: Change | None = logged.change
            if logged.change.kind == "schema":
                change = _values_dropped(logged.change, view.schema, ids)
            else:
                change = logged.change.within(lookup)
            if change is not None:
                yield change


def _start_sequence(transaction: Transaction, operation: str) -> int | None:
    """The sequence after which an import started; None if it never did."""
    row = transaction.run(
        "SELECT start_sequence FROM operations WHERE name = ?", operation
    ).fetchone()
    return None if row is None else row["start_sequence"]


def _values_dropped(change: Change, schema: Schema, ids: HeldIds) -> Change | None:
    """A change of the schema as it concerns rows of an import.

    A column that was dropped and added again has no values that are older than that.
    """
    dropped = tuple(name for name in change.dropped if name in schema)
    return Change(kind="delete payload", ids=ids, dropped=dropped) if dropped else None
