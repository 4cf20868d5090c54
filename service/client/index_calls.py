"""Client calls on indexes."""

from gleann.index import BuildParams
from gleann.index.errors import (
    InvalidParamsError,
)
from gleann.index.params import Metric
from gleann.service.client.connection import Connection
from gleann.service.client.operation import Operation
from gleann.service.values import IndexInfo
from gleann.service.wire import index_messages
from gleann.v1 import index_pb2


class IndexCalls:
    """Calls on indexes: `client.indexes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stubs = connection.stubs

    def create(
        self, name: str, *, dim: int, metric: Metric = "cosine", request_id: str = ""
    ) -> IndexInfo:
        """Make an empty index.

        Args:
            name: matches ^[a-z][a-z0-9-]{0,62}$.
            dim: dimensions of a vector.
            metric: "cosine", "ip" or "l2"; under cosine, vectors are stored normalized.
            request_id: a repeat with the same string returns the first answer.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidParamsError: a bad name, dim or metric.
            LimitError: dim is over the cap.
        """
        request = index_pb2.CreateIndexRequest(name=name, request_id=request_id)
        index_messages.fill(request, {"dim": dim, "metric": metric})
        return index_messages.index_info_of(self._stubs.index.CreateIndex(request))

    def get(self, name: str) -> IndexInfo:
        """Describe an index.

        Raises:
            UnknownIndexError: no index has this name.
        """
        request = index_pb2.GetIndexRequest(name=name)
        return index_messages.index_info_of(self._stubs.index.GetIndex(request))

    def delete(self, name: str, *, request_id: str = "") -> None:
        """Remove an index and its contents.

        Raises:
            UnknownIndexError: no index has this name.
            NotReadyError: an operation or a session is open on it.
        """
        request = index_pb2.DeleteIndexRequest(name=name, request_id=request_id)
        self._stubs.index.DeleteIndex(request)

    def build(
        self, name: str, params: BuildParams | None = None, *, request_id: str = ""
    ) -> Operation[IndexInfo]:
        """Seal all acknowledged vectors into a new version.

        The index serves searches and changes during the build. Equal queued requests
        share one build; each has its own operation with the same result. If nothing has
        changed since a build with the same parameters, the operation is done at once.

        Args:
            name: the index.
            params: build parameters, with the metric of the index; None takes the
                defaults.
            request_id: a repeat with the same string returns the same operation.

        Raises:
            UnknownIndexError: no such index.
            InvalidParamsError: another metric than the index's.
            NotReadyError: the index is empty.
        """
        metric = self.get(name).metric
        if params is not None and params.metric != metric:
            raise InvalidParamsError(
                f"params.metric is {params.metric!r}, but {name!r} has {metric!r}"
            )
        request = index_pb2.BuildIndexRequest(
            name=name,
            params=index_messages.build_params_to_wire(params),
            request_id=request_id,
        )
        return self._connection.operation(self._stubs.index.BuildIndex(request))

    def list(self) -> list[IndexInfo]:
        """Describe all indexes, by name."""
        request = index_pb2.ListIndexesRequest()
        indexes: list[IndexInfo] = []
        while True:
            page = self._stubs.index.ListIndexes(request)
            indexes.extend(map(index_messages.index_info_of, page.indexes))
            if not page.next_page_token:
                return indexes
            request.page_token = page.next_page_token
