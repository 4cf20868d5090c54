"""Connections of clients: kept alive, replaced, over a socket file, closed."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from driven_client import finished
from grpc_health.v1 import health_pb2, health_pb2_grpc

import gleann
from gleann.index.errors import ServiceError
from gleann.service.client.link import options, repeats
from gleann.service.server import Server, grpc_server
from gleann.service.server.grpc_server import SERVICES


def test_the_server_permits_the_signs_of_life_that_clients_ask_for() -> None:
    assert options.KEEPALIVE_SECONDS >= 2 * grpc_server.PING_SECONDS
    assert dict(options.channel_options(SERVICES, retries=0)) == {
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
        "grpc.keepalive_time_ms": 60_000,
        "grpc.keepalive_timeout_ms": 20_000,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.max_pings_without_data": 0,
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 5000,
        "grpc.service_config_disable_resolution": 1,
    }


@pytest.mark.slow
@pytest.mark.parametrize(("permitted", "kept"), [(0.1, True), (20, False)])
def test_an_idle_connection_is_kept(
    start_server: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    permitted: float,
    kept: bool,
) -> None:
    """A server that permits the pings of a client does not end its connection."""
    monkeypatch.setattr(grpc_server, "PING_SECONDS", permitted)
    monkeypatch.setattr(options, "KEEPALIVE_SECONDS", 0.5)
    settings = options.channel_options(SERVICES, retries=0)
    settings = [(name, int(value)) for name, value in settings]
    address = start_server().target.removeprefix("grpc://")
    states: list[Any] = []
    with grpc.insecure_channel(address, options=settings) as channel:
        channel.subscribe(states.append, try_to_connect=True)
        time.sleep(5)
        channel.unsubscribe(states.append)
    ready = states.index(grpc.ChannelConnectivity.READY)
    assert (len(states[ready:]) == 1) == kept, states


def test_connections_of_a_limited_age(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy or a server that ends old connections costs no call."""
    made = grpc.server

    def short(*arguments: Any, options: list[tuple[str, int]]) -> grpc.Server:
        options = [*options, ("grpc.max_connection_age_ms", 200)]
        return made(*arguments, options=options)

    monkeypatch.setattr(grpc, "server", short)
    target = start_server().target

    async def count(ends: float) -> int:
        calls = 0
        async with gleann.AsyncClient(target) as client:
            while time.monotonic() < ends or calls <= 50:
                await asyncio.gather(*(client.count("a") for _ in range(8)))
                calls += 8
        return calls

    with gleann.Client(target) as client:
        client.create_index("a", dim=8)
        client.upsert("a", range(8), np.eye(8))
        ends = time.monotonic() + 1.5
        counts: list[int] = []
        thread = threading.Thread(target=lambda: counts.append(finished(count(ends))))
        thread.start()
        while time.monotonic() < ends or thread.is_alive():
            assert client.count("a") == 8
        thread.join()
    assert counts[0] > 50  # none of them failed


@pytest.mark.parametrize("awaited", [False, True])
def test_a_socket_file(
    start_server: Callable[..., Server], tmp_path: Path, awaited: bool
) -> None:
    target = start_server(listen=f"unix:{tmp_path / 's'}").target
    with gleann.Client(target) as client:
        client.wait_ready(60)
        client.create_index("a", dim=8)
        assert client.upsert("a", range(8), np.eye(8)) == 8

    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            await client.wait_ready(60)
            assert await client.count("a") == 8

    if awaited:
        finished(script())


def test_connections_to_a_socket_file_have_calls_of_their_own(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server(listen=f"unix:{tmp_path / 's'}", connection_calls=4)
    request = health_pb2.HealthCheckRequest()
    with ExitStack() as stack:
        for _ in range(3):
            own = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(
                grpc.insecure_channel(server.target, options=own)
            )
            stub = health_pb2_grpc.HealthStub(channel)
            for _ in range(3):
                assert next(stub.Watch(request, timeout=60)).status == 1


def test_more_threads_than_a_connection_may_have_calls(
    start_server: Callable[..., Server],
) -> None:
    with gleann.Client(start_server().target) as client:
        client.create_index("a", dim=8)
        client.upsert("a", range(8), np.eye(8))
        failed: list[Exception] = []

        def work() -> None:
            try:
                for _ in range(3):
                    assert client.search("a", np.eye(8)).ids.shape == (8, 10)
            except Exception as error:  # noqa: BLE001  shown below
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []


def test_a_closed_client(start_server: Callable[..., Server], tmp_path: Path) -> None:
    for place in (start_server().target, tmp_path / "d"):
        client = gleann.Client(place)
        client.close()
        client.close()
        with pytest.raises(ServiceError, match="the client is closed"):
            client.list_indexes()


def test_the_service_config_is_one_that_others_can_use() -> None:
    config = repeats.service_config(["gleann.v1.VectorService"], retries=3)
    (method,) = config["methodConfig"]
    names = {one["method"] for one in method["name"]}
    assert {"UpsertVectors", "GetVectors"} < names
    assert "StreamUpsertVectors" not in names
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert method["retryPolicy"]["maxAttempts"] == 4
