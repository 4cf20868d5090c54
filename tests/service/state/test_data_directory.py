"""Who can read a data directory, what a refusing disk is told by, and what goes."""

import logging
import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.state.database import disk_errors
from gleann.service.state.expiry import DAY, Expiry
from gleann.service.state.permissions import OTHERS
from gleann.service.state.sealing import Sealing
from gleann.service.state.store import Store
from gleann.v1 import coreset_pb2


def modes(directory: Path) -> dict[str, int]:
    """The rights of everything in a directory that others could reach."""
    return {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()
    }


@pytest.fixture
def wide() -> Any:
    """New files are open to all, as far as the process is concerned."""
    before = os.umask(0)
    yield
    os.umask(before)


def fill(path: Path, rows: np.ndarray, quick: BuildParams) -> None:
    with gleann.Client(path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", np.arange(len(rows)), rows)
        client.build("a", quick).wait(timeout=60)


def test_a_new_directory_is_private(
    tmp_path: Path, rows: np.ndarray, quick: BuildParams, wide: Any
) -> None:
    fill(tmp_path / "new", rows, quick)
    assert not (tmp_path / "new").stat().st_mode & OTHERS
    assert {"gleann.sqlite3", "indexes", "lock"} <= modes(tmp_path / "new").keys()
    assert not any(mode & OTHERS for mode in modes(tmp_path / "new").values())


def test_what_lies_in_an_open_directory_is_closed(
    tmp_path: Path, rows: np.ndarray, quick: BuildParams, wide: Any
) -> None:
    (tmp_path / "theirs").touch()
    fill(tmp_path, rows, quick)
    for path in tmp_path.iterdir():
        path.chmod(0o777 if path.is_dir() else 0o666)
    with gleann.Client(tmp_path) as client:
        assert client.get_index("a").count == len(rows)
        assert "gleann.sqlite3-wal" in modes(tmp_path)
        found = {name for name, mode in modes(tmp_path).items() if mode & OTHERS}
    # What is not ours stays as it is.
    assert found == {"theirs"}


def test_what_cannot_be_closed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gleann.Client(tmp_path).close()
    (tmp_path / "gleann.sqlite3").chmod(0o644)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    with caplog.at_level(logging.WARNING):
        gleann.Client(tmp_path).close()
    assert f"others can read {tmp_path / 'gleann.sqlite3'}" in caplog.text


def test_a_disk_that_refuses_is_told_by_its_path(tmp_path: Path) -> None:
    nameless = OSError(28, "No space left on device")
    with (
        pytest.raises(errors.StorageError, match=f"{tmp_path}: No space left"),
        disk_errors(tmp_path),
    ):
        raise nameless


def store_with(path: Path, now: float) -> Store:
    """Operations 1 to 9, ended ever later; two have not ended, two receipts."""
    store = Store(path)
    with store.transaction() as transaction:
        for number in range(1, 10):
            state = {8: "running", 9: "queued"}.get(number, "done")
            transaction.run(
                "INSERT INTO operations (name, kind, index_name, request, state,"
                " created, ended) VALUES (?, 'build', 'a', X'', ?, ?, ?)",
                f"operations/{number}",
                state,
                now - 100 * DAY,
                now - (10 - number) * DAY if state == "done" else None,
            )
        for age in (6, 8):
            transaction.run(
                "INSERT INTO requests (request_id, digest, response, created)"
                " VALUES (?, '', X'', ?)",
                f"days {age}",
                now - age * DAY,
            )
            made = coreset_pb2.Selection(name=f"selections/{8 - age}")
            made.create_time.FromSeconds(int(now - age * DAY))
            transaction.run(
                "INSERT INTO selections (name, description, items) VALUES (?, ?, X'')",
                f"days {age}",
                made.SerializeToString(),
            )
    return store


def names(store: Store, table: str, column: str = "name") -> list[str]:
    return sorted(row[0] for row in store.rows(f"SELECT {column} FROM {table}"))


def test_what_is_old_goes_and_what_has_not_ended_stays(tmp_path: Path) -> None:
    now = time.time()
    store = store_with(tmp_path, now)
    expiry = Expiry(store, keep_days=7, keep_operations=1000)
    assert expiry.sweep(now) == 4
    kept = [f"operations/{number}" for number in (3, 4, 5, 6, 7, 8, 9)]
    assert names(store, "operations") == kept
    assert names(store, "requests", "request_id") == ["days 6"]
    assert names(store, "selections") == ["days 6"]
    assert expiry.sweep(now) == 0
    # The latest are kept, and none is counted that has not ended.
    few = Expiry(store, keep_days=7, keep_operations=2)
    assert few.sweep(now) == 3
    assert names(store, "operations") == [f"operations/{n}" for n in (6, 7, 8, 9)]
    store.close()


def test_it_goes_in_small_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gleann.service.state.expiry.BATCH", 2)
    now = time.time()
    store = store_with(tmp_path, now)
    assert Expiry(store, keep_days=1, keep_operations=1).sweep(now + 30 * DAY) == 11
    assert names(store, "operations") == ["operations/8", "operations/9"]
    store.close()


def test_a_selection_that_is_damaged_stays_and_the_others_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where a whole batch of damaged ones comes first."""
    monkeypatch.setattr("gleann.service.state.expiry.BATCH", 2)
    now = time.time()
    store = store_with(tmp_path, now)
    old = coreset_pb2.Selection(name="selections/1").SerializeToString()
    with store.transaction() as transaction:
        transaction.run("UPDATE selections SET rowid = 20 - rowid")
        for description in (b"\xff", "text", old):
            transaction.run(
                "INSERT INTO selections (rowid, name, description, items)"
                " SELECT count(*), 'damaged ' || count(*), ?, X'' FROM selections",
                description,
            )
    store.close()
    with closing(sqlite3.connect(tmp_path / "gleann.sqlite3")) as connection:
        connection.execute("UPDATE selections SET items = X'01' WHERE rowid = 4")
        connection.commit()
    store = Store(tmp_path)
    expiry = Expiry(store, keep_days=7, keep_operations=1000)
    for _ in range(2):
        expiry.sweep(now)
    kept = ["damaged 2", "damaged 3", "damaged 4", "days 6"]
    assert names(store, "selections") == kept
    assert caplog.text.count("a selection stays") == 3
    store.close()


def test_a_look_that_fails_inside_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gleann.service.state.expiry.FIRST_AFTER", 0.01)
    monkeypatch.setattr("gleann.service.state.expiry.SECONDS_BETWEEN", 0.01)
    looks, again = [], Event()

    def sweep(*_: Any) -> int:
        looks.append(1)
        if len(looks) == 1:
            raise ValueError("a bug")
        again.set()
        return 0

    monkeypatch.setattr(Expiry, "sweep", sweep)
    store = Store(tmp_path)
    expiry = Expiry(store, keep_days=7, keep_operations=1000)
    expiry.open()
    assert again.wait(60)
    expiry.close()
    store.close()
    assert "a bug" in caplog.text


@pytest.mark.parametrize("part", ["Devices", "Versions", "Registry", "Selecting"])
def test_an_opening_that_is_refused_leaves_the_directory_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise errors.EngineUnavailableError("torch sees 0 CUDA devices")

    with monkeypatch.context() as patched:
        patched.setattr(f"gleann.service.application.{part}", refuse)
        # The traceback holds what was begun, as it does where it is logged.
        with pytest.raises(errors.EngineUnavailableError) as refused:
            Application(Config(data_dir=tmp_path))
    Application(Config(data_dir=tmp_path)).close()
    assert refused.value.__traceback__ is not None


def test_a_directory_that_is_open_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: np.ndarray, quick: Any
) -> None:
    monkeypatch.setattr("gleann.service.state.expiry.FIRST_AFTER", 0.01)
    monkeypatch.setattr("gleann.service.state.expiry.SECONDS_BETWEEN", 0.01)
    store_with(tmp_path, time.time() - 365 * DAY).close()
    application = Application(Config(data_dir=tmp_path))
    try:
        end = time.monotonic() + 60
        with closing(sqlite3.connect(tmp_path / "gleann.sqlite3")) as connection:
            while connection.execute("SELECT * FROM requests").fetchall():
                assert time.monotonic() < end
                time.sleep(0.01)
    finally:
        application.close()


def test_an_index_or_a_file_is_no_data_directory(tmp_path: Path) -> None:
    index = tmp_path / "words.gleann"
    gleann.SoarIndex.build(np.eye(3)).save(index)
    before = sorted(index.rglob("*"))
    with pytest.raises(errors.InvalidInputError, match=r"gleann is a saved index"):
        gleann.Client(index)
    assert sorted(index.rglob("*")) == before
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(errors.StorageError, match="/file is a file"):
            gleann.Client(path)


def test_a_version_that_cannot_be_removed_hides_no_error(
    tmp_path: Path,
    rows: np.ndarray,
    quick: BuildParams,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fill(tmp_path, rows, quick)

    def refuse(*_: object, **__: object) -> None:
        raise errors.StorageError("the disk is gone")

    def interrupted(*_: object) -> None:
        raise errors.InvalidInputError("row 3 cannot be stored")

    with closing(Application(Config(data_dir=tmp_path))) as app:
        view = app.registry.view("a")
        monkeypatch.setattr(Sealing, "needed", refuse)
        with pytest.raises(errors.InvalidInputError, match="row 3"):
            app.registry.publish_version(view, interrupted)
        assert "version 2 of index 1 is left: the disk is gone" in caplog.text
