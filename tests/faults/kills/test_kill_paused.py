"""kill -9 while long work is paused: it stays so, and goes on when it is resumed."""

import time
from pathlib import Path

import numpy as np
import pytest
from server_process import ServerProcess

import gleann
from gleann.index import BuildParams

ROWS = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
LONG = BuildParams(metric="l2", nlist=400, kmeans_iterations=50)


def until_running(client: gleann.Client, name: str) -> None:
    ends = time.monotonic() + 60
    while client.operations.get(name).state != "running":
        assert time.monotonic() < ends, "it was never begun"
        time.sleep(0.01)


@pytest.mark.slow
def test_paused_work_outlives_a_kill(tmp_path: Path) -> None:
    """One that runs and is told to stop, and one that waits behind it."""
    server = ServerProcess(tmp_path / "data")
    try:
        with gleann.Client(server.target()) as client:
            client.create_index("words", dim=32, metric="l2")
            client.upload("words", [(np.arange(len(ROWS)), ROWS)])
            running = client.build("words", LONG).name
            until_running(client, running)
            waiting = client.coresets.farthest_first("words", k=20).name
            for name in (waiting, running):
                assert client.jobs.pause(name).state == "paused"
        server.kill()
        server = ServerProcess(tmp_path / "data")
        with gleann.Client(server.target()) as client:
            found = {one.name: one for one in client.jobs.list("state = 'paused'")}
            assert set(found) == {running, waiting}
            assert found[running].attempts == 1
            assert client.get_index("words").version == 0
            client.upsert("words", [90_000], ROWS[:1])
            for name in (waiting, running):
                client.jobs.resume(name).wait(timeout=120)
            info = client.get_index("words")
            assert (info.version, info.count, info.pending) == (1, 20_001, 0)
            assert "resumed on request" in " ".join(client.jobs.log(running).lines)
    finally:
        server.kill()
