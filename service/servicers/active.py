"""ActiveLearningService: start, batches, labels, probabilities, scores."""

from collections.abc import Callable

from gleann.index.ids.checks import hold_id_array
from gleann.service.application import Application
from gleann.service.wire import active_messages
from gleann.service.wire.arrays import ids_of, ids_to_wire, optional_ids_of
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.page_tokens import next_token, page_position
from gleann.service.wire.paging import id_sizes, page_of, page_within
from gleann.service.wire.selected_messages import batch_to_wire
from gleann.service.wire.session_messages import session_info_to_wire
from gleann.v1 import active_pb2, active_pb2_grpc, session_pb2


class ActiveServicer(active_pb2_grpc.ActiveLearningServiceServicer):
    """Servicer of active-learning sessions."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._store = application.sessions
        self._active = application.active
        self._receipts = application.receipts

    def StartActiveSession(  # noqa: N802
        self, request: active_pb2.StartActiveSessionRequest, _: object
    ) -> session_pb2.Session:
        """Start active learning."""
        return self._receipts.once(request, self._start_active, session_pb2.Session)

    def NextBatch(  # noqa: N802
        self, request: active_pb2.NextBatchRequest, _: object
    ) -> active_pb2.NextBatchResponse:
        """Return the next batch to label."""
        start = page_position(request.page_token)
        batch, more = page_of(
            self._active.next_batch(request.session),
            self._application.limits,
            start=start,
        )
        return batch_to_wire(batch, more)

    def SubmitLabels(  # noqa: N802
        self, request: active_pb2.SubmitLabelsRequest, _: object
    ) -> active_pb2.SubmitLabelsResponse:
        """Submit labels."""
        with self._store.changing(request.session):
            return self._receipts.once(
                request, self._submit, active_pb2.SubmitLabelsResponse
            )

    def IgnoreIds(  # noqa: N802
        self, request: active_pb2.IgnoreIdsRequest, _: object
    ) -> active_pb2.IgnoreIdsResponse:
        """Exclude vectors from a session."""
        with self._store.changing(request.session):
            return self._receipts.once(
                request, self._ignore, active_pb2.IgnoreIdsResponse
            )

    def GetStopAdvice(  # noqa: N802
        self, request: active_pb2.GetStopAdviceRequest, _: object
    ) -> active_pb2.StopAdvice:
        """Return the stopping advice."""
        return active_messages.stop_advice_to_wire(
            self._active.stop_advice(request.session)
        )

    def ScoreItems(  # noqa: N802
        self, request: active_pb2.ScoreItemsRequest, _: object
    ) -> active_pb2.ScoreItemsResponse:
        """Return class probabilities."""
        self._store.info(request.session)  # before the ids are unpacked
        page = self._active.scores(
            request.session,
            optional_ids_of(request, "ids"),
            concept=request.concept,
            start=page_position(request.page_token),
            limits=self._application.limits,
        )
        return active_messages.scores_to_wire(page)

    def ListWantedIds(  # noqa: N802
        self, request: active_pb2.ListWantedIdsRequest, _: object
    ) -> active_pb2.ListWantedIdsResponse:
        """List the vectors whose probabilities are needed."""
        ids = hold_id_array(self._active.wanted(request.session))
        limits, start = self._application.limits, page_position(request.page_token)
        page = page_within(id_sizes(ids), limits, start=start, name="ids")
        more = page.stop if page.stop < len(ids) else None
        return active_pb2.ListWantedIdsResponse(
            ids=ids_to_wire(ids[page]), next_page_token=next_token(more)
        )

    def SubmitProbabilities(  # noqa: N802
        self, request: active_pb2.SubmitProbabilitiesRequest, _: object
    ) -> active_pb2.SubmitProbabilitiesResponse:
        """Submit probabilities from the client's own model."""
        with self._store.changing(request.session):
            return self._receipts.once(
                request, self._take, active_pb2.SubmitProbabilitiesResponse
            )

    def GetCoverage(  # noqa: N802
        self, request: active_pb2.GetCoverageRequest, _: object
    ) -> active_pb2.Coverage:
        """Compare the pending batch with baselines."""
        coverage = self._active.coverage(
            request.session, concept=request.concept, top=request.top
        )
        return active_messages.coverage_to_wire(coverage)

    def _start_active(
        self, request: active_pb2.StartActiveSessionRequest
    ) -> Callable[[], session_pb2.Session]:
        view = self._application.registry.view(request.index)
        ids = ids_of(request.ids, name="ids")
        params = active_messages.active_params_of(request.params)
        keep = self._active.start(
            view,
            params,
            ids=ids,
            labels=active_messages.answers_of(
                request.labels, n=len(ids), concepts=len(params.concepts)
            ),
            condition=condition_of(request),
        )
        return lambda: session_info_to_wire(keep())

    def _submit(
        self, request: active_pb2.SubmitLabelsRequest
    ) -> Callable[[], active_pb2.SubmitLabelsResponse]:
        ids = ids_of(request.ids, name="ids")
        labels = active_messages.answers_of(
            request.labels, n=len(ids), concepts=self._active.concepts(request.session)
        )
        keep = self._active.submit_labels(request.session, ids, labels)
        return lambda: active_pb2.SubmitLabelsResponse(
            session=session_info_to_wire(keep())
        )

    def _ignore(
        self, request: active_pb2.IgnoreIdsRequest
    ) -> Callable[[], active_pb2.IgnoreIdsResponse]:
        ids = ids_of(request.ids, name="ids")
        keep = self._active.ignore(request.session, ids)
        return lambda: active_pb2.IgnoreIdsResponse(
            session=session_info_to_wire(keep())
        )

    def _take(
        self, request: active_pb2.SubmitProbabilitiesRequest
    ) -> Callable[[], active_pb2.SubmitProbabilitiesResponse]:
        ids = ids_of(request.ids, name="ids")
        table = active_messages.probabilities_of(
            request.probabilities,
            n=len(ids),
            classes=self._active.classes(request.session),
        )
        keep = self._active.submit_probabilities(
            request.session, ids, table, concept=request.concept
        )
        return lambda: active_pb2.SubmitProbabilitiesResponse(
            session=session_info_to_wire(keep())
        )
