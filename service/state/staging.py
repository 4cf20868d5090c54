"""Imports in parts: written to disk first, published together."""

from gleann.index.arrays import HeldIds, Vectors
from gleann.index.payload.payload import Payload
from gleann.service.state.log import changes
from gleann.service.state.log.change import Change
from gleann.service.state.row_writer import require_fitting
from gleann.service.state.served import Served
from gleann.service.state.store import Store


class Staging:
    """Parts of imports, which nobody sees before the last one is on disk."""

    def __init__(self, store: Store, served: Served) -> None:
        self._store = store
        self._served = served

    def stage(
        self,
        name: str,
        operation: str,
        ids: HeldIds,
        vectors: Vectors,
        payload: Payload | None = None,
    ) -> None:
        """Write a part of an import to disk, not visible yet.

        Raises:
            UnknownColumnError: a column that the index does not have.
            InvalidInputError: a column of another type.
        """
        part = Change(kind="upsert", ids=ids, vectors=vectors, payload=payload)
        with self._store.long_transaction() as transaction:
            view = self._served.latest(transaction, name)
            require_fitting(payload, view.schema)
            changes.log_staged(transaction, view, operation, part)

    def drop(self, operation: str) -> None:
        """Remove the parts of a failed import."""
        with self._store.transaction() as transaction:
            if changes.drop_staged(transaction, operation):
                transaction.after_commit(self._store.give_back_space_soon)

    def count_published(self, operation: str) -> int:
        """Number of rows that an import published; valid until the next build."""
        return changes.count_published(self._store, operation)

    def publish(self, name: str, operation: str, ids: HeldIds) -> None:
        """Publish all parts of an import, whose ids are `ids`, atomically.

        Raises:
            InvalidInputError: the index has the other kind of ids.
        """
        with self._store.long_transaction() as transaction:
            view = self._served.latest(transaction, name)
            changes.publish_staged(transaction, view, operation, ids)
            self._served.advance(name, lambda: changes.replayed(self._store, view))
