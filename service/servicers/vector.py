"""VectorService."""

from collections.abc import Callable

from google.longrunning import operations_pb2

from gleann.service.application import Application
from gleann.service.wire import index_messages
from gleann.service.wire.arrays import ids_of, vectors_of, vectors_to_wire
from gleann.v1 import vector_pb2, vector_pb2_grpc


class VectorServicer(vector_pb2_grpc.VectorServiceServicer):
    """Servicer of vector changes, imports and fetches."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def UpsertVectors(  # noqa: N802
        self, request: vector_pb2.UpsertVectorsRequest, _: object
    ) -> vector_pb2.UpsertVectorsResponse:
        """Store a batch."""
        return self._application.receipts.once(
            request, self._upsert, vector_pb2.UpsertVectorsResponse
        )

    def ImportVectors(  # noqa: N802
        self, request: vector_pb2.ImportVectorsRequest, _: object
    ) -> operations_pb2.Operation:
        """Start an import."""
        return self._application.receipts.once(
            request, self._application.asked_to_import, operations_pb2.Operation
        )

    def GetVectors(  # noqa: N802
        self, request: vector_pb2.GetVectorsRequest, _: object
    ) -> vector_pb2.GetVectorsResponse:
        """Fetch vectors by id."""
        self._application.registry.view(request.index)  # before the ids are unpacked
        ids = ids_of(request.ids, name="ids")
        vectors = self._application.get_vectors(request.index, ids)
        return vector_pb2.GetVectorsResponse(vectors=vectors_to_wire(vectors))

    def DeleteVectors(  # noqa: N802
        self, request: vector_pb2.DeleteVectorsRequest, _: object
    ) -> vector_pb2.DeleteVectorsResponse:
        """Remove vectors by id."""
        return self._application.receipts.once(
            request, self._delete, vector_pb2.DeleteVectorsResponse
        )

    def _upsert(
        self, request: vector_pb2.UpsertVectorsRequest
    ) -> Callable[[], vector_pb2.UpsertVectorsResponse]:
        self._application.registry.view(request.index)
        ids = ids_of(request.ids, name="ids")
        vectors = vectors_of(request.vectors, name="vectors")
        change = self._application.upserting(request.index, ids, vectors)
        return lambda: vector_pb2.UpsertVectorsResponse(
            count=len(ids), version=index_messages.version_to_wire(change())
        )

    def _delete(
        self, request: vector_pb2.DeleteVectorsRequest
    ) -> Callable[[], vector_pb2.DeleteVectorsResponse]:
        self._application.registry.view(request.index)
        ids = ids_of(request.ids, name="ids")
        change = self._application.deleting(
            request.index, ids, missing_ok=request.missing_ok
        )

        def delete() -> vector_pb2.DeleteVectorsResponse:
            count, version = change()
            return vector_pb2.DeleteVectorsResponse(
                count=count, version=index_messages.version_to_wire(version)
            )

        return delete
