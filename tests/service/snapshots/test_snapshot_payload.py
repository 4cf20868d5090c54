"""Snapshots of payload: patches, columns that were changed, and subsets by a filter."""

from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.service.snapshots import row_files

COLUMNS = {
    "split": "string",
    "year": "int64",
    "score": "float64",
    "good": "bool",
    "seen": "timestamp",
    "tags": "strings",
    "note": "json",
}


def payload_of(ids: np.ndarray) -> dict[str, object]:
    numbers = [int(one) for one in ids]
    return {
        "split": [["train", "test", None][one % 3] for one in numbers],
        "year": [2000 + one % 20 for one in numbers],
        "score": [one / 8 for one in numbers],
        "good": [one % 2 == 0 for one in numbers],
        "seen": [f"2024-01-01T00:00:{one % 60:02}Z" for one in numbers],
        "tags": [[f"t{one % 4}"] * (one % 3) for one in numbers],
        "note": [f'{{"a": {one}}}' for one in numbers],
    }


@pytest.fixture
def filled(
    client: gleann.Client, rows: np.ndarray, quick: BuildParams
) -> gleann.Client:
    """Sealed rows with patches, newer rows, and removed ones."""
    client.create_index("words", dim=8, metric="l2", columns=COLUMNS)
    ids = np.arange(200)
    client.upsert("words", ids, rows[:200], payload=payload_of(ids))
    client.build("words", quick).wait(timeout=60)
    ids = np.arange(190, 240)
    client.upsert("words", ids, rows[190:] + 1, payload=payload_of(ids))
    client.update_payload("words", {"split": ["a", "b"], "year": [1, 2]}, ids=[3, 239])
    client.update_payload("words", {"good": None}, where="year = 2007")
    client.delete_vectors("words", [0, 235])
    return client


def table(client: gleann.Client, name: str) -> list[dict[str, object]]:
    pages = client.scroll(name, columns="*")
    found = []
    for page in pages:
        columns = page.payload.to_pylist()
        found += [
            {"id": one} | row
            for one, row in zip(page.ids.tolist(), columns, strict=True)
        ]
    return found


@pytest.mark.parametrize("payload_bytes", [1 << 26, 300], ids=["one block", "many"])
def test_all_of_it(
    filled: gleann.Client,
    rows: np.ndarray,
    payload_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_files, "PAYLOAD_BYTES", payload_bytes)
    snapshot = filled.snapshots.create("words").wait(timeout=60)
    assert snapshot.columns == filled.get_index("words").columns
    restored = filled.snapshots.restore(snapshot.name, "again").wait(timeout=60)
    assert restored.columns == snapshot.columns
    wanted = table(filled, "words")
    assert len(wanted) == 238
    assert table(filled, "again") == wanted
    for where in (
        "split = 'a'",
        "year = 2007 AND good IS NULL",
        "contains(tags, 't1')",
    ):
        params = SearchParams(k=20, exact=True)
        first, second = (
            filled.search(name, rows[:9], params, where=where)
            for name in ("words", "again")
        )
        assert np.array_equal(first.ids, second.ids)
        assert (first.ids >= 0).any()


def test_columns_that_were_added_and_dropped_since(filled: gleann.Client) -> None:
    filled.indexes.update(
        "words", drop_columns=["score", "note"], add_columns={"more": "int64"}
    )
    filled.update_payload("words", {"more": [7]}, ids=[5])
    snapshot = filled.snapshots.create("words").wait(timeout=60)
    filled.snapshots.restore(snapshot.name, "again").wait(timeout=60)
    assert filled.get_index("again").columns == filled.get_index("words").columns
    assert table(filled, "again") == table(filled, "words")


@pytest.mark.parametrize("is_built", [True, False])
def test_only_what_passes_a_filter(
    client: gleann.Client, rows: np.ndarray, quick: BuildParams, is_built: bool
) -> None:
    client.create_index("words", dim=8, metric="l2", columns=COLUMNS)
    ids = np.arange(240)
    client.upsert("words", ids, rows, payload=payload_of(ids))
    if is_built:
        client.build("words", quick).wait(timeout=60)
    client.update_payload("words", {"year": [3000]}, ids=[1])
    where = "year < $1 AND split = 'train'"
    snapshot = client.snapshots.create("words", where=where, parameters=[2010]).wait()
    wanted = [row for row in table(client, "words") if passes(row)]
    assert (snapshot.count, snapshot.where) == (len(wanted), where)
    assert snapshot.parameters == (2010,)
    assert 0 < len(wanted) < 120
    client.snapshots.verify(snapshot.name).wait(timeout=60)
    restored = client.snapshots.restore(snapshot.name, "some").wait(timeout=60)
    assert (restored.count, restored.pending) == (len(wanted), 0)
    assert table(client, "some") == wanted
    found = client.search("some", rows, SearchParams(k=5, exact=True))
    expected = client.search(
        "words", rows, SearchParams(k=5, exact=True), where=where, parameters=[2010]
    )
    assert np.array_equal(found.ids, expected.ids)


def passes(row: dict[str, object]) -> bool:
    return row["split"] == "train" and int(str(row["year"])) < 2010


def test_a_filter_that_nothing_passes(filled: gleann.Client) -> None:
    snapshot = filled.snapshots.create("words", where="year > 9000").wait(timeout=60)
    assert snapshot.count == 0
    restored = filled.snapshots.restore(snapshot.name, "none").wait(timeout=60)
    assert (restored.count, len(restored.columns)) == (0, len(COLUMNS))


def test_filters_that_do_not_fit(filled: gleann.Client) -> None:
    for where in ("colour = 1", "year =", "year = 'x'", ""):
        with pytest.raises(errors.InvalidFilterError):
            filled.snapshots.create("words", where=where)
    assert filled.snapshots.list() == []


def test_there_and_back_by_a_tar_file(
    tmp_path: Path, rows: np.ndarray, quick: BuildParams
) -> None:
    ids = np.arange(240)
    with gleann.Client(tmp_path / "one") as one:
        one.create_index("words", dim=8, metric="l2", columns=COLUMNS)
        one.upsert("words", ids, rows, payload=payload_of(ids))
        one.build("words", quick).wait(timeout=60)
        one.update_payload("words", {"year": 1}, where="split = 'test'")
        name = one.snapshots.create("words").wait(timeout=60).name
        one.snapshots.export_to(name, tmp_path / "x.tar").wait(timeout=60)
        wanted = table(one, "words")
    with gleann.Client(tmp_path / "two") as two:
        two.snapshots.import_from(tmp_path / "x.tar").wait(timeout=60)
        two.snapshots.restore(name, "words").wait(timeout=60)
    with gleann.Client(tmp_path / "two") as two:
        assert table(two, "words") == wanted
