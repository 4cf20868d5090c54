"""Strangers who open calls and say nothing, or hear nothing: others are answered."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import raw_http2
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import gleann
from gleann.index import SearchParams, SoarIndex, errors
from gleann.index.errors import DeadlineError, ServiceError, UnavailableError
from gleann.service.config import Config
from gleann.service.config.queues import LoadSettings
from gleann.service.search import view_search
from gleann.service.server import Server, operation_waits, rate_limited_log, serve
from gleann.service.server.connections import Silence
from gleann.service.status import error_of_call
from gleann.service.wire.arrays import vectors_to_wire
from gleann.v1 import admin_pb2, search_pb2

SEARCH = "/gleann.v1.SearchService/Search"
INFO = "/gleann.v1.AdminService/GetServerInfo"
CHECK = "/grpc.health.v1.Health/Check"
STATUS = grpc.StatusCode
KEY = "secret-key-4711"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server with few threads; it is stopped after the test."""
    servers: list[Server] = []

    def begin(**settings: Any) -> Server:
        settings = {"rpc_threads": 2, "message_seconds": 600} | settings
        folder = tmp_path / f"data{len(servers)}"
        servers.append(serve(Config(data_dir=folder, listen="127.0.0.1:0", **settings)))
        return servers[-1]

    yield begin
    for server in servers:
        server.stop(grace=0.5)


@contextmanager
def channel_to(server: Server) -> Iterator[grpc.Channel]:
    """A connection of its own."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", options=own) as channel:
        yield channel


@contextmanager
def half_open(server: Server, path: str, n: int) -> Iterator[list[Any]]:
    """Calls whose message never comes, on a connection of their own."""
    hung_up = threading.Event()

    def nothing() -> Iterator[bytes]:
        hung_up.wait()
        yield from ()

    with channel_to(server) as channel:
        try:
            yield [channel.stream_unary(path).future(nothing()) for _ in range(n)]
        finally:
            hung_up.set()


def assert_answered(server: Server, *, api_key: str | None = None) -> None:
    """A search and a health check are answered, while others say nothing."""
    with gleann.Client(server.target, api_key=api_key, timeout=60) as client:
        if "a" not in [info.name for info in client.list_indexes()]:
            client.create_index("a", dim=4, metric="l2")
            client.upsert("a", np.arange(4), np.eye(4))
        found = client.search("a", np.eye(4), SearchParams(k=1))
        assert found.ids.ravel().tolist() == [0, 1, 2, 3]
    with channel_to(server) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=60).status == 1


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that says the same once in ten seconds says it once in this test."""
    monkeypatch.setattr(rate_limited_log, "SECONDS_BETWEEN", 3600.0)


@pytest.mark.parametrize("path", [SEARCH, INFO, CHECK, "/no.such.Service/Method"])
@pytest.mark.parametrize("key", [None, KEY])
def test_calls_without_a_message_hold_nothing(
    start: Callable[..., Server], path: str, key: str | None
) -> None:
    server = start(api_key=key)
    with half_open(server, path, 60):
        time.sleep(0.2)
        assert_answered(server, api_key=key)
        _until(lambda: server.busy == 0)


def test_a_stranger_is_refused_before_the_message(
    start: Callable[..., Server],
) -> None:
    with half_open(start(api_key=KEY), SEARCH, 3) as calls:
        for call in calls:
            assert call.exception(timeout=60).code() == STATUS.UNAUTHENTICATED


def test_the_message_has_a_deadline(start: Callable[..., Server]) -> None:
    with half_open(start(message_seconds=1), SEARCH, 3) as calls:
        for call in calls:
            error = call.exception(timeout=60)
            assert error.code() == STATUS.DEADLINE_EXCEEDED
            assert "no message within 1 s" in error.details()


def test_a_call_that_is_over_without_a_message(start: Callable[..., Server]) -> None:
    with channel_to(start()) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(SEARCH)(iter(()), timeout=60)
    assert caught.value.code() == STATUS.INVALID_ARGUMENT


def test_the_oldest_silent_call_gives_way() -> None:
    silence = Silence(seconds=60, most=2)
    ended: list[tuple[int, ServiceError]] = []
    ends = [lambda error, n=n: ended.append((n, error)) for n in range(4)]
    calls = [silence.add(end) for end in ends[:3]]
    ((first, error),) = ended
    assert first == 0
    assert isinstance(error, DeadlineError)
    assert str(error).endswith("2 calls wait for their message")
    silence.remove(calls[1])
    silence.add(ends[3])
    assert len(ended) == 1
    silence.close()
    assert [n for n, _ in ended] == [0, 2, 3]
    # Calls that meet the end of the server ask for another try, not for more time.
    assert all(isinstance(error, UnavailableError) for _, error in ended[1:])


def test_a_connection_has_its_share(start: Callable[..., Server]) -> None:
    server = start(connection_calls=5)
    with half_open(server, SEARCH, 5) as calls, channel_to(server) as other:
        time.sleep(0.2)
        assert not any(call.done() for call in calls)
        # The same connection is full, another is not.
        other.unary_unary(INFO)(b"", timeout=60)
    with half_open(server, SEARCH, 8) as calls:
        _until(lambda: sum(call.done() for call in calls) >= 3)
        time.sleep(0.2)
        refused = [call.exception() for call in calls if call.done()]
        assert [error.code() for error in refused] == 3 * [STATUS.RESOURCE_EXHAUSTED]
        details = refused[0].details()
        assert "has 5 calls under way, at most 5" in details


@pytest.fixture
def slow_search(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Searches wait until `go` is set, and are counted in `begun`."""
    go, begun = threading.Event(), threading.Semaphore(0)
    real = view_search.search

    def slow(*arguments: Any, **settings: Any) -> Any:
        begun.release()
        assert go.wait(240)
        return real(*arguments, **settings)

    monkeypatch.setattr(view_search, "search", slow)
    yield type("Slow", (), {"go": go, "begun": begun})
    go.set()


def search(server: Server, k: int) -> Any:
    with gleann.Client(server.target, timeout=240) as client:
        return client.search("a", np.eye(4), SearchParams(k=k)).ids.tolist()


def request_of(k: int) -> bytes:
    params = search_pb2.SearchParams(k=k)
    queries = vectors_to_wire(np.eye(4, dtype=np.float32))
    message = search_pb2.SearchRequest(index="a", queries=queries, params=params)
    return message.SerializeToString()


def filled(server: Server) -> Server:
    with gleann.Client(server.target) as client:
        client.create_index("a", dim=4, metric="l2")
        client.upsert("a", np.arange(4), np.eye(4))
    return server


def test_busy_threads_leave_health_and_control(
    start: Callable[..., Server], slow_search: Any
) -> None:
    load = LoadSettings(search_places=3, client_share=1)
    server = filled(start(load=load))
    with ThreadPoolExecutor(3) as callers:
        calls = [callers.submit(search, server, k) for k in (1, 2, 3)]
        assert slow_search.begun.acquire(timeout=60)
        _until(lambda: _searches(server) == 3)
        with channel_to(server) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=60).status == 1
            reply = channel.unary_unary(INFO)(b"", timeout=60)
            assert admin_pb2.ServerInfo.FromString(reply).index_count == 1
        full = "3 calls under way, at most 3"
        with pytest.raises(errors.OverloadedError, match=full) as refused:
            search(server, 4)
        assert 0.05 <= refused.value.retry_seconds <= 30
        slow_search.go.set()
        assert all(len(call.result(60)) == 4 for call in calls)


def test_nobody_computes_for_a_caller_who_has_gone(
    start: Callable[..., Server], slow_search: Any
) -> None:
    server = filled(start())
    with ThreadPoolExecutor(2) as callers, channel_to(server) as channel:
        grpc.channel_ready_future(channel).result(60)
        calls = [callers.submit(search, server, k) for k in (1, 2)]
        assert slow_search.begun.acquire(timeout=60)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(SEARCH)(request_of(3), timeout=0.2)
        assert caught.value.code() == STATUS.DEADLINE_EXCEEDED
        slow_search.go.set()
        assert all(call.result(60) for call in calls)
        _until(lambda: server.busy == 0)
        assert slow_search.begun.acquire(blocking=False)  # the other of the two
        assert not slow_search.begun.acquire(blocking=False)


def test_waiting_for_an_operation_holds_no_thread(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    monkeypatch.setattr(SoarIndex, "build_on_disk", lambda *_, **__: go.wait(240))
    server = filled(start(rpc_threads=1))
    with gleann.Client(server.target) as client:
        name = client.build("a").name
    request = operations_pb2.WaitOperationRequest(name=name)
    with channel_to(server) as channel, ThreadPoolExecutor(1) as other:
        stub = operations_pb2_grpc.OperationsStub(channel)
        waits = [stub.WaitOperation.future(request) for _ in range(50)]
        for seconds in (-(2**62), 2**62):
            absurd = operations_pb2.WaitOperationRequest(name=name)
            absurd.timeout.seconds = seconds
            waits.append(stub.WaitOperation.future(absurd))
        assert waits[50].result(timeout=60).name == name
        assert_answered(server)
        _until(lambda: server.busy == 0)
        assert sum(wait.done() for wait in waits) == 1
        # Stopping answers all who wait with what is known then.
        stopped = other.submit(server.stop, grace=0.5)
        assert not any(wait.result(timeout=60).done for wait in waits)
        go.set()
        stopped.result(timeout=60)


def test_a_client_leaves_waits_for_operations_to_others(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation_waits, "MOST", 8)
    go = threading.Event()
    monkeypatch.setattr(SoarIndex, "build_on_disk", lambda *_, **__: go.wait(240))
    server = filled(start())
    with gleann.Client(server.target) as client:
        name = client.build("a").name
    request = operations_pb2.WaitOperationRequest(name=name)
    with channel_to(server) as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)
        waits = [stub.WaitOperation.future(request) for _ in range(12)]
        _until(lambda: sum(wait.done() for wait in waits) == 8)
        refused = [error_of_call(wait) for wait in waits if wait.done()]
        assert all(isinstance(one, errors.OverloadedError) for one in refused)
        assert "this client has 4 calls under way, at most 4" in str(refused[0])
        left = [wait for wait in waits if not wait.done()]
        go.set()
        assert [wait.result(timeout=60).name for wait in left] == [name] * 4
        assert stub.WaitOperation(request, timeout=60).name == name


def test_answers_that_nobody_reads_hold_nothing(start: Callable[..., Server]) -> None:
    server = filled(start())
    paths = [INFO.encode()] * 20 + [
        CHECK.encode(),
        b"/grpc.health.v1.Health/Watch",
    ] * 20
    with raw_http2.connection(server.port, window=0) as link:
        for number, path in enumerate(paths):
            raw_http2.call(link, 2 * number + 1, path, message=b"")
        time.sleep(0.3)
        assert_answered(server)
        _until(lambda: server.busy == 0)
        began = time.monotonic()
        server.stop(grace=1)
        assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (b"/\xff\xfe/b", ()),
        (INFO.encode(), ((b"x-a", b"\xff\xfe"),)),
        (INFO.encode(), ((b"authorization", b"Bearer \xff\xfe"),)),
        (b"", ()),
    ],
)
def test_bytes_that_are_no_text(
    start: Callable[..., Server],
    path: bytes,
    headers: tuple[tuple[bytes, bytes], ...],
    once: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start(api_key=KEY)
    with raw_http2.connection(server.port) as link, caplog.at_level(logging.WARNING):
        for stream in range(1, 21, 2):
            raw_http2.call(link, stream, path, headers=headers)
        assert_answered(server, api_key=KEY)
    assert not [record for record in caplog.records if record.exc_info]
    assert len(caplog.records) <= 2


def test_refused_keys_leave_one_line(
    start: Callable[..., Server], once: None, caplog: pytest.LogCaptureFixture
) -> None:
    target = start(api_key=KEY).target
    with caplog.at_level(logging.WARNING):
        for key in ["another-key"] * 20 + [None] * 20:
            with (
                gleann.Client(target, api_key=key) as client,
                pytest.raises(errors.UnauthenticatedError),
            ):
                client.list_indexes()
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if "a wrong key" in line]) == 1
    assert len([line for line in said if "no key" in line]) == 1
    assert "127.0.0.1" in said[0]
    assert "another-key" not in caplog.text
    assert KEY not in caplog.text


def test_bytes_that_are_no_request_leave_one_line(
    start: Callable[..., Server], once: None, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        channel_to(start()) as channel,
        caplog.at_level(logging.INFO, "gleann.service"),
    ):
        caplog.clear()
        for _ in range(5):
            for path in (SEARCH, INFO):
                with pytest.raises(grpc.RpcError) as caught:
                    channel.unary_unary(path)(b"\xff\xff\xff", timeout=60)
                assert caught.value.code() == STATUS.INVALID_ARGUMENT
                assert path in caught.value.details()
    assert len(caplog.records) == 1
    assert not caplog.records[0].exc_info


def _searches(server: Server) -> int:
    """Those that run or wait, without the calls by which a client asks for limits."""
    [queue] = [one for one in server.queues() if one.kind == "search"]
    return queue.running + queue.queued


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.alone
def test_a_refused_call_is_answered_at_once_while_all_threads_compute(
    start: Callable[..., Server], slow_search: Any
) -> None:
    """Also its message is not read: its bytes are no request."""
    server = filled(start(load=LoadSettings(search_places=2, client_share=1)))
    with ThreadPoolExecutor(2) as callers, channel_to(server) as channel:
        calls = [callers.submit(search, server, k) for k in (1, 2)]
        assert slow_search.begun.acquire(timeout=60)
        _until(lambda: _searches(server) == 2)
        send = channel.unary_unary(SEARCH)
        seconds = []
        for _ in range(50):
            began = time.monotonic()
            with pytest.raises(grpc.RpcError) as refused:
                send(b"\xff no request", timeout=60)
            seconds.append(time.monotonic() - began)
            error = error_of_call(refused.value)
            assert isinstance(error, errors.OverloadedError)
            assert error.retry_seconds >= 0.05
        assert float(np.median(seconds)) < 0.025
        assert server.queues()[0].refused >= 50
        slow_search.go.set()
        assert all(call.result(60) for call in calls)


def test_calls_that_expired_in_the_queue_cost_no_scan(
    start: Callable[..., Server], slow_search: Any
) -> None:
    server = filled(start())
    with ThreadPoolExecutor(1) as callers, channel_to(server) as channel:
        grpc.channel_ready_future(channel).result(60)
        first = callers.submit(search, server, 1)
        assert slow_search.begun.acquire(timeout=60)
        send, request = channel.unary_unary(SEARCH), request_of(2)
        late = [send.future(request, timeout=15) for _ in range(16)]
        _until(lambda: server.queues()[0].queued == 16)
        for call in late:
            assert call.exception(timeout=60).code() == STATUS.DEADLINE_EXCEEDED
        slow_search.go.set()
        assert first.result(60)
        _until(lambda: server.busy == 0)
        assert not slow_search.begun.acquire(blocking=False)
        assert server.queues()[0].dropped == 16
