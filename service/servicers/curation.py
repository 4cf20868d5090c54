"""CurationService."""

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from gleann.service.application import Application
from gleann.service.wire.curation.tables import packed_page
from gleann.service.wire.page_tokens import next_token, page_position, page_size
from gleann.service.wire.paging import message_room
from gleann.v1 import curation_pb2, curation_pb2_grpc


class CurationServicer(curation_pb2_grpc.CurationServiceServicer):
    """Servicer of curation jobs."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._receipts = application.receipts

    def CreateCurationJob(  # noqa: N802
        self, request: curation_pb2.CreateCurationJobRequest, _: object
    ) -> operations_pb2.Operation:
        """Start a curation job, or say what it would take."""
        if request.validate_only:
            return self._application.planned_curation(request)
        return self._receipts.once(
            request, self._application.asked_to_curate, operations_pb2.Operation
        )

    def GetCuration(  # noqa: N802
        self, request: curation_pb2.GetCurationRequest, _: object
    ) -> curation_pb2.Curation:
        """Describe a curation."""
        return self._application.curations.get(request.name)

    def ListCurations(  # noqa: N802
        self, request: curation_pb2.ListCurationsRequest, _: object
    ) -> curation_pb2.ListCurationsResponse:
        """Describe a page of stored curations, oldest first."""
        found, more = self._application.curations.listed(
            request.index,
            after=page_position(request.page_token),
            most=page_size(request.page_size, default=100, most=1000),
        )
        return curation_pb2.ListCurationsResponse(
            curations=found, next_page_token=next_token(more)
        )

    def ReadCurationTable(  # noqa: N802
        self, request: curation_pb2.ReadCurationTableRequest, _: object
    ) -> curation_pb2.ReadCurationTableResponse:
        """Return a page of a table."""
        start = page_position(request.page_token)
        size = page_size(request.page_size, default=100_000, most=1_000_000)
        table = self._application.curations.table(request.name, request.table)
        packed, more = packed_page(
            table,
            tuple(request.columns),
            start=start,
            most=size,
            room=message_room(self._application.limits),
        )
        return curation_pb2.ReadCurationTableResponse(
            arrow=packed, next_page_token=next_token(more)
        )

    def DeleteCuration(  # noqa: N802
        self, request: curation_pb2.DeleteCurationRequest, _: object
    ) -> Empty:
        """Delete a stored curation."""
        self._application.curations.delete(request.name)
        return Empty()
