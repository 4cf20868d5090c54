"""Client calls on indexes."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from gleann.index import BuildParams
from gleann.index.errors import (
    InvalidParamsError,
)
from gleann.index.params import Metric
from gleann.index.payload.schema import Column, Schema
from gleann.service.client.bulk.payload_values import Columns, column_names
from gleann.service.client.connection import Calls
from gleann.service.client.modes import M, method
from gleann.service.client.operation import Handle, operation_method
from gleann.service.optimizer_params import CompactionKind, OptimizerParams
from gleann.service.values import IndexInfo
from gleann.service.wire import index_messages
from gleann.service.wire.fields import fill
from gleann.service.wire.optimizer_messages import (
    compaction_kind_to_wire,
    optimizer_params_to_wire,
)
from gleann.service.wire.payload.columns import columns_to_wire
from gleann.v1 import index_pb2

Declared: TypeAlias = Mapping[str, str] | Iterable[Column] | Any
"""Columns of payload: types by name, `Column` values, or a `pyarrow.Schema`."""


class IndexCalls(Calls[M]):
    """Calls on indexes: `client.indexes`."""

    @method
    async def create(
        self,
        name: str,
        *,
        dim: int,
        metric: Metric = "cosine",
        columns: Declared = (),
        optimizer: OptimizerParams | None = None,
        request_id: str = "",
    ) -> IndexInfo:
        """Make an empty index.

        Args:
            name: matches `^[a-z][a-z0-9-]{0,62}$`.
            dim: dimensions of a vector.
            metric: "cosine", "ip" or "l2"; under cosine, vectors are stored normalized.
            columns: its columns of payload: types by name, such as
                {"split": "string", "score": "float64"}, or `Column` values, or a
                `pyarrow.Schema`. The types are "string", "int64", "float64", "bool",
                "timestamp", "strings" (lists) and "json".
            optimizer: when it is compacted; None takes the server's defaults.
            request_id: a repeat with the same string returns the first answer.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidParamsError: a bad name, dim or metric.
            InvalidInputError: a bad name or type of a column, or one twice.
            LimitError: dim is over the cap.
        """
        request = index_pb2.CreateIndexRequest(
            name=name,
            columns=columns_to_wire(Schema.of(columns).columns),
            optimizer=optimizer_params_to_wire(optimizer),
            request_id=request_id,
        )
        fill(request, {"dim": dim, "metric": metric})
        return index_messages.index_info_of(
            await self._stubs.index.CreateIndex(request)
        )

    @method
    async def update(
        self,
        name: str,
        *,
        add_columns: Declared = (),
        drop_columns: Columns = (),
        optimizer: OptimizerParams | None = None,
        etag: str = "",
        request_id: str = "",
    ) -> IndexInfo:
        """Add or remove columns of payload, or set when an index is compacted.

        Args:
            name: the index.
            add_columns: as `columns` of `create`; the vectors that are there have no
                value in them. One that is there with the same type keeps its values;
                `Column(name, type, indexed=True)` indexes it.
            drop_columns: names of columns to remove, with their values.
            optimizer: parameters that are not None replace those of the index.
            etag: `IndexInfo.etag` as it was read; "" changes the index as it is.
            request_id: a repeat with the same string returns the first answer.

        Raises:
            UnknownIndexError: no index has this name.
            ConflictError: the index has another etag; nothing is changed.
            UnknownColumnError: a column to remove is not there.
            InvalidInputError: a column to add is there with another type.
        """
        await self._understood(etag)
        request = index_pb2.UpdateIndexRequest(
            name=name,
            add_columns=columns_to_wire(Schema.of(add_columns).columns),
            drop_columns=column_names(drop_columns),
            optimizer=optimizer_params_to_wire(optimizer),
            etag=etag,
            request_id=request_id,
        )
        return index_messages.index_info_of(
            await self._stubs.index.UpdateIndex(request)
        )

    @operation_method
    async def optimize(
        self,
        name: str,
        kind: CompactionKind | None = None,
        *,
        request_id: str = "",
    ) -> Handle[Any, IndexInfo]:
        """Fold newer vectors and removals into a new version now.

        The server does this by itself where the index's optimizer says so. Searches and
        changes go on meanwhile.

        Args:
            name: the index.
            kind: "fold" adds newer vectors to the lists there are, "rebuild" trains and
                fills the lists anew; None takes what the optimizer decides.
            request_id: a repeat with the same string returns the same operation.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidParamsError: no such kind.
            NotReadyError: the index is empty.
        """
        request = index_pb2.OptimizeIndexRequest(
            name=name, kind=compaction_kind_to_wire(kind), request_id=request_id
        )
        return self._connection.operation(
            await self._stubs.index.OptimizeIndex(request)
        )

    @method
    async def get(self, name: str) -> IndexInfo:
        """Describe an index.

        Raises:
            UnknownIndexError: no index has this name.
        """
        request = index_pb2.GetIndexRequest(name=name)
        return index_messages.index_info_of(await self._stubs.index.GetIndex(request))

    @method
    async def delete(self, name: str, *, etag: str = "", request_id: str = "") -> None:
        """Remove an index and its contents.

        Args:
            name: the index.
            etag: as for `update`.
            request_id: a repeat with the same string returns the first answer.

        Raises:
            UnknownIndexError: no index has this name.
            ConflictError: the index has another etag; it stays.
            NotReadyError: an operation or a session is open on it.
        """
        await self._understood(etag)
        request = index_pb2.DeleteIndexRequest(
            name=name, etag=etag, request_id=request_id
        )
        await self._stubs.index.DeleteIndex(request)

    @operation_method
    async def build(
        self, name: str, params: BuildParams | None = None, *, request_id: str = ""
    ) -> Handle[Any, IndexInfo]:
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
        metric = (await IndexCalls.get.body(self, name)).metric
        if params is not None and params.metric != metric:
            raise InvalidParamsError(
                f"params.metric is {params.metric!r}, but {name!r} has {metric!r}"
            )
        request = index_pb2.BuildIndexRequest(
            name=name,
            params=index_messages.build_params_to_wire(params),
            request_id=request_id,
        )
        return self._connection.operation(await self._stubs.index.BuildIndex(request))

    @method
    async def list(self) -> list[IndexInfo]:
        """Describe all indexes, by name."""
        request = index_pb2.ListIndexesRequest()
        indexes: list[IndexInfo] = []
        while True:
            page = await self._stubs.index.ListIndexes(request)
            indexes.extend(map(index_messages.index_info_of, page.indexes))
            if not page.next_page_token:
                return indexes
            request.page_token = page.next_page_token

    async def _understood(self, etag: str) -> None:
        """Refuse an etag that an older server would leave out."""
        if etag:
            await self._connection.require_protocol(2, "etag")
