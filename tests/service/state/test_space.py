"""Deleted rows give their space back to the file system, while others write."""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.state import store as store_module
from gleann.service.state.store import Store

QUICK = BuildParams(metric="l2", nlist=4, tune_queries=0)
ROWS = np.random.default_rng(0).normal(size=(8000, 64)).astype(np.float32)


def bytes_in(directory: Path) -> int:
    """Of all files, but for those that are removed meanwhile."""
    found = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                found += (Path(folder) / name).stat().st_size
    return found


def settled(directory: Path, *, below: int) -> int:
    """Bytes in a directory, once they are fewer or after a while."""
    deadline = time.monotonic() + 60
    while (size := bytes_in(directory)) >= below and time.monotonic() < deadline:
        time.sleep(0.02)
    return size


def test_a_build_gives_back_what_it_folded(tmp_path: Path) -> None:
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=64, metric="l2")
        client.upsert("a", np.arange(8000), ROWS)
        assert bytes_in(tmp_path) > ROWS.nbytes
        client.delete_vectors("a", np.arange(100, 8000))
        client.build("a", QUICK).wait(timeout=60)
        assert settled(tmp_path, below=250_000) < 250_000
        assert client.get_index("a").count == 100


def test_a_directory_without_an_index_is_small(tmp_path: Path) -> None:
    with gleann.Client(tmp_path) as client:
        for name in ("a", "b"):
            client.create_index(name, dim=64, metric="l2")
            client.upsert(name, np.arange(8000), ROWS)
        client.build("b", QUICK).wait(timeout=60)
        for name in ("a", "b"):
            client.delete_index(name, request_id=f"delete {name}")
        assert settled(tmp_path, below=150_000) < 150_000


def test_an_import_that_fails_gives_back_what_it_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ROWS.copy()
    rows[7999, 3] = np.nan
    np.save(tmp_path / "v.npy", rows)
    monkeypatch.setattr("gleann.service.files.vector_files.BLOCK_BYTES", 100_000)
    data = tmp_path / "data"
    with gleann.Client(data) as client:
        client.create_index("a", dim=64, metric="l2")
        with pytest.raises(errors.NonFiniteError):
            client.import_vectors("a", tmp_path / "v.npy").wait(timeout=60)
        assert settled(data, below=200_000) < 200_000


def database_bytes(directory: Path) -> int:
    found = 0
    for path in directory.glob("gleann.sqlite3*"):
        with suppress(FileNotFoundError):
            found += path.stat().st_size
    return found


def database_settled(directory: Path, *, below: int) -> int:
    """Bytes of the database and its log, once they are fewer or after a while."""
    deadline = time.monotonic() + 60
    while (size := database_bytes(directory)) >= below and time.monotonic() < deadline:
        time.sleep(0.02)
    return size


def test_an_import_into_an_empty_index_leaves_the_database_small(
    tmp_path: Path,
) -> None:
    """No vector goes through it: the disk holds each once, and its code."""
    np.save(tmp_path / "v.npy", ROWS)
    data = tmp_path / "data"
    with gleann.Client(data) as client:
        client.create_index("a", dim=64, metric="l2")
        client.import_vectors("a", tmp_path / "v.npy").wait(timeout=60)
        assert database_bytes(data) < 200_000
        client.build("a", QUICK).wait(timeout=60)
        assert database_settled(data, below=200_000) < 200_000
        assert settled(data, below=round(1.6 * ROWS.nbytes)) < 1.6 * ROWS.nbytes


def test_a_staged_import_and_a_build_leave_the_database_small(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ROWS)
    data = tmp_path / "data"
    with gleann.Client(data) as client:
        client.create_index("a", dim=64, metric="l2")
        client.upsert("a", [10_000], ROWS[:1])
        client.import_vectors("a", tmp_path / "v.npy").wait(timeout=60)
        assert database_bytes(data) > ROWS.nbytes
        client.build("a", QUICK).wait(timeout=60)
        assert database_settled(data, below=200_000) < 200_000
        client.delete_vectors("a", np.arange(7_000))
        client.upsert("a", np.arange(4_000), ROWS[:4_000])
        client.build("a", QUICK).wait(timeout=60)
        assert database_settled(data, below=200_000) < 200_000


def test_the_database_of_an_older_gleann_shrinks_too(tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "golden" / "data-v1" / "gleann.sqlite3"
    file = tmp_path / "gleann.sqlite3"
    file.write_bytes(golden.read_bytes())
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE filler (content BLOB)")
    connection.execute("INSERT INTO filler VALUES (zeroblob(5000000))")
    connection.execute("DROP TABLE filler")
    connection.commit()
    connection.close()
    assert file.stat().st_size > 5_000_000
    Store(tmp_path).close()
    assert file.stat().st_size < 200_000


@pytest.mark.alone
def test_others_write_while_space_is_given_back(tmp_path: Path) -> None:
    """No step keeps a writer waiting for long."""
    store = Store(tmp_path)
    with store.transaction() as transaction:
        transaction.run("CREATE TABLE filler (content BLOB)")
        transaction.run("INSERT INTO filler VALUES (zeroblob(60000000))")
    with store.transaction() as transaction:
        transaction.run("DROP TABLE filler")
    waits, shrinking = [], Thread(target=store.give_back_space)
    shrinking.start()
    while shrinking.is_alive():
        began = time.monotonic()
        with store.transaction() as transaction:
            transaction.run("INSERT INTO deleted VALUES (NULL, 'x', NULL)")
        waits.append(time.monotonic() - began)
    shrinking.join()
    assert len(waits) > 5
    assert np.median(waits) < 0.2
    store.close()
    assert bytes_in(tmp_path) < 300_000


def test_a_store_that_closes_while_it_shrinks(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.transaction() as transaction:
        transaction.run("CREATE TABLE filler (content BLOB)")
        transaction.run("INSERT INTO filler VALUES (zeroblob(20000000))")
    with store.transaction() as transaction:
        transaction.run("DROP TABLE filler")
    store.give_back_space_soon()
    store.close()
    again = Store(tmp_path)
    assert again.rows("SELECT * FROM indexes") == []
    again.close()


def test_closing_gives_back_what_a_build_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a command that builds and ends; and one large change leaves no log."""
    monkeypatch.setattr(store_module, "CLOSING_SECONDS", 60.0)  # on a busy disk
    store = Store(tmp_path)
    with store.transaction() as transaction:
        transaction.run("CREATE TABLE filler (content BLOB)")
        transaction.run("INSERT INTO filler VALUES (zeroblob(80000000))")
    with store.transaction() as transaction:
        transaction.run("DROP TABLE filler")
    store.give_back_space_soon()
    store.close()
    assert bytes_in(tmp_path) < 300_000
