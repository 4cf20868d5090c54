"""Client calls for active learning."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from gleann.index.arrays import Ids
from gleann.index.ids.checks import hold_distinct, hold_id_array
from gleann.index.ids.held import joined_ids, own_ids
from gleann.service.client.connection import (
    Calls,
    Connection,
    all_pages_of,
    name_of,
    part_id,
)
from gleann.service.client.modes import M, method
from gleann.service.scores import Scores
from gleann.service.values import Selected, SessionInfo
from gleann.service.wire import active_messages
from gleann.service.wire.arrays import ids_of, ids_to_wire
from gleann.service.wire.fields import fill
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.paging import (
    answer_sizes,
    as_answers,
    blocks_within,
    id_sizes,
)
from gleann.service.wire.selected_messages import batch_of
from gleann.service.wire.session_messages import session_info_of
from gleann.v1 import active_pb2

if TYPE_CHECKING:
    from gleann.selection.active import ActiveParams, Coverage, StopAdvice


class ActiveCalls(Calls[M]):
    """Calls on active-learning sessions: `client.active`.

    Args:
        connection: to the server, or the data directory.
        service: the stub of another service with the same messages; None is the one of
            active learning.
    """

    def __init__(self, connection: Connection, *, service: Any = None) -> None:
        super().__init__(connection)
        self._service = connection.stubs.active if service is None else service

    @method
    async def start(  # noqa: PLR0913 (what a session starts from)
        self,
        name: str,
        *,
        ids: ArrayLike,
        labels: ArrayLike,
        params: "ActiveParams | None" = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> SessionInfo:
        """Start active learning from some labels.

        The session belongs to the sealed version of the index; later changes of the
        index do not touch it. It survives a restart.

        Args:
            name: a built index.
            ids: vectors with a label already.
            labels: their classes, integers; at least two classes, unless the model is
                "given". With q concepts (m, q) of 0 and 1.
            params: session parameters; defaults to `ActiveParams()`, whose pool "auto"
                scores all vectors where that costs no more: the summary of every batch
                has `pool` and `pool_reason`. Its model may be "logistic_regression" or
                "given"; a classifier object cannot be sent.
            where: a condition on payload, such as "split = 'pool' AND score > $1"; only
                vectors that pass now are ever candidates, whatever their payload
                becomes. Those of `ids` need not pass. None for no condition.
            parameters: the values of $1, $2 and so on.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
            InvalidInputError: one class only.
            DimensionMismatchError: ids and labels differ in number.
            InvalidParamsError: model "own".
            InvalidFilterError: `where` does not fit the columns.
            NotReadyError: the index was never built.
        """
        request = active_pb2.StartActiveSessionRequest(
            index=name,
            params=active_messages.active_params_to_wire(params),
            ids=ids_to_wire(hold_id_array(ids)),
            labels=active_messages.answers_to_wire(labels),
            filter=filter_to_wire(where, parameters),
            request_id=request_id,
        )
        await self._connection.require_sendable(request)
        reply = await self._service.StartActiveSession(request)
        return session_info_of(reply)

    @method
    async def next_batch(self, session: str | SessionInfo) -> Selected:
        """The vectors to label next; the same batch until labels arrive.

        Returns:
            The vectors, most wanted first; none when no candidate is left.

        Raises:
            UnknownJobError: no such active session.
        """
        request = active_pb2.NextBatchRequest(session=name_of(session))
        return batch_of(await all_pages_of(self._service.NextBatch, request))

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
            labels: m classes, or (m, q) answers to q concepts.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such active session.
            InvalidInputError: a label that was not requested, or lengths differ.
        """
        batch = hold_id_array(ids)
        answers = as_answers(labels, n=len(batch))
        sizes = answer_sizes(batch, answers)
        for part in blocks_within(sizes, await self._connection.limits(), name="ids"):
            request = active_pb2.SubmitLabelsRequest(
                session=name_of(session),
                ids=ids_to_wire(batch[part]),
                labels=active_messages.answers_to_wire(answers[part]),
                request_id=part_id(request_id, part),
            )
            reply = await self._service.SubmitLabels(request)
        return session_info_of(reply.session)

    @method
    async def ignore(
        self, session: str | SessionInfo, ids: ArrayLike, *, request_id: str = ""
    ) -> SessionInfo:
        """Exclude vectors from an active session.

        Raises:
            UnknownJobError: no such active session.
            UnknownIdError: unknown id.
        """
        gone = hold_id_array(ids)
        for part in blocks_within(
            id_sizes(gone), await self._connection.limits(), name="ids"
        ):
            request = active_pb2.IgnoreIdsRequest(
                session=name_of(session),
                ids=ids_to_wire(gone[part]),
                request_id=part_id(request_id, part),
            )
            reply = await self._service.IgnoreIds(request)
        return session_info_of(reply.session)

    @method
    async def stop_advice(self, session: str | SessionInfo) -> "StopAdvice":
        """Whether more labels still change the model of an active session.

        Raises:
            UnknownJobError: no such active session.
        """
        request = active_pb2.GetStopAdviceRequest(session=name_of(session))
        return active_messages.stop_advice_of(
            await self._service.GetStopAdvice(request)
        )

    @method
    async def score_items(
        self,
        session: str | SessionInfo,
        ids: ArrayLike | None = None,
        *,
        concept: str | None = None,
    ) -> Scores:
        """Class probabilities by the current model of an active session.

        Args:
            session: the session, or its name.
            ids: the vectors to score; None scores all of the session's index version.
            concept: name of the concept, in a session with concepts.

        Raises:
            UnknownJobError: no such active session.
            UnknownIdError: unknown id.
            NotReadyError: the session received labels during the call.
        """
        request = active_pb2.ScoreItemsRequest(
            session=name_of(session), concept=concept or ""
        )
        score = self._service.ScoreItems
        if ids is None:
            return active_messages.scores_of(await all_pages_of(score, request))
        wanted = hold_distinct(ids)
        pages: list[active_pb2.ScoreItemsResponse] = []
        for part in blocks_within(
            id_sizes(wanted), await self._connection.limits(), name="ids"
        ):
            request.ids.CopyFrom(ids_to_wire(wanted[part]))
            pages += await all_pages_of(score, request)
        return active_messages.scores_of(pages)

    @method
    async def wanted_ids(self, session: str | SessionInfo) -> Ids:
        """The vectors whose probabilities model "given" needs for the next batch.

        Empty with another model, and while a batch is pending.

        Raises:
            UnknownJobError: no such active session.
        """
        request = active_pb2.ListWantedIdsRequest(session=name_of(session))
        pages = await all_pages_of(self._service.ListWantedIds, request)
        return own_ids(joined_ids([ids_of(page.ids, name="ids") for page in pages]))

    @method
    async def submit_probabilities(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        probabilities: ArrayLike,
        *,
        concept: str | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Submit probabilities from your own model, for model "given".

        They are valid until labels arrive; a later submission replaces them.

        Args:
            session: the session, or its name.
            ids: m vectors; more than the wanted ones give better batches, since vectors
                that enter the pool within a batch need probabilities to be picked.
            probabilities: (m, c), classes ascending; (m, 2), no and yes, with concepts.
            concept: name of the concept, in a session with concepts.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such active session.
            UnknownIdError: unknown id.
            InvalidInputError: not numbers, below 0, or not summing to one.
            NonFiniteError: NaN or infinity.
            InvalidParamsError: another model, or no such concept.
            DimensionMismatchError: not m rows of c classes.
        """
        told = hold_id_array(ids)
        table = active_messages.as_table(probabilities, n=len(told))
        sizes = id_sizes(told) + 8 * table.shape[1]
        for part in blocks_within(sizes, await self._connection.limits(), name="ids"):
            request = active_pb2.SubmitProbabilitiesRequest(
                session=name_of(session),
                ids=ids_to_wire(told[part]),
                probabilities=active_messages.probabilities_to_wire(table[part]),
                concept=concept or "",
                request_id=part_id(request_id, part),
            )
            reply = await self._service.SubmitProbabilities(request)
        return session_info_of(reply.session)

    @method
    async def coverage(
        self,
        session: str | SessionInfo,
        *,
        concept: str | None = None,
        top: int | None = None,
    ) -> "Coverage":
        """Compare the pending batch with random vectors and with the highest scores.

        Args:
            session: the session, or its name.
            concept: name of the concept, in a session with concepts.
            top: number of highest-scored vectors to compare with; None takes the batch
                size.

        Raises:
            UnknownJobError: no such active session.
            NotReadyError: no batch is pending, or some of its labels have arrived.
        """
        request = active_pb2.GetCoverageRequest(
            session=name_of(session), concept=concept or ""
        )
        fill(request, {"top": top})
        return active_messages.coverage_of(await self._service.GetCoverage(request))
