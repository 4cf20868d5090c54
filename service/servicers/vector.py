"""VectorService."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from google.longrunning import operations_pb2

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError
from gleann.index.filters.condition import Condition
from gleann.service.application import Application
from gleann.service.servicers.pages import get_reply, scroll_reply
from gleann.service.streams.batch import upserting
from gleann.service.wire import index_messages
from gleann.service.wire.arrays import ids_of
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.payload.columns import wanted_names
from gleann.service.wire.payload_messages import payload_of
from gleann.v1 import vector_pb2, vector_pb2_grpc

ByIdsOrFilter: TypeAlias = (
    vector_pb2.DeleteVectorsRequest
    | vector_pb2.UpdatePayloadRequest
    | vector_pb2.DeletePayloadRequest
)


class VectorServicer(vector_pb2_grpc.VectorServiceServicer):
    """Servicer of changes of vectors and payload, imports, fetches and scrolls."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def UpsertVectors(  # noqa: N802
        self, request: vector_pb2.UpsertVectorsRequest, _: object
    ) -> vector_pb2.UpsertVectorsResponse:
        """Store a batch."""
        return self._application.receipts.once(
            request, self._upsert, vector_pb2.UpsertVectorsResponse
        )

    def StreamUpsertVectors(  # noqa: N802
        self,
        requests: Iterator[vector_pb2.StreamUpsertVectorsRequest],
        _: object,
    ) -> Iterator[vector_pb2.StreamUpsertVectorsResponse]:
        """Store batches as they come; in process, where the caller's thread waits."""
        return self._application.streams.answered(requests)

    def ImportVectors(  # noqa: N802
        self, request: vector_pb2.ImportVectorsRequest, _: object
    ) -> operations_pb2.Operation:
        """Start an import, or say what it would take."""
        if request.validate_only:
            return self._application.planned_import(request)
        return self._application.receipts.once(
            request, self._application.asked_to_import, operations_pb2.Operation
        )

    def GetVectors(  # noqa: N802
        self, request: vector_pb2.GetVectorsRequest, _: object
    ) -> vector_pb2.GetVectorsResponse:
        """Fetch vectors, their payload or both by id."""
        return get_reply(self._application, request)

    def DeleteVectors(  # noqa: N802
        self, request: vector_pb2.DeleteVectorsRequest, _: object
    ) -> vector_pb2.DeleteVectorsResponse:
        """Remove vectors by id or by a filter."""
        return self._application.receipts.once(
            request, self._delete, vector_pb2.DeleteVectorsResponse
        )

    def UpdatePayload(  # noqa: N802
        self, request: vector_pb2.UpdatePayloadRequest, _: object
    ) -> vector_pb2.UpdatePayloadResponse:
        """Set the values of some columns."""
        return self._application.receipts.once(
            request, self._update_payload, vector_pb2.UpdatePayloadResponse
        )

    def DeletePayload(  # noqa: N802
        self, request: vector_pb2.DeletePayloadRequest, _: object
    ) -> vector_pb2.DeletePayloadResponse:
        """Remove the values of some columns."""
        return self._application.receipts.once(
            request, self._delete_payload, vector_pb2.DeletePayloadResponse
        )

    def ScrollVectors(  # noqa: N802
        self, request: vector_pb2.ScrollVectorsRequest, _: object
    ) -> vector_pb2.ScrollVectorsResponse:
        """Return a page of the vectors of a filter, in the order of their ids."""
        return scroll_reply(self._application, request)

    def CountVectors(  # noqa: N802
        self, request: vector_pb2.CountVectorsRequest, _: object
    ) -> vector_pb2.CountVectorsResponse:
        """Count the vectors of a filter."""
        count, version = self._application.count(request.index, condition_of(request))
        return vector_pb2.CountVectorsResponse(
            count=count, version=index_messages.version_to_wire(version)
        )

    def _upsert(
        self, request: vector_pb2.UpsertVectorsRequest
    ) -> Callable[[], vector_pb2.UpsertVectorsResponse]:
        batch = upserting(self._application, request.index, request)
        return lambda: vector_pb2.UpsertVectorsResponse(
            count=batch.count, version=index_messages.version_to_wire(batch.store())
        )

    def _delete(
        self, request: vector_pb2.DeleteVectorsRequest
    ) -> Callable[[], vector_pb2.DeleteVectorsResponse]:
        self._application.registry.view(request.index)
        change = self._application.deleting(
            request.index, ids_or_condition(request), missing_ok=request.missing_ok
        )

        def delete() -> vector_pb2.DeleteVectorsResponse:
            count, version = change()
            return vector_pb2.DeleteVectorsResponse(
                count=count, version=index_messages.version_to_wire(version)
            )

        return delete

    def _update_payload(
        self, request: vector_pb2.UpdatePayloadRequest
    ) -> Callable[[], vector_pb2.UpdatePayloadResponse]:
        view = self._application.registry.view(request.index)
        rows = ids_or_condition(request)
        count = 1 if isinstance(rows, Condition) else len(rows)
        payload = payload_of(request.payload, view.schema, count)
        if not payload.schema.columns:
            raise InvalidInputError("payload has no columns to set")
        change = self._application.updating_payload(request.index, rows, payload)

        def update() -> vector_pb2.UpdatePayloadResponse:
            count, version = change()
            return vector_pb2.UpdatePayloadResponse(
                count=count, version=index_messages.version_to_wire(version)
            )

        return update

    def _delete_payload(
        self, request: vector_pb2.DeletePayloadRequest
    ) -> Callable[[], vector_pb2.DeletePayloadResponse]:
        view = self._application.registry.view(request.index)
        if not request.columns:
            raise InvalidInputError("columns is empty: name at least one, or '*'")
        change = self._application.deleting_payload(
            request.index,
            ids_or_condition(request),
            wanted_names(request.columns, view.schema),
        )

        def delete() -> vector_pb2.DeletePayloadResponse:
            count, version = change()
            return vector_pb2.DeletePayloadResponse(
                count=count, version=index_messages.version_to_wire(version)
            )

        return delete


def ids_or_condition(request: ByIdsOrFilter) -> HeldIds | Condition:
    """What a change applies to: ids, or a filter in their place.

    Raises:
        InvalidInputError: both or neither.
        InvalidFilterError: as `condition_of`.
    """
    condition = condition_of(request)
    if condition is None:
        return ids_of(request.ids, name="ids")
    if request.HasField("ids"):
        raise InvalidInputError("ids and filter are both set: give one of them")
    return condition
