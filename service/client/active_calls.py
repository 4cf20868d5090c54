"""The client's calls of active learning."""

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from gleann.index.arrays import Ids
from gleann.index.ids.checks import hold_distinct, hold_id_array
from gleann.index.ids.held import joined_ids, own_ids
from gleann.service.client.calls import pages_of, part_id
from gleann.service.client.coreset_calls import CoresetCalls
from gleann.service.values import Scores, SessionInfo
from gleann.service.wire import active_messages, selection_messages
from gleann.service.wire.arrays import ids_of, ids_to_wire
from gleann.service.wire.index_messages import fill
from gleann.service.wire.paging import blocks_within, id_sizes
from gleann.v1 import selection_pb2

if TYPE_CHECKING:
    from gleann.selection.active import ActiveParams, Coverage, StopAdvice


class ActiveCalls(CoresetCalls):
    """What sessions of active learning can do; `Client` is the class to use."""

    def start_active_session(
        self,
        name: str,
        *,
        ids: ArrayLike,
        labels: ArrayLike,
        params: "ActiveParams | None" = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Start active learning from some labels.

        The session belongs to the sealed version of the index; later changes of the
        index do not touch it. It survives a restart.

        Args:
            name: a built index.
            ids: vectors that are labelled already.
            labels: their classes, integers; at least two classes, unless the model is
                "given". With q concepts (m, q) of 0 and 1.
            params: how; defaults to `ActiveParams()`. Its model may be
                "logistic_regression" or "given"; a classifier does not travel.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: an id is not there.
            InvalidInputError: one class only.
            DimensionMismatchError: ids and labels differ in number.
            InvalidParamsError: model "own".
            NotReadyError: the index was never built.
        """
        request = selection_pb2.StartActiveSessionRequest(
            index=name,
            params=active_messages.active_params_to_wire(params),
            ids=ids_to_wire(hold_id_array(ids)),
            labels=active_messages.answers_to_wire(labels),
            request_id=request_id,
        )
        self._require_sendable(request)
        reply = self._stubs.selection.StartActiveSession(request)
        return selection_messages.session_info_of(reply)

    def ignore(
        self, session: str | SessionInfo, ids: ArrayLike, *, request_id: str = ""
    ) -> SessionInfo:
        """Take vectors out of an active session: they are not asked for again.

        Raises:
            UnknownJobError: no such active session.
            UnknownIdError: an id is not there.
        """
        gone = hold_id_array(ids)
        for part in blocks_within(id_sizes(gone), self._limits, name="ids"):
            request = selection_pb2.IgnoreIdsRequest(
                session=name_of(session),
                ids=ids_to_wire(gone[part]),
                request_id=part_id(request_id, part),
            )
            reply = self._stubs.selection.IgnoreIds(request)
        return selection_messages.session_info_of(reply.session)

    def stop_advice(self, session: str | SessionInfo) -> "StopAdvice":
        """Whether more labels still change much in an active session.

        Raises:
            UnknownJobError: no such active session.
        """
        request = selection_pb2.GetStopAdviceRequest(session=name_of(session))
        return active_messages.stop_advice_of(
            self._stubs.selection.GetStopAdvice(request)
        )

    def score_items(
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
            concept: which question, where there are several.

        Raises:
            UnknownJobError: no such active session.
            UnknownIdError: an id is not there.
            NotReadyError: the session took labels meanwhile.
        """
        request = selection_pb2.ScoreItemsRequest(
            session=name_of(session), concept=concept or ""
        )
        score = self._stubs.selection.ScoreItems
        if ids is None:
            return active_messages.scores_of(list(pages_of(score, request)))
        wanted = hold_distinct(ids)
        pages: list[selection_pb2.ScoreItemsResponse] = []
        for part in blocks_within(id_sizes(wanted), self._limits, name="ids"):
            request.ids.CopyFrom(ids_to_wire(wanted[part]))
            pages += pages_of(score, request)
        return active_messages.scores_of(pages)

    def wanted_ids(self, session: str | SessionInfo) -> Ids:
        """The vectors whose probabilities model "given" must have for the next batch.

        Empty with another model, and while a batch is out.

        Raises:
            UnknownJobError: no such active session.
        """
        request = selection_pb2.ListWantedIdsRequest(session=name_of(session))
        pages = pages_of(self._stubs.selection.ListWantedIds, request)
        return own_ids(joined_ids([ids_of(page.ids, name="ids") for page in pages]))

    def submit_probabilities(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        probabilities: ArrayLike,
        *,
        concept: str | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Bring what your own model says, for model "given".

        It counts until labels arrive; given again, the latest counts.

        Args:
            session: the session, or its name.
            ids: m vectors; more than are wanted pick better, as those that join the
                pool within a batch are picked only if they have probabilities.
            probabilities: (m, c) of the classes, ascending; no and yes with concepts.
            concept: which question, where there are several.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such active session.
            UnknownIdError: an id is not there.
            InvalidInputError: not numbers, below 0, or not summing to one.
            NonFiniteError: NaN or infinity.
            InvalidParamsError: another model, or no such concept.
            DimensionMismatchError: not m rows of c classes.
        """
        told = hold_id_array(ids)
        table = active_messages.as_table(probabilities, n=len(told))
        sizes = id_sizes(told) + 8 * table.shape[1]
        for part in blocks_within(sizes, self._limits, name="ids"):
            request = selection_pb2.SubmitProbabilitiesRequest(
                session=name_of(session),
                ids=ids_to_wire(told[part]),
                probabilities=active_messages.probabilities_to_wire(table[part]),
                concept=concept or "",
                request_id=part_id(request_id, part),
            )
            reply = self._stubs.selection.SubmitProbabilities(request)
        return selection_messages.session_info_of(reply.session)

    def coverage(
        self,
        session: str | SessionInfo,
        *,
        concept: str | None = None,
        top: int | None = None,
    ) -> "Coverage":
        """The batch that is out beside random vectors and the plain choice of all.

        Args:
            session: the session, or its name.
            concept: which question, where there are several.
            top: vectors of highest score to compare with; None takes as many as were
                picked.

        Raises:
            UnknownJobError: no such active session.
            NotReadyError: no batch is out, or some of its labels are there already.
        """
        request = selection_pb2.GetCoverageRequest(
            session=name_of(session), concept=concept or ""
        )
        fill(request, {"top": top})
        return active_messages.coverage_of(self._stubs.selection.GetCoverage(request))


def name_of(session: str | SessionInfo) -> str:
    """The name of a session, however it is given."""
    return session if isinstance(session, str) else session.name
