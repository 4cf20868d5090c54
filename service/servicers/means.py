"""MeansService."""

import json
from collections.abc import Callable

from gleann.service.application import Application
from gleann.service.wire.arrays import ids_of
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.means_messages import (
    controls_of,
    groups_of,
    means_params_of,
    means_to_wire,
    values_of,
)
from gleann.service.wire.page_tokens import next_token, page_position
from gleann.service.wire.paging import page_of
from gleann.service.wire.selected_messages import items_to_wire
from gleann.service.wire.session_messages import session_info_to_wire
from gleann.v1 import means_pb2, means_pb2_grpc, session_pb2


class MeansServicer(means_pb2_grpc.MeansServiceServicer):
    """Servicer of several means and shares from one labelled sample."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._store = application.sessions
        self._means = application.means
        self._receipts = application.receipts

    def StartMeansSession(  # noqa: N802
        self, request: means_pb2.StartMeansSessionRequest, _: object
    ) -> session_pb2.Session:
        """Start joint estimates."""
        return self._receipts.once(request, self._start, session_pb2.Session)

    def NextMeansBatch(  # noqa: N802
        self, request: means_pb2.NextMeansBatchRequest, _: object
    ) -> means_pb2.NextMeansBatchResponse:
        """Return the next batch to label."""
        batch, more = page_of(
            self._means.next_batch(request.session),
            self._application.limits,
            start=page_position(request.page_token),
        )
        return means_pb2.NextMeansBatchResponse(
            items=items_to_wire(batch),
            next_page_token=next_token(more),
            summary_json=json.dumps(batch.summary),
            provenance_json=json.dumps(batch.provenance),
        )

    def SubmitMeansValues(  # noqa: N802
        self, request: means_pb2.SubmitMeansValuesRequest, _: object
    ) -> means_pb2.SubmitMeansValuesResponse:
        """Submit values."""
        with self._store.changing(request.session):
            return self._receipts.once(
                request, self._answer, means_pb2.SubmitMeansValuesResponse
            )

    def GetMeans(  # noqa: N802
        self, request: means_pb2.GetMeansRequest, _: object
    ) -> means_pb2.JointEstimates:
        """Return the estimates."""
        return means_to_wire(self._means.estimates(request.session))

    def _start(
        self, request: means_pb2.StartMeansSessionRequest
    ) -> Callable[[], session_pb2.Session]:
        view = self._application.registry.view(request.index)
        keep = self._means.start(
            view,
            means_params_of(request.params),
            controls=controls_of(request),
            groups=groups_of(request),
            by_list=request.by_list,
            condition=condition_of(request),
        )
        return lambda: session_info_to_wire(keep())

    def _answer(
        self, request: means_pb2.SubmitMeansValuesRequest
    ) -> Callable[[], means_pb2.SubmitMeansValuesResponse]:
        ids = ids_of(request.ids, name="ids")
        values = values_of(
            request.values,
            n=len(ids),
            statistics=self._means.statistics(request.session),
        )
        keep = self._means.submit(request.session, ids, values)
        return lambda: means_pb2.SubmitMeansValuesResponse(
            session=session_info_to_wire(keep())
        )
