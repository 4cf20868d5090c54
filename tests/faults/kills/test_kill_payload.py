"""kill -9 while several threads change rows and payload, in shared commits."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index.filters.condition import Condition
from gleann.service.application import Application
from gleann.service.config import Config

THREADS = 6

WRITER = """
import os, sys, threading, time
from pathlib import Path
import numpy as np
from gleann.index import BuildParams
from gleann.index.filters.condition import Condition
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.wire.index_messages import build_params_to_wire
from gleann.v1 import index_pb2

SCHEMA = Schema.of({"writer": "int64", "step": "int64", "note": "string"})
app = Application(Config(data_dir=Path(sys.argv[1])))
first, threads = int(sys.argv[2]), int(sys.argv[3])
if "k" not in app.registry.names():
    app.create_index("k", dim=4, metric="l2", schema=SCHEMA)

def change(writer, step):
    name = np.array([1_000_000 * writer + step])
    if step % 4 < 2:
        rows = np.full((1, 4), step, np.float32)
        values = {"writer": [writer], "step": [step]}
        app.upsert("k", name, rows, Payload.of(values, SCHEMA.select(values)))
    elif step % 4 == 2:
        note = Payload.of({"note": [f"at {step}"]}, SCHEMA.select(["note"]))
        app.update_payload("k", name - 1, note)
    else:
        gone = Condition("writer = $1 AND step = $2", (writer, step - 3))
        assert app.delete_vectors("k", gone)[0] == 1

def write(writer):
    for step in range(first, first + 100_000):
        change(writer, step)
        os.write(1, b"%d %d\\n" % (writer, step))

for writer in range(threads):
    threading.Thread(target=write, args=(writer,), daemon=True).start()
params = build_params_to_wire(BuildParams(metric="l2", nlist=2, tune_queries=0))
while True:
    time.sleep(0.2)
    if app.get_index("k").count > 2:
        app.build(index_pb2.BuildIndexRequest(name="k", params=params))
"""


def run_and_kill(directory: Path, first: int, seconds: float) -> dict[int, int]:
    """Write until killed; return the last step that each thread was acknowledged."""
    words = [sys.executable, "-c", WRITER, str(directory), str(first), str(THREADS)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines()
    process.stdout.close()
    process.wait()
    steps = dict.fromkeys(range(THREADS), first - 1)
    for line in lines:
        writer, step = map(int, line.split())
        assert step == steps[writer] + 1
        steps[writer] = step
    return steps


def rows_after(first: int, last: int) -> dict[int, str | None]:
    """The note of each step that is left of the steps from `first` to `last`."""
    rows: dict[int, str | None] = {}
    for step in range(first, last + 1):
        if step % 4 < 2:
            rows[step] = None
        elif step % 4 == 2:
            rows[step - 1] = f"at {step}"
        else:
            del rows[step - 3]
    return rows


def rows_of(app: Application, writer: int, first: int) -> dict[int, Any]:
    view = app.registry.view("k")
    condition = Condition("writer = $1 AND step >= $2", (writer, first))
    rows = np.flatnonzero(view.passing(view.bind(condition)))
    listed = view.payload_at(rows).to_pylist()
    steps = view.vectors_at(rows)[:, 0].astype(int).tolist()
    assert steps == [row["step"] for row in listed]
    assert view.ids_at(rows).tolist() == [1_000_000 * writer + step for step in steps]
    return {row["step"]: row["note"] for row in listed}


@pytest.mark.parametrize("seed", [0, 1])
def test_kill_while_threads_share_commits(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for first in (0, 400_000):
        steps = run_and_kill(tmp_path, first, 0.3 + 0.5 * rng.random())
        with closing(Application(Config(data_dir=tmp_path))) as app:
            for writer, last in steps.items():
                found = rows_of(app, writer, first)
                # The change that was under way may or may not have got through.
                assert found in (rows_after(first, last), rows_after(first, last + 1))
            assert app.get_index("k").broken is None
