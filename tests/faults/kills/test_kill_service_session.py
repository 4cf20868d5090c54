"""kill -9 of whoever labels through the service: the same is asked, nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams

LABELLER = """
import json, sys, time
import numpy as np
import gleann
from gleann.selection import ActiveParams

folder, kind, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
client = gleann.Client(folder)
ids = np.arange(300) * 10

def answer(asked):
    both = np.stack([asked % 70 == 0, asked % 110 == 0], axis=1).astype(int)
    return both if kind == "concepts" else both[:, 0]

def told(asked):
    p = (asked * 7 % 101) / 101
    return np.stack([1 - p, p], axis=1)

concepts = ("sevens", "elevens") if kind == "concepts" else ()
model = "given" if kind == "given" else "logistic_regression"
filtered = {"where": "part < $1", "parameters": [4]} if kind == "filtered" else {}
params = ActiveParams(batch=6, neighbours=6, concepts=concepts, model=model)
session = client.active.start(
    "a", ids=ids[:24], labels=answer(ids[:24]), params=params, request_id="start",
    **filtered
).name
while client.sessions.get(session).labelled < 78:
    wanted = client.active.wanted_ids(session)
    if len(wanted):
        client.active.submit_probabilities(session, wanted, told(wanted))
    batch = client.next_batch(session)
    print(json.dumps([batch.summary["batch"], batch.ids.tolist()]), flush=True)
    for asked in np.array_split(batch.ids, 3):
        time.sleep(pause)
        if len(asked):
            client.submit_labels(session, asked, answer(asked))
"""


def command(folder: Path, kind: str, *, pause: float) -> list[str]:
    return [sys.executable, "-c", LABELLER, str(folder), kind, str(pause)]


def told(text: str) -> list[tuple[int, list[int]]]:
    """(number, ids) of each whole line a process has printed."""
    lines = text.splitlines(keepends=True)
    return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]


def make(folder: Path) -> None:
    rows = np.random.default_rng(3).normal(size=(300, 6)).astype(np.float32)
    with gleann.Client(folder) as client:
        client.create_index("a", dim=6, metric="l2")
        client.upsert("a", np.arange(300) * 10, rows)
        params = BuildParams(metric="l2", nlist=8, tune_queries=0)
        client.build("a", params).wait(timeout=60)
        client.indexes.update("a", add_columns={"part": "int64"})
        parts = np.arange(300) % 5
        client.payload.update("a", {"part": parts}, ids=np.arange(300) * 10)


def label(folder: Path, kind: str) -> list[tuple[int, list[int]]]:
    done = subprocess.run(
        command(folder, kind, pause=0), capture_output=True, text=True, check=True
    )
    return told(done.stdout)


@pytest.mark.parametrize("kind", ["concepts", "given", "filtered"])
def test_a_killed_labeller_goes_on_with_the_same_sequence(tmp_path, kind):
    make(tmp_path / "whole")
    expected = dict(label(tmp_path / "whole", kind))
    assert len(expected) == 9
    make(tmp_path / "killed")
    with subprocess.Popen(
        command(tmp_path / "killed", kind, pause=0.3),
        stdout=subprocess.PIPE,
        text=True,
    ) as killed:
        assert killed.stdout is not None
        lines = killed.stdout.readline()
        time.sleep(0.4)
        os.kill(killed.pid, signal.SIGKILL)
        lines += killed.stdout.read()
    assert killed.returncode == -signal.SIGKILL
    for number, ids in told(lines):
        assert ids == expected[number]
    with gleann.Client(tmp_path / "killed") as client:
        (session,) = client.sessions.list()
        assert 24 <= session.labelled < 78
        # Whoever passed the filter at the start is asked for, whatever passes now.
        client.payload.update("a", {"part": 9}, where="true")
    for number, ids in label(tmp_path / "killed", kind):
        # What is left of a batch that was half labelled keeps its order.
        assert ids == [i for i in expected[number] if i in set(ids)]
    with gleann.Client(tmp_path / "killed") as client:
        assert client.sessions.get(session).labelled == 78
