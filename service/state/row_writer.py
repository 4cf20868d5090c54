"""Changes of the rows of an index: on disk first, visible then."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from gleann.index.arrays import HeldIds, Vectors
from gleann.index.errors import InvalidInputError
from gleann.index.filters.condition import Condition
from gleann.index.ids.held import take_ids
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.service.state.commits.group import Transaction
from gleann.service.state.log import changes
from gleann.service.state.log.change import Change
from gleann.service.state.packed_change import PackedChange
from gleann.service.state.served import Served
from gleann.service.state.store import Store
from gleann.service.values import IndexVersion
from gleann.service.views.live_index import View

Targets: TypeAlias = HeldIds | Condition
"""What a change applies to: distinct ids, or all vectors for which it is true."""


MOST_QUEUED_BYTES = 1 << 22
"""Bytes of vectors above which an upsert is logged by itself, part by part."""


class RowWriter:
    """Writes the rows of all indexes; each call is one change, whole or not at all."""

    def __init__(self, store: Store, served: Served) -> None:
        self._store = store
        self._served = served

    def upsert(
        self, name: str, ids: HeldIds, vectors: Vectors, payload: Payload | None
    ) -> IndexVersion:
        """Store prepared `vectors` (m, dim) and their payload under distinct `ids`.

        It replaces whole rows: columns that `payload` lacks become null.

        Returns:
            The first state with them.

        Raises:
            As the function that `upserting` returns.
        """
        return self.upserting(name, ids, vectors, payload)()

    def upserting(
        self, name: str, ids: HeldIds, vectors: Vectors, payload: Payload | None
    ) -> Callable[[], IndexVersion]:
        """Pack an `upsert`, which takes time; return the function that stores it.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownColumnError: a column that the index does not have.
            InvalidInputError: a column of another type, or the other kind of ids.
        """
        change = Change(kind="upsert", ids=ids, vectors=vectors, payload=payload)
        packed = change.packed() if vectors.nbytes <= MOST_QUEUED_BYTES else None
        return lambda: self._upsert(name, change, packed)

    def _upsert(
        self, name: str, change: Change, packed: PackedChange | None
    ) -> IndexVersion:
        self._store.disk.require_room()
        with self._store.transaction() as transaction:
            view, before = self._served.before_upsert(name)
            require_fitting(change.payload, view.schema)
            changes.claim_id_type(transaction, view, change.ids)
            if packed is None:
                self._apply(transaction, name, change)
            else:
                self._served.queue(name, change, packed)
        return IndexVersion(sealed=view.version, sequence=before + 1)

    def delete(
        self, name: str, targets: Targets, *, missing_ok: bool
    ) -> tuple[int, IndexVersion]:
        """Remove vectors; unknown ids only if `missing_ok`.

        Returns:
            The number of removed vectors, and the first state without them.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownIdError: unknown id; nothing is removed.
            InvalidFilterError: a condition that does not fit the index.
        """

        def change(ids: HeldIds, _: View) -> Change:
            return Change(kind="delete", ids=ids)

        return self._change(name, targets, change, missing_ok=missing_ok)

    def update_payload(
        self, name: str, targets: Targets, payload: Payload
    ) -> tuple[int, IndexVersion]:
        """Set the values of the columns of `payload`: a row for each id, or one.

        Returns:
            The number of vectors, and the first state with the values.

        Raises:
            As `delete`, and
            UnknownColumnError: a column that the index does not have.
            InvalidInputError: a column of another type.
        """

        def change(ids: HeldIds, view: View) -> Change:
            require_fitting(payload, view.schema)
            return Change(kind="update payload", ids=ids, payload=payload)

        return self._change(name, targets, change, missing_ok=False)

    def delete_payload(
        self, name: str, targets: Targets, names: Sequence[str]
    ) -> tuple[int, IndexVersion]:
        """Remove the values of the columns `names`.

        Returns:
            The number of vectors, and the first state without the values.

        Raises:
            As `delete`, and
            UnknownColumnError: a column that the index does not have.
        """

        def change(ids: HeldIds, view: View) -> Change:
            dropped = view.schema.select(names).names
            return Change(kind="delete payload", ids=ids, dropped=dropped)

        return self._change(name, targets, change, missing_ok=False)

    def _change(
        self,
        name: str,
        targets: Targets,
        change: Callable[[HeldIds, View], Change],
        *,
        missing_ok: bool,
    ) -> tuple[int, IndexVersion]:
        if isinstance(targets, Condition):
            # Nothing slow while others wait: its masks are cached by this.
            early = self._served.view(name)
            early.passing(early.bind(targets))
        self._store.disk.require_room()
        with self._store.transaction() as transaction:
            view = self._served.latest(transaction, name)
            ids = _named(view, targets, missing_ok=missing_ok)
            wanted = change(ids, view)
            if not len(ids):
                return 0, view.state
            self._apply(transaction, name, wanted)
        version = IndexVersion(sealed=view.version, sequence=view.sequence + 1)
        return len(ids), version

    def _apply(self, transaction: Transaction, name: str, change: Change) -> None:
        view = self._served.latest(transaction, name)
        sequence = view.sequence + 1
        changes.log_change(transaction, view, change, sequence=sequence)
        self._served.advance(name, lambda: change.applied(view, sequence=sequence))


def _named(view: View, targets: Targets, *, missing_ok: bool) -> HeldIds:
    """The ids that a change applies to: they are logged, so that a replay is certain.

    Raises:
        UnknownIdError: unknown id, if not `missing_ok`.
    """
    if isinstance(targets, Condition):
        return view.ids_at(np.flatnonzero(view.passing(view.bind(targets))))
    if not missing_ok:
        view.require(targets)
        return targets
    return take_ids(targets, np.flatnonzero(view.find(targets) >= 0))


def require_fitting(payload: Payload | None, schema: Schema) -> None:
    """Refuse values of columns that an index does not have.

    Raises:
        UnknownColumnError: naming the column, and those there are.
        InvalidInputError: a column of another type.
    """
    if payload is None or payload.schema == schema:
        return
    for column in payload.schema.columns:
        expected = schema.column(column.name).type
        if column.type != expected:
            raise InvalidInputError(
                f"column {column.name!r} has the type {expected}, the values are of"
                f" type {column.type}"
            )
