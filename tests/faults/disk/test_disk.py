"""A disk that refuses: a clear error, and what was there before goes on."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.service.devices.devices import Devices
from gleann.service.state.versions import Versions

PARAMS = BuildParams(metric="l2", nlist=4, tune_queries=0)


def rows_of(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)


FULL_DISK = """
import resource, signal, sys
import numpy as np
import gleann
from gleann.index import BuildParams, SearchParams, errors

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def refused(call):
    try:
        call()
    except errors.StorageError:
        return
    raise AssertionError("it was not refused")

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
params = BuildParams(metric="l2", nlist=4, tune_queries=0)
rows = np.random.default_rng(0).normal(size=(20_000, 8)).astype(np.float32)
with gleann.Client(sys.argv[1]) as client:
    client.create_index("d", dim=8, metric="l2")
    client.upsert("d", np.arange(len(rows)), rows)
    client.build("d", params).wait()

# Opened anew, the log is short: what is small still gets to the disk.
with gleann.Client(sys.argv[1]) as client:
    search = SearchParams(k=5, nprobe=4)
    client.upsert("d", [50_000], rows[:1] + 9)
    before = client.search("d", rows[:50], search)
    limit(300_000)
    refused(client.build("d", params).wait)
    refused(lambda: client.upsert("d", np.arange(len(rows)), rows + 1))
    after = client.search("d", rows[:50], search)
    assert np.array_equal(before.ids, after.ids)
    info = client.get_index("d")
    assert (info.version, info.count, info.pending) == (1, 20_001, 1)
    limit(resource.RLIM_INFINITY)
    client.upsert("d", np.arange(len(rows)), rows + 1)
    assert client.build("d", params).wait().version == 2
"""


def test_a_full_disk(tmp_path: Path) -> None:
    """The kernel refuses writes beyond 300 kB a file, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with gleann.Client(tmp_path) as client:
        assert client.get_index("d").count == 20_001
        assert np.array_equal(client.get_vectors("d", [50_000]), first_row() + 9)


def first_row() -> np.ndarray:
    rows = np.random.default_rng(0).normal(size=(20_000, 8)).astype(np.float32)
    return rows[:1]


@pytest.mark.parametrize("moment", ["save", "rename", "sync"])
def test_no_space_at_each_step_of_sealing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "a file")

    targets = {
        "save": "gleann.index.build.on_disk.files.Draft.publish",
        "rename": "gleann.service.state.versions.Path.rename",
        "sync": "gleann.service.state.versions.sync_dir",
    }
    rows = rows_of(300)
    with gleann.Client(tmp_path) as client:
        client.create_index("d", dim=8, metric="l2")
        client.upsert("d", np.arange(200), rows[:200])
        client.build("d", PARAMS).wait(timeout=60)
        client.upsert("d", np.arange(200, 300), rows[200:])
        with monkeypatch.context() as patched:
            patched.setattr(targets[moment], refuse)
            with pytest.raises(errors.StorageError, match="No space left"):
                client.build("d", PARAMS).wait(timeout=60)
        info = client.get_index("d")
        assert (info.version, info.count, info.pending) == (1, 300, 100)
        found = client.search("d", rows, SearchParams(k=1, exact=True))
        assert found.ids[:, 0].tolist() == list(range(300))
        assert client.build("d", PARAMS).wait(timeout=60).version == 2


def test_a_version_that_was_tampered_with_is_not_served(tmp_path: Path) -> None:
    with gleann.Client(tmp_path) as client:
        client.create_index("d", dim=8, metric="l2")
        client.upsert("d", np.arange(200), rows_of(200))
        client.build("d", PARAMS).wait(timeout=60)
    for path in sorted((tmp_path / "indexes" / "1").rglob("*.npy")):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with gleann.Client(tmp_path) as client:
            with pytest.raises(errors.CorruptDataError, match=path.name):
                client.get_vectors("d", [0])
            assert path.name in client.get_index("d").broken
        path.write_bytes(whole)
    with gleann.Client(tmp_path) as client:
        assert client.get_index("d").count == 200


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StorageError):
        gleann.Client(tmp_path / "file" / "inside")


def test_versions_are_kept_apart(tmp_path: Path) -> None:
    """Only numbered, older, unneeded versions go while a build may be writing."""
    versions = tmp_path / "indexes" / "1" / "versions"
    for name in ("1", "2", "3", "4", ".new-1"):
        (versions / name).mkdir(parents=True)
    kept = Versions(tmp_path, engine="auto", threads=0, devices=Devices("cpu"))
    kept.drop_older(1, than=3, needed={1, 3})
    assert {path.name for path in versions.iterdir()} == {"1", "3", "4", ".new-1"}
