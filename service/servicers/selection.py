"""SelectionService."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from gleann.index.errors import InvalidInputError
from gleann.service.servicers.active import ActiveServicer
from gleann.service.sessions import start_estimate as starting
from gleann.service.wire import selection_messages
from gleann.service.wire.arrays import (
    any_float64s_of,
    bools_of,
    float64s_of,
    ids_of,
    labels_of,
)
from gleann.service.wire.known_labels import (
    known_by_group_of,
    known_groups_of,
    known_of,
)
from gleann.service.wire.page_tokens import (
    next_token,
    page_position,
    page_size,
    page_token,
)
from gleann.service.wire.paging import page_of, page_of_groups
from gleann.v1 import selection_pb2 as pb

if TYPE_CHECKING:
    from gleann.selection.estimate import EstimateParams
    from gleann.service.state.live_index import View


class SelectionServicer(ActiveServicer):
    """Chooses what to label or to train on, and estimates from few labels."""

    def CreateSelectionJob(  # noqa: N802
        self, request: pb.CreateSelectionJobRequest, _: Any
    ) -> operations_pb2.Operation:
        """Begin a selection job."""
        return self._receipts.once(
            request, self._application.asked_to_select, operations_pb2.Operation
        )

    def GetSelection(  # noqa: N802
        self, request: pb.GetSelectionRequest, _: Any
    ) -> pb.Selection:
        """Describe a selection."""
        return self._application.selections.get(request.name)

    def ListSelectedItems(  # noqa: N802
        self, request: pb.ListSelectedItemsRequest, _: Any
    ) -> pb.ListSelectedItemsResponse:
        """List a page of what was chosen."""
        start = page_position(request.page_token)
        size = page_size(request.page_size, default=10_000, most=100_000)
        chosen = self._application.selections.chosen(request.name)
        page, more = page_of(chosen, self._application.limits, start=start, most=size)
        return pb.ListSelectedItemsResponse(
            items=selection_messages.items_to_wire(page),
            next_page_token=next_token(more),
        )

    def StartEstimateSession(  # noqa: N802
        self, request: pb.StartEstimateSessionRequest, _: Any
    ) -> pb.Session:
        """Start an estimate."""
        return self._receipts.once(request, self._start_estimate, pb.Session)

    def NextEstimateBatch(  # noqa: N802
        self, request: pb.NextEstimateBatchRequest, _: Any
    ) -> pb.NextEstimateBatchResponse:
        """Say what to label next."""
        start = page_position(request.page_token)
        batch, more = page_of(
            self._sessions.next_batch(request.session, "estimate"),
            self._application.limits,
            start=start,
        )
        return pb.NextEstimateBatchResponse(
            items=selection_messages.items_to_wire(batch),
            next_page_token=next_token(more),
            summary_json=json.dumps(batch.summary),
            provenance_json=json.dumps(batch.provenance),
        )

    def SubmitEstimateLabels(  # noqa: N802
        self, request: pb.SubmitEstimateLabelsRequest, _: Any
    ) -> pb.SubmitEstimateLabelsResponse:
        """Take labels."""
        with self._sessions.changing(request.session):
            return self._receipts.once(
                request, self._answer, pb.SubmitEstimateLabelsResponse
            )

    def GetEstimate(  # noqa: N802
        self, request: pb.GetEstimateRequest, _: Any
    ) -> pb.Estimate:
        """Tell the estimate so far."""
        return selection_messages.estimate_to_wire(
            self._sessions.estimate(request.session)
        )

    def StartGroupSession(  # noqa: N802
        self, request: pb.StartGroupSessionRequest, _: Any
    ) -> pb.Session:
        """Start an estimate for each group."""
        return self._receipts.once(request, self._start_groups, pb.Session)

    def NextGroupBatches(  # noqa: N802
        self, request: pb.NextGroupBatchesRequest, _: Any
    ) -> pb.NextGroupBatchesResponse:
        """Say what to label next."""
        batches = self._sessions.next_batches(request.session)
        page, more = page_of_groups(
            batches,
            self._application.limits,
            start=page_position(request.page_token),
        )
        return pb.NextGroupBatchesResponse(
            batches=[
                pb.GroupBatch(
                    group=group,
                    items=selection_messages.items_to_wire(batch),
                    summary_json=json.dumps(batch.summary),
                    provenance_json=json.dumps(batch.provenance),
                )
                for group, batch in page.items()
            ],
            next_page_token=next_token(more),
        )

    def SubmitGroupLabels(  # noqa: N802
        self, request: pb.SubmitGroupLabelsRequest, _: Any
    ) -> pb.SubmitGroupLabelsResponse:
        """Take labels."""
        with self._sessions.changing(request.session):
            return self._receipts.once(
                request, self._answer_groups, pb.SubmitGroupLabelsResponse
            )

    def GetGroupEstimates(  # noqa: N802
        self, request: pb.GetGroupEstimatesRequest, _: Any
    ) -> pb.GroupEstimates:
        """Tell the estimates so far."""
        made = self._sessions.estimates(request.session)
        return pb.GroupEstimates(
            estimates=[
                pb.GroupEstimate(
                    group=group, estimate=selection_messages.estimate_to_wire(one)
                )
                for group, one in made.items()
            ]
        )

    def GetSession(  # noqa: N802
        self, request: pb.GetSessionRequest, _: Any
    ) -> pb.Session:
        """Describe a session."""
        return selection_messages.session_info_to_wire(
            self._sessions.info(request.name)
        )

    def ListSessions(  # noqa: N802
        self, request: pb.ListSessionsRequest, _: Any
    ) -> pb.ListSessionsResponse:
        """Describe a page of sessions, oldest first."""
        size = page_size(request.page_size, default=100, most=1000)
        found = self._sessions.list(
            index=request.index,
            after=page_position(request.page_token),
            limit=size + 1,
        )
        page = found[:size]
        more = len(found) > size
        return pb.ListSessionsResponse(
            sessions=[
                selection_messages.session_info_to_wire(info) for _, info in page
            ],
            next_page_token=page_token(page[-1][0]) if more else "",
        )

    def CloseSession(  # noqa: N802
        self, request: pb.CloseSessionRequest, _: Any
    ) -> Empty:
        """End a session."""
        closed: list[int] = []

        def close() -> Empty:
            closed.append(self._sessions.close(request.name))
            return Empty()

        answer = self._receipts.once(request, lambda _: close, Empty)
        for number in closed:
            # Removing files takes time: not while others wait to write.
            self._application.registry.sweep(number)
        return answer

    def _start_estimate(
        self, request: pb.StartEstimateSessionRequest
    ) -> Callable[[], pb.Session]:
        view = self._application.registry.view(request.index)
        params = selection_messages.estimate_params_of(request.params)
        keep = self._sessions.start_estimate(view, _started(request, view, params))
        return lambda: selection_messages.session_info_to_wire(keep())

    def _start_groups(
        self, request: pb.StartGroupSessionRequest
    ) -> Callable[[], pb.Session]:
        view = self._application.registry.view(request.index)
        params = selection_messages.estimate_params_of(request.params)
        proxies = selection_messages.candidates_of(request.groups)
        if request.overlapping:
            by_group = known_by_group_of(request)
            started = starting.of_overlapping_groups(
                view, params, proxies=proxies, known=by_group
            )
        else:
            known = known_groups_of(request)
            started = starting.of_disjoint_groups(
                view, params, proxies=proxies, known=known
            )
        keep = self._sessions.start_estimate(view, started)
        return lambda: selection_messages.session_info_to_wire(keep())

    def _answer_groups(
        self, request: pb.SubmitGroupLabelsRequest
    ) -> Callable[[], pb.SubmitGroupLabelsResponse]:
        ids = ids_of(request.ids, name="ids")
        n = len(ids)
        values = None
        if request.HasField("values"):
            values = any_float64s_of(request.values, name="values", n=n)
        labels = request.WhichOneof("labels")
        if labels == "groups":
            numbers = labels_of(request.groups.numbers, n=n, name="groups")
            keep = self._sessions.submit_groups(request.session, ids, numbers, values)
        elif labels == "positives":
            held = bools_of(request.positives.positives, name="positives", n=n)
            keep = self._sessions.submit_positives(
                request.session, request.positives.group, ids, held, values
            )
        else:
            raise InvalidInputError("labels are required: groups or positives")
        return lambda: pb.SubmitGroupLabelsResponse(
            session=selection_messages.session_info_to_wire(keep())
        )

    def _answer(
        self, request: pb.SubmitEstimateLabelsRequest
    ) -> Callable[[], pb.SubmitEstimateLabelsResponse]:
        ids = ids_of(request.ids, name="ids")
        values = None
        if request.HasField("values"):
            values = any_float64s_of(request.values, name="values", n=len(ids))
        keep = self._sessions.submit_answers(
            request.session,
            ids,
            bools_of(request.positives, name="positives", n=len(ids)),
            values,
        )
        return lambda: pb.SubmitEstimateLabelsResponse(
            session=selection_messages.session_info_to_wire(keep())
        )


def _started(
    request: pb.StartEstimateSessionRequest, view: "View", params: "EstimateParams"
) -> starting.Started:
    """Begin by whichever proxy the request has.

    Raises:
        InvalidInputError: it has none, or known labels beside examples.
    """
    known = known_of(request)
    proxy = request.WhichOneof("proxy")
    if proxy == "scores":
        ids, numbers = selection_messages.scores_column_of(
            request.scores, name="scores"
        )
        return starting.from_scores(view, params, ids=ids, proxy=numbers, known=known)
    if proxy == "candidates":
        proxies = selection_messages.candidates_of(request.candidates.proxies)
        return starting.from_candidates(view, params, proxies=proxies, known=known)
    if proxy == "index_proxy":
        asked = request.index_proxy
        given = asked.HasField("representatives")
        first = asked.representatives if given else None
        return starting.from_index(view, params, representatives=first, known=known)
    if proxy != "examples":
        raise InvalidInputError(
            "proxy is required: scores, examples, candidates or index_proxy"
        )
    if known is not None:
        raise InvalidInputError("examples are known labels: give them without known")
    return _from_examples(request.examples, view, params)


def _from_examples(
    examples: pb.LabelledExamples, view: "View", params: "EstimateParams"
) -> starting.Started:
    ids = ids_of(examples.ids, name="examples.ids")
    known = examples.HasField("neighbours")
    return starting.from_examples(
        view,
        params,
        ids=ids,
        labels=float64s_of(examples.values, name="examples.values", n=len(ids)),
        neighbours=examples.neighbours if known else None,
    )
