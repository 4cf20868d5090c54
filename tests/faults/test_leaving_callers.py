"""Late calls, cancelled calls and callers who have gone take no work for long."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from raw_calls import STATUS
from server_process import ServerProcess

import gleann
from gleann.index import SearchParams
from gleann.service.wire.arrays import vectors_to_wire
from gleann.v1 import search_pb2

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SEARCH = "/gleann.v1.SearchService/Search"
N, DIM, QUERIES = 40_000, 64, 2000
CALLS = 60
FEW_THREADS = 8
"""gRPC starts and ends some of its own; one for each call would be many more."""
REST_SECONDS = 5.0
"""After so long a server that nobody waits for is idle, and free again."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "d")
    yield process
    process.kill()


@pytest.fixture
def target(server: ServerProcess) -> str:
    """Where it serves an index whose whole searches take about a second."""
    target = server.target()
    rows = np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)
    with gleann.Client(target) as client:
        client.create_index("a", dim=DIM, metric="l2")
        for start in range(0, N, 10_000):
            client.upsert("a", np.arange(start, start + 10_000), rows[start:][:10_000])
        client.search("a", rows[:1], SearchParams(k=1))
    return target


def heavy() -> bytes:
    """An exact search of many queries."""
    queries = np.random.default_rng(1).normal(size=(QUERIES, DIM)).astype(np.float32)
    request = search_pb2.SearchRequest(
        index="a",
        queries=vectors_to_wire(queries),
        params=search_pb2.SearchParams(k=10, exact=True),
    )
    return request.SerializeToString()


def connection(target: str) -> grpc.Channel:
    own = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(target.removeprefix("grpc://"), options=own)


def assert_leaves_nothing(
    server: ServerProcess, target: str, load: Callable[[], None]
) -> None:
    """After a load no call is left and no core is busy; a second adds no threads."""
    load()
    assert_at_rest(server, target)
    threads = server.status("Threads")
    load()
    assert_at_rest(server, target)
    assert server.status("Threads") <= threads + FEW_THREADS


def assert_at_rest(server: ServerProcess, target: str) -> None:
    last = time.monotonic() + REST_SECONDS
    with gleann.Client(target) as client:
        while True:
            queues = client.server_status().queues
            # Its own call for the status is under way.
            if sum(queue.running + queue.queued for queue in queues) <= 1:
                break
            assert time.monotonic() < last, queues
            time.sleep(0.1)
        before = server.cpu_seconds()
        time.sleep(0.5)
        assert server.cpu_seconds() - before < 0.25
        begin = time.monotonic()
        client.search("a", np.zeros((1, DIM)), SearchParams(k=1))
        assert time.monotonic() - begin < 2


@pytest.mark.parametrize("seconds", [0.001, 0.05])
def test_late_calls_are_dropped(
    server: ServerProcess, target: str, seconds: float
) -> None:
    request = heavy()

    def load() -> None:
        with connection(target) as channel:
            send = channel.unary_unary(SEARCH)
            calls = [send.future(request, timeout=seconds) for _ in range(CALLS)]
            codes = Counter(call.code() for call in calls if call.exception(60))
        # Those that could not be answered in time may be refused at once.
        assert set(codes) <= {STATUS.DEADLINE_EXCEEDED, STATUS.RESOURCE_EXHAUSTED}

    assert_leaves_nothing(server, target, load)


def test_cancelled_calls_are_dropped(server: ServerProcess, target: str) -> None:
    request = heavy()
    with connection(target) as channel:
        grpc.channel_ready_future(channel).result(60)

        def load() -> None:
            send = channel.unary_unary(SEARCH)
            calls = [send.future(request) for _ in range(CALLS)]
            time.sleep(0.3)
            for call in calls:
                call.cancel()

        assert_leaves_nothing(server, target, load)


def test_calls_of_closed_connections_are_dropped(
    server: ServerProcess, target: str
) -> None:
    request = heavy()

    def load() -> None:
        for _ in range(5):
            with connection(target) as channel:
                grpc.channel_ready_future(channel).result(60)
                send = channel.unary_unary(SEARCH)
                calls = [send.future(request) for _ in range(CALLS // 5)]
                time.sleep(0.1)
            assert len(calls) == CALLS // 5

    assert_leaves_nothing(server, target, load)
