"""Payload of saved indexes: round trips, streams of blocks, disks that refuse."""

import copy
import errno
import filecmp
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.payload import file as payload_file
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.storage import array_file

N = 200
PARAMS = BuildParams(metric="l2", nlist=5, tune_queries=16)
SCHEMA = Schema.of({"kind": "string", "year": "int64", "tags": "strings"})
OLD = 50
"""Rows of the index that is replaced."""


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def payload() -> Payload:
    columns = {
        "kind": [None if row % 7 == 0 else f"k{row % 3}" for row in range(N)],
        "year": list(range(N)),
        "tags": [["a", "b"][: row % 3] for row in range(N)],
    }
    return Payload.of(columns, SCHEMA)


@pytest.fixture(scope="module")
def index(rows: np.ndarray, payload: Payload) -> SoarIndex:
    return SoarIndex.build(rows, PARAMS, payload=payload)


def blocks(payload: Payload, step: int = 33) -> Iterator[Payload]:
    for start in range(0, len(payload), step):
        yield payload.slice(start, start + step)


def files_of(path: Path) -> list[Path]:
    return sorted(path.glob("data-*/*"))


def test_a_round_trip_keeps_payload(
    index: SoarIndex, payload: Payload, tmp_path: Path
) -> None:
    index.save(tmp_path / "a")
    loaded = SoarIndex.load(tmp_path / "a")
    assert loaded.payload == payload
    assert loaded.schema == SCHEMA
    loaded.save(tmp_path / "a")  # onto the file that it is mapped from
    assert SoarIndex.load(tmp_path / "a").payload == payload
    assert loaded.payload == payload
    reference = loaded.with_engine("reference")
    assert reference.payload == payload


def test_an_index_without_payload_has_no_columns(
    rows: np.ndarray, tmp_path: Path
) -> None:
    for given in (None, Payload.nulls(Schema(), N)):
        plain = SoarIndex.build(rows, PARAMS, payload=given)
        assert plain.payload is None
        assert plain.schema == Schema()
        plain.save(tmp_path / "a")
        assert SoarIndex.load(tmp_path / "a").payload is None
        assert not list(tmp_path.glob("a/data-*/payload*"))
        assert plain.payload_of([1, 2]).to_pylist() == [{}, {}]
        assert np.flatnonzero(plain.where("id < 3")).tolist() == [0, 1, 2]


def test_a_stream_of_blocks_leaves_the_same_files(
    index: SoarIndex, rows: np.ndarray, payload: Payload, tmp_path: Path
) -> None:
    index.save(tmp_path / "a")
    SoarIndex.build_on_disk(
        rows, tmp_path / "b", PARAMS, payload=blocks(payload), schema=SCHEMA
    )
    SoarIndex.build_on_disk(rows, tmp_path / "c", PARAMS, payload=payload)
    saved = files_of(tmp_path / "a")
    assert "payload.arrow" in {file.name for file in saved}
    for other in ("b", "c"):
        pairs = zip(saved, files_of(tmp_path / other), strict=True)
        assert all(filecmp.cmp(one, two, shallow=False) for one, two in pairs)


def test_batches_of_any_size_are_one_payload(
    index: SoarIndex,
    payload: Payload,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(payload_file, "BATCH_ROWS", 9)
    index.save(tmp_path / "a")
    loaded = SoarIndex.load(tmp_path / "a")
    assert loaded.payload == payload
    where = "kind = 'k2' AND contains(tags, 'b') OR year BETWEEN 100 AND 103"
    assert loaded.where(where).tolist() == index.where(where).tolist()
    assert 40 < index.where(where).sum() < 80
    shuffled = np.random.default_rng(0).permutation(N)
    assert loaded.payload_of(shuffled) == index.payload_of(shuffled)


@pytest.mark.parametrize(
    ("given", "schema", "kind", "says"),
    [
        (lambda p: [p.slice(0, 150)], SCHEMA, errors.DimensionMismatchError, "150 ent"),
        (lambda p: [p, p], SCHEMA, errors.DimensionMismatchError, "400 entries"),
        (lambda p: [p.select(["year"])], SCHEMA, errors.InvalidInputError, "another s"),
        (lambda p: [p], None, errors.InvalidInputError, "need a schema"),
        (lambda p: failing(), SCHEMA, RuntimeError, "no more"),
    ],
)
def test_payload_that_does_not_fit_leaves_nothing(  # noqa: PLR0917
    rows: np.ndarray,
    payload: Payload,
    tmp_path: Path,
    given: Any,
    schema: Schema | None,
    kind: type[Exception],
    says: str,
) -> None:
    with pytest.raises(kind, match=says):
        SoarIndex.build_on_disk(
            rows, tmp_path / "a", PARAMS, payload=given(payload), schema=schema
        )
    assert not (tmp_path / "a").exists()


def failing() -> Iterator[Payload]:
    raise RuntimeError("no more")
    yield


def test_payload_of_another_number_of_rows_is_refused(
    rows: np.ndarray, payload: Payload
) -> None:
    with pytest.raises(errors.DimensionMismatchError, match="150 entries for 200 rows"):
        SoarIndex.build(rows, PARAMS, payload=payload.slice(0, 150))
    with pytest.raises(errors.InvalidInputError, match=r"'v'.*list<"):
        SoarIndex.build(rows, PARAMS, payload={"v": [[0.5]] * N})


def test_a_disk_that_refuses_at_any_write_keeps_the_old_index(
    index: SoarIndex,
    rows: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "a"
    SoarIndex.build(rows[:OLD], PARAMS).save(path)
    write, left = array_file.HashedFile.write, 0

    def refusing(self: Any, content: bytes) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            with array_file.refusing_disk(path):
                raise OSError(errno.ENOSPC, "the disk refuses")
        return write(self, content)

    refusals = 0
    monkeypatch.setattr(array_file.HashedFile, "write", refusing)
    for fail_at in range(0, 200, 5):
        left = fail_at
        try:
            index.save(path)
        except errors.StorageError as error:
            assert "the disk refuses" in str(error)  # noqa: PT017  each of many writes
            refusals += 1
        else:
            break
        assert len(SoarIndex.load(path)) == OLD
        assert len(list(path.iterdir())) == 2
    assert refusals > 6  # of which more than half are Arrow's
    assert SoarIndex.load(path).payload == index.payload


def test_pickles_have_payload(index: SoarIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "a")
    loaded = SoarIndex.load(tmp_path / "a")
    assert pickle.loads(pickle.dumps(loaded)).payload == index.payload
    with pytest.warns(UserWarning, match="by value"):
        by_value = pickle.dumps(index)
    assert pickle.loads(by_value).payload == index.payload
    assert copy.deepcopy(index) is index


def test_a_filtered_search_of_a_loaded_index(index: SoarIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "a")
    loaded = SoarIndex.load(tmp_path / "a")
    allowed = loaded.where("kind IN $1 AND year < 100", [["k0", "k2"]])
    params = SearchParams(k=8, nprobe=5, allowed=allowed)
    found = loaded.search(index.vectors[:6], params)
    hits = loaded.payload_of(found.ids).to_pylist()
    assert len(hits) == 48
    assert all(hit["kind"] in ("k0", "k2") and hit["year"] < 100 for hit in hits)
    expected = index.search(index.vectors[:6], params)
    assert found.ids.tolist() == expected.ids.tolist()
