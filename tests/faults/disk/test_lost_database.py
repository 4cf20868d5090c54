"""A database that is gone, older, cut or foreign: no start deletes sealed rows."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.state.seal import read_seal

QUICK = BuildParams(metric="l2", nlist=4, tune_queries=0)
ROWS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


def fill(directory: Path, *, name: str = "a") -> None:
    with gleann.Client(directory) as client:
        client.create_index(name, dim=8, metric="l2")
        client.upsert(name, np.arange(300), ROWS)
        client.build(name, QUICK).wait(timeout=60)


def build_again(directory: Path) -> None:
    with gleann.Client(directory) as client:
        client.upsert("a", [7], ROWS[:1])
        client.build("a", QUICK).wait(timeout=60)


def database(directory: Path) -> Path:
    return directory / "gleann.sqlite3"


def sealed_files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in (directory / "indexes").rglob("*")
        if path.is_file()
    }


def remove(directory: Path) -> None:
    database(directory).unlink()


def empty(directory: Path) -> None:
    database(directory).write_bytes(b"")


def begin_anew(directory: Path) -> None:
    """As if the first pages of a new database were all that was written."""
    remove(directory)
    connection = sqlite3.connect(database(directory))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def replace_by_another(directory: Path) -> None:
    other = directory.parent / "other"
    with gleann.Client(other) as client:
        client.create_index("b", dim=3)
    shutil.copy(database(other), database(directory))
    (directory / "acknowledged").unlink()


def replace_by_foreign(directory: Path) -> None:
    remove(directory)
    connection = sqlite3.connect(database(directory))
    connection.execute("CREATE TABLE recipes (title TEXT)")
    connection.commit()
    connection.close()


def overwrite(directory: Path) -> None:
    database(directory).write_bytes(b"not a database" * 400)


def cut(directory: Path) -> None:
    whole = database(directory).read_bytes()
    database(directory).write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "harm",
    [
        remove,
        empty,
        begin_anew,
        replace_by_another,
        replace_by_foreign,
        overwrite,
        cut,
    ],
    ids=lambda harm: harm.__name__,
)
def test_a_start_without_the_database_is_refused(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    directory = tmp_path / "data"
    fill(directory)
    kept = shutil.copy(database(directory), tmp_path / "kept")
    acknowledged = (directory / "acknowledged").read_bytes()
    before = sealed_files(directory)
    harm(directory)
    for _ in range(2):
        with pytest.raises(errors.GleannError, match=r"gleann\.sqlite3") as refused:
            gleann.Client(directory)
        assert isinstance(refused.value, errors.CorruptDataError | errors.StorageError)
        assert sealed_files(directory) == before
    for path in directory.glob("gleann.sqlite3*"):
        path.unlink()
    shutil.copy(kept, database(directory))
    (directory / "acknowledged").write_bytes(acknowledged)
    with gleann.Client(directory) as client:
        assert client.get_index("a").count == 300


@pytest.mark.parametrize("counted", [True, False])
def test_an_older_copy_is_refused(tmp_path: Path, counted: bool) -> None:
    """By the count of commits, and without it by the newer sealed version."""
    fill(tmp_path)
    older = shutil.copy(database(tmp_path), tmp_path / "older")
    build_again(tmp_path)
    before = sealed_files(tmp_path)
    shutil.copy(older, database(tmp_path))
    if counted:
        says = r"gleann\.sqlite3 ends with commit \d+, but commit \d+ was acknowledged"
    else:
        (tmp_path / "acknowledged").unlink()
        says = r"'a' at sequence 1, its sealed version .*versions/2 is of sequence 2"
    with pytest.raises(errors.CorruptDataError, match=says):
        gleann.Client(tmp_path)
    assert sealed_files(tmp_path) == before


def test_an_older_copy_from_before_an_index_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    older = shutil.copy(database(tmp_path), tmp_path / "older")
    fill(tmp_path, name="b")
    before = sealed_files(tmp_path)
    shutil.copy(older, database(tmp_path))
    (tmp_path / "acknowledged").unlink()
    says = r"no index of number 2.*versions/1 of 'b', sequence 1"
    with pytest.raises(errors.CorruptDataError, match=says):
        gleann.Client(tmp_path)
    assert sealed_files(tmp_path) == before


def killed_copy(directory: Path, copy: Path) -> Path:
    """What a kill would leave now: the client that has it open is not asked."""
    shutil.copytree(directory, copy)
    return copy


def test_a_log_that_is_gone_is_noticed(tmp_path: Path) -> None:
    """Also where no version was ever sealed: all rows were in it."""
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", np.arange(300), ROWS)
        copy = killed_copy(tmp_path / "data", tmp_path / "copy")
    (copy / "gleann.sqlite3-wal").unlink()
    (copy / "gleann.sqlite3-shm").unlink()
    with pytest.raises(errors.CorruptDataError, match="commit 2 was acknowledged"):
        gleann.Client(copy)
    shutil.copy(tmp_path / "data" / "gleann.sqlite3", copy)
    with gleann.Client(copy) as client:
        assert client.get_index("a").count == 300


@pytest.mark.parametrize("place", [0.3, 0.6, 0.999])
def test_a_damaged_log_is_noticed_and_left_as_it_is(
    tmp_path: Path, place: float
) -> None:
    """SQLite ends it at the damage, and would throw the rest away when it closes."""
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("a", dim=8, metric="l2")
        for start in range(0, 300, 10):
            client.upsert("a", np.arange(start, start + 10), ROWS[start : start + 10])
        copy = killed_copy(tmp_path / "data", tmp_path / "copy")
    log = copy / "gleann.sqlite3-wal"
    content = bytearray(log.read_bytes())
    content[int(place * len(content))] ^= 4
    log.write_bytes(content)
    for _ in range(2):
        with pytest.raises(errors.CorruptDataError, match=r"commit \d+ was"):
            gleann.Client(copy)
        assert log.read_bytes() == content


def test_a_count_that_cannot_be_trusted_does_not_matter(tmp_path: Path) -> None:
    fill(tmp_path)
    file = tmp_path / "acknowledged"
    for content in (b"", b"nonsense", file.read_bytes().replace(b"0", b"7")):
        file.write_bytes(content)
        with gleann.Client(tmp_path) as client:
            assert client.get_index("a").count == 300


def test_a_version_that_was_not_published_is_swept(tmp_path: Path) -> None:
    """Its seal says that the database has all of it; without one it is kept."""
    fill(tmp_path)
    versions = tmp_path / "indexes" / "1" / "versions"
    shutil.copytree(versions / "1", versions / "2")
    with gleann.Client(tmp_path) as client:
        assert client.get_index("a").count == 300
    assert [path.name for path in versions.iterdir()] == ["1"]
    assert not (tmp_path / "lost").exists()
    shutil.copytree(versions / "1", versions / "2")
    (versions / "2" / "manifest.json").write_text("{}")
    with gleann.Client(tmp_path) as client:
        assert client.get_index("a").count == 300
    assert [path.name for path in versions.iterdir()] == ["1"]
    (kept,) = (tmp_path / "lost").iterdir()
    assert kept.name.startswith("indexes-1-versions-2-")
    assert len(list(kept.rglob("*.npy"))) == 11


def test_older_versions_stay_while_the_new_one_cannot_be_read(tmp_path: Path) -> None:
    fill(tmp_path)
    versions = tmp_path / "indexes" / "1" / "versions"
    shutil.copytree(versions / "1", tmp_path / "kept")
    build_again(tmp_path)
    shutil.copytree(tmp_path / "kept", versions / "1")
    next((versions / "2").rglob("vectors.npy")).unlink()
    with gleann.Client(tmp_path) as client:
        assert "vectors.npy" in client.get_index("a").broken
    assert {path.name for path in versions.iterdir()} == {"1", "2"}


def test_an_index_whose_deletion_was_cut_off(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path, name="b")
    shutil.copytree(tmp_path / "indexes" / "1", tmp_path / "kept")
    with gleann.Client(tmp_path) as client:
        client.delete_index("a")
    shutil.copytree(tmp_path / "kept", tmp_path / "indexes" / "1")
    for _ in range(2):
        with gleann.Client(tmp_path) as client:
            assert [info.name for info in client.list_indexes()] == ["b"]
        assert [path.name for path in (tmp_path / "indexes").iterdir()] == ["2"]


def test_a_version_of_another_state_is_not_served(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path, name="b")
    indexes = tmp_path / "indexes"
    shutil.rmtree(indexes / "2" / "versions" / "1")
    shutil.copytree(indexes / "1" / "versions" / "1", indexes / "2" / "versions" / "1")
    with gleann.Client(tmp_path) as client:
        assert client.get_index("a").broken is None
        with pytest.raises(errors.CorruptDataError, match="sealed with number 1"):
            client.search("b", ROWS[:1])


def test_the_seal_says_what_is_needed_to_list_it_again(tmp_path: Path) -> None:
    fill(tmp_path)
    build_again(tmp_path)
    seal = read_seal(tmp_path / "indexes" / "1" / "versions" / "2")
    assert seal is not None
    assert (seal.number, seal.version, seal.sequence) == (1, 2, 2)
    assert (seal.name, seal.dim, seal.metric) == ("a", 8, "l2")
    assert seal.id_type == "int64"


def test_a_database_whose_making_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    """A crash before it has a log leaves a journal, which no reader may roll back."""
    begun, data = tmp_path / "begun.sqlite3", tmp_path / "data"
    with closing(sqlite3.connect(begun, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE one (x)")
        connection.execute("INSERT INTO one VALUES (zeroblob(500000))")
        data.mkdir()
        for suffix in ("", "-journal"):
            copied = data / f"gleann.sqlite3{suffix}"
            shutil.copy(f"{begun}{suffix}", copied)
            assert copied.stat().st_size > 0
    for _ in range(2):
        with gleann.Client(data) as client:
            assert client.list_indexes() == []
    assert not (data / "gleann.sqlite3-journal").exists()
