"""kill -9 at any moment: what was acknowledged is there, whole, after a restart."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import SearchParams

WRITER = """
import sys
import numpy as np
import gleann
from gleann.index import BuildParams

def rows_of(ids):
    return np.stack([np.sin(ids + j) for j in range(8)], axis=1).astype(np.float32)

def report(line):
    print(line + "\\n", end="", flush=True)  # in one write

client = gleann.Client(sys.argv[1])
names = [info.name for info in client.list_indexes()]
if "k" not in names:
    client.create_index("k", dim=8, metric="l2")
start = int(sys.argv[2])
for step in range(10_000):
    ids = start + step * 20 + np.arange(20)
    client.upsert("k", ids, rows_of(ids))
    report(f"upserted {ids[0]}")
    if step % 5 == 4:
        client.delete_vectors("k", ids[:3])
        report(f"deleted {ids[0]}")
    if step % 7 == 3:
        client.build("k", BuildParams(metric="l2", nlist=4, tune_queries=0))
"""


def rows_of(ids: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(ids + j) for j in range(8)], axis=1).astype(np.float32)


def run_and_kill(directory: Path, start: int, seconds: float) -> list[tuple[str, int]]:
    """Write until killed; return what was acknowledged, in order."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), str(start)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]  # the first acknowledgement
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines()
    process.stdout.close()
    process.wait()
    return [(what, int(first)) for what, first in map(str.split, lines)]


@pytest.mark.parametrize("seed", [0, 1])
def test_kill_while_writing_and_building(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    expected: set[int] = set()
    for round_no in range(2):
        start = 1_000_000 * round_no
        acknowledged = run_and_kill(tmp_path, start, 0.15 + 0.4 * rng.random())
        for what, first in acknowledged:
            ids = set(range(first, first + 20))
            expected = expected | ids if what == "upserted" else expected - ids
            if what == "deleted":
                expected |= set(range(first + 3, first + 20))
        unsure = uncertain(acknowledged)
        with gleann.Client(tmp_path) as client:
            for operation in client.operations.list():
                operation.wait(timeout=60)
            names = np.array(sorted(expected - unsure))
            assert np.array_equal(client.get_vectors("k", names), rows_of(names))
            found = client.search("k", rows_of(names), SearchParams(k=2, nprobe=1))
            assert (found.distances >= 0).all()
            expected = (expected - unsure) | present(client, unsure)
            assert client.get_index("k").count == len(expected)
    files = [path.name for path in (tmp_path / "indexes" / "1" / "versions").iterdir()]
    assert len(files) == 1
    assert files[0].isdigit()


def uncertain(acknowledged: list[tuple[str, int]]) -> set[int]:
    """Ids of the change that was under way, which may or may not have got through."""
    what, first = acknowledged[-1]
    following = set(range(first + 20, first + 40))
    return following | (set(range(first, first + 3)) if what == "upserted" else set())


def present(client: gleann.Client, candidates: set[int]) -> set[int]:
    """Which of `candidates` the index holds."""
    there = set()
    for name in candidates:
        try:
            client.get_vectors("k", [name])
        except gleann.index.errors.UnknownIdError:
            continue
        there.add(name)
    return there


def test_kill_during_an_import(tmp_path: Path) -> None:
    """The import begins again and ends whole; nobody ever sees a part of it."""
    rows = rows_of(np.arange(30_000))
    np.save(tmp_path / "v.npy", rows)
    script = """
import sys, os, signal
import gleann
from gleann.service.files import vector_files
from gleann.service.state.registry import Registry
vector_files.BLOCK_BYTES = 50_000
staged = [0]
real = Registry.stage
def stage(self, *arguments, **named):
    real(self, *arguments, **named)
    staged[0] += 1
    if staged[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
Registry.stage = stage
client = gleann.Client(sys.argv[1])
client.create_index("k", dim=8, metric="l2")
client.upsert("k", [0], [[9.0] * 8])  # into an empty index, it would be sealed at once
client.import_vectors("k", sys.argv[2]).wait()
"""
    arguments = [str(tmp_path / "data"), str(tmp_path / "v.npy")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    with gleann.Client(tmp_path / "data") as client:
        (operation,) = client.operations.list()
        assert operation.wait(timeout=60).count == len(rows)
        assert client.get_index("k").count == len(rows)
        some = np.arange(0, len(rows), 97)
        assert np.array_equal(client.get_vectors("k", some), rows[some])


def test_kill_after_an_import_was_published(tmp_path: Path) -> None:
    """It runs again, as nobody knows that it was done; the log stays without a hole."""
    rows = rows_of(np.arange(500))
    np.save(tmp_path / "v.npy", rows)
    script = """
import sys, os, signal
import gleann
from gleann.service.state.registry import Registry
real = Registry.publish_staged
def publish_staged(self, *arguments, **named):
    real(self, *arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
Registry.publish_staged = publish_staged
client = gleann.Client(sys.argv[1])
client.create_index("k", dim=8, metric="l2")
client.upsert("k", [0], [[9.0] * 8])  # into an empty index, it would be sealed at once
client.import_vectors("k", sys.argv[2]).wait()
"""
    arguments = [str(tmp_path / "data"), str(tmp_path / "v.npy")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    for _ in range(2):
        with gleann.Client(tmp_path / "data") as client:
            (operation,) = client.operations.list()
            assert operation.wait(timeout=60).count == len(rows)
            assert client.get_index("k").count == len(rows)
            ids = np.arange(len(rows))
            assert np.array_equal(client.get_vectors("k", ids), rows)


SEALED_IMPORT = """
import sys, os, signal
import gleann
from gleann.service.files.row_source import FileRows
from gleann.service.state.registry import Registry
from gleann.service.state.versions import Versions

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(owner, name):
    real = getattr(owner, name)
    def call(*arguments, **named):
        real(*arguments, **named)
        die()
    setattr(owner, name, call)

moment = sys.argv[3]
if moment == "reading":
    FileRows._require_end = die
elif moment == "written":
    after(Versions, "_write")
elif moment == "published":
    after(Registry, "publish_version")
client = gleann.Client(sys.argv[1])
client.create_index("k", dim=8, metric="l2")
client.import_vectors("k", sys.argv[2]).wait()
"""


@pytest.mark.parametrize("moment", ["reading", "written", "published"])
def test_kill_during_an_import_that_is_sealed(tmp_path: Path, moment: str) -> None:
    """It is there whole after the next start, once, and nothing else is left."""
    rows = rows_of(np.arange(3_000))
    np.save(tmp_path / "v.npy", rows)
    data = tmp_path / "data"
    arguments = [str(data), str(tmp_path / "v.npy"), moment]
    done = subprocess.run(
        [sys.executable, "-c", SEALED_IMPORT, *arguments], check=False
    )
    assert done.returncode == -signal.SIGKILL
    for _ in range(2):
        with gleann.Client(data) as client:
            (operation,) = client.operations.list()
            imported = operation.wait(timeout=60)
            info = client.get_index("k")
            assert (imported.count, info.count, info.version) == (3_000, 3_000, 1)
            assert np.array_equal(client.get_vectors("k", np.arange(3_000)), rows)
            assert len(list((data / "indexes" / "1" / "versions").iterdir())) == 1
            assert not (data / "lost").exists()
