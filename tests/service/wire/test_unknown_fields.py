"""A request with an unknown field is refused, not understood in part."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from google.protobuf.message import Message

import gleann
from gleann.index.errors import InvalidInputError
from gleann.service.server import Server
from gleann.service.wire.protocol import CLIENT_HEADER, PROTOCOL
from gleann.service.wire.unknown_fields import MANY, require_known
from gleann.v1 import (
    admin_pb2,
    index_pb2,
    payload_pb2,
    search_pb2,
    types_pb2,
    vector_pb2,
)

FIELD = bytes([0xC2, 0x3E, 0x01, 0x07])  # number 1000, one byte
NUMBER = 1000


def with_field(message: Message) -> Message:
    """The same message with an unknown field behind its fields."""
    return type(message).FromString(message.SerializeToString() + FIELD)


def nested(outer: Message, path: list[str | int], inner: Message) -> Message:
    """Put a message with an unknown field at a path of another."""
    at: Any = outer
    for step in path[:-1]:
        at = at[step] if isinstance(step, int) else getattr(at, step)
    last = path[-1]
    if isinstance(last, int):
        at.add().ParseFromString(with_field(inner).SerializeToString())
    else:
        getattr(at, last).ParseFromString(with_field(inner).SerializeToString())
    return type(outer).FromString(outer.SerializeToString())


CASES = {
    "gleann.v1.DeleteVectorsRequest": with_field(
        vector_pb2.DeleteVectorsRequest(index="a")
    ),
    "gleann.v1.SearchParams": nested(
        search_pb2.SearchRequest(index="a"), ["params"], search_pb2.SearchParams(k=1)
    ),
    "gleann.v1.Value": nested(
        search_pb2.SearchRequest(index="a"),
        ["filter", "parameters", 0],
        payload_pb2.Value(),
    ),
    "gleann.v1.ColumnSpec": nested(
        index_pb2.CreateIndexRequest(name="a"), ["columns", 0], payload_pb2.ColumnSpec()
    ),
    "google.protobuf.FieldMask": nested(
        index_pb2.GetIndexRequest(name="a"), ["read_mask"], admin_pb2.Limits()
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_depth(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        require_known(CASES[name], client="9.9.9 7")
    assert str(caught.value) == (
        f"{name} has a field {NUMBER}, which this server does not know: it is gleann"
        f" {gleann.__version__}, protocol {PROTOCOL}; the client is 9.9.9 7"
    )


def test_the_values_of_maps() -> None:
    """No request has a map of messages today; maps of numbers are passed over."""
    status = admin_pb2.ServerStatus(operations={"queued": 1})
    status.indexes.add(name="a", memory_bytes={"codes": 3})
    require_known(status, client="")
    status = admin_pb2.ServerStatus(operations={"queued": 1})
    broken = nested(status, ["indexes", 0], admin_pb2.IndexStatus(name="a"))
    with pytest.raises(InvalidInputError, match="IndexStatus has a field 1000"):
        require_known(broken, client="")


def test_what_is_known_passes() -> None:
    request = search_pb2.SearchRequest(
        index="a", params=search_pb2.SearchParams(k=3), queries=types_pb2.Vectors(dim=3)
    )
    request.filter.parameters.add().int64_value = 1
    require_known(request, client="")


@pytest.mark.parametrize("count", [1, MANY, MANY + 1, 1000])
def test_one_among_many(count: int) -> None:
    request = search_pb2.SearchRequest(index="a")
    for number in range(count):
        request.filter.parameters.add().int64_value = number
    require_known(request, client="")
    value = payload_pb2.Value(int64_value=1)
    broken = with_field(value).SerializeToString()
    request.filter.parameters[count // 2].ParseFromString(broken)
    before = request.SerializeToString()
    with pytest.raises(InvalidInputError, match=r"v1\.Value has a field 1000"):
        require_known(request, client="")
    assert request.SerializeToString() == before


@pytest.fixture
def channel(start_server: Callable[..., Server]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{start_server().port}") as channel:
        yield channel


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("/gleann.v1.IndexService/CreateIndex", index_pb2.CreateIndexRequest(name="a")),
        (
            "/gleann.v1.VectorService/DeleteVectors",
            CASES["gleann.v1.DeleteVectorsRequest"],
        ),
        ("/gleann.v1.SearchService/Search", CASES["gleann.v1.SearchParams"]),
        ("/gleann.v1.AdminService/GetServerInfo", admin_pb2.GetServerInfoRequest()),
        (
            "/google.longrunning.Operations/WaitOperation",
            operations_pb2.WaitOperationRequest(name="operations/none"),
        ),
        (
            "/google.longrunning.Operations/GetOperation",
            operations_pb2.GetOperationRequest(name="operations/none"),
        ),
    ],
)
@pytest.mark.parametrize("client", ["9.9.9 7", None])
def test_over_the_wire(
    channel: grpc.Channel, method: str, request_: Message, client: str | None
) -> None:
    call = channel.unary_unary(method)
    metadata = [] if client is None else [(CLIENT_HEADER, client)]
    with pytest.raises(grpc.RpcError) as caught:
        call(request_.SerializeToString() + FIELD, metadata=metadata)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    details = caught.value.details()
    assert details is not None
    assert f"has a field {NUMBER}, which this server does not know" in details
    shown = client or "one that does not say its version"
    assert details.endswith(f"the client is {shown}")
