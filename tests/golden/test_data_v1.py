"""A data directory that commit c3bc06f wrote opens, migrated, for ever after."""

import json
import logging
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.service.state import schema

pytestmark = pytest.mark.golden

GOLDEN = Path(__file__).parent / "data-v1"
EXPECTED = json.loads((GOLDEN.parent / "data-v1-expected.json").read_text("utf-8"))


def rows_of(n: int, dim: int, *, seed: int) -> np.ndarray:
    """As the script that made it."""
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of it, as if it had been written today: what is old expires."""
    copy = shutil.copytree(GOLDEN, tmp_path / "data")
    run_sql(copy, f"UPDATE requests SET created = {time.time()}")
    run_sql(copy, f"UPDATE operations SET ended = {time.time()}")
    run_sql(copy, f"UPDATE sessions SET updated = {time.time()}")
    return copy


def run_sql(data: Path, statement: str) -> list[tuple]:
    connection = sqlite3.connect(data / "gleann.sqlite3")
    found = connection.execute(statement).fetchall()
    connection.commit()
    connection.close()
    return found


def require_expected(client: gleann.Client) -> None:
    listed = client.list_indexes()
    assert [
        [i.name, i.dim, i.metric, i.id_type, i.count, i.pending, i.version]
        for i in listed
    ] == EXPECTED["indexes"]
    assert [[i.name, i.sequence] for i in listed] == EXPECTED["sequences"]
    assert not any(i.broken for i in listed)
    for name, dim, k in (("angles", 6, 4), ("texts", 5, 4), ("never-built", 3, 2)):
        found = client.search(
            name, rows_of(3, dim, seed=9), SearchParams(k=k, exact=True)
        )
        assert found.ids.tolist() == EXPECTED["ids"][name]
        np.testing.assert_allclose(
            found.distances, EXPECTED["distances"][name], atol=1e-5
        )
    for name, ids in (("angles", [0, 72, 99]), ("texts", ["later", "wörd 59"])):
        stored = client.get_vectors(name, ids)
        np.testing.assert_array_equal(
            stored, np.asarray(EXPECTED["vectors"][name], np.float32)
        )


def require_sessions_and_operations(client: gleann.Client) -> None:
    names = EXPECTED["names"]
    sessions = [[s.name, s.index, s.version] for s in client.sessions.list()]
    assert sessions == EXPECTED["sessions"]
    for kind in ("active", "estimate"):
        batch = client.next_batch(names[kind])
        assert batch.ids.tolist() == EXPECTED["batches"][kind]
    operations = [[o.name, o.kind, o.index, o.done] for o in client.operations.list()]
    assert operations == EXPECTED["operations"]
    chosen = client.operations.get(names["chosen"]).wait()
    assert chosen.ids.tolist() == EXPECTED["chosen"]


def test_it_opens_with_everything_in_it(data: Path) -> None:
    for _ in range(2):  # migrated, and then as it is
        with gleann.Client(data) as client:
            require_expected(client)
            require_sessions_and_operations(client)
    assert run_sql(data, "PRAGMA user_version") == [(schema.VERSION,)]
    for number in (1, 2):
        (manifest,) = (data / "indexes" / str(number)).rglob("manifest.json")
        seal = json.loads(manifest.read_text())["seal"]
        assert seal["number"] == number
        assert seal["sequence"] == 1


def test_a_repeated_request_is_still_known(data: Path) -> None:
    with gleann.Client(data) as client:
        before = client.get_index("angles").sequence
        rows = rows_of(80, 6, seed=0)
        assert client.upsert("angles", np.arange(80), rows, request_id="first") == 80
        assert client.get_index("angles").sequence == before
        build = BuildParams(metric="cosine", nlist=4, tune_queries=8)
        operation = client.build("angles", build, request_id="build angles")
        assert operation.name == EXPECTED["names"]["build"]
        with pytest.raises(errors.AlreadyExistsError):
            client.build("angles", request_id="build angles")


def test_it_goes_on_after_the_migration(data: Path) -> None:
    with gleann.Client(data) as client:
        client.upsert("texts", ["new"], rows_of(1, 5, seed=7))
        assert client.build("texts").wait(timeout=60).version == 2
        client.build("angles").wait(timeout=60)
    with gleann.Client(data) as client:
        assert client.get_index("texts").count == 55
        assert client.get_index("angles").count == 97
        # The session still has the version it began with.
        batch = client.next_batch(EXPECTED["names"]["active"])
        assert batch.ids.tolist() == EXPECTED["batches"]["active"]


def test_a_newer_one_is_refused_with_both_versions(data: Path) -> None:
    run_sql(data, f"PRAGMA user_version = {schema.VERSION + 1}")
    before = contents(data)
    says = rf"schema version {schema.VERSION + 1}.* versions 1 to {schema.VERSION}"
    with pytest.raises(errors.CorruptDataError, match=says):
        gleann.Client(data)
    assert contents(data) == before


def contents(data: Path) -> dict[str, bytes]:
    """Every file but those that only say who has the directory open."""
    transient = {"lock", "gleann.sqlite3-shm", "gleann.sqlite3-wal"}
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and path.name not in transient
    }


def test_a_migration_that_fails_leaves_the_old_one_whole(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run_sql(data, "SELECT * FROM indexes")
    for failing in ("CREATE TABLE indexes (x)", "not a statement"):
        with monkeypatch.context() as patched:
            script = f"{schema.MIGRATIONS[1]}{failing};\n"
            patched.setitem(schema.MIGRATIONS, 1, script)
            with pytest.raises(errors.StorageError, match=r"gleann\.sqlite3"):
                gleann.Client(data)
        assert run_sql(data, "PRAGMA user_version") == [(1,)]
        assert run_sql(data, "SELECT * FROM indexes") == before
    with gleann.Client(data) as client:
        require_expected(client)


KILLED = """
import os, signal, sys
import gleann
from gleann.service.state import checksums, database
name, left = sys.argv[2], int(sys.argv[3])
real = getattr(database, name)
def killing(*values):
    result = real(*values)
    os.kill(os.getpid(), signal.SIGKILL)
    return result
def counting(*values, real=checksums.row_checksum):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*values)
if left:
    checksums.row_checksum = counting
else:
    setattr(database, name, killing)
gleann.Client(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("moment", "after"),
    [
        ("seal_unchecked", 1),  # in the middle of its transaction
        ("seal_unchecked", 9),
        ("seal_unchecked", 0),  # before it is committed
        ("migrate", 0),  # after it is committed
        ("give_back_space", 0),
    ],
)
def test_a_migration_that_is_killed(data: Path, moment: str, after: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(data), moment, str(after)], check=False
    )
    assert done.returncode == -signal.SIGKILL
    with gleann.Client(data) as client:
        require_expected(client)
        require_sessions_and_operations(client)


def test_an_upgrade_needs_no_seal(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the manifest cannot be written, the version is served without a seal."""

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system", "manifest.json.new")

    monkeypatch.setattr("gleann.service.state.loading.write_seal", refuse)
    with caplog.at_level(logging.WARNING), gleann.Client(data) as client:
        require_expected(client)
    assert "could not be sealed: Read-only file system" in caplog.text
