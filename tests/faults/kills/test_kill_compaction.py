"""kill -9 during a compaction: nothing acknowledged is lost, and it is done again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.optimizer_params import OptimizerParams
from gleann.v1 import index_pb2

SERVER = """
import sys
import numpy as np
from pathlib import Path
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.optimizer_params import (OptimizerParams)
from gleann.v1 import index_pb2

def report(line):
    print(line + "\\n", end="", flush=True)  # in one write

params = OptimizerParams(min_rows=50, min_seconds=0)
app = Application(Config(data_dir=Path(sys.argv[1]), optimizer=params))
for step in range(10_000):
    start = int(sys.argv[2]) + step * 20
    ids = start + np.arange(20)
    rows = np.stack([np.sin(ids + j) for j in range(8)], axis=1).astype(np.float32)
    app.upsert("k", ids, rows)
    report(f"upserted {start}")
    app.delete_vectors("k", ids[:3])
    report(f"deleted {start}")
    if step % 3 == 0:
        app.optimize(index_pb2.OptimizeIndexRequest(name="k", kind=1 + step % 2))
"""


def rows_of(ids: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(ids + j) for j in range(8)], axis=1).astype(np.float32)


def opened(directory: Path) -> Application:
    params = OptimizerParams(enabled=False)
    return Application(Config(data_dir=directory, optimizer=params))


def prepared(directory: Path) -> None:
    app = opened(directory)
    app.create_index("k", dim=8, metric="l2")
    ids = np.arange(300)
    app.upsert("k", ids, rows_of(ids))
    request = index_pb2.BuildIndexRequest(name="k")
    request.params.nlist, request.params.tune_queries = 8, 0
    assert app.jobs.wait(app.build(request).name, seconds=60).done
    app.close()


def run_and_kill(directory: Path, start: int, rng: np.random.Generator) -> list[str]:
    """Write and compact until killed while a compaction is at some point."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(directory), str(start)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    deadline = time.monotonic() + 60
    while not list(directory.glob("indexes/1/versions/.new-*")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(1.5 * rng.random())
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines()
    process.stdout.close()
    process.wait()
    return [line.strip() for line in lines]


@pytest.mark.slow
def test_kill_during_compactions(tmp_path: Path) -> None:
    prepared(tmp_path)
    rng = np.random.default_rng(4)
    certain = set(range(300))
    unsure: set[int] = set()
    for round_no in range(4):
        start = 100_000 * (round_no + 1)
        for line in run_and_kill(tmp_path, start, rng):
            what, first = line.split()
            ids = range(int(first), int(first) + 20)
            certain |= set(ids)
            if what == "deleted":
                certain -= set(ids[:3])
        # The change after the last one that was acknowledged.
        unsure |= set(range(int(first) + 20, int(first) + 40))
        if what == "upserted":
            unsure |= set(ids[:3])
        certain -= unsure
        app = opened(tmp_path)
        for _, operation in app.jobs.list(after=0, limit=1000):
            ended = app.jobs.wait(operation.name, seconds=60)
            assert ended.done, operation.name
        view = app.registry.view("k")
        names = np.array(sorted(certain))
        np.testing.assert_array_equal(
            view.vectors_at(view.require(names)), rows_of(names)
        )
        held = set(view.ids_at(view.live_rows()).tolist())
        assert certain <= held <= certain | unsure
        assert view.version > 1
        app.close()
    files = [path.name for path in (tmp_path / "indexes/1/versions").iterdir()]
    assert len(files) == 1
    assert files[0].isdigit()
