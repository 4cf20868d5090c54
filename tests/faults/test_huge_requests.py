"""Requests that ask for much, or send much: refused, in little memory."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat
from typing import Any

import grpc
import numpy as np
import pytest
from raw_calls import STATUS
from server_process import ServerProcess

import gleann
from gleann.index import errors
from gleann.service.wire.arrays import vectors_to_wire
from gleann.v1 import coreset_pb2, index_pb2, search_pb2, types_pb2, vector_pb2

PACKAGE = "/gleann.v1."
SEARCH = f"{PACKAGE}SearchService/Search"
MESSAGE_MB = 64
"""The largest message that a server takes by default."""
GROWTH_MB = 100
"""Of its memory, for a request of a few bytes."""
CALL_SECONDS = 60
MOST = 2**31 - 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("huge") / "d")
    try:
        with gleann.Client(process.target()) as client:
            client.create_index("a", dim=4, metric="l2")
            client.upsert("a", np.arange(50), np.eye(4)[np.arange(50) % 4])
            client.search("a", np.eye(4))
        yield process
    finally:
        process.kill()


def address_of(server: ServerProcess) -> str:
    return server.target().removeprefix("grpc://")


def queries(count: int = 1) -> types_pb2.Vectors:
    return vectors_to_wire(np.zeros((count, 4), np.float32))


SMALL = {
    "k": (
        "SearchService/Search",
        search_pb2.SearchRequest(
            index="a", queries=queries(), params=search_pb2.SearchParams(k=MOST)
        ),
    ),
    "k of many queries": (
        "SearchService/Search",
        search_pb2.SearchRequest(
            index="a", queries=queries(9000), params=search_pb2.SearchParams(k=50_000)
        ),
    ),
    "re-ranked rows": (
        "SearchService/Search",
        search_pb2.SearchRequest(
            index="a", queries=queries(), params=search_pb2.SearchParams(rerank=MOST)
        ),
    ),
    "dimensions": (
        "IndexService/CreateIndex",
        index_pb2.CreateIndexRequest(name="huge", dim=MOST, metric=1),
    ),
    "lists": (
        "IndexService/BuildIndex",
        index_pb2.BuildIndexRequest(name="a", params=index_pb2.BuildParams(nlist=MOST)),
    ),
    "chosen vectors": (
        "CoresetService/CreateSelectionJob",
        coreset_pb2.CreateSelectionJobRequest(
            index="a", k=MOST, random=coreset_pb2.Random()
        ),
    ),
    "vectors of a message": (
        "VectorService/UpsertVectors",
        vector_pb2.UpsertVectorsRequest(
            index="a", vectors=types_pb2.Vectors(dim=MOST, count=2**62)
        ),
    ),
}


ANSWERED = ("re-ranked rows", "lists")
"""Without an index there is nothing to re-rank, and a build fails as an operation."""


@pytest.mark.parametrize("what", SMALL)
def test_numbers_are_looked_at_before_anything_is_allocated(
    server: ServerProcess, what: str
) -> None:
    path, request = SMALL[what]
    before = server.status("VmHWM")
    with grpc.insecure_channel(address_of(server)) as channel:
        send = channel.unary_unary(PACKAGE + path)
        answer = send.future(request.SerializeToString(), timeout=CALL_SECONDS)
        answer.exception()
    with gleann.Client(server.target()) as client:
        for operation in client.operations.list():
            with suppress(errors.GleannError):
                operation.wait(timeout=CALL_SECONDS)
    refused = {STATUS.INVALID_ARGUMENT, STATUS.RESOURCE_EXHAUSTED}
    assert answer.code() in ({STATUS.OK} if what in ANSWERED else refused)
    assert (server.status("VmHWM") - before) >> 20 < GROWTH_MB


@pytest.mark.slow
def test_a_small_message_that_unpacks_to_a_large_one(server: ServerProcess) -> None:
    """600 MB of zeros, as gzip sends them: 600 kB."""
    before = server.status("VmHWM")
    options = [("grpc.max_send_message_length", -1)]
    gzip = grpc.Compression.Gzip
    with grpc.insecure_channel(
        address_of(server), compression=gzip, options=options
    ) as channel:
        send = channel.unary_unary(SEARCH)
        with pytest.raises(grpc.RpcError) as raised:
            send(bytes(600 << 20), timeout=CALL_SECONDS)
    assert raised.value.code() is STATUS.RESOURCE_EXHAUSTED
    assert (server.status("VmHWM") - before) >> 20 < 3 * MESSAGE_MB


@pytest.mark.slow
def test_a_stream_without_end_to_a_method_of_one_message(
    server: ServerProcess,
) -> None:
    """The first message is answered; the others are not kept."""
    before = server.status("VmHWM")
    with grpc.insecure_channel(address_of(server)) as channel:
        answer = channel.stream_unary(SEARCH).future(repeat(bytes(1 << 20)))
        assert answer.exception(CALL_SECONDS).code() is STATUS.INVALID_ARGUMENT
    assert (server.status("VmHWM") - before) >> 20 < GROWTH_MB


def is_admitted(stream: Iterator[Any]) -> bool:
    try:
        next(stream)
    except grpc.RpcError as refused:
        if refused.code() is STATUS.RESOURCE_EXHAUSTED:
            return False
        raise
    return True


@pytest.mark.slow
def test_many_streams_on_many_connections(server: ServerProcess) -> None:
    """Watches need no key: a host has 512 at most, and others are answered."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    before = server.status("VmRSS")
    channels = [
        grpc.insecure_channel(address_of(server), options=own) for _ in range(20)
    ]
    try:
        watching = [
            channel.unary_stream("/grpc.health.v1.Health/Watch") for channel in channels
        ]
        # All of these are answered before others come, which might overtake them.
        first = [watch(b"") for watch in watching[:10] for _ in range(50)]
        for watch in first:
            next(watch)
        others = [watch(b"") for watch in watching[10:] for _ in range(50)]
        assert sum(is_admitted(watch) for watch in others) == 12
        assert (server.status("VmRSS") - before) >> 20 < GROWTH_MB
        with gleann.Client(server.target(), timeout=60) as client:
            assert client.search("a", np.eye(4)).ids.shape[0] == 4
    finally:
        for channel in channels:
            channel.close()
