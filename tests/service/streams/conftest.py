"""Fixtures of the tests of streams: an index on a server, and calls of raw messages."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from stream_calls import RawStream

import gleann
from gleann.service.server import Server
from gleann.service.state import store as store_module

DIM = 8


@pytest.fixture
def serve_index(
    start_server: Callable[..., Server],
) -> Iterator[Callable[..., tuple[Server, gleann.Client]]]:
    """Servers with an empty index "w" of 8 dimensions, each with a client."""
    clients: list[gleann.Client] = []

    def serve(directory: str = "server", **settings: Any) -> Any:
        server = start_server(directory, **settings)
        clients.append(gleann.Client(server.target, timeout=60))
        clients[-1].create_index("w", dim=DIM, metric="l2")
        return server, clients[-1]

    yield serve
    for client in clients:
        client.close()


@pytest.fixture
def open_stream() -> Iterator[Callable[..., RawStream]]:
    """Open streams by their raw messages; they are cancelled after the test."""
    streams: list[RawStream] = []

    def open_one(server: Server, stream_id: str = "", **named: Any) -> RawStream:
        # Without probes, what is not read stays at 64 KiB.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=options)
        streams.append(RawStream(channel, stream_id, **named))
        return streams[-1]

    yield open_one
    for stream in streams:
        stream.close()


@pytest.fixture
def vectors() -> np.ndarray:
    """(10, 8) rows."""
    return np.random.default_rng(5).standard_normal((10, DIM), np.float32)


class SlowStore(threading.Event):
    """Set, commits go on; `begun` is set once one waits for that."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()


@pytest.fixture
def slow_store(monkeypatch: pytest.MonkeyPatch) -> SlowStore:
    """A disk that takes no commit of vectors until the event is set."""
    goes_on = SlowStore()
    commit = store_module.commit

    def waiting(connection: sqlite3.Connection, *, file: Path) -> None:
        if not goes_on.is_set():
            goes_on.begun.set()
        goes_on.wait(60)
        commit(connection, file=file)

    monkeypatch.setattr(store_module, "commit", waiting)
    goes_on.set()
    return goes_on
