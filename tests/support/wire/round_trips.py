"""What round trips of single rpcs share: their register, and a few requests."""

from collections.abc import Callable
from typing import Any

import numpy as np
from google.longrunning import operations_pb2

from gleann.service.wire.arrays import ids_to_wire, vectors_to_wire
from gleann.v1 import index_pb2, types_pb2, vector_pb2

ROUND_TRIPS: dict[str, Callable[[Any], None]] = {}


def rpc(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    def register(call: Callable[[Any], None]) -> Callable[[Any], None]:
        assert name not in ROUND_TRIPS
        ROUND_TRIPS[name] = call
        return call

    return register


def create(world: Any, name: str, *, metric: int = 0) -> index_pb2.Index:
    request = index_pb2.CreateIndexRequest(name=name, dim=8, metric=metric)
    return world.index.CreateIndex(request)


def upsert(world: Any, name: str, ids: np.ndarray, rows: np.ndarray) -> Any:
    request = vector_pb2.UpsertVectorsRequest(
        index=name, ids=ids_to_wire(ids), vectors=vectors_to_wire(rows)
    )
    return world.vector.UpsertVectors(request)


def build(world: Any, name: str) -> operations_pb2.Operation:
    params = index_pb2.BuildParams(nlist=4, tune_queries=0)
    return world.index.BuildIndex(index_pb2.BuildIndexRequest(name=name, params=params))


def finish(world: Any, operation: operations_pb2.Operation) -> operations_pb2.Operation:
    while not operation.done:
        request = operations_pb2.WaitOperationRequest(name=operation.name)
        operation = world.operations.WaitOperation(request)
    assert operation.WhichOneof("result") == "response", operation.error
    return operation


def floats(data: bytes, dtype: str = "<f8") -> np.ndarray:
    return np.frombuffer(data, dtype)


def packed(values: Any) -> bytes:
    return np.asarray(values, "<f8").tobytes()


def named(ids: Any) -> types_pb2.Ids:
    return ids_to_wire(np.asarray(ids, np.int64))


def ints(ids: types_pb2.Ids) -> list[int]:
    return np.frombuffer(ids.int64s, "<i8").tolist()
