"""SearchService."""

from gleann.service.application import Application
from gleann.service.servicers.pages import whole_payload
from gleann.service.servicers.radius_pages import radius_reply
from gleann.service.wire import index_messages
from gleann.service.wire.arrays import optional_ids_of, vectors_of
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.paging import id_sizes
from gleann.service.wire.payload_messages import payload_to_wire, wanted_names
from gleann.v1 import search_pb2, search_pb2_grpc


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Servicer of searches."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def Search(  # noqa: N802
        self, request: search_pb2.SearchRequest, _: object
    ) -> search_pb2.SearchResponse:
        """Answer a batch of queries."""
        described = self._application.registry.view(request.index)
        names = wanted_names(request.columns, described.schema)
        found, view = self._application.search(
            request.index,
            vectors_of(request.queries, name="queries"),
            index_messages.search_params_of(request.params),
            allowed_ids=optional_ids_of(request, "allowed_ids"),
            condition=condition_of(request),
            radius=request.radius if request.HasField("radius") else None,
        )
        rows = found.rows.ravel()
        ids = view.ids_at(rows)
        reply = index_messages.found_to_wire(found, ids, view.state)
        if request.columns:
            others = id_sizes(ids) + 4
            limits = self._application.limits
            payload = whole_payload(view, rows, names, others, limits)
            reply.payload.CopyFrom(payload_to_wire(payload))
        return reply

    def SearchRadius(  # noqa: N802
        self, request: search_pb2.SearchRadiusRequest, _: object
    ) -> search_pb2.SearchRadiusResponse:
        """Answer a page of the hits within a distance."""
        return radius_reply(self._application, request)
