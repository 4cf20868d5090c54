"""Wrong requests by the thousand: answered in words, while others are served.

Every method of the descriptors is tried. `GLEANN_FUZZ_MESSAGES` says how many requests
are sent; `make test-fuzz` takes 100,000.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import fuzz_tour
import fuzzing
import grpc
import numpy as np
import pytest
from raw_calls import DOCUMENTED, STATUS, UNSERVED, Metadata, answered
from server_process import ServerProcess

import gleann
from gleann.index import SearchParams
from gleann.index.errors import GleannError
from gleann.service.config import Config
from gleann.service.server import serve
from gleann.v1 import curation_pb2

MESSAGES = int(os.environ.get("GLEANN_FUZZ_MESSAGES", "5000"))
A_ROUND = 2500
"""Requests before the index they name is made anew."""
ENDS = ("DeleteIndex", "CloseSession")
"""Methods after which most requests would name nothing."""
CALLERS = 4
KEY = "the-right-key"
OPEN = "/grpc.health.v1.Health/"

STEADY = "steady"
GROWTH_MB, PEAK_MB = 400, 1500
"""What may stay after all requests, and what may be taken for a moment."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("key", "share"), [("", 0.7), (KEY, 0.3)], ids=["without keys", "with keys"]
)
def test_wrong_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, share: float
) -> None:
    messages = int(MESSAGES * share)
    environment = {"GLEANN_API_KEY": key} if key else {}
    server = ServerProcess(tmp_path / "d", **environment)
    try:
        run = Run(server, key)
        with steady_caller(run) as slowest:
            seeds = run.recorded(monkeypatch)
            before = server.status("VmRSS")
            for begin in range(0, messages, A_ROUND):
                count = min(A_ROUND, messages - begin)
                run.send(seeds, seed=begin, count=count)
                run.end_work()
                seeds = run.recorded(monkeypatch)
            grown = (server.status("VmRSS") - before) >> 20
            peak = (server.status("VmHWM") - before) >> 20
        assert server.process.poll() is None
        assert server.stop() == 0
    finally:
        server.kill()
    run.check(messages)
    assert grown < GROWTH_MB
    assert peak < PEAK_MB
    assert slowest
    assert max(slowest) < 30


def test_every_method_is_tried() -> None:
    """What the generator sends covers the descriptors, streams included."""
    rng = np.random.default_rng(0)
    sent = {path for path, _ in fuzzing.requests(SEEDS, rng, 4000)}
    assert sent == set(fuzzing.METHODS)
    assert "/gleann.v1.VectorService/StreamUpsertVectors" in sent
    assert "/grpc.health.v1.Health/Watch" in sent


NOT_TOURED = {
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}
"""No client of gleann calls them."""


def test_a_right_request_of_every_method_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with random fields alone is refused before most of the work."""
    recorder = fuzz_tour.Recorder()
    with (
        serve(Config(data_dir=tmp_path, listen="127.0.0.1:0")) as server,
        fuzz_tour.intercepted(monkeypatch, recorder),
        gleann.Client(server.target, timeout=60) as client,
    ):
        fuzz_tour.tour(client)
    assert {path for path, _ in recorder.seeds} == set(fuzzing.METHODS) - NOT_TOURED
    made = [
        curation_pb2.CreateCurationJobRequest.FromString(message)
        for path, (message, *_) in recorder.seeds
        if path.endswith("/CreateCurationJob")
    ]
    kinds = curation_pb2.CreateCurationJobRequest.DESCRIPTOR.oneofs_by_name["method"]
    assert {one.WhichOneof("method") for one in made} == {
        field.name for field in kinds.fields
    }


SEEDS: list[fuzzing.Seed] = [("/gleann.v1.AdminService/GetServerInfo", (b"",))]


class Run:
    """One server, the requests it was sent, and how it answered."""

    def __init__(self, server: ServerProcess, key: str) -> None:
        self.target = server.target()
        self.key = key
        self.heard: Counter[grpc.StatusCode] = Counter()
        self.untouched: set[str] = set(fuzzing.METHODS)
        self.wrong: list[Any] = []
        self._server = server

    def client(self) -> gleann.Client:
        return gleann.Client(self.target, api_key=self.key or None, timeout=60)

    def recorded(self, monkeypatch: pytest.MonkeyPatch) -> list[fuzzing.Seed]:
        """The requests of a client that does a bit of everything."""
        recorder = fuzz_tour.Recorder()
        with fuzz_tour.intercepted(monkeypatch, recorder), self.client() as client:
            fuzz_tour.tour(client)
        return [
            (path, messages)
            for path, messages in recorder.seeds
            if messages and not path.endswith(ENDS)
        ]

    def send(self, seeds: list[fuzzing.Seed], *, seed: int, count: int) -> None:
        """Send wrong requests, some at a time, and note the answers."""
        rng = np.random.default_rng(seed)
        every = list(fuzzing.requests(seeds, rng, count))
        keys = [self._metadata(rng) for _ in every]
        with (
            grpc.insecure_channel(self.target.removeprefix("grpc://")) as channel,
            ThreadPoolExecutor(CALLERS) as callers,
        ):
            codes = callers.map(partial(self._send, channel), every, keys)
            self.heard.update(codes)
        self.untouched -= {path for path, _ in every}

    def end_work(self) -> None:
        """Let the work end that was asked for, and note what failed inside."""
        with self.client() as client:
            for operation in client.jobs.list("NOT state = 'paused'"):
                with suppress(GleannError, TimeoutError):
                    operation.wait(timeout=60)
                if str(operation.error) == "internal error":
                    asked, fault = operation.command, "its work failed inside"
                    self.wrong.append((operation.kind, asked, STATUS.INTERNAL, fault))

    def check(self, messages: int) -> None:
        """All answers were of documented kinds, and every method was tried."""
        assert self.heard.total() == messages
        kinds = {(one[0], one[-2], one[-1]): one for one in self.wrong}
        said = self._server.said()[-2000:]
        assert not kinds, f"{len(self.wrong)} answers: {list(kinds.values())}; {said}"
        assert not self.untouched
        assert self.heard[STATUS.OK] > messages // 20
        assert self.heard[STATUS.INVALID_ARGUMENT] > messages // 10

    def _metadata(self, rng: np.random.Generator) -> Metadata:
        """The right key mostly; with keys on, at times none or a wrong one."""
        if not self.key:
            return []
        shown = (None, "wrong", "", self.key[:-1])[rng.integers(4)]
        if rng.random() < 0.8:
            shown = self.key
        return [] if shown is None else [("authorization", f"Bearer {shown}")]

    def _send(
        self, channel: grpc.Channel, request: fuzzing.Seed, metadata: Metadata
    ) -> grpc.StatusCode:
        code, fault = answered(channel, request, metadata)
        path = request[0]
        known = metadata == [("authorization", f"Bearer {self.key}")]
        if self.key and not known and not path.startswith(OPEN):
            if code is not STATUS.UNAUTHENTICATED:
                self.wrong.append((*request, metadata, code, "served without the key"))
        elif path.startswith(UNSERVED):
            pass
        elif code not in DOCUMENTED or fault:
            self.wrong.append((*request, metadata, code, fault))
        return code


@contextmanager
def steady_caller(run: Run) -> Iterator[list[float]]:
    """Search right queries meanwhile, and check the answers; yields their seconds."""
    rows = np.eye(8, dtype=np.float32)
    taken: list[float] = []
    wrong: list[object] = []
    ended = threading.Event()
    with run.client() as client:
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
