"""SearchService."""

from gleann.service.application import Application
from gleann.service.wire import index_messages
from gleann.service.wire.arrays import optional_ids_of, vectors_of
from gleann.v1 import search_pb2, search_pb2_grpc


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Servicer of searches."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def Search(  # noqa: N802
        self, request: search_pb2.SearchRequest, _: object
    ) -> search_pb2.SearchResponse:
        """Answer a batch of queries."""
        self._application.registry.view(request.index)  # before the ids are unpacked
        found, view = self._application.search(
            request.index,
            vectors_of(request.queries, name="queries"),
            index_messages.search_params_of(request.params),
            allowed_ids=optional_ids_of(request, "allowed_ids"),
        )
        ids = view.ids_at(found.rows.ravel())
        return index_messages.found_to_wire(found, ids, view.state)
