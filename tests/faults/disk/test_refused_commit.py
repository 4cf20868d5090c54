"""A disk that fails as a change is committed: told honestly, and done once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.state import store
from gleann.service.state.store import Store

SHIM = Path(__file__).parents[2] / "support" / "faults" / "refused_sync.c"
PARAMS = BuildParams(metric="l2", nlist=4, tune_queries=0)
ROWS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)

BEGIN = """
import os, signal, sys
import numpy as np
import gleann
from gleann.index import errors

directory, flag = sys.argv[1], os.environ["REFUSE_SYNC"]
client = gleann.Client(directory)
client.create_index("a", dim=8, metric="l2")
open(flag, "w").close()

def said(call):
    try:
        call()
    except errors.GleannError as error:
        return type(error)
    return None

def upsert(number):
    return client.upsert("a", [number], np.ones((1, 8)), request_id=str(number))

"""
UNKNOWN = """
assert said(lambda: upsert(1)) is errors.OutcomeUnknownError
assert client.get_index("a").count == 0
"""
REFUSED = """
assert said(lambda: upsert(1)) is errors.StorageError
assert client.get_index("a").count == 0
"""
AGAIN = """
os.path.exists(flag) and os.unlink(flag)
assert upsert(1) == 1
assert client.get_index("a").sequence == 1
"""
IMPORT = """
begin = lambda: client.import_vectors("a", sys.argv[2], request_id="i")
assert said(begin) is errors.OutcomeUnknownError
assert client.operations.list() == []
"""
KILL = """
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    """Run a script whose syncs are refused while a file is there; it kills itself."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler, to make a library that refuses fdatasync")
    library = tmp_path / "refused_sync.so"
    command = [compiler, "-shared", "-fPIC", "-o", library, SHIM, "-ldl"]
    subprocess.run(command, check=True, capture_output=True)

    def run(*parts: str, mode: str) -> None:
        environment = os.environ | {
            "LD_PRELOAD": str(library),
            "REFUSE_SYNC": str(tmp_path / "flag"),
            "REFUSE_MODE": mode,
        }
        np.save(tmp_path / "v.npy", ROWS)
        script = "".join((BEGIN, *parts, KILL))
        words = [sys.executable, "-c", script, tmp_path / "d", tmp_path / "v.npy"]
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == -9, done.stderr

    return run


def test_a_change_in_doubt_is_told_to_be(
    run: Callable[..., None], tmp_path: Path
) -> None:
    """The disk is gone; after a crash the change is there: a repeat does nothing."""
    run(UNKNOWN, mode="then writes")
    with gleann.Client(tmp_path / "d") as client:
        assert client.get_index("a").sequence == 1
        assert client.upsert("a", [1], np.ones((1, 8)), request_id="1") == 1
        assert client.get_index("a").sequence == 1


def test_a_change_that_was_refused_does_not_come_back(
    run: Callable[..., None], tmp_path: Path
) -> None:
    """The disk failed once: what is in the log is overwritten before it is refused."""
    run(REFUSED, mode="once")
    with gleann.Client(tmp_path / "d") as client:
        assert client.get_index("a").sequence == 0
        assert client.upsert("a", [1], np.ones((1, 8)), request_id="1") == 1


def test_a_repeat_after_the_disk_has_recovered(
    run: Callable[..., None], tmp_path: Path
) -> None:
    run(UNKNOWN, AGAIN, mode="syncs")
    with gleann.Client(tmp_path / "d") as client:
        assert client.get_index("a").sequence == 1
        assert client.get_vectors("a", [1]).tolist() == [[1.0] * 8]


def test_an_import_in_doubt_is_carried_out_once_or_never(
    run: Callable[..., None], tmp_path: Path
) -> None:
    """As it was seen once: refused with "disk I/O error", and there after a restart."""
    run(IMPORT, mode="then writes")
    with gleann.Client(tmp_path / "d") as client:
        (operation,) = client.operations.list()
        assert operation.wait(timeout=60).count == len(ROWS)
        again = client.import_vectors("a", tmp_path / "v.npy", request_id="i")
        assert again.name == operation.name


def test_a_version_in_doubt_stays_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its removal would leave an index whose log was cut and whose version is gone."""
    versions = tmp_path / "indexes" / "1" / "versions"
    real = store.commit

    def doubtful(connection: Any, *, file: Path) -> None:
        row = connection.execute("SELECT version FROM indexes").fetchone()
        if row["version"] == 2:
            connection.execute("ROLLBACK")
            raise errors.OutcomeUnknownError("the disk failed")
        real(connection, file=file)

    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", np.arange(200), ROWS[:200])
        client.build("a", PARAMS).wait(timeout=60)
        client.upsert("a", np.arange(200, 300), ROWS[200:])
        with monkeypatch.context() as patched:
            patched.setattr(store, "commit", doubtful)
            with pytest.raises(errors.OutcomeUnknownError):
                client.build("a", PARAMS).wait(timeout=60)
        assert {path.name for path in versions.iterdir()} == {"1", "2"}
        info = client.get_index("a")
        assert (info.version, info.count, info.pending) == (1, 300, 100)
    # It was not published, so a start removes it; nothing is lost.
    with gleann.Client(tmp_path) as client:
        assert {path.name for path in versions.iterdir()} == {"1"}
        assert client.build("a", PARAMS).wait(timeout=60).version == 2
        assert client.get_index("a").count == 300


def test_a_restored_index_in_doubt_stays_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash may publish the index, which needs them."""
    directory, real = tmp_path / "indexes" / "2", store.commit

    def doubtful(connection: Any, *, file: Path) -> None:
        names = [row["name"] for row in connection.execute("SELECT name FROM indexes")]
        if "again" in names:
            connection.execute("ROLLBACK")
            raise errors.OutcomeUnknownError("the disk failed")
        real(connection, file=file)

    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", np.arange(200), ROWS[:200])
        client.build("a", PARAMS).wait(timeout=60)
        snapshot = client.snapshots.create("a").wait(timeout=60)
        with monkeypatch.context() as patched:
            patched.setattr(store, "commit", doubtful)
            operation = client.snapshots.restore(snapshot.name, "again")
            with pytest.raises(errors.OutcomeUnknownError):
                operation.wait(timeout=60)
        assert (directory / "versions" / "1" / "manifest.json").exists()
        assert [info.name for info in client.list_indexes()] == ["a"]
    # It was not published, so a start removes it.
    with gleann.Client(tmp_path) as client:
        assert not directory.exists()
        restored = client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
        assert restored.count == 200


def test_a_full_disk_is_no_doubt(tmp_path: Path) -> None:
    """The log itself was not written: no more than a refusal."""
    (tmp_path / "d").mkdir()
    kept = Store(tmp_path / "d")
    with kept.transaction() as it:
        (pages,) = it.run("PRAGMA page_count").fetchone()
        it.run(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(errors.StorageError, match="full"), kept.transaction() as it:
        it.run("INSERT INTO selections VALUES ('a', zeroblob(100000), x'')")
    kept.close()
