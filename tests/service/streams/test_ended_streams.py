"""Streams of upserts that end early: by the server, the disk, or their callers."""

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from stream_calls import END, RawStream, batch, until

from gleann.index.errors import StorageError
from gleann.service.config.security import SecuritySettings
from gleann.service.state import store as store_module
from gleann.service.state.database import NAME
from gleann.service.state.expiry import Expiry

CODE = grpc.StatusCode


def test_a_stopping_server_ends_streams_with_unavailable(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, _ = serve_index()
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors))
    stream.started()
    stream.read_to(1)
    begin = time.monotonic()
    stopping = threading.Thread(target=server.stop, args=(240.0,))
    stopping.start()
    assert stream.failure()[0] == CODE.UNAVAILABLE
    stopping.join(60)
    assert not stopping.is_alive()
    assert time.monotonic() - begin < 60


def test_a_full_disk_ends_the_stream_after_what_is_stored(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors))
    stream.started()
    stream.read_to(1)
    disk = server.application.store.disk
    disk.close()  # it would look, once a second, and find room
    disk.reason = "the disk is full, says the test"
    stream.send(batch(2, vectors))
    code, reason, text, _ = stream.failure()
    assert (code, reason) == (CODE.RESOURCE_EXHAUSTED, "STORAGE")
    assert "says the test" in text
    disk.reason = ""
    again: RawStream = open_stream(server, "a")
    assert again.started() == (1, 10)
    assert client.count("w") == 10


def test_a_commit_that_fails_is_not_acknowledged(
    serve_index: Any,
    open_stream: Any,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, client = serve_index()
    stream: RawStream = open_stream(server, "a")
    stream.started()
    commit, failing = store_module.commit, [True]

    def refuse(connection: sqlite3.Connection, *, file: Path) -> None:
        if failing and failing.pop():
            raise StorageError("the test refuses it")
        commit(connection, file=file)

    monkeypatch.setattr(store_module, "commit", refuse)
    stream.send(batch(1, vectors))
    assert stream.failure()[:2] == (CODE.RESOURCE_EXHAUSTED, "STORAGE")
    again: RawStream = open_stream(server, "a")
    assert again.started() == (0, 0)
    assert client.count("w") == 0
    again.send(batch(1, vectors), END)
    assert again.rest()[-1].acknowledged.count == 10


def test_cancelled_streams_leave_nothing(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    for number in range(20):
        stream: RawStream = open_stream(server, f"s{number}")
        stream.send(*(batch(k, vectors) for k in range(1, 1 + number % 5)))
        if number % 2:
            stream.started()
        stream.call.cancel()
    until(lambda: not server.upserts.streams() and not server.busy)
    assert client.upsert("w", np.arange(10), vectors) == 10


def test_a_stream_that_is_left_during_its_turn_is_logged_with_what_it_changed(
    serve_index: Any,
    open_stream: Any,
    vectors: np.ndarray,
    slow_store: Any,
    tmp_path: Path,
) -> None:
    log = tmp_path / "audit"
    server, client = serve_index(security=SecuritySettings(audit_log=log))
    slow_store.clear()
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors), END)
    assert slow_store.begun.wait(60)
    stream.call.cancel()
    until(lambda: not server.upserts.streams())
    slow_store.set()
    until(lambda: not server.busy and not server.application.streams.claimed)

    def counts() -> list[dict[str, int]]:
        lines = map(json.loads, log.read_text().splitlines())
        ends = [
            line for line in lines if line["method"].endswith("StreamUpsertVectors")
        ]
        return [line["counts"] for line in ends]

    until(lambda: bool(counts()))
    assert counts() == [{"changed": client.count("w")}]
    assert client.count("w") in (0, 10)


def test_left_streams_give_up_what_they_claimed(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, _ = serve_index()
    for number in range(60):
        stream: RawStream = open_stream(server, f"s{number}")
        stream.send(batch(1, vectors))
        time.sleep(0.0003 * (number % 20))
        stream.close()
    until(lambda: not server.upserts.streams() and not server.busy)
    assert server.application.streams.claimed == 0


def test_positions_expire(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, _ = serve_index()
    for name in ("a", "b"):
        stream: RawStream = open_stream(server, name)
        stream.send(batch(1, vectors), END)
        stream.rest()
    store = server.application.store
    with store.transaction() as transaction:
        transaction.run("UPDATE streams SET updated = 0 WHERE stream_id = 'a'")
    expiry = Expiry(store, keep_days=7, keep_operations=1000)
    assert expiry.sweep(time.time()) == 1
    assert open_stream(server, "a").started() == (0, 0)
    assert open_stream(server, "b").started() == (1, 10)


def test_a_damaged_position_is_refused(
    serve_index: Any,
    open_stream: Any,
    start_server: Any,
    vectors: np.ndarray,
    tmp_path: Path,
) -> None:
    server, _ = serve_index()
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors), END)
    stream.rest()
    server.stop()
    with sqlite3.connect(tmp_path / "server" / NAME) as database:
        database.execute("UPDATE streams SET sequence = 0")
    database.close()
    again = start_server()
    assert open_stream(again, "a").failure()[:2] == (CODE.DATA_LOSS, "CORRUPT_DATA")
    assert open_stream(again, "b").started() == (0, 0)
