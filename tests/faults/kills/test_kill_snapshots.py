"""kill -9 while a snapshot is made, restored, exported or imported; a full disk."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams
from gleann.service.recovery.examination import examine
from gleann.service.recovery.snapshot import Snapshot

ROWS = np.random.default_rng(0).normal(size=(2_000, 8)).astype(np.float32)
PARAMS = BuildParams(metric="l2", nlist=4, tune_queries=0)

KILLED = """
import os, signal, sys
from pathlib import Path
import gleann
from gleann.service.snapshots import archive, creating, restoring, shelf, transfer
from gleann.service.snapshots import transferring
from gleann.service.state import adoption
from gleann.service.state.log import changes
from gleann.service.state.log.change import Change
from gleann.service.state.versions import Versions
from gleann.service.state.registry import Registry

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name):
    setattr(owner, name, die)

def after(owner, name):
    real = getattr(owner, name)
    def call(*arguments, **named):
        real(*arguments, **named)
        die()
    setattr(owner, name, call)

MOMENTS = {
    "create: before the manifest": lambda: before(creating, "write_manifest"),
    "create: whole, without its name": lambda: after(creating, "write_manifest"),
    "create: there": lambda: after(creating.Creating, "_create"),
    "restore: linked": lambda: after(restoring, "link_version"),
    "restore: written": lambda: after(Versions, "_write"),
    "restore: some logged": lambda: after(changes, "log_packed"),
    "restore: some committed": lambda: before(Change, "applied"),
    "restore: logged": lambda: before(adoption, "_publish"),
    "restore: named": lambda: after(adoption, "_publish"),
    "restore: there": lambda: after(Registry, "adopt"),
    "export: in the midst": lambda: before(transfer.CheckedReader, "require_end"),
    "export: there": lambda: after(transferring, "export_snapshot"),
    "import: in the midst": lambda: after(transfer.Intake, "take"),
    "import: whole, without its name": lambda: after(transfer.Intake, "finish"),
    "import: there": lambda: after(transferring, "import_snapshot"),
}
data, moment, snapshot, file = sys.argv[1:]
client = gleann.Client(data)
MOMENTS[moment]()
if moment.startswith("create"):
    client.snapshots.create("words").wait()
elif moment.startswith("restore"):
    client.snapshots.restore(snapshot, "again").wait()
elif moment.startswith("export"):
    client.snapshots.export_to(snapshot, file).wait()
else:
    client.snapshots.import_from(file).wait()
"""


def fill(data: Path) -> str:
    """Make an index with changes, and a snapshot of it; return its name."""
    with gleann.Client(data) as client:
        client.create_index("words", dim=8, metric="l2", columns={"year": "int64"})
        ids = np.arange(2_000)
        client.upsert("words", ids, ROWS, payload={"year": ids % 50})
        client.build("words", PARAMS).wait(timeout=60)
        client.upsert("words", ids[:20], ROWS[:20] + 1, payload={"year": ids[:20]})
        client.delete_vectors("words", [50])
        return client.snapshots.create("words").wait(timeout=60).name


def kill(data: Path, moment: str, snapshot: str, file: Path) -> None:
    arguments = [str(data), moment, snapshot, str(file)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def require_sound(data: Path) -> None:
    """What an interrupted process leaves is no damage."""
    with closing(Snapshot(data)) as opened:
        found = examine(opened)
    assert found.is_sound
    assert [index.name for index in found.indexes] in (["words"], ["words", "again"])


def ended(client: gleann.Client) -> None:
    for operation in client.operations.list():
        operation.wait(timeout=60)


def require_tidy(data: Path, snapshots: int, indexes: int) -> None:
    """Nothing is there but whole snapshots and the versions of the indexes."""
    names = [path.name for path in (data / "snapshots").iterdir()]
    assert len(names) == snapshots
    assert not any(name.startswith(".") for name in names)
    assert len(list((data / "indexes").iterdir())) == indexes
    assert len(list((data / "indexes").glob("*/versions/*"))) == indexes
    assert not (data / "lost").exists()


@pytest.mark.parametrize(
    "moment",
    [
        "before the manifest",
        "whole, without its name",
        "there",
    ],
)
def test_while_a_snapshot_is_made(tmp_path: Path, moment: str) -> None:
    """It is there after the next start, once, and whole."""
    first = fill(tmp_path)
    kill(tmp_path, f"create: {moment}", first, tmp_path / "none")
    for _ in range(2):
        with gleann.Client(tmp_path) as client:
            ended(client)
            one, two = client.snapshots.list()
            assert (one.name, one.count, two.count) == (first, 1_999, 1_999)
            client.snapshots.verify(two.name).wait(timeout=60)
            require_tidy(tmp_path, 2, 1)


@pytest.mark.parametrize(
    "moment",
    [
        "linked",
        "written",
        "some logged",
        "some committed",
        "logged",
        "named",
        "there",
    ],
)
def test_while_an_index_is_restored(tmp_path: Path, moment: str) -> None:
    """It is there after the next start, once, and the database fits its files."""
    snapshot = fill(tmp_path)
    kill(tmp_path, f"restore: {moment}", snapshot, tmp_path / "none")
    require_sound(tmp_path)
    for _ in range(2):
        with gleann.Client(tmp_path) as client:
            ended(client)
            assert client.get_index("again").count == 1_999
            for where in (None, "year = 7"):
                params = SearchParams(k=5, exact=True)
                old, new = (
                    client.search(name, ROWS[:50], params, where=where)
                    for name in ("words", "again")
                )
                assert np.array_equal(old.ids, new.ids)
            require_tidy(tmp_path, 1, 2)


@pytest.mark.parametrize("name", ["x.tar", "folder"])
@pytest.mark.parametrize("moment", ["in the midst", "there"])
def test_while_it_is_exported(tmp_path: Path, moment: str, name: str) -> None:
    data, file = tmp_path / "data", tmp_path / name
    snapshot = fill(data)
    kill(data, f"export: {moment}", snapshot, file)
    with gleann.Client(data) as client:
        ended(client)
    with gleann.Client(tmp_path / "other") as client:
        client.snapshots.import_from(file).wait(timeout=60)
        client.snapshots.verify(snapshot).wait(timeout=60)


@pytest.mark.parametrize("moment", ["in the midst", "whole, without its name", "there"])
def test_while_it_is_imported(tmp_path: Path, moment: str) -> None:
    data, file = tmp_path / "data", tmp_path / "x.tar"
    snapshot = fill(data)
    other = tmp_path / "other"
    with gleann.Client(data) as client:
        client.snapshots.export_to(snapshot, file).wait(timeout=60)
    kill(other, f"import: {moment}", snapshot, file)
    for _ in range(2):
        with gleann.Client(other) as client:
            ended(client)
            assert [one.name for one in client.snapshots.list()] == [snapshot]
            client.snapshots.verify(snapshot).wait(timeout=60)


FULL_DISK = """
import resource, signal, sys
import numpy as np
import gleann
from gleann.index import errors

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def refused(call):
    try:
        call().wait()
    except errors.StorageError:
        return
    raise AssertionError("it was not refused")

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
data, snapshot, file = sys.argv[1:]
with gleann.Client(data) as client:
    client.create_index("newer", dim=8, metric="l2")
    rows = np.random.default_rng(0).normal(size=(4_000, 8)).astype(np.float32)
    client.upsert("newer", np.arange(4_000), rows)
    np.save(file + ".npy", np.tile(rows, (5, 1)))

with gleann.Client(data) as client:
    client.create_index("empty", dim=8, metric="l2")
    limit(50_000)
    refused(lambda: client.snapshots.create("newer"))
    refused(lambda: client.snapshots.export_to(snapshot, file))
    refused(lambda: client.import_vectors("empty", file + ".npy"))
    limit(resource.RLIM_INFINITY)
    assert client.get_index("empty").count == 0
    assert len(client.snapshots.list()) == 1
    assert client.snapshots.create("newer").wait().count == 4_000
    assert client.import_vectors("empty", file + ".npy").wait().count == 20_000
    client.snapshots.export_to(snapshot, file).wait()
"""


@pytest.mark.parametrize("name", ["x.tar", "folder"])
def test_a_full_disk(tmp_path: Path, name: str) -> None:
    """The kernel refuses writes beyond 50 kB a file; nothing is left of them."""
    data, file = tmp_path / "data", tmp_path / name
    arguments = [str(data), fill(data), str(file)]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    require_tidy_names(data)


def require_tidy_names(data: Path) -> None:
    names = [path.name for path in data.rglob("*")]
    assert not [name for name in names if name.startswith(".")]
