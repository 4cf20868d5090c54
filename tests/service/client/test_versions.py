"""Clients and servers of different versions: both are named, and what to do."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from driven_client import Driven
from failing_server import answering_as
from google.protobuf.message import Message

import gleann
from gleann.index.errors import UnsupportedError
from gleann.service.client import connection
from gleann.service.wire.protocol import CLIENT_HEADER, PROTOCOL
from gleann.v1 import admin_pb2, index_pb2

UNKNOWN = grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture(params=["blocking", "awaited"])
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Any]]:
    with ExitStack() as stack:

        def open_client(target: str) -> Any:
            if request.param == "blocking":
                return stack.enter_context(gleann.Client(target))
            loop = stack.enter_context(asyncio.Runner()).get_loop()
            client = Driven(gleann.AsyncClient(target), loop, set())
            stack.callback(client.close)
            return client

        yield open_client


class Old:
    """A server of the first revision, which did not state it; counts what it hears."""

    def __init__(self, *, version: str = "0.0.9", protocol: int = 0) -> None:
        self.info = admin_pb2.ServerInfo(version=version, protocol=protocol)
        self.heard: list[str] = []

    def __call__(self, name: str, _: Message) -> Any:
        self.heard.append(name)
        if name == "GetServerInfo":
            return self.info
        return (
            index_pb2.Index(name="a", dim=8, metric=3)
            if name == "GetIndex"
            else UNKNOWN
        )


def test_a_method_that_an_older_server_lacks(opened: Any) -> None:
    with answering_as(Old()) as target:
        client = opened(target)
        for call in (
            lambda: client.jobs.pause("operations/1"),
            client.list_indexes,
        ):
            with pytest.raises(UnsupportedError) as caught:
                call()
            said = str(caught.value)
            assert "the server is gleann 0.0.9 (protocol 1)" in said
            assert f"client gleann {gleann.__version__} (protocol {PROTOCOL})" in said
            assert "upgrade the server, or use gleann 0.0.9 here" in said


def test_a_method_that_a_newer_server_lacks(opened: Any) -> None:
    said = pytest.raises(UnsupportedError, match=r"9.0 \(protocol 7\).* the client")
    with answering_as(Old(version="9.0", protocol=7)) as target, said:
        opened(target).list_indexes()


def test_what_an_older_server_would_leave_out(opened: Any) -> None:
    """Nothing is sent: without the new field it would be another request."""
    old = Old()
    with answering_as(old) as target:
        client = opened(target)
        for call in (
            lambda: client.plans.build("a"),
            lambda: client.delete_index("a", etag="x"),
            lambda: client.update_index("a", etag="x"),
            lambda: client.jobs.list("state = 'failed'"),
        ):
            with pytest.raises(UnsupportedError, match="protocol 1"):
                call()
    assert set(old.heard) <= {"GetServerInfo", "GetIndex"}
    assert old.heard.count("GetServerInfo") == 1


def test_a_server_is_described_again_after_a_while(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Old()
    with answering_as(old) as target:
        client = opened(target)
        with pytest.raises(UnsupportedError):
            client.delete_index("a", etag="x")
        old.info.protocol = PROTOCOL
        with pytest.raises(UnsupportedError):
            client.delete_index("a", etag="x")
        assert "DeleteIndex" not in old.heard
        monkeypatch.setattr(connection, "FRESH_SECONDS", 0)
        with pytest.raises(UnsupportedError):
            client.delete_index("a", etag="x")
        assert "DeleteIndex" in old.heard


def test_another_service_at_the_address(opened: Any) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with pytest.raises(UnsupportedError, match="is no gleann server, or"):
        opened(f"grpc://127.0.0.1:{port}").list_indexes()
    server.stop(0)


def test_every_call_names_the_client(opened: Any) -> None:
    seen: list[dict[str, Any]] = []

    class Watching(grpc.GenericRpcHandler):
        def service(self, details: Any) -> None:
            seen.append(dict(details.invocation_metadata))

    server = grpc.server(ThreadPoolExecutor(1), handlers=(Watching(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with pytest.raises(UnsupportedError):
        opened(f"grpc://127.0.0.1:{port}").count("a")
    server.stop(0)
    assert len(seen) == 2  # the second asks for the version
    for metadata in seen:
        assert metadata[CLIENT_HEADER] == f"{gleann.__version__} {PROTOCOL}"
