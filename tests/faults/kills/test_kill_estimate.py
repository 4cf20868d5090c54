"""kill -9 in the middle of an estimate: the session goes on to the same answer."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

LABELLER = """
import json, os, sys, time
from dataclasses import asdict
from pathlib import Path
import numpy as np
from gleann.selection import (
    ChoosingSession, EstimateParams, EstimateSession, TastiSession
)

folder, kind, pause = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
held, values = np.load(folder / "held.npy"), np.load(folder / "values.npy")
ids = np.load(folder / "ids.npy")
row_of = {id_: row for row, id_ in enumerate(ids.tolist())}
good = np.load(folder / "proxy.npy")
made = {
    "one": (EstimateSession, good),
    "choosing": (ChoosingSession, {"poor": good[::-1], "good": good}),
    "tasti": (TastiSession, np.load(folder / "vectors.npy")),
}
session_type, proxy = made[kind]
state = folder / "state.json"

def save():
    beside = state.with_suffix(".new")
    beside.write_text(json.dumps(session.state()))
    os.replace(beside, state)

if state.exists():
    session = session_type.resume(json.loads(state.read_text()), proxy, ids=ids)
else:
    params = EstimateParams(target="avg", budget=120, rounds=3, seed=3)
    session = session_type.start(proxy, params, ids=ids)
while len(batch := session.next_batch()):
    save()
    for id_ in batch.ids.tolist():
        time.sleep(pause)
        session.submit([id_], [held[row_of[id_]]], [values[row_of[id_]]])
        save()
        print(json.dumps(id_), flush=True)
(folder / "estimate.json").write_text(json.dumps(asdict(session.estimate())))
"""


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(5)
    proxy = rng.beta(0.2, 1.0, size=1500)
    np.save(tmp_path / "proxy.npy", proxy)
    vectors = np.column_stack([proxy, rng.random((1500, 2)) / 10])
    np.save(tmp_path / "vectors.npy", vectors.astype(np.float32))
    np.save(tmp_path / "held.npy", rng.random(1500) < proxy)
    np.save(tmp_path / "values.npy", rng.normal(10, 3, size=1500))
    np.save(tmp_path / "ids.npy", np.array([f"w{n}" for n in rng.permutation(1500)]))
    return tmp_path


def command(folder: Path, kind: str, *, pause: float) -> list[str]:
    return [sys.executable, "-c", LABELLER, str(folder), kind, str(pause)]


def told(text: str) -> list[str]:
    """The ids of each whole line a process has printed."""
    lines = text.splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def finish(folder: Path, kind: str) -> tuple[list[str], dict]:
    """Label to the end; what was labelled, and the estimate."""
    done = subprocess.run(
        command(folder, kind, pause=0), capture_output=True, text=True, check=True
    )
    return told(done.stdout), json.loads((folder / "estimate.json").read_text())


@pytest.mark.parametrize("kind", ["one", "choosing", "tasti"])
def test_a_killed_estimate_goes_on_to_the_same_answer(folder, kind):
    expected, whole = finish(folder, kind)
    assert len(expected) == len(set(expected)) == 120
    (folder / "state.json").unlink()
    (folder / "estimate.json").unlink()
    with subprocess.Popen(
        command(folder, kind, pause=0.1), stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        lines = killed.stdout.readline()
        time.sleep(0.4)
        os.kill(killed.pid, signal.SIGKILL)
        lines += killed.stdout.read()
    assert killed.returncode == -signal.SIGKILL
    before = told(lines)
    assert 1 <= len(before) < 120
    assert before == expected[: len(before)]
    after, estimate = finish(folder, kind)
    # A label may have been saved, but not yet told of, when the process was killed.
    assert len(before) + len(after) in (119, 120)
    assert after == expected[len(expected) - len(after) :]
    assert estimate == whole
