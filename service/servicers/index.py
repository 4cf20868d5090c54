"""IndexService."""

from collections.abc import Callable
from typing import TypedDict

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from gleann.index.params import Metric
from gleann.index.payload.schema import Schema
from gleann.service.application import Application
from gleann.service.optimizer_params import OptimizerParams
from gleann.service.state.index_names import NAME
from gleann.service.wire import index_messages
from gleann.service.wire.field_mask import masked, require_mask
from gleann.service.wire.optimizer_messages import optimizer_params_of
from gleann.service.wire.page_tokens import name_position, name_token, page_size
from gleann.service.wire.payload.columns import require_few_columns, schema_of
from gleann.v1 import index_pb2, index_pb2_grpc


class _Declared(TypedDict):
    """What an index is declared to be when it is created."""

    dim: int
    metric: Metric
    schema: Schema
    optimizer: OptimizerParams


def _declared(request: index_pb2.CreateIndexRequest) -> _Declared:
    return {
        "dim": request.dim,
        "metric": index_messages.metric_of(request.metric),
        "schema": schema_of(request.columns),
        "optimizer": optimizer_params_of(request.optimizer),
    }


class IndexServicer(index_pb2_grpc.IndexServiceServicer):
    """Servicer that creates, describes, builds and deletes indexes."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def CreateIndex(  # noqa: N802
        self, request: index_pb2.CreateIndexRequest, _: object
    ) -> index_pb2.Index:
        """Create an empty index, or only check whether it can be."""
        if request.validate_only:
            return self._planned(request)
        return self._application.receipts.once(request, self._create, index_pb2.Index)

    def GetIndex(  # noqa: N802
        self, request: index_pb2.GetIndexRequest, _: object
    ) -> index_pb2.Index:
        """Describe an index, or the fields of it that are asked for."""
        require_mask(request.read_mask, index_pb2.Index)
        info = self._application.get_index(request.name)
        return masked(index_messages.index_info_to_wire(info), request.read_mask)

    def ListIndexes(  # noqa: N802
        self, request: index_pb2.ListIndexesRequest, _: object
    ) -> index_pb2.ListIndexesResponse:
        """Describe a page of indexes, by name."""
        require_mask(request.read_mask, index_pb2.Index)
        after = name_position(request.page_token, NAME)
        size = page_size(request.page_size, default=100, most=1000)
        infos, last = self._application.list_indexes(after=after, size=size)
        page = (
            masked(index_messages.index_info_to_wire(info), request.read_mask)
            for info in infos
        )
        return index_pb2.ListIndexesResponse(
            indexes=page, next_page_token=name_token(last) if last else ""
        )

    def DeleteIndex(  # noqa: N802
        self, request: index_pb2.DeleteIndexRequest, _: object
    ) -> Empty:
        """Delete an index."""
        return self._application.receipts.once(request, self._delete, Empty)

    def BuildIndex(  # noqa: N802
        self, request: index_pb2.BuildIndexRequest, _: object
    ) -> operations_pb2.Operation:
        """Start a build, or say what it would take."""
        if request.validate_only:
            return self._application.planned_build(request)
        return self._application.receipts.once(
            request, self._application.asked_to_build, operations_pb2.Operation
        )

    def UpdateIndex(  # noqa: N802
        self, request: index_pb2.UpdateIndexRequest, _: object
    ) -> index_pb2.Index:
        """Add or remove columns of payload, and set when the index is compacted."""
        return self._application.receipts.once(request, self._update, index_pb2.Index)

    def OptimizeIndex(  # noqa: N802
        self, request: index_pb2.OptimizeIndexRequest, _: object
    ) -> operations_pb2.Operation:
        """Start a compaction, or say what it would take."""
        if request.validate_only:
            return self._application.planned_optimization(request)
        return self._application.receipts.once(
            request, self._application.asked_to_optimize, operations_pb2.Operation
        )

    def _create(
        self, request: index_pb2.CreateIndexRequest
    ) -> Callable[[], index_pb2.Index]:
        declared = _declared(request)
        return lambda: index_messages.index_info_to_wire(
            self._application.create_index(request.name, **declared)
        )

    def _planned(self, request: index_pb2.CreateIndexRequest) -> index_pb2.Index:
        info = self._application.planned_index(request.name, **_declared(request))
        message = index_messages.index_info_to_wire(info)
        message.ClearField("version")
        return message

    def _update(
        self, request: index_pb2.UpdateIndexRequest
    ) -> Callable[[], index_pb2.Index]:
        added = schema_of(request.add_columns).columns
        require_few_columns(request.drop_columns, name="drop_columns")
        changed = request.HasField("optimizer")
        optimizer = optimizer_params_of(request.optimizer) if changed else None
        return lambda: index_messages.index_info_to_wire(
            self._application.update_index(
                request.name,
                add_columns=added,
                drop_columns=tuple(request.drop_columns),
                optimizer=optimizer,
                etag=request.etag,
            )
        )

    def _delete(self, request: index_pb2.DeleteIndexRequest) -> Callable[[], Empty]:
        def delete() -> Empty:
            self._application.registry.delete(request.name, etag=request.etag)
            return Empty()

        return delete
