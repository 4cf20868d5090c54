"""The client's calls that choose, and that estimate."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from gleann.index.ids.checks import hold_id_array
from gleann.service.client.active_calls import name_of
from gleann.service.client.calls import pages_of, part_id
from gleann.service.client.group_calls import GroupCalls
from gleann.service.client.operation import read_selection
from gleann.service.values import Selected, SessionInfo
from gleann.service.wire import active_messages, selection_messages
from gleann.service.wire.arrays import (
    bools_to_wire,
    float64s_to_wire,
    ids_to_wire,
)
from gleann.service.wire.known_labels import known_to_wire
from gleann.service.wire.paging import answer_sizes, as_answers, blocks_within
from gleann.v1 import selection_pb2, types_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate import Estimate, EstimateParams, Known


class SelectionCalls(GroupCalls):
    """What can be chosen; `Client` is the class to use."""

    def get_selection(self, name: str) -> Selected:
        """The stored selection that is called `name`, such as "selections/3f2a".

        Raises:
            UnknownJobError: there is none.
        """
        request = selection_pb2.GetSelectionRequest(name=name)
        return read_selection(self._stubs.selection.GetSelection(request), self._stubs)

    def start_estimate_session(  # noqa: PLR0913 (what the proxy is made from)
        self,
        name: str,
        *,
        params: "EstimateParams",
        proxy: selection_messages.Column
        | Mapping[str, selection_messages.Column]
        | None = None,
        examples: selection_messages.Column | None = None,
        neighbours: int | None = None,
        representatives: int | None = None,
        known: "Known | None" = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Start a stratified estimate of a count, a mean or a sum (ABae).

        Args:
            name: a built index.
            params: what to estimate, and the budget of labels.
            proxy: (ids, numbers) for all vectors: cheap guesses of being positive. Of
                several, by name, a pilot chooses one.
            examples: (ids, labels) of some vectors, from which the index makes a proxy;
                labels that are all 0 or 1 are counted too, and not asked for again,
                except positives whose value is wanted.
            neighbours: nearest examples that count for a vector.
            representatives: vectors far apart that are labelled first, within the
                budget; they and the labels of every round make the proxy of the next
                (TASTI). Give one of this, `proxy` and `examples`.
            known: labels that are there already, chosen in whatever way: counted
                exactly, beside the budget, and not asked for again. Not with
                `examples`, which are such labels themselves.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: an id is not there.
            InvalidInputError: a vector without a proxy, or known labels that do not
                fit.
            InvalidParamsError: not one of `proxy`, `examples` and `representatives`, or
                a budget above the number of vectors.
            NotReadyError: the index was never built.
        """
        request = selection_pb2.StartEstimateSessionRequest(
            index=name,
            params=selection_messages.estimate_params_to_wire(params),
            known=known_to_wire(known),
            request_id=request_id,
        )
        selection_messages.fill_proxy(
            request, proxy, examples, neighbours, representatives
        )
        self._require_sendable(request)
        reply = self._stubs.selection.StartEstimateSession(request)
        return selection_messages.session_info_of(reply)

    def next_batch(self, session: str | SessionInfo) -> Selected:
        """What to label next; the same until labels arrive.

        Args:
            session: a session of either kind, or its name.

        Returns:
            The vectors, most wanted first; none when an estimate's budget is spent, or
            no candidate of an active session is left.

        Raises:
            UnknownJobError: no such session.
        """
        name = name_of(session)
        if _is_estimate(name):
            wanted = selection_pb2.NextEstimateBatchRequest(session=name)
            pages = pages_of(self._stubs.selection.NextEstimateBatch, wanted)
            return selection_messages.batch_of(list(pages))
        request = selection_pb2.NextBatchRequest(session=name)
        return selection_messages.batch_of(
            list(pages_of(self._stubs.selection.NextBatch, request))
        )

    def submit_labels(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        labels: ArrayLike,
        *,
        values: ArrayLike | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Bring labels of the current batch; all are taken, or none.

        Labels too many for one message are sent in several, each taken whole or not.

        Args:
            session: a session of either kind, or its name.
            ids: m vectors of the current batch.
            labels: m classes, or (m, q) answers to q concepts; for an estimate m bools,
                True for a positive.
            values: for an estimate of a mean or a sum, m numbers; those of positives
                count.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: a label that was not asked for, or numbers that differ.
        """
        name, told = name_of(session), hold_id_array(ids)
        answers = as_answers(labels, n=len(told))
        numbers = None if values is None else as_answers(values, n=len(told))
        submit = self._submit_positives if _is_estimate(name) else self._submit_classes
        for part in blocks_within(
            answer_sizes(told, answers), self._limits, name="ids"
        ):
            info = submit(
                name,
                ids_to_wire(told[part]),
                answers[part],
                None if numbers is None else numbers[part],
                part_id(request_id, part),
            )
        return info

    def _submit_classes(
        self,
        name: str,
        ids: types_pb2.Ids,
        labels: NDArray[Any],
        _: NDArray[Any] | None,
        request_id: str,
    ) -> SessionInfo:
        request = selection_pb2.SubmitLabelsRequest(
            session=name,
            ids=ids,
            labels=active_messages.answers_to_wire(labels),
            request_id=request_id,
        )
        reply = self._stubs.selection.SubmitLabels(request)
        return selection_messages.session_info_of(reply.session)

    def _submit_positives(
        self,
        name: str,
        ids: types_pb2.Ids,
        labels: NDArray[Any],
        values: NDArray[Any] | None,
        request_id: str,
    ) -> SessionInfo:
        request = selection_pb2.SubmitEstimateLabelsRequest(
            session=name,
            ids=ids,
            positives=bools_to_wire(labels, name="labels"),
            values=None if values is None else float64s_to_wire(values, name="values"),
            request_id=request_id,
        )
        reply = self._stubs.selection.SubmitEstimateLabels(request)
        return selection_messages.session_info_of(reply.session)

    def get_estimate(self, session: str | SessionInfo) -> "Estimate":
        """The estimate of an estimate session from its labels so far.

        Raises:
            UnknownJobError: no such estimate session.
            NotReadyError: too few labels yet.
        """
        request = selection_pb2.GetEstimateRequest(session=name_of(session))
        return selection_messages.estimate_of(
            self._stubs.selection.GetEstimate(request)
        )

    def get_session(self, session: str | SessionInfo) -> SessionInfo:
        """Describe a session as it is now.

        Raises:
            UnknownJobError: no such session.
        """
        request = selection_pb2.GetSessionRequest(name=name_of(session))
        return selection_messages.session_info_of(
            self._stubs.selection.GetSession(request)
        )

    def list_sessions(self, index: str = "") -> list[SessionInfo]:
        """Describe the open sessions, oldest first; of one index when it is named."""
        request = selection_pb2.ListSessionsRequest(index=index)
        sessions: list[SessionInfo] = []
        while True:
            page = self._stubs.selection.ListSessions(request)
            sessions.extend(map(selection_messages.session_info_of, page.sessions))
            if not page.next_page_token:
                return sessions
            request.page_token = page.next_page_token

    def close_session(
        self, session: str | SessionInfo, *, request_id: str = ""
    ) -> None:
        """End a session and forget its state.

        Raises:
            UnknownJobError: no such session.
        """
        request = selection_pb2.CloseSessionRequest(
            name=name_of(session), request_id=request_id
        )
        self._stubs.selection.CloseSession(request)


def _is_estimate(name: str) -> bool:
    return name.startswith("sessions/estimate-")
