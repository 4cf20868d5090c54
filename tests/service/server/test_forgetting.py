"""A server that runs for months holds nothing of what was closed or deleted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams
from gleann.service.server import Server
from gleann.service.sessions.store import SessionStore


def test_deleted_indexes_and_closed_sessions(
    start_server: Callable[..., Server], rows: np.ndarray, quick: BuildParams
) -> None:
    server = start_server()
    with gleann.Client(server.target) as client:
        known = set(server._health._states)
        ids = np.arange(len(rows))
        for name in ("a", "b", "c"):
            client.create_index(name, dim=8, metric="l2")
            client.upsert(name, ids, rows)
            client.build(name, quick).wait(timeout=60)
            session = client.active.start(name, ids=ids[:20], labels=ids[:20] % 2)
            client.next_batch(session)
            client.sessions.close(session)
            client.delete_index(name)
        assert set(server._health._states) == known
        # The last one goes with the next build.
        assert set(server._application._building._built) == {"c"}
        assert not server._application.sessions._turns


def test_turns_are_taken_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = SimpleNamespace()
    keeper = SessionStore(nothing, nothing)
    monkeypatch.setattr(keeper, "_row", lambda name: name)
    waits, entered = Event(), Event()

    def second() -> None:
        waits.set()
        with keeper.turn("s"):
            entered.set()

    with ThreadPoolExecutor(1) as other:
        with keeper.turn("s"):
            with keeper.turn("s"):  # whoever has it may take it again
                job = other.submit(second)
            assert waits.wait(30)
            assert not entered.wait(0.1)
            assert list(keeper._turns) == ["s"]
        job.result(30)
    assert entered.is_set()
    assert not keeper._turns
