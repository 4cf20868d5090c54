"""The server as a neighbour: who may reach it, who may call it, how it stops."""

import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fuzzing
import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import gleann
from gleann.index import SearchParams, errors
from gleann.index.engines import choose
from gleann.service.config import Config
from gleann.service.config.security import SecuritySettings
from gleann.service.search import view_search
from gleann.service.server.grpc_server import SERVICES, Server, serve
from gleann.v1 import admin_pb2, admin_pb2_grpc

METHODS = [path for path in fuzzing.METHODS if not path.startswith("/grpc.")]


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:0", "[::]:0", "10.0.0.1:0", "example.org:0"]
)
def test_others_are_not_let_in_by_accident(tmp_path: Path, listen: str) -> None:
    with pytest.raises(errors.InvalidParamsError, match="allow_remote"):
        Config(data_dir=tmp_path, listen=listen)
    assert Config(data_dir=tmp_path, listen=listen, allow_remote=True).listen == listen


def test_two_servers_do_not_share_a_port(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    first = start_server()
    config = Config(data_dir=tmp_path / "second", listen=f"127.0.0.1:{first.port}")
    with pytest.raises(errors.ServiceError, match=f"127.0.0.1:{first.port}"):
        serve(config)
    # It let go of its directory.
    serve(Config(data_dir=tmp_path / "second", listen="127.0.0.1:0")).stop()


def test_two_servers_do_not_share_a_directory(
    start_server: Callable[..., Server],
) -> None:
    start_server()
    with pytest.raises(errors.NotReadyError, match="in use by process"):
        start_server()


def test_every_rpc_wants_the_key(start_server: Callable[..., Server]) -> None:
    server = start_server(api_key="secret")
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for method in METHODS:
            call = channel.unary_unary(method)
            for metadata in ([], [("authorization", "Bearer wrong")]):
                with pytest.raises(grpc.RpcError) as caught:
                    # No valid request: it must be refused before it is decoded.
                    call(b"\xff\xff\xff", metadata=metadata)
                code = caught.value.code()
                assert code == grpc.StatusCode.UNAUTHENTICATED, method
        reflected = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        with pytest.raises(grpc.RpcError) as caught:
            next(reflected.ServerReflectionInfo(iter([request])))
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest()).status == 1


def test_the_key_opens(start_server: Callable[..., Server]) -> None:
    target = start_server(api_key="secret").target
    with gleann.Client(target, api_key="secret") as client:
        client.create_index("a", dim=2)
    for key in (None, "Secret", "secret "):
        with (
            gleann.Client(target, api_key=key) as client,
            pytest.raises(errors.UnauthenticatedError),
        ):
            client.list_indexes()


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Config(data_dir=Path("d"), api_key="secret"))


@pytest.fixture
def slow_search(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Searches wait until `go` is set; `begun` says that one does."""
    begun, go = threading.Event(), threading.Event()
    real = view_search.search

    def slow(*arguments: Any, **settings: Any) -> Any:
        begun.set()
        assert go.wait(60)
        return real(*arguments, **settings)

    monkeypatch.setattr(view_search, "search", slow)
    yield SimpleNamespace(begun=begun, go=go)
    go.set()


def test_stopping_finishes_calls_and_reports_not_serving(
    start_server: Callable[..., Server], rows: np.ndarray, slow_search: Any
) -> None:
    """A call under way ends well; a watcher hears NOT_SERVING first."""
    server = start_server()
    with (
        gleann.Client(server.target) as client,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ThreadPoolExecutor(2) as others,
    ):
        client.create_index("a", dim=8)
        client.upsert("a", np.arange(9), rows[:9])
        request = health_pb2.HealthCheckRequest(service=SERVICES[2])
        watch = health_pb2_grpc.HealthStub(channel).Watch(request)
        heard = [next(watch).status]
        found = others.submit(client.search, "a", rows[:2], SearchParams(k=1))
        assert slow_search.begun.wait(60)
        stop = others.submit(server.stop, grace=20)
        heard.append(next(watch).status)
        assert not found.done()
        watch.cancel()
        slow_search.go.set()
        assert found.result(60).ids.tolist() == [[0], [1]]
        stop.result(60)
        states = health_pb2.HealthCheckResponse
        assert heard == [states.SERVING, states.NOT_SERVING]
        with pytest.raises(errors.ServiceError, match="UNAVAILABLE"):
            client.list_indexes()


def test_a_bug_does_not_leak(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gleann.service.application import Application

    def explode(_: Any) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(Application, "server_info", explode)
    server = start_server()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = admin_pb2_grpc.AdminServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetServerInfo(admin_pb2.GetServerInfoRequest())
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert caught.value.details().startswith("internal error; in the log: call ")
    assert "secret" not in repr(caught.value.trailing_metadata())


def test_a_call_that_takes_too_long(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gleann.service.application import Application

    over = threading.Event()
    monkeypatch.setattr(Application, "server_info", lambda _: over.wait(60))
    with (
        gleann.Client(start_server().target, timeout=3) as client,
        pytest.raises(errors.ServiceError, match="DEADLINE_EXCEEDED"),
    ):
        client.server_info()
    over.set()


def test_nobody_there() -> None:
    with (
        gleann.Client("grpc://127.0.0.1:1", timeout=60, retries=0) as client,
        pytest.raises(errors.UnavailableError, match=r"at 127\.0\.0\.1:1: UNAVAILABLE"),
    ):
        client.list_indexes()


def test_a_host_that_takes_connections_and_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        target = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with (
            gleann.Client(target, timeout=0.5) as client,
            pytest.raises(errors.UnavailableError, match=r"within 0\.5 s"),
        ):
            client.list_indexes()
        assert time.monotonic() - start < 60


def test_a_key_that_cannot_be_sent() -> None:
    with pytest.raises(errors.InvalidParamsError, match="letter 2 of 3"):
        gleann.Client("grpc://127.0.0.1:1", api_key="k\ny")


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_above_0(timeout: float) -> None:
    with pytest.raises(errors.InvalidParamsError, match="timeout must be above 0"):
        gleann.Client("grpc://127.0.0.1:1", timeout=timeout)


def test_dns_and_ipv4_targets(start_server: Callable[..., Server]) -> None:
    port = start_server().port
    for target in (f"dns:///localhost:{port}", f"grpc://127.0.0.1:{port}/"):
        with gleann.Client(target) as client:
            assert client.server_info().index_count == 0


def test_a_socket_file(tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/gleann.sock"
    server = serve(Config(data_dir=tmp_path / "a", listen=listen))
    try:
        with gleann.Client(server.target) as client:
            client.create_index("a", dim=2)
            assert [one.name for one in client.list_indexes()] == ["a"]
        with pytest.raises(errors.ServiceError, match="another server does"):
            serve(Config(data_dir=tmp_path / "b", listen=listen))
    finally:
        server.stop()
    (tmp_path / "file").write_text("mine")
    for path, why in (("file", "is no socket"), ("no/s", "there is no")):
        config = Config(data_dir=tmp_path / "b", listen=f"unix:{tmp_path}/{path}")
        with pytest.raises(errors.ServiceError, match=why):
            serve(config)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_socket_file_is_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "gleann.sock"
    before = os.umask(0)  # the mode is not left to the mask of whoever starts it
    try:
        server = serve(Config(data_dir=tmp_path / "a", listen=f"unix:{path}"))
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        server.stop()


def test_an_abandoned_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gleann.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(
            str(path)
        )  # and never removed, as a server that was killed leaves it
    assert path.is_socket()
    server = serve(Config(data_dir=tmp_path / "a", listen=f"unix:{path}"))
    try:
        with gleann.Client(f"unix:{path}") as client:
            assert client.list_indexes() == []
    finally:
        server.stop()
    assert not path.exists()


def test_a_socket_file_has_no_tls(tmp_path: Path) -> None:
    files = {"tls_cert": tmp_path / "cert", "tls_key": tmp_path / "key"}
    with pytest.raises(errors.InvalidParamsError, match="has no TLS: leave tls_cert"):
        Config(data_dir=tmp_path, listen="unix:s", security=SecuritySettings(**files))
    with pytest.raises(errors.InvalidParamsError, match="tls needs grpcs"):
        gleann.Client("unix:s", tls=gleann.Tls())


def test_hosts_that_cannot_be_listened_on(tmp_path: Path) -> None:
    for host, why in (("nohost.invalid", "unknown host"), ("192.0.2.1", "address")):
        config = Config(data_dir=tmp_path, listen=f"{host}:9", allow_remote=True)
        with pytest.raises(errors.ServiceError, match=why):
            serve(config)


def test_localhost_is_taken_as_a_whole(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    listen = f"localhost:{start_server().port}"
    with pytest.raises(errors.ServiceError, match="is in use"):
        serve(Config(data_dir=tmp_path / "second", listen=listen))


def test_an_engine_that_cannot_run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(choose.REASONS, "torch", lambda: "torch is not installed")
    with pytest.raises(errors.EngineUnavailableError, match="'torch' cannot run here"):
        serve(Config(data_dir=tmp_path, listen="127.0.0.1:0", engine="torch"))


def test_many_clients_at_once(
    client: gleann.Client, rows: np.ndarray, quick: Any
) -> None:
    """Writers and readers together: every answer is right for some moment."""
    client.create_index("a", dim=8, metric="l2")
    client.upsert("a", np.arange(len(rows)), rows)
    stopped = threading.Event()

    def write(number: int) -> None:
        for step in range(12):
            ids = 1000 + 100 * number + np.arange(step + 1)
            client.upsert("a", ids, np.full((step + 1, 8), 50 + number, np.float32))

    def read() -> int:
        searches = 0
        while not stopped.is_set() or not searches:
            found = client.search("a", rows[:20], SearchParams(k=3, exact=True))
            assert np.array_equal(found.ids[:, 0], np.arange(20))
            assert all(len(set(ids)) == 3 for ids in found.ids.tolist())
            searches += 1
        return searches

    with ThreadPoolExecutor(5) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        writers = [threads.submit(write, number) for number in range(3)]
        try:
            client.build("a", quick).wait(timeout=60)
            for writer in writers:
                writer.result(60)
        finally:
            stopped.set()
        assert all(reader.result(60) for reader in readers)
    info = client.get_index("a")
    assert info.count == len(rows) + 3 * 12
    assert info.sequence == 1 + 3 * 12
