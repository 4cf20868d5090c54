"""RoundsService: start, batches, labels, scores."""

from collections.abc import Callable

from gleann.index.errors import InvalidParamsError
from gleann.service.application import Application
from gleann.service.wire import active_messages, rounds_messages
from gleann.service.wire.arrays import ids_of, labels_of, optional_ids_of
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.page_tokens import page_position
from gleann.service.wire.paging import page_of
from gleann.service.wire.selected_messages import batch_to_wire
from gleann.service.wire.session_messages import session_info_to_wire
from gleann.v1 import active_pb2, rounds_pb2, rounds_pb2_grpc, session_pb2


class RoundsServicer(rounds_pb2_grpc.RoundsServiceServicer):
    """Servicer of rounds sessions."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._store = application.sessions
        self._rounds = application.rounds
        self._receipts = application.receipts

    def StartRoundsSession(  # noqa: N802
        self, request: rounds_pb2.StartRoundsSessionRequest, _: object
    ) -> session_pb2.Session:
        """Start rounds."""
        return self._receipts.once(request, self._start, session_pb2.Session)

    def NextBatch(  # noqa: N802
        self, request: active_pb2.NextBatchRequest, _: object
    ) -> active_pb2.NextBatchResponse:
        """Return the next batch to label."""
        batch, more = page_of(
            self._rounds.next_batch(request.session),
            self._application.limits,
            start=page_position(request.page_token),
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
        """Exclude vectors from later rounds."""
        with self._store.changing(request.session):
            return self._receipts.once(
                request, self._ignore, active_pb2.IgnoreIdsResponse
            )

    def ScoreItems(  # noqa: N802
        self, request: active_pb2.ScoreItemsRequest, _: object
    ) -> active_pb2.ScoreItemsResponse:
        """Return class probabilities."""
        self._store.info(request.session)  # before the ids are unpacked
        if request.concept:
            raise InvalidParamsError(
                f"a session of rounds has no concepts, got {request.concept[:80]!r}"
            )
        page = self._rounds.scores(
            request.session,
            optional_ids_of(request, "ids"),
            start=page_position(request.page_token),
            limits=self._application.limits,
        )
        return active_messages.scores_to_wire(page)

    def _start(
        self, request: rounds_pb2.StartRoundsSessionRequest
    ) -> Callable[[], session_pb2.Session]:
        view = self._application.registry.view(request.index)
        ids = optional_ids_of(request, "ids")
        count = 0 if ids is None else len(ids)
        keep = self._rounds.start(
            view,
            rounds_messages.rounds_params_of(request.params),
            ids=ids,
            labels=labels_of(request.labels, n=count),
            condition=condition_of(request),
        )
        return lambda: session_info_to_wire(keep())

    def _submit(
        self, request: active_pb2.SubmitLabelsRequest
    ) -> Callable[[], active_pb2.SubmitLabelsResponse]:
        ids = ids_of(request.ids, name="ids")
        labels = labels_of(request.labels, n=len(ids))
        keep = self._rounds.submit_labels(request.session, ids, labels)
        return lambda: active_pb2.SubmitLabelsResponse(
            session=session_info_to_wire(keep())
        )

    def _ignore(
        self, request: active_pb2.IgnoreIdsRequest
    ) -> Callable[[], active_pb2.IgnoreIdsResponse]:
        ids = ids_of(request.ids, name="ids")
        keep = self._rounds.ignore(request.session, ids)
        return lambda: active_pb2.IgnoreIdsResponse(
            session=session_info_to_wire(keep())
        )
