"""kill -9 under mixed load, with clients that go on: they wait for the next server.

Clients search, scroll, upsert, delete, change payload, label in a session, run jobs and
keep snapshots while the server is killed at random and started again at its address. A
client repeats a call that found no server, with its request_id, and sees no other
failure: no row is lost, doubled or half written, and no job or session ends.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
import pytest
from kept_port import kept_port
from kill_records import POOL_ROWS, Rows, Slow, begin, vectors_of
from server_process import ServerProcess

import gleann
from gleann.index import SearchParams, errors
from gleann.service.cli.main import run
from gleann.service.client.link import options

PATIENCE = 600.0
"""Seconds for which a client repeats one call. Servers live for half a second here, and
work that is waited for may be begun by many of them."""

PAUSE = 0.1
"""Seconds between two attempts."""

SOON = 0.2
"""Seconds: otherwise clients would mostly wait, and the kills meet an idle server."""


class Record(Protocol):
    """Work of one client, turn by turn."""

    def write(self, client: Any, rng: np.random.Generator) -> None: ...


class Patient:
    """A client, or a part of it, whose calls are repeated until a server answers."""

    def __init__(self, inner: Any, unavailable: Counter[str]) -> None:
        self._inner = inner
        self._unavailable = unavailable

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if callable(value):
            return lambda *given, **named: self._call(name, value, given, named)
        is_group = type(value).__module__.startswith("gleann.service.client")
        return Patient(value, self._unavailable) if is_group else value

    def _call(self, name: str, call: Callable[..., Any], given: Any, named: Any) -> Any:
        if "request_id" in signature(call).parameters:
            named = {"request_id": str(uuid4())} | named
        last = time.monotonic() + PATIENCE
        while True:
            try:
                found = call(*given, **named)
            except errors.UnavailableError:
                self._unavailable[name] += 1
                if time.monotonic() > last:
                    raise
                time.sleep(PAUSE)
            else:
                return Patient(found, self._unavailable) if waits(found) else found


def waits(found: Any) -> bool:
    """Whether an answer is a handle of an operation."""
    return hasattr(found, "wait") and hasattr(found, "refresh")


def cut_off(error: errors.GleannError) -> bool:
    """Whether it is the end of a job that three kills in a row cut off."""
    return "stopped 3 times" in str(error)


class Reader:
    """Reads what never changes, and finds it right."""

    def write(self, client: Any, rng: np.random.Generator) -> None:
        rows = rng.choice(POOL_ROWS, 5, replace=False)
        found = client.search(
            "pool", vectors_of(rows, 0), SearchParams(k=1, exact=True)
        )
        assert found.ids[:, 0].tolist() == rows.tolist()
        assert np.array_equal(client.get_vectors("pool", rows), vectors_of(rows, 0))
        assert client.count("pool", "g IS NULL") == POOL_ROWS


class Jobs:
    """Subsets are the same whatever cut the job off, and each job ends."""

    def __init__(self) -> None:
        self.chosen: list[int] = []
        self.names: list[str] = []

    def write(self, client: Any, rng: np.random.Generator) -> None:
        operation = client.coresets.farthest_first("pool", k=20, seed=3)
        self.names.append(operation.name)
        ids = operation.wait(timeout=PATIENCE).ids.tolist()
        self.chosen = self.chosen or ids
        assert ids == self.chosen


@dataclass
class World:
    """A server at one address, its clients, and how they fare."""

    data: Path
    root: Path
    port: int
    records: dict[str, Any]
    ended: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)
    turns: Counter[str] = field(default_factory=Counter)
    unavailable: Counter[str] = field(default_factory=Counter)

    @property
    def target(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def start(self) -> ServerProcess:
        words = ["--import-root", str(self.root), "--listen", f"127.0.0.1:{self.port}"]
        server = ServerProcess(self.data, *words)
        assert server.target() == self.target
        return server

    def work(self, name: str, seed: int) -> None:
        """Turns of one record until the end."""
        rng = np.random.default_rng(seed)
        with gleann.Client(self.target, timeout=PATIENCE) as plain:
            client = Patient(plain, self.unavailable)
            while not self.ended.is_set():
                try:
                    self.records[name].write(client, rng)
                except errors.GleannError as error:
                    if not cut_off(error):
                        self.failures.append(f"{name}: {type(error).__name__}: {error}")
                        return
                except AssertionError as error:
                    self.failures.append(f"{name}: {error}")
                    return
                self.turns[name] += 1

    def check(self) -> None:
        """All that was acknowledged is there, and all work has ended well."""
        with gleann.Client(self.target, timeout=PATIENCE) as client:
            for record in self.records.values():
                if isinstance(record, Rows | Slow):
                    record.check(client)
            for operation in client.operations.list():
                assert operation.error is None or cut_off(operation.error)
            for name in self.records["jobs"].names:
                assert client.operations.get(name).done
        assert not (self.data / "lost").exists()


@pytest.mark.parametrize(
    ("kills", "seed"),
    [
        pytest.param(15, 0, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
        pytest.param(
            int(os.environ.get("GLEANN_KILLS", "100")),
            int(os.environ.get("GLEANN_SEED", "1")),
            marks=[pytest.mark.long, pytest.mark.timeout(3600)],
        ),
    ],
)
def test_clients_go_on_over_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    root = tmp_path / "files"
    root.mkdir()
    world = World(
        data=tmp_path / "data",
        root=root,
        port=kept_port(),
        records={
            "numbers": Rows("numbers", int),
            "words": Rows("words", lambda number: f"wörd {number}"),
            "slow": Slow(root),
            "jobs": Jobs(),
            "reader": Reader(),
        },
    )
    monkeypatch.setattr(options, "LONGEST_RECONNECT", SOON)
    begin(world.data)
    threads = [
        threading.Thread(target=world.work, args=(name, int(rng.integers(1 << 30))))
        for name in world.records
    ]
    server = world.start()
    try:
        for thread in threads:
            thread.start()
        for _ in range(kills):
            time.sleep(float(rng.uniform(0.1, 1.0)))
            server.kill()
            server = world.start()
        world.ended.set()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert not world.failures
        assert all(world.turns[name] for name in world.records)
        # Fewer than there were kills: clients repeat what no server answered.
        assert world.unavailable.total() > kills // 5
        world.check()
        assert server.stop() == 0
    finally:
        world.ended.set()
        server.kill()
    assert run(["doctor", "--data", str(world.data)]) == 0
    print(f"{kills} kills, {dict(world.turns)} turns")  # noqa: T201  for the lane
