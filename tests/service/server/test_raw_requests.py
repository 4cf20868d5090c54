"""Requests that our client never sends: refused with a status that says why."""

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gleann.service.server import Server
from gleann.service.values import Limits
from gleann.v1 import (
    coreset_pb2,
    coreset_pb2_grpc,
    index_pb2,
    index_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    types_pb2,
    vector_pb2,
    vector_pb2_grpc,
)

INVALID = grpc.StatusCode.INVALID_ARGUMENT
F32 = types_pb2.SCALAR_TYPE_FLOAT32


@pytest.fixture
def raw(start_server: Callable[..., Server]) -> Iterator[SimpleNamespace]:
    """Stubs of a server that holds the index "i" with two vectors of dimension 4."""
    limits = Limits(dim=64, rows=10, hits=100, message_bytes=4096)
    server = start_server(limits=limits)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stubs = SimpleNamespace(
            index=index_pb2_grpc.IndexServiceStub(channel),
            vector=vector_pb2_grpc.VectorServiceStub(channel),
            search=search_pb2_grpc.SearchServiceStub(channel),
            coreset=coreset_pb2_grpc.CoresetServiceStub(channel),
            operations=operations_pb2_grpc.OperationsStub(channel),
        )
        stubs.index.CreateIndex(index_pb2.CreateIndexRequest(name="i", dim=4))
        stubs.vector.UpsertVectors(upsert())
        yield stubs


def vectors(
    data: bytes = np.ones((2, 4), "<f4").tobytes(),
    scalar_type: int = F32,
    dim: int = 4,
    count: int = 2,
) -> types_pb2.Vectors:
    return types_pb2.Vectors(data=data, scalar_type=scalar_type, dim=dim, count=count)


def ids(count: int = 2) -> types_pb2.Ids:
    return types_pb2.Ids(int64s=np.arange(count, dtype="<i8").tobytes())


def upsert(**fields: Any) -> vector_pb2.UpsertVectorsRequest:
    fields = {"index": "i", "ids": ids(), "vectors": vectors()} | fields
    return vector_pb2.UpsertVectorsRequest(**fields)


def search(**fields: Any) -> search_pb2.SearchRequest:
    params = search_pb2.SearchParams(k=1)
    fields = {"index": "i", "queries": vectors(), "params": params} | fields
    return search_pb2.SearchRequest(**fields)


def refused(
    call: Callable[[Any], Any], request: Any
) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    status = rpc_status.from_call(caught.value)
    assert status is not None, caught.value
    info = error_details_pb2.ErrorInfo()
    (detail,) = status.details
    assert detail.Unpack(info)
    assert info.domain == "gleann"
    return caught.value.code(), info.reason, caught.value.details()


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (vectors(data=b"1234567"), "vectors.data has 7 bytes, .* is 32"),
        (vectors(count=3), "32 bytes, .* is 48"),
        (vectors(dim=2**31 - 1, count=2**40), "32 bytes"),
        (vectors(scalar_type=0), "scalar_type .* got 0"),
        (vectors(scalar_type=77), "scalar_type .* got 77"),
        (vectors(dim=0, data=b""), "empty: count 2, dim 0"),
        (vectors(count=-1), "empty: count -1"),
        (None, "scalar_type"),
    ],
)
def test_vectors_that_are_not_what_they_claim(
    raw: SimpleNamespace, message: types_pb2.Vectors | None, says: str
) -> None:
    code, reason, text = refused(raw.vector.UpsertVectors, upsert(vectors=message))
    assert (code, reason) == (INVALID, "INVALID_INPUT")
    assert re.search(says, text), text


def test_ids_that_are_no_ids(raw: SimpleNamespace) -> None:
    missing = upsert(ids=None)
    assert refused(raw.vector.UpsertVectors, missing)[:2] == (INVALID, "INVALID_INPUT")
    odd = upsert(ids=types_pb2.Ids(int64s=b"123"))
    code, _, text = refused(raw.vector.UpsertVectors, odd)
    assert code == INVALID
    assert "ids.int64s has 3 bytes" in text


@pytest.mark.parametrize("scalar", [np.float16, np.float32, np.int8, np.uint8])
def test_every_scalar_type_is_read(raw: SimpleNamespace, scalar: type) -> None:
    numbers = {
        np.float16: types_pb2.SCALAR_TYPE_FLOAT16,
        np.float32: types_pb2.SCALAR_TYPE_FLOAT32,
        np.int8: types_pb2.SCALAR_TYPE_INT8,
        np.uint8: types_pb2.SCALAR_TYPE_UINT8,
    }
    data = np.array([[3, 4, 0, 0], [0, 0, 0, 5]], scalar).tobytes()
    raw.vector.UpsertVectors(
        upsert(vectors=vectors(data=data, scalar_type=numbers[scalar]))
    )
    reply = raw.vector.GetVectors(vector_pb2.GetVectorsRequest(index="i", ids=ids()))
    got = np.frombuffer(reply.vectors.data, "<f4").reshape(2, 4)
    assert np.allclose(got, [[0.6, 0.8, 0, 0], [0, 0, 0, 1]])


def test_caps(raw: SimpleNamespace) -> None:
    over = grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT"
    wide = index_pb2.CreateIndexRequest(name="wide", dim=65)
    assert refused(raw.index.CreateIndex, wide) == (
        *over,
        "dim: 65 is over the limit of 64",
    )
    data = np.ones((11, 4), "<f4").tobytes()
    many = upsert(ids=ids(11), vectors=vectors(data=data, count=11))
    assert refused(raw.vector.UpsertVectors, many)[:2] == over
    hits = search(params=search_pb2.SearchParams(k=51))
    code, reason, text = refused(raw.search.Search, hits)
    assert (code, reason) == over
    assert "102 is over the limit of 100" in text
    removal = vector_pb2.DeleteVectorsRequest(index="i", ids=ids(11))
    assert refused(raw.vector.DeleteVectors, removal)[:2] == over
    wanted = vector_pb2.GetVectorsRequest(index="i", ids=ids(11))
    assert refused(raw.vector.GetVectors, wanted)[:2] == over


def test_a_message_over_the_cap(raw: SimpleNamespace) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw.vector.UpsertVectors(upsert(request_id="x" * 5000))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("size", [-1, -(2**31)])
def test_negative_pages(raw: SimpleNamespace, size: int) -> None:
    request = index_pb2.ListIndexesRequest(page_size=size)
    code, reason, text = refused(raw.index.ListIndexes, request)
    assert (code, reason) == (INVALID, "INVALID_PARAMS")
    assert str(size) in text


@pytest.mark.parametrize("token", ["x", "????", "LTE=", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_tokens_that_are_not_ours(raw: SimpleNamespace, token: str) -> None:
    request = index_pb2.ListIndexesRequest(page_token=token)
    assert refused(raw.index.ListIndexes, request)[:2] == (INVALID, "INVALID_PARAMS")


def test_oneofs_that_are_not_set(raw: SimpleNamespace) -> None:
    bare = vector_pb2.ImportVectorsRequest(index="i")
    assert "source" in refused(raw.vector.ImportVectors, bare)[2]
    job = coreset_pb2.CreateSelectionJobRequest(index="i", k=1)
    assert "strategy" in refused(raw.coreset.CreateSelectionJob, job)[2]


def test_unknown_enum_numbers(raw: SimpleNamespace) -> None:
    index = index_pb2.CreateIndexRequest(name="x", dim=2, metric=99)
    code, reason, text = refused(raw.index.CreateIndex, index)
    assert (code, reason) == (INVALID, "INVALID_PARAMS")
    assert "99" in text
    params = index_pb2.BuildParams(spill=99)
    build = index_pb2.BuildIndexRequest(name="i", params=params)
    assert refused(raw.index.BuildIndex, build)[:2] == (INVALID, "INVALID_PARAMS")


def test_operations_have_no_filter(raw: SimpleNamespace) -> None:
    request = operations_pb2.ListOperationsRequest(filter="done")
    assert refused(raw.operations.ListOperations, request)[0] == INVALID


def test_random_bytes_never_reach_the_inside(raw: SimpleNamespace) -> None:
    """What decodes as a request gets an answer or a narrow error, never INTERNAL."""
    rng = np.random.default_rng(0)
    calls = (
        (raw.vector.UpsertVectors, upsert()),
        (raw.search.Search, search()),
        (raw.vector.GetVectors, vector_pb2.GetVectorsRequest(index="i", ids=ids())),
    )
    narrow = {INVALID, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED}
    for call, request in calls:
        valid = bytearray(request.SerializeToString())
        for _ in range(60):
            mutated = valid.copy()
            for at in rng.integers(len(valid), size=rng.integers(1, 4)):
                mutated[at] = rng.integers(256)
            assert outcome(call, type(request), bytes(mutated)) in (None, *narrow)


def outcome(call: Callable[[Any], Any], kind: Any, data: bytes) -> Any:
    """The code a call ends with; None when it succeeds or cannot be sent."""
    try:
        call(kind.FromString(data))
    except DecodeError:
        return None
    except grpc.RpcError as error:
        return error.code()
    return None
