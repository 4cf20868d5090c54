"""Payload files: types that are found or given, nulls, rows that must match."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.index.data import csv_payload, jsonl_payload, payload_files
from gleann.index.data.payload_files import PayloadFile
from gleann.index.errors import (
    DimensionMismatchError,
    GleannError,
    InvalidInputError,
    MissingFileError,
)
from gleann.index.payload.schema import Column, Schema

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


def rows_of(file: PayloadFile, schema: Schema, n: int) -> list[dict[str, Any]]:
    return [row for block in file.blocks(schema, n=n) for row in block.to_pylist()]


def kinds(schema: Schema) -> dict[str, str]:
    return {column.name: column.type for column in schema.columns}


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text(
        "split,year,score,ok,when,zip,big,empty,note\n"
        "train,2020,1.5,true,2024-01-01T00:00:00Z,007,12345678901234567890,,\n"
        '"",,2,FALSE,2024-01-01 01:00:00+01:00,123,1,,"two\nlines, ""quoted"""\n'
    )
    return path


def test_the_types_of_csv_are_the_narrowest_that_keep_every_character(
    csv: Path,
) -> None:
    schema = PayloadFile.open(csv).possible()
    assert kinds(schema) == {
        "split": "string",
        "year": "int64",
        "score": "float64",
        "ok": "bool",
        "when": "timestamp",
        "zip": "string",
        "big": "string",
        "empty": "string",
        "note": "string",
    }
    first, second = rows_of(PayloadFile.open(csv), schema, 2)
    assert first == {
        "split": "train",
        "year": 2020,
        "score": 1.5,
        "ok": True,
        "when": MOMENT,
        "zip": "007",
        "big": "12345678901234567890",
        "empty": None,
        "note": None,
    }
    assert second["split"] == ""
    assert second["year"] is None
    assert second["score"] == 2.0
    assert second["ok"] is False
    assert second["when"] == MOMENT
    assert second["note"] == 'two\nlines, "quoted"'


def test_a_type_that_shows_late_in_a_csv_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_payload, "BLOCK_BYTES", 64)
    lines = [str(row) for row in range(100)]
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f"{x},{x}\n" for x in lines))
    whole = PayloadFile.open(tmp_path / "a.csv")
    assert kinds(whole.possible()) == {"a": "int64", "b": "int64"}
    assert [row["a"] for row in rows_of(whole, whole.possible(), 100)] == [*range(100)]
    with (tmp_path / "a.csv").open("a") as file:
        file.write("0.5,x\n")
    mixed = PayloadFile.open(tmp_path / "a.csv")
    assert kinds(mixed.possible()) == {"a": "float64", "b": "string"}


def test_types_that_are_given_are_held_to(csv: Path) -> None:
    file = PayloadFile.open(csv)
    year = Schema.of({"year": "float64", "absent": "bool"})
    assert rows_of(file, year, 2) == [
        {"year": 2020.0, "absent": None},
        {"year": None, "absent": None},
    ]
    for name, kind, row in [("split", "int64", 0), ("score", "int64", 0)]:
        with pytest.raises(InvalidInputError, match=rf"{name}.*row {row}"):
            rows_of(file, Schema.of({name: kind}), 2)


def test_csv_cells_hold_json_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('tags,meta\n"[""a"",""b""]","{""x"": 1}"\n,\n')
    schema = Schema.of({"tags": "strings", "meta": "json"})
    assert rows_of(PayloadFile.open(path), schema, 2) == [
        {"tags": ["a", "b"], "meta": '{"x": 1}'},
        {"tags": None, "meta": None},
    ]
    path.write_text("tags,meta\n[1],{\n")
    for name in ("tags", "meta"):
        with pytest.raises(InvalidInputError, match=rf"{name}.*row 0"):
            rows_of(PayloadFile.open(path), schema.select([name]), 1)


def test_jsonl_has_types_and_absent_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl_payload, "BLOCK_ROWS", 1)
    lines = [
        {"s": "a", "n": 1, "tags": ["x"], "o": {"a": [1]}, "w": "2024-01-01T00:00:00Z"},
        {"n": 1.5, "s": None, "b": True},
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n\n"
    (tmp_path / "a.jsonl").write_text(text)
    file = PayloadFile.open(tmp_path / "a.jsonl")
    assert kinds(file.possible()) == {
        "s": "string",
        "n": "float64",
        "tags": "strings",
        "o": "json",
        "w": "timestamp",
        "b": "bool",
    }
    first, second = rows_of(file, file.possible(), 2)
    assert first == {
        "s": "a",
        "n": 1.0,
        "tags": ["x"],
        "o": '{"a":[1]}',
        "w": MOMENT,
        "b": None,
    }
    assert second == dict.fromkeys(first) | {"n": 1.5, "b": True}


def test_parquet_has_types_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "vector": [[1.0, 2.0]] * 3,
            "split": pa.array(["a", None, "b"]).dictionary_encode(),
            "year": pa.array([1, 2, 3], pa.int16()),
            "day": pa.array([0, None, 1], pa.date32()),
        }
    )
    pq.write_table(table, path)
    file = PayloadFile.open(path)
    assert kinds(file.possible(leave_out=["year"])) == {
        "split": "string",
        "day": "timestamp",
    }
    schema = file.schema(["year", "split"])
    assert rows_of(file, schema, 3) == [
        {"year": 1, "split": "a"},
        {"year": 2, "split": None},
        {"year": 3, "split": "b"},
    ]
    with pytest.raises(InvalidInputError, match=r"vector.*list"):
        file.schema(["vector"])
    with pytest.raises(InvalidInputError, match="no column 'x', only vector, split"):
        file.schema(["x"])


def test_the_row_in_a_message_is_that_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload_files, "BLOCK_ROWS", 10)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"f": [0.5] * 25 + [float("nan")]}), path)
    with pytest.raises(InvalidInputError, match=r"'f'.*row 25"):
        rows_of(PayloadFile.open(path), Schema([Column("f", "float64")]), 26)


@pytest.mark.parametrize("n", [1, 3])
def test_rows_must_be_as_many_as_vectors(csv: Path, n: int) -> None:
    file = PayloadFile.open(csv)
    with pytest.raises(DimensionMismatchError, match=f"rows of payload for {n} vec"):
        rows_of(file, file.possible(), n)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "Empty"),
        ("a.csv", b"a,a\n1,2\n", "two columns 'a'"),
        ("a.csv", b"a,b\n1\n", "Expected 2 columns"),
        ("a.csv", b"a\n\xff\n", "UTF8"),
        ("a.jsonl", b'{"a": 1}\n{"a": "x"}\n', "string in row 1"),
        ("a.jsonl", b"[1]\n", "row 0 is no JSON object"),
        ("a.jsonl", b'{"a": NaN}\n', "no NaN"),
        ("a.jsonl", b"[" * 100_000, "row 0 is not JSON"),
        ("a.jsonl", b"\xff\n", "row 0 is not JSON"),
        ("a.jsonl", b'{"a": 9223372036854775808}', "'a'"),
        ("a.parquet", b"x", "Parquet"),
        ("a.txt", b"x", "must end in one of"),
    ],
)
def test_other_contents_are_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GleannError, match=rf"^{name}.*{says}"):
        read_all(tmp_path / name)


def read_all(path: Path) -> None:
    file = PayloadFile.open(path)
    rows_of(file, file.possible(), 1)


def test_an_absent_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="absent"):
        PayloadFile.open(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    "line", ['{"a": 1, "b": 2, "a": 3}', '{"b": {"a": 1, "a": 1}}']
)
def test_a_key_twice_in_a_line(tmp_path: Path, line: str) -> None:
    """As a column twice in a csv file: nobody knows which value is meant."""
    (tmp_path / "a.jsonl").write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(InvalidInputError, match=r"a\.jsonl: row 1 .* two keys 'a'"):
        PayloadFile.open(tmp_path / "a.jsonl")
