"""kill -9 in the middle of labelling: the session goes on with the same sequence."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex

LABELLER = """
import json, os, sys, time
from pathlib import Path
import numpy as np
from gleann.index import SoarIndex
from gleann.selection import ActiveParams, ActiveSession, IndexNeighbours

folder, pool, pause = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
index = SoarIndex.load(folder / "index", threads=1)
labels = np.load(folder / "labels.npy")
near = IndexNeighbours(index, nprobe=4)
state = folder / "state.json"

def save():
    beside = state.with_suffix(".new")
    beside.write_text(json.dumps(session.state()))
    os.replace(beside, state)

if state.exists():
    known = json.loads(state.read_text())
    session = ActiveSession.resume(known, index.vectors, ids=index.ids, neighbours=near)
else:
    seed = np.load(folder / "seed.npy")
    params = ActiveParams(pool=pool, batch=6, neighbours=5, anchors=4, seed=3)
    session = ActiveSession.start(
        index.vectors, params, ids=index.ids, rows=seed, labels=labels[seed],
        neighbours=near,
    )
while len(session.labelled_rows) < 90:
    batch = session.next_batch()
    save()
    print(json.dumps([batch.summary["batch"], batch.ids.tolist()]), flush=True)
    for id_, row in zip(batch.ids.tolist(), batch.rows.tolist()):
        time.sleep(pause)
        session.submit_labels([id_], [labels[row]])
        save()
"""


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(600, 8)).astype(np.float32)
    labels = (rows[:, 0] + rows[:, 1] > 2.0).astype(np.int64)
    np.save(tmp_path / "labels.npy", labels)
    positives, negatives = np.flatnonzero(labels)[:4], np.flatnonzero(1 - labels)[:8]
    np.save(tmp_path / "seed.npy", np.r_[positives, negatives])
    ids = np.array([f"w{row}" for row in rng.permutation(600)])
    params = BuildParams(nlist=12, tune_queries=0)
    SoarIndex.build(rows, params, ids=ids).save(tmp_path / "index")
    return tmp_path


def command(folder: Path, pool: str, *, pause: float) -> list[str]:
    return [sys.executable, "-c", LABELLER, str(folder), pool, str(pause)]


def told(text: str) -> list[tuple[int, list[str]]]:
    """(number, ids) of each whole line a process has printed."""
    lines = text.splitlines(keepends=True)
    return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]


def label(folder: Path, pool: str) -> tuple[list[tuple[int, list[str]]], str]:
    """Label to the end; what was asked, and the last state."""
    done = subprocess.run(
        command(folder, pool, pause=0), capture_output=True, text=True, check=True
    )
    return told(done.stdout), (folder / "state.json").read_text()


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors"])
def test_a_killed_session_goes_on_with_the_same_sequence(folder, pool):
    asked, end = label(folder, pool)
    expected = dict(asked)
    (folder / "state.json").unlink()
    with subprocess.Popen(
        command(folder, pool, pause=0.1), stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        lines = killed.stdout.readline()
        time.sleep(0.3)
        os.kill(killed.pid, signal.SIGKILL)
        lines += killed.stdout.read()
    assert killed.returncode == -signal.SIGKILL
    for number, ids in told(lines):
        assert ids == expected[number]
    half = json.loads((folder / "state.json").read_text())
    assert 12 <= len(half["ledger"]["rows"]) < 90
    again, same = label(folder, pool)
    for number, ids in again:
        # What is left of a batch that was half labelled keeps its order.
        assert ids == [i for i in expected[number] if i in set(ids)]
    assert json.loads(same) == json.loads(end)
