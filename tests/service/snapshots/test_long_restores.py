"""Restores of many newer rows: others write meanwhile; failures leave nothing."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import SearchParams, errors
from gleann.service.snapshots import restoring, row_files
from gleann.service.snapshots.row_files import RowBlock
from gleann.service.state import adoption

BLOCKS = 5


@pytest.fixture
def snapshot(
    tmp_path: Path, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[gleann.Client, str]]:
    """A snapshot of newer rows in 5 blocks, and another index."""
    monkeypatch.setattr(row_files, "BLOCK_BYTES", rows[:240].nbytes // BLOCKS)
    with gleann.Client(tmp_path) as client:
        client.create_index("words", dim=8, metric="l2", columns={"year": "int64"})
        client.create_index("other", dim=8, metric="l2")
        client.upsert("words", np.arange(240), rows, payload={"year": np.arange(240)})
        yield client, client.snapshots.create("words").wait(timeout=60).name


def after_each_block(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[int], None]
) -> None:
    """Call a function before each block of newer rows is restored."""
    real = restoring.read_rows

    def read(*arguments: Any, **named: Any) -> Iterator[RowBlock]:
        for number, block in enumerate(real(*arguments, **named)):
            call(number)
            yield block

    monkeypatch.setattr(restoring, "read_rows", read)


def test_others_write_between_the_parts(
    snapshot: tuple[gleann.Client, str],
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, name = snapshot
    written: list[bool] = []

    def write(number: int) -> None:
        writer = threading.Thread(
            target=lambda: client.upsert("other", [number], rows[:1]), daemon=True
        )
        writer.start()
        writer.join(60)
        written.append(not writer.is_alive())
        with pytest.raises(errors.UnknownIndexError):  # nobody sees a part
            client.get_index("again")

    after_each_block(monkeypatch, write)
    restored = client.snapshots.restore(name, "again").wait(timeout=60)
    assert written == [True] * BLOCKS
    assert (restored.count, client.get_index("other").count) == (240, BLOCKS)
    found = client.search("again", rows, SearchParams(k=1, exact=True))
    assert found.ids[:, 0].tolist() == list(range(240))


def test_a_part_is_small(
    snapshot: tuple[gleann.Client, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of a snapshot whose blocks are larger are cut."""
    client, name = snapshot
    monkeypatch.setattr(adoption, "MOST_PART_BYTES", 10 * 8 * 4)
    client.snapshots.restore(name, "again").wait(timeout=60)
    (found,) = client.scroll("again", columns=["year"])
    assert found.ids.tolist() == found.payload["year"].to_pylist() == list(range(240))
    lengths = sizes_of_vectors(tmp_path)
    assert len(lengths) > 24
    assert max(lengths) <= 10 * 8 * 4


def sizes_of_vectors(data: Path) -> list[int]:
    """Bytes of vectors in each row of the log of the last index."""
    with sqlite3.connect(data / "gleann.sqlite3") as connection:
        found = connection.execute(
            "SELECT length(vectors) FROM changes WHERE index_number ="
            " (SELECT max(number) FROM indexes)"
        )
        return [size for (size,) in found]


@pytest.mark.parametrize("how", ["cancelled", "damaged"])
def test_what_fails_leaves_nothing(
    snapshot: tuple[gleann.Client, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    client, name = snapshot
    before = left(tmp_path)
    operations: list[Any] = []
    started = threading.Event()

    def fail(number: int) -> None:
        if number == 3:
            assert left(tmp_path) != before
            started.wait(60)
            if how == "damaged":
                raise errors.CorruptDataError("block 3 is damaged")
            operations[0].cancel()

    after_each_block(monkeypatch, fail)
    operations.append(client.snapshots.restore(name, "again"))
    started.set()
    with pytest.raises((errors.CancelledError, errors.CorruptDataError)):
        operations[0].wait(timeout=60)
    assert left(tmp_path) == before
    assert [info.name for info in client.list_indexes()] == ["other", "words"]
    monkeypatch.undo()
    assert client.snapshots.restore(name, "again").wait(timeout=60).count == 240


def left(data: Path) -> list[tuple[object, ...]]:
    """The indexes in the database, and the number of their changes."""
    with sqlite3.connect(data / "gleann.sqlite3") as connection:
        return connection.execute(
            "SELECT indexes.number, indexes.name, count(*) FROM indexes LEFT JOIN"
            " changes ON index_number = indexes.number GROUP BY indexes.number"
        ).fetchall()


def test_the_first_error_is_the_one_that_is_told(
    snapshot: tuple[gleann.Client, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A removal that fails too is made up for by the next start."""
    client, name = snapshot

    def fail(number: int) -> None:
        if number == 2:
            raise errors.CorruptDataError("block 2 is damaged")

    def refuse(*_: object) -> bool:
        raise errors.StorageError("the disk is gone")

    after_each_block(monkeypatch, fail)
    monkeypatch.setattr(adoption.changes, "drop_one", refuse)
    with pytest.raises(errors.CorruptDataError, match="block 2"):
        client.snapshots.restore(name, "again").wait(timeout=60)
    assert len(left(tmp_path)) == 3
    assert [info.name for info in client.list_indexes()] == ["other", "words"]
    client.close()
    with gleann.Client(tmp_path) as again:
        assert len(left(tmp_path)) == 2
        assert [info.name for info in again.list_indexes()] == ["other", "words"]
