"""SelectionService."""

import json
from typing import TYPE_CHECKING, Any

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from gleann.index.errors import InvalidInputError
from gleann.service import convert_active
from gleann.service import convert_selection as convert
from gleann.service.application import Application
from gleann.service.pages import page_position, page_size, page_token
from gleann.service.wire import bools_of, float64s_of, ids_of, ids_to_wire
from gleann.v1 import selection_pb2 as pb
from gleann.v1 import selection_pb2_grpc

if TYPE_CHECKING:
    from gleann.service.values import SessionInfo


class SelectionServicer(selection_pb2_grpc.SelectionServiceServicer):
    """Chooses what to label or to train on, and estimates from few labels."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._sessions = application.sessions
        self._receipts = application.receipts

    def CreateSelectionJob(  # noqa: N802
        self, request: pb.CreateSelectionJobRequest, _: Any
    ) -> operations_pb2.Operation:
        """Begin a selection job."""
        return self._receipts.once(
            request, self._application.select, operations_pb2.Operation
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
        items, more = self._application.selections.items(
            request.name, start=start, count=size
        )
        return pb.ListSelectedItemsResponse(
            items=items, next_page_token=page_token(start + size) if more else ""
        )

    def StartActiveSession(  # noqa: N802
        self, request: pb.StartActiveSessionRequest, _: Any
    ) -> pb.Session:
        """Start active learning."""
        return self._receipts.once(request, self._start_active, pb.Session)

    def NextBatch(  # noqa: N802
        self, request: pb.NextBatchRequest, _: Any
    ) -> pb.NextBatchResponse:
        """Say what to label next."""
        batch = self._sessions.next_batch(request.session, "active")
        return pb.NextBatchResponse(
            items=convert.items_to_wire(batch),
            summary_json=json.dumps(batch.summary),
            provenance_json=json.dumps(batch.provenance),
        )

    def SubmitLabels(  # noqa: N802
        self, request: pb.SubmitLabelsRequest, _: Any
    ) -> pb.SubmitLabelsResponse:
        """Take labels."""
        with self._sessions.turn(request.session):
            return self._receipts.once(request, self._submit, pb.SubmitLabelsResponse)

    def IgnoreIds(  # noqa: N802
        self, request: pb.IgnoreIdsRequest, _: Any
    ) -> pb.IgnoreIdsResponse:
        """Take vectors out of a session."""
        with self._sessions.turn(request.session):
            return self._receipts.once(request, self._ignore, pb.IgnoreIdsResponse)

    def GetStopAdvice(  # noqa: N802
        self, request: pb.GetStopAdviceRequest, _: Any
    ) -> pb.StopAdvice:
        """Say whether to go on."""
        return convert_active.stop_advice_to_wire(
            self._sessions.stop_advice(request.session)
        )

    def ScoreItems(  # noqa: N802
        self, request: pb.ScoreItemsRequest, _: Any
    ) -> pb.ScoreItemsResponse:
        """Tell class probabilities."""
        ids = convert.optional_ids_of(request, "ids")
        scores = self._sessions.scores(request.session, ids, concept=request.concept)
        return convert_active.scores_to_wire(scores)

    def ListWantedIds(  # noqa: N802
        self, request: pb.ListWantedIdsRequest, _: Any
    ) -> pb.ListWantedIdsResponse:
        """Name the vectors whose probabilities are wanted."""
        ids = self._sessions.wanted(request.session)
        return pb.ListWantedIdsResponse(ids=ids_to_wire(ids))

    def SubmitProbabilities(  # noqa: N802
        self, request: pb.SubmitProbabilitiesRequest, _: Any
    ) -> pb.SubmitProbabilitiesResponse:
        """Take what the client's own model says."""
        with self._sessions.turn(request.session):
            return self._receipts.once(
                request, self._take, pb.SubmitProbabilitiesResponse
            )

    def GetCoverage(  # noqa: N802
        self, request: pb.GetCoverageRequest, _: Any
    ) -> pb.Coverage:
        """Set the batch that is out beside simpler ones."""
        coverage = self._sessions.coverage(
            request.session, concept=request.concept, top=request.top
        )
        return convert_active.coverage_to_wire(coverage)

    def StartEstimateSession(  # noqa: N802
        self, request: pb.StartEstimateSessionRequest, _: Any
    ) -> pb.Session:
        """Start an estimate."""
        return self._receipts.once(request, self._start_estimate, pb.Session)

    def NextEstimateBatch(  # noqa: N802
        self, request: pb.NextEstimateBatchRequest, _: Any
    ) -> pb.NextEstimateBatchResponse:
        """Say what to label next."""
        batch = self._sessions.next_batch(request.session, "estimate")
        return pb.NextEstimateBatchResponse(
            items=convert.items_to_wire(batch),
            summary_json=json.dumps(batch.summary),
            provenance_json=json.dumps(batch.provenance),
        )

    def SubmitEstimateLabels(  # noqa: N802
        self, request: pb.SubmitEstimateLabelsRequest, _: Any
    ) -> pb.SubmitEstimateLabelsResponse:
        """Take labels."""
        with self._sessions.turn(request.session):
            return self._receipts.once(
                request, self._answer, pb.SubmitEstimateLabelsResponse
            )

    def GetEstimate(  # noqa: N802
        self, request: pb.GetEstimateRequest, _: Any
    ) -> pb.Estimate:
        """Tell the estimate so far."""
        return convert.estimate_to_wire(self._sessions.estimate(request.session))

    def GetSession(  # noqa: N802
        self, request: pb.GetSessionRequest, _: Any
    ) -> pb.Session:
        """Describe a session."""
        return convert.session_info_to_wire(self._sessions.info(request.name))

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
            sessions=[convert.session_info_to_wire(info) for _, info in page],
            next_page_token=page_token(page[-1][0]) if more else "",
        )

    def CloseSession(  # noqa: N802
        self, request: pb.CloseSessionRequest, _: Any
    ) -> Empty:
        """End a session."""
        return self._receipts.once(request, self._close, Empty)

    def _start_active(self, request: pb.StartActiveSessionRequest) -> pb.Session:
        ids = ids_of(request.ids, name="ids")
        params = convert_active.active_params_of(request.params)
        info = self._sessions.start_active(
            self._application.registry.view(request.index),
            params,
            ids=ids,
            labels=convert_active.answers_of(
                request.labels, n=len(ids), concepts=len(params.concepts)
            ),
        )
        return convert.session_info_to_wire(info)

    def _start_estimate(self, request: pb.StartEstimateSessionRequest) -> pb.Session:
        view = self._application.registry.view(request.index)
        params = convert.estimate_params_of(request.params)
        proxy = request.WhichOneof("proxy")
        if proxy == "scores":
            ids, numbers = convert.scores_column_of(request.scores, name="scores")
            info = self._sessions.start_estimate(view, params, ids=ids, proxy=numbers)
        elif proxy == "examples":
            info = self._start_from_examples(request.examples, view, params)
        elif proxy == "candidates":
            info = self._sessions.start_estimate_choosing(
                view, params, proxies=convert.candidates_of(request.candidates)
            )
        else:
            raise InvalidInputError("proxy is required: scores, examples or candidates")
        return convert.session_info_to_wire(info)

    def _start_from_examples(
        self, examples: pb.LabelledExamples, view: Any, params: Any
    ) -> "SessionInfo":
        ids = ids_of(examples.ids, name="examples.ids")
        labels = float64s_of(examples.values, name="examples.values", n=len(ids))
        known = examples.HasField("neighbours")
        return self._sessions.start_estimate_from_examples(
            view,
            params,
            ids=ids,
            labels=labels,
            neighbours=examples.neighbours if known else None,
        )

    def _submit(self, request: pb.SubmitLabelsRequest) -> pb.SubmitLabelsResponse:
        ids = ids_of(request.ids, name="ids")
        info = self._sessions.submit_labels(request.session, ids, request.labels)
        return pb.SubmitLabelsResponse(session=convert.session_info_to_wire(info))

    def _take(
        self, request: pb.SubmitProbabilitiesRequest
    ) -> pb.SubmitProbabilitiesResponse:
        info = self._sessions.submit_probabilities(
            request.session,
            ids_of(request.ids, name="ids"),
            request.probabilities,
            concept=request.concept,
        )
        return pb.SubmitProbabilitiesResponse(
            session=convert.session_info_to_wire(info)
        )

    def _ignore(self, request: pb.IgnoreIdsRequest) -> pb.IgnoreIdsResponse:
        ids = ids_of(request.ids, name="ids")
        info = self._sessions.ignore(request.session, ids)
        return pb.IgnoreIdsResponse(session=convert.session_info_to_wire(info))

    def _answer(
        self, request: pb.SubmitEstimateLabelsRequest
    ) -> pb.SubmitEstimateLabelsResponse:
        ids = ids_of(request.ids, name="ids")
        values = None
        if request.HasField("values"):
            values = float64s_of(request.values, name="values", n=len(ids))
        info = self._sessions.submit_answers(
            request.session,
            ids,
            bools_of(request.positives, name="positives", n=len(ids)),
            values,
        )
        return pb.SubmitEstimateLabelsResponse(
            session=convert.session_info_to_wire(info)
        )

    def _close(self, request: pb.CloseSessionRequest) -> Empty:
        self._sessions.close(request.name)
        return Empty()
