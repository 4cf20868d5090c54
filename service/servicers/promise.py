"""PromiseService."""

import json
from collections.abc import Callable

from gleann.service.application import Application
from gleann.service.wire.arrays import bools_of, ids_of
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.page_tokens import next_token, page_position
from gleann.service.wire.paging import page_of
from gleann.service.wire.promise_messages import (
    audit_params_of,
    bound_to_wire,
    promise_params_of,
    promised_to_wire,
    proxy_of,
)
from gleann.service.wire.selected_messages import items_to_wire
from gleann.service.wire.session_messages import session_info_to_wire
from gleann.v1 import promises_pb2, promises_pb2_grpc, session_pb2


class PromiseServicer(promises_pb2_grpc.PromiseServiceServicer):
    """Servicer of promised sets, and of audits of a batch."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._store = application.sessions
        self._promises = application.promises
        self._receipts = application.receipts

    def StartPromiseSession(  # noqa: N802
        self, request: promises_pb2.StartPromiseSessionRequest, _: object
    ) -> session_pb2.Session:
        """Start a promised set."""
        return self._receipts.once(request, self._start, session_pb2.Session)

    def StartAuditSession(  # noqa: N802
        self, request: promises_pb2.StartAuditSessionRequest, _: object
    ) -> session_pb2.Session:
        """Start an audit of a batch."""
        return self._receipts.once(request, self._start_audit, session_pb2.Session)

    def NextPromiseBatch(  # noqa: N802
        self, request: promises_pb2.NextPromiseBatchRequest, _: object
    ) -> promises_pb2.NextPromiseBatchResponse:
        """Return the next batch to label."""
        batch, more = page_of(
            self._promises.next_batch(request.session),
            self._application.limits,
            start=page_position(request.page_token),
        )
        return promises_pb2.NextPromiseBatchResponse(
            items=items_to_wire(batch),
            next_page_token=next_token(more),
            summary_json=json.dumps(batch.summary),
            provenance_json=json.dumps(batch.provenance),
        )

    def SubmitPromiseLabels(  # noqa: N802
        self, request: promises_pb2.SubmitPromiseLabelsRequest, _: object
    ) -> promises_pb2.SubmitPromiseLabelsResponse:
        """Submit labels."""
        with self._store.changing(request.session):
            return self._receipts.once(
                request, self._answer, promises_pb2.SubmitPromiseLabelsResponse
            )

    def GetPromisedSet(  # noqa: N802
        self, request: promises_pb2.GetPromisedSetRequest, _: object
    ) -> promises_pb2.PromisedSet:
        """Return a page of the set."""
        return promised_to_wire(
            self._promises.promised(request.session),
            self._application.limits,
            start=page_position(request.page_token),
        )

    def GetAcceptanceBound(  # noqa: N802
        self, request: promises_pb2.GetAcceptanceBoundRequest, _: object
    ) -> promises_pb2.AcceptanceBound:
        """Return the bound of an audit."""
        return bound_to_wire(self._promises.bound(request.session))

    def _start(
        self, request: promises_pb2.StartPromiseSessionRequest
    ) -> Callable[[], session_pb2.Session]:
        view = self._application.registry.view(request.index)
        keep = self._promises.start(
            view,
            promise_params_of(request.params),
            proxy=proxy_of(request),
            condition=condition_of(request),
        )
        return lambda: session_info_to_wire(keep())

    def _start_audit(
        self, request: promises_pb2.StartAuditSessionRequest
    ) -> Callable[[], session_pb2.Session]:
        view = self._application.registry.view(request.index)
        keep = self._promises.start_audit(
            view,
            audit_params_of(request.params),
            batch=ids_of(request.batch, name="batch"),
            drawn=(
                ids_of(request.drawn, name="drawn")
                if request.HasField("drawn")
                else None
            ),
        )
        return lambda: session_info_to_wire(keep())

    def _answer(
        self, request: promises_pb2.SubmitPromiseLabelsRequest
    ) -> Callable[[], promises_pb2.SubmitPromiseLabelsResponse]:
        ids = ids_of(request.ids, name="ids")
        labels = bools_of(request.labels, name="labels", n=len(ids))
        keep = self._promises.submit(request.session, ids, labels)
        return lambda: promises_pb2.SubmitPromiseLabelsResponse(
            session=session_info_to_wire(keep())
        )
