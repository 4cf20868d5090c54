"""Data directories of earlier schema versions open, migrated, for ever after.

Version 1 is of commit c3bc06f, version 2 of commit bba6a7d, version 3 of 9cddd0d9.
"""

import json
import logging
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from databases import run_sql

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_id_array
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.recovery.examination import examine
from gleann.service.recovery.snapshot import Snapshot
from gleann.service.state import expiry, schema
from gleann.v1 import index_pb2

pytestmark = pytest.mark.golden

HERE = Path(__file__).parent
EXPECTED = {
    version: json.loads((HERE / f"data-v{version}-expected.json").read_text("utf-8"))
    for version in (1, 2, 3)
}


@dataclass(frozen=True)
class Golden:
    """A copy of a data directory, and what it answered when it was made."""

    version: int
    data: Path

    @property
    def expected(self) -> dict:
        return EXPECTED[self.version]


def rows_of(n: int, dim: int, *, seed: int) -> np.ndarray:
    """As the script that made it."""
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


@pytest.fixture(params=(1, 2, 3))
def golden(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Golden:
    monkeypatch.setattr(expiry, "FIRST_AFTER", 3600.0)  # much of it is old by now
    data = shutil.copytree(HERE / f"data-v{request.param}", tmp_path / "data")
    return Golden(request.param, data)


def require_expected(client: gleann.Client, golden: Golden) -> None:
    expected = golden.expected
    listed = client.list_indexes()
    assert [
        [i.name, i.dim, i.metric, i.id_type, i.count, i.pending, i.version]
        for i in listed
    ] == expected["indexes"]
    assert [[i.name, i.sequence] for i in listed] == expected["sequences"]
    assert not any(i.broken for i in listed)
    for name, dim, k in (("angles", 6, 4), ("texts", 5, 4), ("never-built", 3, 2)):
        found = client.search(
            name, rows_of(3, dim, seed=9), SearchParams(k=k, exact=True)
        )
        assert found.ids.tolist() == expected["ids"][name]
        np.testing.assert_allclose(
            found.distances, expected["distances"][name], atol=1e-5
        )
    for name, ids in (("angles", [0, 72, 99]), ("texts", ["later", "wörd 59"])):
        stored = client.get_vectors(name, ids)
        np.testing.assert_array_equal(
            stored, np.asarray(expected["vectors"][name], np.float32)
        )


def require_sessions_and_operations(client: gleann.Client, golden: Golden) -> None:
    expected = golden.expected
    names = expected["names"]
    sessions = [[s.name, s.index, s.version] for s in client.sessions.list()]
    assert sessions == expected["sessions"]
    for kind in ("active", "estimate"):
        batch = client.next_batch(names[kind])
        assert batch.ids.tolist() == expected["batches"][kind]
    operations = [[o.name, o.kind, o.index, o.done] for o in client.operations.list()]
    assert operations == expected["operations"]
    chosen = client.operations.get(names["chosen"]).wait()
    assert chosen.ids.tolist() == expected["chosen"]


def test_it_opens_with_everything_in_it(golden: Golden) -> None:
    for _ in range(2):  # migrated, and then as it is
        with gleann.Client(golden.data) as client:
            require_expected(client, golden)
            require_sessions_and_operations(client, golden)
    assert run_sql(golden.data, "PRAGMA user_version") == [(schema.VERSION,)]
    for number in (1, 2):
        (manifest,) = (golden.data / "indexes" / str(number)).rglob("manifest.json")
        seal = json.loads(manifest.read_text())["seal"]
        assert seal["number"] == number
        assert seal["sequence"] == 1


def test_a_repeated_request_is_still_known(golden: Golden) -> None:
    with gleann.Client(golden.data) as client:
        before = client.get_index("angles").sequence
        rows = rows_of(80, 6, seed=0)
        assert client.upsert("angles", np.arange(80), rows, request_id="first") == 80
        assert client.get_index("angles").sequence == before
        build = BuildParams(metric="cosine", nlist=4, tune_queries=8)
        operation = client.build("angles", build, request_id="build angles")
        assert operation.name == golden.expected["names"]["build"]
        with pytest.raises(errors.AlreadyExistsError):
            client.build("angles", request_id="build angles")


def test_it_goes_on_after_the_migration(golden: Golden) -> None:
    with gleann.Client(golden.data) as client:
        client.upsert("texts", ["new"], rows_of(1, 5, seed=7))
        assert client.build("texts").wait(timeout=60).version == 2
        client.build("angles").wait(timeout=60)
    with gleann.Client(golden.data) as client:
        assert client.get_index("texts").count == 55
        assert client.get_index("angles").count == 97
        # The session still has the version it began with.
        batch = client.next_batch(golden.expected["names"]["active"])
        assert batch.ids.tolist() == golden.expected["batches"]["active"]


def test_a_newer_one_is_refused_with_both_versions(golden: Golden) -> None:
    run_sql(golden.data, f"PRAGMA user_version = {schema.VERSION + 1}")
    before = contents(golden.data)
    says = rf"schema version {schema.VERSION + 1}.* versions 1 to {schema.VERSION}"
    with pytest.raises(errors.CorruptDataError, match=says):
        gleann.Client(golden.data)
    assert contents(golden.data) == before


def contents(data: Path) -> dict[str, bytes]:
    """Every file but those that only say who has the directory open."""
    transient = {"lock", "gleann.sqlite3-shm", "gleann.sqlite3-wal"}
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and path.name not in transient
    }


def test_a_migration_that_fails_leaves_the_old_one_whole(
    golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run_sql(golden.data, "SELECT * FROM indexes")
    for failing in ("CREATE TABLE indexes (x)", "not a statement"):
        with monkeypatch.context() as patched:
            script = f"{schema.MIGRATIONS[golden.version]}{failing};\n"
            patched.setitem(schema.MIGRATIONS, golden.version, script)
            with pytest.raises(errors.StorageError, match=r"gleann\.sqlite3"):
                gleann.Client(golden.data)
        assert run_sql(golden.data, "PRAGMA user_version") == [(golden.version,)]
        assert run_sql(golden.data, "SELECT * FROM indexes") == before
    with gleann.Client(golden.data) as client:
        require_expected(client, golden)


KILLED = """
import os, signal, sys
import gleann
from gleann.service.state import database
from gleann.service.state.damage import checksums
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
def test_a_migration_that_is_killed(golden: Golden, moment: str, after: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(golden.data), moment, str(after)],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    with gleann.Client(golden.data) as client:
        require_expected(client, golden)
        require_sessions_and_operations(client, golden)


@pytest.mark.parametrize("golden", [1], indirect=True)
def test_an_upgrade_needs_no_seal(
    golden: Golden, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the manifest cannot be written, the version is served without a seal."""

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system", "manifest.json.new")

    monkeypatch.setattr("gleann.service.state.loading.write_seal", refuse)
    with caplog.at_level(logging.WARNING), gleann.Client(golden.data) as client:
        require_expected(client, golden)
    assert "could not be sealed: Read-only file system" in caplog.text


@pytest.mark.parametrize("golden", [2, 3], indirect=True)
def test_a_row_that_was_damaged_is_damaged_after_the_migration(golden: Golden) -> None:
    run_sql(golden.data, "UPDATE indexes SET metric = 'l1' WHERE name = 'angles'")
    with gleann.Client(golden.data) as client:
        broken = {info.name: info.broken for info in client.list_indexes()}
    assert "does not match its checksum" in (broken.pop("angles") or "")
    assert set(broken.values()) == {None}


def test_columns_are_added_to_what_is_old(golden: Golden) -> None:
    """Its rows have no values in them, sealed or not, until they are set."""
    with closing(Application(Config(data_dir=golden.data))) as application:
        application.update_index("texts", add_columns=[Column("year", "int64")])
        year = Payload.of({"year": [2024]}, {"year": "int64"})
        ids = hold_id_array(["later"])
        application.update_payload("texts", ids, year)
    with closing(Application(Config(data_dir=golden.data))) as application:
        count = application.get_index("texts").count
        assert application.count("texts", Condition("year = 2024"))[0] == 1
        assert application.count("texts", Condition("year IS NULL"))[0] == count - 1
        operation = application.build(index_pb2.BuildIndexRequest(name="texts"))
        application.jobs.wait(operation.name, seconds=60)
        assert application.get_index("texts").version == 2
        assert application.count("texts", Condition("year = 2024"))[0] == 1


@pytest.mark.parametrize("golden", [3], indirect=True)
def test_payload_and_optimizer_are_kept(golden: Golden) -> None:
    with gleann.Client(golden.data) as client:
        since = client.count("papers", where="year >= 2010")
        assert since == golden.expected["since 2010"]
        optimizer = client.get_index("papers").optimizer
        assert (optimizer.params.enabled, optimizer.params.pending_share) == (
            False,
            0.25,
        )


def test_what_is_old_has_no_owner_and_no_log(golden: Golden) -> None:
    with gleann.Client(golden.data):
        pass
    assert set(run_sql(golden.data, "SELECT owner FROM sessions")) == {("",)}
    operations = run_sql(golden.data, "SELECT owner, log, log_last FROM operations")
    assert set(operations) == {("", "[]", 0)}
    assert run_sql(golden.data, "SELECT * FROM streams") == []


def test_one_of_another_version_is_examined_as_it_is(golden: Golden) -> None:
    before = contents(golden.data)
    with closing(Snapshot(golden.data)) as snapshot:
        examination = examine(snapshot)
    assert examination.refusal is None
    assert not examination.damaged
    assert all(index.is_whole and not index.wrong for index in examination.indexes)
    assert contents(golden.data) == before
