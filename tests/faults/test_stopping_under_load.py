"""SIGTERM under load: health turns first, calls under way end well, jobs resume."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from server_process import ServerProcess

import gleann
from gleann.index import BuildParams, SearchParams, errors

N, DIM = 30_000, 64
CALLERS = 6
MOMENT = 0.25
"""Seconds before the signal from which a call may not have arrived yet."""
NOTED = 0.05
"""Seconds by which one thread of this process may note an answer later than another."""


@dataclass
class Called:
    """One call: when it began and ended, and its error."""

    began: float
    ended: float
    error: errors.GleannError | None


@dataclass
class Callers:
    """Threads that call until they are told to stop."""

    target: str
    stop: threading.Event = field(default_factory=threading.Event)
    searches: list[Called] = field(default_factory=list)
    upserts: list[Called] = field(default_factory=list)
    written: list[int] = field(default_factory=list)

    def search(self, number: int) -> None:
        """Batches that take some hundred milliseconds."""
        queries = np.random.default_rng(number).normal(size=(400, DIM))
        params = SearchParams(k=5, exact=True)
        self._repeat(self.searches, lambda client: client.search("a", queries, params))

    def upsert(self, number: int) -> None:
        ids = iter(range(10**6 * number, 10**6 * (number + 1)))

        def write(client: gleann.Client) -> None:
            one = next(ids)
            client.upsert("b", [one], np.full((1, DIM), one % 97))
            self.written.append(one)

        self._repeat(self.upserts, write)

    def _repeat(
        self, called: list[Called], call: Callable[[gleann.Client], Any]
    ) -> None:
        with gleann.Client(self.target, timeout=60) as client:
            while not self.stop.is_set():
                began, error = time.monotonic(), None
                try:
                    call(client)
                except errors.GleannError as failed:
                    error = failed
                called.append(Called(began, time.monotonic(), error))
                if error is not None:
                    return


@contextmanager
def watched(target: str) -> Iterator[list[tuple[float, int]]]:
    """States of the server's health, with their times, as a watcher is told."""
    told: list[tuple[float, int]] = []

    def watch() -> None:
        address = target.removeprefix("grpc://")
        with grpc.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                states = stub.Watch(health_pb2.HealthCheckRequest())
                told.extend((time.monotonic(), one.status) for one in states)
            except grpc.RpcError:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield told
    watcher.join(60)
    assert not watcher.is_alive()


@pytest.mark.slow
@pytest.mark.alone
def test_calls_under_way_end_well_and_the_build_goes_on(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "d")
    try:
        target = server.target()
        build = prepare(target)
        callers = Callers(target)
        with watched(target) as told, ThreadPoolExecutor(2 * CALLERS) as pool:
            for number in range(CALLERS):
                pool.submit(callers.search, number)
                pool.submit(callers.upsert, number)
            time.sleep(1.5)
            with gleann.Client(target) as client:
                assert not client.operations.get(build).done
            signalled = time.monotonic()
            assert server.stop(20) == 0
            stopped = time.monotonic()
            callers.stop.set()
        assert stopped - signalled < 7
    finally:
        server.kill()
    assert_ended_well(callers, signalled)
    serving = health_pb2.HealthCheckResponse
    assert [state for _, state in told] == [serving.SERVING, serving.NOT_SERVING]
    failed = [one.ended for one in (*callers.searches, *callers.upserts) if one.error]
    assert told[-1][0] <= min(failed) + NOTED
    assert_goes_on(tmp_path / "d", build, callers.written)


def prepare(target: str) -> str:
    """Both indexes, and a build of one that takes longer than the test waits."""
    rows = np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)
    with gleann.Client(target) as client:
        for name in ("a", "b", "c"):
            client.create_index(name, dim=DIM, metric="l2")
        for start in range(0, N, 10_000):
            block = rows[start : start + 10_000]
            client.upsert("a", np.arange(start, start + len(block)), block)
            client.upsert("c", np.arange(start, start + len(block)), block)
        slow = BuildParams(metric="l2", nlist=2000, kmeans_iterations=60)
        return client.build("c", slow).name


def assert_ended_well(callers: Callers, signalled: float) -> None:
    """Calls of before the signal were answered; later ones found no server."""
    for called in (callers.searches, callers.upserts):
        assert sum(one.error is None for one in called) > CALLERS
        for one in called:
            if one.error is None:
                continue
            assert isinstance(one.error, errors.UnavailableError), one.error
            assert one.began > signalled - MOMENT, (signalled - one.began, one.error)


def assert_goes_on(data: Path, build: str, written: list[int]) -> None:
    """After a restart the build ends, and all that was acknowledged is there."""
    server = ServerProcess(data)
    try:
        with gleann.Client(server.target(), timeout=120) as client:
            client.operations.get(build).wait(timeout=120)
            assert client.get_index("c").version == 1
            found = client.get_vectors("b", written)
            assert np.array_equal(found[:, 0], np.array(written) % 97)
    finally:
        server.kill()
