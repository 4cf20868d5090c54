"""Wrong requests by the thousand: answered in words, while others are served.

`GLEANN_FUZZ_MESSAGES` says how many; `make test-fuzz` takes 50,000.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import fuzzing
import grpc
import numpy as np
import pytest

import gleann
from gleann.index import SearchParams
from gleann.service.client import remote
from gleann.service.config import Config
from gleann.service.server import Server, serve

MESSAGES = int(os.environ.get("GLEANN_FUZZ_MESSAGES", "500"))
A_ROUND = 1000
"""Requests before the index they name is made anew."""
ENDS = ("DeleteIndex", "CloseSession")
"""Methods after which most requests would name nothing."""
CALLERS = 4
STATUS = grpc.StatusCode
DOCUMENTED = {
    STATUS.OK,
    STATUS.INVALID_ARGUMENT,
    STATUS.NOT_FOUND,
    STATUS.ALREADY_EXISTS,
    STATUS.FAILED_PRECONDITION,
    STATUS.RESOURCE_EXHAUSTED,
    STATUS.PERMISSION_DENIED,
    STATUS.CANCELLED,
}
STEADY = "steady"
GROWTH_MB = 400


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_wrong_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(data_dir=tmp_path / "d", listen="127.0.0.1:0")
    heard: Counter[grpc.StatusCode] = Counter()
    wrong: list[object] = []
    with serve(config) as server, steady_caller(server) as slowest:
        seeds = recorded(server, monkeypatch)
        before = memory_mb()
        for begin in range(0, MESSAGES, A_ROUND):
            count = min(A_ROUND, MESSAGES - begin)
            heard += sent(server, seeds, wrong, seed=begin, count=count)
            seeds = recorded(server, monkeypatch)
        assert memory_mb() - before < GROWTH_MB
    assert heard.total() == MESSAGES
    assert not wrong, f"{len(wrong)} answers of no documented kind: {wrong[:5]}"
    assert heard[STATUS.OK] > MESSAGES // 20
    assert heard[STATUS.INVALID_ARGUMENT] > MESSAGES // 10
    assert slowest
    assert max(slowest) < 10


def recorded(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[fuzzing.Seed]:
    """The requests of a client that does a bit of everything."""
    recorder = fuzzing.Recorder()
    plain = grpc.insecure_channel

    def channel(*arguments: object, **settings: object) -> grpc.Channel:
        return grpc.intercept_channel(plain(*arguments, **settings), recorder)

    with monkeypatch.context() as patched:
        patched.setattr(remote.grpc, "insecure_channel", channel)
        with gleann.Client(server.target, timeout=60) as client:
            fuzzing.tour(client)
    return [seed for seed in recorder.seeds if not seed[0].endswith(ENDS)]


def sent(
    server: Server,
    seeds: list[fuzzing.Seed],
    wrong: list[object],
    *,
    seed: int,
    count: int,
) -> Counter[grpc.StatusCode]:
    """Send wrong requests, some at a time; what they were answered with.

    What is of no documented kind goes to `wrong`, with the request, to be sent again.
    """
    rng = np.random.default_rng(seed)
    every = list(fuzzing.requests(seeds, rng, count))
    with (
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ThreadPoolExecutor(CALLERS) as callers,
    ):

        def send(request: fuzzing.Seed) -> grpc.StatusCode:
            path, message = request
            try:
                channel.unary_unary(path)(message, timeout=60)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                if code not in DOCUMENTED:
                    wrong.append((path, message, code, error.details()))
                return code
            return STATUS.OK

        return Counter(callers.map(send, every))


@contextmanager
def steady_caller(server: Server) -> Iterator[list[float]]:
    """Search right queries meanwhile, and check the answers; yields their seconds."""
    rows = np.eye(8, dtype=np.float32)
    taken: list[float] = []
    wrong: list[object] = []
    ended = threading.Event()
    with gleann.Client(server.target, timeout=60) as client:
        client.create_index(STEADY, dim=8, metric="l2")
        client.upsert(STEADY, np.arange(8), rows)

        def call() -> None:
            while not ended.wait(0.05):
                begin = time.monotonic()
                found = client.search(STEADY, rows, SearchParams(k=1))
                taken.append(time.monotonic() - begin)
                if found.ids.ravel().tolist() != list(range(8)):
                    wrong.append(found.ids)

        with ThreadPoolExecutor(1) as pool:
            caller = pool.submit(call)
            try:
                yield taken
            finally:
                ended.set()
            caller.result(60)
    assert not wrong


def memory_mb() -> float:
    """What this process, the server in it, holds in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")
