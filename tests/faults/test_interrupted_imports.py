"""Changes acknowledged while an import runs stand, however its process ends."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gleann
from gleann.index import errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.jobs import sealed_import
from gleann.service.jobs.sealed_import import SealedImport
from gleann.service.state.registry import Registry

N, DIM = 300, 8

SCRIPT = """
import os, signal, sys, threading
import numpy as np
import gleann
from gleann.index import Progress
from gleann.service.files import vector_files
from gleann.service.jobs import sealed_import
from gleann.service.jobs.schedule import Schedule
from gleann.service.jobs.sealed_import import SealedImport
from gleann.service.state.registry import Registry

directory, file, path, end = sys.argv[1:]
running, go = threading.Event(), threading.Event()
vector_files.BLOCK_BYTES = 2000

def hold():
    running.set()
    assert go.wait(60)

real_write, real_stage, real_stop = SealedImport.write, Registry.stage, Schedule.stop

def write(self, *arguments):
    hold()
    self.report(Progress(phase="held", done=0, total=1))  # raises while closing
    real_write(self, *arguments)

def stage(self, *arguments, **named):
    real_stage(self, *arguments, **named)
    hold()

def stop(self):
    real_stop(self)
    go.set()  # now that the work is to stop

SealedImport.write, Registry.stage, Schedule.stop = write, stage, stop
if path == "sealed":
    sealed_import.SEALED_BYTES = sealed_import.SEALED_SHARE = 0

client = gleann.Client(directory)
client.create_index("n", dim=8, metric="l2", columns={"v": "int64", "x": "string"},
    optimizer=gleann.OptimizerParams(enabled=False))
old = np.arange(20)
client.upsert("n", old, np.zeros((20, 8)), {"v": [0] * 20, "x": ["old"] * 20})
operation = client.import_vectors("n", file, id_column="id")
assert running.wait(60)
client.upsert("n", [3, 250, 1000], np.full((3, 8), 9.0), {"v": [1] * 3, "x": ["a"] * 3})
client.update_payload("n", {"v": [5, 6]}, ids=[4, 5])
client.delete_vectors("n", [5, 6])
client.delete_payload("n", ["v"], ids=[7])
if end == "closed":
    client.close()
    sys.exit()
if end == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
go.set()
operation.wait(timeout=60)
client.close()
"""


def rows() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)


def run(tmp_path: Path, path: str, end: str) -> Path:
    """Import with changes meanwhile, and end the process; the data directory."""
    directory, file = tmp_path / f"{path}-{end}", tmp_path / "v.parquet"
    columns = {"v": np.arange(N) + 100, "x": [f"row {i}" for i in range(N)]}
    table = pa.table({"id": np.arange(N), "vector": list(rows()), **columns})
    pq.write_table(table, file)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(directory), str(file), path, end],
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if end == "killed" else 0)
    return directory


def state_of(directory: Path) -> dict[int, tuple[list[float], Any, Any]]:
    """Vector and payload by id, when the import has ended."""
    with gleann.Client(directory) as client:
        (operation,) = client.operations.list()
        assert operation.wait(timeout=60).count == N
    with gleann.Client(directory) as client:  # from disk
        found = {}
        for page in client.scroll("n", columns=["v", "x"]):
            vectors = client.get_vectors("n", page.ids)
            values = page.payload.to_pylist()
            for name, vector, value in zip(page.ids, vectors, values, strict=True):
                found[int(name)] = vector.tolist(), value["v"], value["x"]
    return found


def expected() -> dict[int, tuple[list[float], Any, Any]]:
    """The rows of the file, and then the changes."""
    wanted: dict[int, tuple[list[float], Any, Any]] = {
        i: (row, 100 + i, f"row {i}") for i, row in enumerate(rows().tolist())
    }
    wanted |= {i: ([9.0] * DIM, 1, "a") for i in (3, 250, 1000)}
    wanted[4] = wanted[4][0], 5, "row 4"
    wanted[7] = wanted[7][0], None, "row 7"
    del wanted[5], wanted[6]
    return wanted


@pytest.fixture(params=["sealed", "staged"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the file becomes a sealed version, or is staged in the log."""
    if request.param == "sealed":
        monkeypatch.setattr(sealed_import, "SEALED_BYTES", 0)
        monkeypatch.setattr(sealed_import, "SEALED_SHARE", 0)
    return str(request.param)


@pytest.mark.parametrize("end", ["finished", "closed", "killed"])
def test_changes_during_an_import_stand(tmp_path: Path, path: str, end: str) -> None:
    """Upserts, deletions and payload, of rows of the file and of others."""
    assert state_of(run(tmp_path, path, end)) == expected()


def test_columns_dropped_during_an_import(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column that was dropped and added again has no values of the file."""
    del path
    np.save(tmp_path / "v.npy", rows())
    (tmp_path / "p.csv").write_text("v\n" + "7\n" * N)
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("n", dim=DIM, metric="l2", columns={"v": "int64"})
        client.upsert("n", [0, 1000], rows()[:2], {"v": [1, 2]})

        def change() -> None:
            monkeypatch.undo()
            client.indexes.update("n", drop_columns=["v"])
            client.indexes.update("n", add_columns={"v": "int64"})
            client.update_payload("n", {"v": [3]}, ids=[0])

        change_before(monkeypatch, change)
        client.import_vectors(
            "n", tmp_path / "v.npy", payload_path=tmp_path / "p.csv"
        ).wait(timeout=60)
        assert client.get_payload("n", [0, 1, 1000])["v"].to_pylist() == [3, None, None]


def change_before(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Call `change` when the rows are written, before they are published."""
    for owner, name in ((SealedImport, "write"), (Registry, "stage")):
        real = getattr(owner, name)

        def changed(*arguments: Any, real: Any = real, **named: Any) -> None:
            real(*arguments, **named)
            change()

        monkeypatch.setattr(owner, name, changed)


def test_a_version_built_since_refuses_the_rerun(tmp_path: Path) -> None:
    """It has no trace of which changes are newer: none of them is overwritten."""
    directory = run(tmp_path, "staged", "closed")
    quick = gleann.BuildParams(metric="l2", nlist=4, tune_queries=0)
    with gleann.Client(directory) as client:
        (operation,) = client.operations.list()
        operation.wait(timeout=60)
        client.build("n", quick).wait(timeout=60)
    application = Application(Config(data_dir=directory))
    try:
        with pytest.raises(errors.NotReadyError, match="import the file again"):
            application.registry.started_import("n", operation.name)
        assert application.registry.started_import("n", "operations/none") is None
    finally:
        application.close()
