"""A server that runs for months holds nothing of what was closed or deleted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

import gleann
from gleann.index import BuildParams
from gleann.service.server import Server
from gleann.service.sessions.store import SessionStore


def has_health(server: Server, service: str) -> bool:
    request = health_pb2.HealthCheckRequest(service=service)
    with grpc.insecure_channel(server.target.removeprefix("grpc://")) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(request, timeout=60)
        except grpc.RpcError as error:
            return error.code() != grpc.StatusCode.NOT_FOUND
    return True


def test_deleted_indexes_and_closed_sessions(
    start_server: Callable[..., Server], rows: np.ndarray, quick: BuildParams
) -> None:
    server = start_server()
    with gleann.Client(server.target) as client:
        ids = np.arange(len(rows))
        for name in ("a", "b", "c"):
            client.create_index(name, dim=8, metric="l2")
            client.upsert(name, ids, rows)
            client.build(name, quick).wait(timeout=60)
            assert has_health(server, f"indexes/{name}")
            session = client.active.start(name, ids=ids[:20], labels=ids[:20] % 2)
            client.next_batch(session)
            client.sessions.close(session)
            client.delete_index(name)
        assert not any(has_health(server, f"indexes/{name}") for name in "abc")
        # The last one goes with the next build.
        assert server.application.building.names() == {"c"}
        assert server.application.sessions.in_turn() == []


def test_turns_are_taken_one_at_a_time() -> None:
    nothing: Any = SimpleNamespace()
    rows: Any = SimpleNamespace(row=lambda *_: {})
    keeper = SessionStore(nothing, rows)
    waits, entered = Event(), Event()

    def second() -> None:
        waits.set()
        with keeper.turn("s"):
            entered.set()

    with ThreadPoolExecutor(1) as other:
        with keeper.turn("s"):
            with keeper.turn("s"):  # whoever has it may take it again
                job = other.submit(second)
            assert waits.wait(60)
            assert not entered.wait(0.1)
            assert keeper.in_turn() == ["s"]
        job.result(60)
    assert entered.is_set()
    assert keeper.in_turn() == []
