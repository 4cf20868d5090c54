"""Operations on stored sessions of promised sets, and of audits of a batch."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_distinct
from gleann.service.sessions.among import rows_among
from gleann.service.sessions.columns import column_in_order, in_order
from gleann.service.sessions.store import Keep, SessionStore, selected_of
from gleann.service.values import Selected, SessionKind
from gleann.service.views.live_index import View, sealed_index

if TYPE_CHECKING:
    from gleann.selection.promises import (
        AcceptanceBound,
        AuditParams,
        BatchAudit,
        PromisedSet,
        PromiseParams,
        PromiseSession,
    )

    PromiseOrAudit: TypeAlias = PromiseSession | BatchAudit


class PromiseSessions:
    """Operations specific to promises and audits, which `store` holds."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def start(
        self,
        view: View,
        params: "PromiseParams",
        *,
        proxy: tuple[HeldIds, NDArray[np.float64]] | str,
        condition: Condition | None = None,
    ) -> Keep:
        """Start a promised set with a proxy for all vectors of the index.

        With a condition the promise is about the vectors that pass: only these need a
        proxy.

        Args:
            view: of the index.
            params: of the promise.
            proxy: ids (n,) and numbers (n,), or a column of payload.
            condition: of the vectors; None for all.

        Raises:
            NotReadyError: the index has no sealed version, or has newer changes.
            UnknownIdError: unknown id.
            UnknownColumnError: no such column.
            InvalidInputError: a vector without a proxy.
            InvalidParamsError: a budget above the number of vectors.
        """
        from gleann.selection.promises import PromiseSession

        index, among = sealed_index(view), rows_among(view, condition)
        if isinstance(proxy, str):
            numbers = column_in_order(view, proxy, among)
        else:
            numbers = in_order(view, *proxy, among)
        if params.budget > (room := len(index if among is None else among)):
            which = "" if among is None else " that pass the filter"
            raise InvalidParamsError(
                f"budget is {params.budget}, but {view.name!r} has {room} vectors"
                f"{which}"
            )
        session = PromiseSession.start(numbers, params, ids=index.held_ids, among=among)
        return self._store.created("promise", view, session, labelled=0, proxy=numbers)

    def start_audit(
        self,
        view: View,
        params: "AuditParams",
        *,
        batch: HeldIds,
        drawn: HeldIds | None = None,
    ) -> Keep:
        """Draw the vectors of a batch (m,) to check, or take those that were drawn.

        Raises:
            NotReadyError: the index has no sealed version, or has newer changes.
            UnknownIdError: a vector that the index does not have.
            DuplicateIdError: a vector twice.
            InvalidInputError: no vectors, or drawn ones that no uniform draw gives.
            InvalidParamsError: a size above the batch, or another than was drawn.
        """
        from gleann.selection.promises import BatchAudit

        sealed_index(view)
        rows = view.require(hold_distinct(batch))
        audit = BatchAudit(batch, params, drawn=drawn)
        return self._store.created(
            "audit", view, audit, labelled=0, proxy=rows.astype(np.float64)
        )

    def next_batch(self, name: str) -> Selected:
        """The next batch; saved, so that a restart returns the same one."""
        from gleann.selection.promises import PromiseSession

        with self._store.changing(name):
            session = self._either(name)
            if not isinstance(session, PromiseSession):
                return _to_check(session)
            batch = selected_of(session.next_batch())
            self._saved(name, session)()
        return batch

    def submit(self, name: str, ids: HeldIds, labels: NDArray[np.bool_]) -> Keep:
        """Submit labels (m,) for the current batch.

        Raises:
            InvalidInputError: a label that was not requested, or contradicts another.
        """
        session = self._either(name)
        session.submit(ids, labels)
        return self._saved(name, session)

    def promised(self, name: str) -> "PromisedSet":
        """The set of a promise.

        Raises:
            NotReadyError: the budget is not spent.
        """
        with self._store.turn(name):
            session: PromiseSession = self._store.opened(name, "promise")
            return session.promised()

    def bound(self, name: str) -> "AcceptanceBound":
        """The bound of an audit.

        Raises:
            NotReadyError: some vectors are not checked.
        """
        with self._store.turn(name):
            audit: BatchAudit = self._store.opened(name, "audit")
            return audit.bound()

    def _either(self, name: str) -> "PromiseOrAudit":
        kinds: dict[str, SessionKind] = {"promise": "promise", "audit": "audit"}
        kind = self._store.info(name).kind
        if kind not in kinds:
            raise InvalidInputError(f"{name} is of kind {kind}, not promise or audit")
        session: PromiseOrAudit = self._store.opened(name, kinds[kind])
        return session

    def _saved(self, name: str, session: "PromiseOrAudit") -> Keep:
        return self._store.saved(name, session, labelled=session.labels_used)


def _to_check(audit: "BatchAudit") -> Selected:
    """The vectors of an audit that are not checked yet, as a batch."""
    ids = audit.pending
    ones = np.ones(len(ids), np.float32)
    return Selected(
        ids=ids,
        scores=ones,
        weights=ones,
        why={},
        summary={
            "round": 1,
            "rounds": 1,
            "labels_used": audit.labels_used,
            "budget": audit.params.size,
        },
        provenance=audit.provenance(),
    )
