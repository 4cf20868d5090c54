"""SelectionService, the part of active learning."""

import json
from collections.abc import Callable
from typing import Any

from gleann.index.ids.checks import hold_id_array
from gleann.service.application import Application
from gleann.service.wire import active_messages, selection_messages
from gleann.service.wire.arrays import ids_of, ids_to_wire
from gleann.service.wire.page_tokens import next_token, page_position
from gleann.service.wire.paging import id_sizes, page_of, page_within
from gleann.v1 import selection_pb2 as pb
from gleann.v1 import selection_pb2_grpc


class ActiveServicer(selection_pb2_grpc.SelectionServiceServicer):
    """What sessions of active learning do; `SelectionServicer` is the whole service."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._sessions = application.sessions
        self._receipts = application.receipts

    def StartActiveSession(  # noqa: N802
        self, request: pb.StartActiveSessionRequest, _: Any
    ) -> pb.Session:
        """Start active learning."""
        return self._receipts.once(request, self._start_active, pb.Session)

    def NextBatch(  # noqa: N802
        self, request: pb.NextBatchRequest, _: Any
    ) -> pb.NextBatchResponse:
        """Say what to label next."""
        start = page_position(request.page_token)
        batch, more = page_of(
            self._sessions.next_batch(request.session, "active"),
            self._application.limits,
            start=start,
        )
        return pb.NextBatchResponse(
            items=selection_messages.items_to_wire(batch),
            next_page_token=next_token(more),
            summary_json=json.dumps(batch.summary),
            provenance_json=json.dumps(batch.provenance),
        )

    def SubmitLabels(  # noqa: N802
        self, request: pb.SubmitLabelsRequest, _: Any
    ) -> pb.SubmitLabelsResponse:
        """Take labels."""
        with self._sessions.changing(request.session):
            return self._receipts.once(request, self._submit, pb.SubmitLabelsResponse)

    def IgnoreIds(  # noqa: N802
        self, request: pb.IgnoreIdsRequest, _: Any
    ) -> pb.IgnoreIdsResponse:
        """Take vectors out of a session."""
        with self._sessions.changing(request.session):
            return self._receipts.once(request, self._ignore, pb.IgnoreIdsResponse)

    def GetStopAdvice(  # noqa: N802
        self, request: pb.GetStopAdviceRequest, _: Any
    ) -> pb.StopAdvice:
        """Say whether to go on."""
        return active_messages.stop_advice_to_wire(
            self._sessions.stop_advice(request.session)
        )

    def ScoreItems(  # noqa: N802
        self, request: pb.ScoreItemsRequest, _: Any
    ) -> pb.ScoreItemsResponse:
        """Tell class probabilities."""
        self._sessions.info(request.session)  # before the ids are unpacked
        page = self._sessions.scores(
            request.session,
            selection_messages.optional_ids_of(request, "ids"),
            concept=request.concept,
            start=page_position(request.page_token),
            limits=self._application.limits,
        )
        return active_messages.scores_to_wire(page)

    def ListWantedIds(  # noqa: N802
        self, request: pb.ListWantedIdsRequest, _: Any
    ) -> pb.ListWantedIdsResponse:
        """Name the vectors whose probabilities are wanted."""
        ids = hold_id_array(self._sessions.wanted(request.session))
        limits, start = self._application.limits, page_position(request.page_token)
        page = page_within(id_sizes(ids), limits, start=start, name="ids")
        more = page.stop if page.stop < len(ids) else None
        return pb.ListWantedIdsResponse(
            ids=ids_to_wire(ids[page]), next_page_token=next_token(more)
        )

    def SubmitProbabilities(  # noqa: N802
        self, request: pb.SubmitProbabilitiesRequest, _: Any
    ) -> pb.SubmitProbabilitiesResponse:
        """Take what the client's own model says."""
        with self._sessions.changing(request.session):
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
        return active_messages.coverage_to_wire(coverage)

    def _start_active(
        self, request: pb.StartActiveSessionRequest
    ) -> Callable[[], pb.Session]:
        view = self._application.registry.view(request.index)
        ids = ids_of(request.ids, name="ids")
        params = active_messages.active_params_of(request.params)
        keep = self._sessions.start_active(
            view,
            params,
            ids=ids,
            labels=active_messages.answers_of(
                request.labels, n=len(ids), concepts=len(params.concepts)
            ),
        )
        return lambda: selection_messages.session_info_to_wire(keep())

    def _submit(
        self, request: pb.SubmitLabelsRequest
    ) -> Callable[[], pb.SubmitLabelsResponse]:
        ids = ids_of(request.ids, name="ids")
        keep = self._sessions.submit_labels(request.session, ids, request.labels)
        return lambda: pb.SubmitLabelsResponse(
            session=selection_messages.session_info_to_wire(keep())
        )

    def _ignore(
        self, request: pb.IgnoreIdsRequest
    ) -> Callable[[], pb.IgnoreIdsResponse]:
        ids = ids_of(request.ids, name="ids")
        keep = self._sessions.ignore(request.session, ids)
        return lambda: pb.IgnoreIdsResponse(
            session=selection_messages.session_info_to_wire(keep())
        )

    def _take(
        self, request: pb.SubmitProbabilitiesRequest
    ) -> Callable[[], pb.SubmitProbabilitiesResponse]:
        keep = self._sessions.submit_probabilities(
            request.session,
            ids_of(request.ids, name="ids"),
            request.probabilities,
            concept=request.concept,
        )
        return lambda: pb.SubmitProbabilitiesResponse(
            session=selection_messages.session_info_to_wire(keep())
        )
