"""Client calls for promised sets and audits of a batch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from gleann.index.ids.checks import hold_id_array
from gleann.service.client.connection import Calls, all_pages_of, name_of, part_id
from gleann.service.client.modes import M, method
from gleann.service.promised import PromisedItems
from gleann.service.values import Selected, SessionInfo
from gleann.service.wire.arrays import (
    Column,
    bools_to_wire,
    float64s_to_wire,
    ids_to_wire,
)
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.paging import answer_sizes, as_answers, blocks_within
from gleann.service.wire.promise_messages import (
    audit_params_to_wire,
    bound_of,
    promise_params_to_wire,
    promised_of,
)
from gleann.service.wire.selected_messages import batch_of
from gleann.service.wire.session_messages import session_info_of
from gleann.v1 import promises_pb2

if TYPE_CHECKING:
    from gleann.selection.promises import (
        AcceptanceBound,
        AuditParams,
        PromiseParams,
    )


class PromiseCalls(Calls[M]):
    """Calls on sessions of promises and audits: `client.promises`."""

    @method
    async def start(
        self,
        name: str,
        *,
        params: "PromiseParams",
        proxy: Column | str,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> SessionInfo:
        """Start a set with a promised recall or precision (SUPG).

        Args:
            name: a built index.
            params: the promise, its confidence and the label budget.
            proxy: (ids, numbers) for all vectors, or the name of a column of payload:
                cheap scores, higher where one is likelier to be positive. The promise
                holds for any.
            where: a condition on payload, such as "split = 'test' AND score > $1"; the
                promise is about the vectors that pass now, whatever their payload
                becomes, and only these need a number. None for no condition.
            parameters: the values of $1, $2 and so on.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
            UnknownColumnError: no such column.
            InvalidInputError: a vector without a number, or a column of texts.
            InvalidParamsError: a budget above the number of vectors.
            InvalidFilterError: `where` does not fit the columns.
            NotReadyError: the index was never built, or has newer changes.
        """
        request = promises_pb2.StartPromiseSessionRequest(
            index=name,
            params=promise_params_to_wire(params),
            filter=filter_to_wire(where, parameters),
            request_id=request_id,
        )
        if isinstance(proxy, str):
            request.score_column = proxy
        else:
            ids, numbers = proxy
            request.scores.ids.CopyFrom(ids_to_wire(hold_id_array(ids)))
            request.scores.values = float64s_to_wire(numbers, name="proxy")
        await self._connection.require_sendable(request)
        return session_info_of(await self._stubs.promise.StartPromiseSession(request))

    @method
    async def start_audit(
        self,
        name: str,
        batch: ArrayLike,
        *,
        params: "AuditParams",
        drawn: ArrayLike | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Draw the part of a batch to check, for a bound on the failures in the rest.

        Which vectors it draws depends on their ids and the seed alone, so start it
        after the batch is chosen, with a seed that played no part in the choice.

        Args:
            name: a built index, which has the batch.
            batch: (m,) distinct ids, such as `Selected.ids`.
            params: size and confidence of the audit, and who draws.
            drawn: for the design "uniform" alone, the ids that you drew from the batch,
                uniformly and without replacement.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: an id that the index does not have.
            DuplicateIdError: one twice.
            InvalidInputError: drawn ids that are not in the batch, or in equal steps of
                it where chance hardly draws such.
            InvalidParamsError: a size above the batch, or another than that of `drawn`.
            NotReadyError: the index was never built, or has newer changes.
        """
        request = promises_pb2.StartAuditSessionRequest(
            index=name,
            params=audit_params_to_wire(params),
            batch=ids_to_wire(hold_id_array(batch, name="batch")),
            request_id=request_id,
        )
        if drawn is not None:
            request.drawn.CopyFrom(ids_to_wire(hold_id_array(drawn, name="drawn")))
        await self._connection.require_sendable(request)
        return session_info_of(await self._stubs.promise.StartAuditSession(request))

    @method
    async def next_batch(self, session: str | SessionInfo) -> Selected:
        """The vectors to label, or check, next; the same until labels arrive.

        Returns:
            The vectors; none when the budget is spent.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: it is of another kind.
        """
        request = promises_pb2.NextPromiseBatchRequest(session=name_of(session))
        pages = await all_pages_of(self._stubs.promise.NextPromiseBatch, request)
        return batch_of(pages)

    @method
    async def submit_labels(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        labels: ArrayLike,
        *,
        request_id: str = "",
    ) -> SessionInfo:
        """Submit labels for the current batch; all are accepted, or none.

        Labels above the message limit are sent in several messages, each atomic.

        Args:
            session: the session, or its name.
            ids: m vectors of the current batch.
            labels: m bools: True for a positive, or for a failure in an audit.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: a label that was not requested or contradicts an earlier
                one, or lengths differ.
        """
        batch = hold_id_array(ids)
        answers = as_answers(labels, n=len(batch))
        sizes = answer_sizes(batch, answers)
        for part in blocks_within(sizes, await self._connection.limits(), name="ids"):
            request = promises_pb2.SubmitPromiseLabelsRequest(
                session=name_of(session),
                ids=ids_to_wire(batch[part]),
                labels=bools_to_wire(answers[part], name="labels"),
                request_id=part_id(request_id, part),
            )
            reply = await self._stubs.promise.SubmitPromiseLabels(request)
        return session_info_of(reply.session)

    @method
    async def get(self, session: str | SessionInfo) -> PromisedItems:
        """The set that keeps the promise.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: it is of another kind.
            NotReadyError: the budget is not spent: who stops early has no promise.
        """
        request = promises_pb2.GetPromisedSetRequest(session=name_of(session))
        pages = await all_pages_of(self._stubs.promise.GetPromisedSet, request)
        return promised_of(pages)

    @method
    async def bound(self, session: str | SessionInfo) -> "AcceptanceBound":
        """The bound on the failures in the part of a batch that was not checked.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: it is of another kind.
            NotReadyError: some vectors are not checked.
        """
        request = promises_pb2.GetAcceptanceBoundRequest(session=name_of(session))
        return bound_of(await self._stubs.promise.GetAcceptanceBound(request))
