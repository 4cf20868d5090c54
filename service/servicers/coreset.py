"""CoresetService."""

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from gleann.service.application import Application
from gleann.service.wire.page_tokens import next_token, page_position, page_size
from gleann.service.wire.paging import page_of
from gleann.service.wire.selected_messages import items_to_wire
from gleann.v1 import coreset_pb2, coreset_pb2_grpc


class CoresetServicer(coreset_pb2_grpc.CoresetServiceServicer):
    """Servicer of selection jobs."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._receipts = application.receipts

    def CreateSelectionJob(  # noqa: N802
        self, request: coreset_pb2.CreateSelectionJobRequest, _: object
    ) -> operations_pb2.Operation:
        """Start a selection job, or say what it would take."""
        if request.validate_only:
            return self._application.planned_selection(request)
        return self._receipts.once(
            request, self._application.asked_to_select, operations_pb2.Operation
        )

    def GetSelection(  # noqa: N802
        self, request: coreset_pb2.GetSelectionRequest, _: object
    ) -> coreset_pb2.Selection:
        """Describe a selection."""
        return self._application.selections.get(request.name)

    def ListSelectedItems(  # noqa: N802
        self, request: coreset_pb2.ListSelectedItemsRequest, _: object
    ) -> coreset_pb2.ListSelectedItemsResponse:
        """List a page of the chosen vectors."""
        start = page_position(request.page_token)
        size = page_size(request.page_size, default=10_000, most=100_000)
        chosen = self._application.selections.chosen(request.name)
        page, more = page_of(chosen, self._application.limits, start=start, most=size)
        return coreset_pb2.ListSelectedItemsResponse(
            items=items_to_wire(page),
            next_page_token=next_token(more),
        )

    def ListSelections(  # noqa: N802
        self, request: coreset_pb2.ListSelectionsRequest, _: object
    ) -> coreset_pb2.ListSelectionsResponse:
        """Describe a page of stored selections, oldest first."""
        found, more = self._application.selections.listed(
            request.index,
            after=page_position(request.page_token),
            most=page_size(request.page_size, default=100, most=1000),
        )
        return coreset_pb2.ListSelectionsResponse(
            selections=found, next_page_token=next_token(more)
        )

    def DeleteSelection(  # noqa: N802
        self, request: coreset_pb2.DeleteSelectionRequest, _: object
    ) -> Empty:
        """Delete a stored selection."""
        self._application.selections.delete(request.name)
        return Empty()
