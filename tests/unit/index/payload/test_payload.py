"""Payload: what it takes, what it refuses by column and row, and what it gives back."""

import json
import pickle
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gleann.index import errors
from gleann.index.payload import file
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import COLUMN_TYPES, Column, ColumnType, Schema

SCHEMA = Schema.of({f"{kind[0]}_{kind}": kind for kind in COLUMN_TYPES})
S, I, F, B, T, L, J = SCHEMA.names  # noqa: E741  the columns by their types
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
COLUMNS: dict[str, list[Any]] = {
    S: ["a", "", None, "日本\0"],
    I: [1, -(2**63), 2**63 - 1, None],
    F: [0.5, None, -1e300, 3],
    B: [True, False, None, True],
    T: [NOON, None, "2024-02-29T13:00:00.000001+01:00", datetime(2024, 2, 29, 12)],
    L: [["x", "y"], [], None, [""]],
    J: ['{"a": 1e400}', "null", None, "[1]"],
}
ROWS = [
    {S: "a", I: 1, F: 0.5, B: True, T: NOON, L: ["x", "y"], J: '{"a": 1e400}'},
    {S: "", I: -(2**63), F: None, B: False, T: None, L: [], J: "null"},
    {S: None, I: 2**63 - 1, F: -1e300, B: None, T: NOON + timedelta(microseconds=1),
     L: None, J: None},
    {S: "日本\0", I: None, F: 3.0, B: True, T: NOON, L: [""], J: "[1]"},
]  # fmt: skip


@pytest.fixture
def payload() -> Payload:
    columns = COLUMNS | {T: [NOON, None, NOON + timedelta(microseconds=1), NOON]}
    return Payload.of(columns, SCHEMA)


def test_every_type_is_kept_with_its_nulls(payload: Payload) -> None:
    assert payload.to_pylist() == ROWS
    assert len(payload) == 4
    moments = pa.timestamp("us", "UTC")
    assert payload.to_arrow().schema.types == [
        pa.string(), pa.int64(), pa.float64(), pa.bool_(), moments,
        pa.list_(pa.string()), pa.string(),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "micro"),
    [
        ("2024-02-29T12:00:00Z", 0),
        ("2024-02-29t12:00:00z", 0),
        ("2024-02-29 12:00:00.5Z", 500_000),
        ("2024-02-29T12:00:00.123456000Z", 123_456),
        ("2024-02-29T05:30:00-06:30", 0),
        (NOON.astimezone(timezone(timedelta(hours=5))), 0),
        (datetime(2024, 2, 29, 12), 0),
        (np.datetime64("2024-02-29T12:00:00.000000000"), 0),
    ],
)
def test_moments_are_taken_in_every_form(given: Any, micro: int) -> None:
    values = np.array([given]) if isinstance(given, np.datetime64) else [given]
    held = Payload.of({T: values}, SCHEMA)
    assert held.to_pylist()[0][T] == NOON + timedelta(microseconds=micro)
    day = Payload.of({T: [date(2024, 2, 29)]}, SCHEMA)
    assert day.to_pylist()[0][T] == NOON - timedelta(hours=12)


NO_UTF8 = pa.Array.from_buffers(
    pa.string(),
    1,
    [None, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")],
)
REFUSED: list[tuple[str, Any, str]] = [
    (I, [1, 1.5], "row 0|row 1"),
    (I, [True], "bool"),
    (I, [1, "a"], "row 1"),
    (I, [2**63], "9223372036854775808 of row 0"),
    (I, np.array([0, 2**63], np.uint64), "row 1"),
    (I, "123", "sequence"),
    (I, {1, 2}, "sequence"),
    (I, (i for i in (1, 2)), "sequence"),
    (I, [[1]], "list"),
    (F, [1.0, float("nan")], "nan of row 1.*finite"),
    (F, [float("-inf")], "finite"),
    (F, [2**53 + 1], "9007199254740993"),
    (F, ["1.0"], "string"),
    (B, [1], "int64"),
    (S, ["a", "\ud800"], "row 1"),
    (S, [b"a"], "binary"),
    (S, [1], "int64"),
    (S, NO_UTF8, "UTF"),
    (T, ["2024-02-30T00:00:00Z"], "row 0.*day"),
    (T, ["2024-01-01T24:00:00Z"], "row 0"),
    (T, ["2024-01-01"], "RFC 3339"),
    (T, ["2024-01-01T00:00:00"], "RFC 3339"),
    (T, ["2024-01-01T00:00:00.0000001Z"], "finer"),
    (T, ["0001-01-01T00:00:00+01:00"], "row 0, expected -621355968"),
    (T, [1704067200], "give datetimes"),
    (T, pa.array([2**62], pa.timestamp("us")), "microseconds"),
    (T, pa.array([1], pa.timestamp("ns")), "lose data"),
    (L, [["a"], ["b", None]], "row 1.*null in it"),
    (L, ["abc"], "string"),
    (L, [[1]], "list"),
    (J, ["{"], "row 0.*not JSON"),
    (J, ["1", "NaN"], "row 1.*NaN"),
    (J, ["[" * 100_000], "not JSON"),
    (J, [{}], "JSON texts"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values", "says"), REFUSED)
def test_what_no_column_holds_is_refused_by_row(
    name: str, values: Any, says: str
) -> None:
    with pytest.raises(errors.InvalidInputError, match=f"{name}.*({says})"):
        Payload.of({name: values}, SCHEMA)


def test_columns_must_be_known_and_equally_long() -> None:
    with pytest.raises(errors.UnknownColumnError, match=r"'zz', the columns are s_str"):
        Payload.of({"zz": [1]}, SCHEMA)
    with pytest.raises(errors.DimensionMismatchError, match="2 entries for 1 rows"):
        Payload.of({I: [1], F: [1.0, 2.0]}, SCHEMA)
    with pytest.raises(errors.DimensionMismatchError, match="1 entries for 3 rows"):
        Payload.of({I: [1]}, SCHEMA, n=3)
    with pytest.raises(errors.InvalidInputError, match="n is not given"):
        Payload.of({}, SCHEMA)
    table = pa.table([[1], [2]], names=[I, I])
    with pytest.raises(errors.InvalidInputError, match="twice"):
        Payload.of(table, SCHEMA)


def test_columns_that_are_absent_are_null() -> None:
    held = Payload.of({I: [1, 2]}, SCHEMA)
    assert held.to_pylist() == [dict.fromkeys(SCHEMA.names) | {I: i} for i in (1, 2)]
    assert Payload.nulls(SCHEMA, 2).to_pylist() == [dict.fromkeys(SCHEMA.names)] * 2
    assert len(Payload.empty(SCHEMA)) == 0
    assert len(Payload.of({}, Schema(), n=7)) == 7


@pytest.mark.parametrize(
    "make",
    [
        lambda table: table,
        lambda table: table.to_batches()[0],
        lambda table: pa.RecordBatchReader.from_batches(
            table.schema, table.to_batches()
        ),
        lambda table: pa.concat_tables([table.slice(0, 1), table.slice(1)]),
        lambda table: {name: table[name] for name in table.column_names},
    ],
)
def test_tables_of_any_kind_are_taken(make: Callable[[pa.Table], Any]) -> None:
    table = pa.table(
        {
            "s": pa.array(["a", None], pa.large_string()).dictionary_encode(),
            "i": pa.array([1, 2], pa.uint8()),
            "f": pa.array([0.5, None], pa.float32()),
        }
    )
    held = Payload.of(make(table), {"s": "string", "i": "int64", "f": "float64"})
    assert held.to_pylist() == [
        {"s": "a", "i": 1, "f": 0.5},
        {"s": None, "i": 2, "f": None},
    ]


def test_pandas_has_nan_where_it_means_null() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"f": [0.5, float("nan")], "s": ["a", None]})
    assert Payload.of(frame, {"f": "float64", "s": "string"}).to_pylist() == [
        {"f": 0.5, "s": "a"},
        {"f": None, "s": None},
    ]


def test_a_schema_is_found_by_the_types_of_values() -> None:
    held = Payload.of({"a": ["x"], "b": np.arange(1), "c": [NOON], "d": [["x"]]})
    types = [column.type for column in held.schema.columns]
    assert types == ["string", "int64", "timestamp", "strings"]
    with pytest.raises(errors.InvalidInputError, match=r"'v'.*list<"):
        Payload.of({"v": [[1.0, 2.0]]})


def test_rows_are_taken_repeated_and_null(payload: Payload) -> None:
    rows = [3, -1, 0, 0, 2]
    expected = [ROWS[row] if row >= 0 else dict.fromkeys(SCHEMA.names) for row in rows]
    parts = Payload.concat([payload.slice(0, 1), payload.slice(1, 3), payload])
    assert payload.take(rows).to_pylist() == expected
    assert (
        parts.take(np.array(rows) + 3 * (np.array(rows) >= 0)).to_pylist() == expected
    )
    assert payload.take([]).to_pylist() == []
    assert payload.slice(1, 99).to_pylist() == ROWS[1:]
    assert payload.slice(3, 1).to_pylist() == []


def test_rows_of_many_chunks_are_those_of_one(payload: Payload) -> None:
    rng = np.random.default_rng(0)
    parts = Payload.concat([payload.slice(a, b) for a, b in [(0, 2), (2, 3), (0, 4)]])
    rows = rng.integers(-1, len(parts), 40)
    listed = parts.to_pylist()
    expected = [
        listed[row] if row >= 0 else dict.fromkeys(SCHEMA.names) for row in rows
    ]
    assert parts.take(rows).to_pylist() == expected
    ascending = np.sort(rows[rows >= 0])
    assert parts.take(ascending).to_pylist() == [listed[row] for row in ascending]


def test_only_parts_of_the_same_columns_are_joined(payload: Payload) -> None:
    many = Payload.concat([payload.slice(row % 4, row % 4 + 1) for row in range(300)])
    assert many.to_pylist() == [ROWS[row % 4] for row in range(300)]
    assert many.column(S).num_chunks == 1  # small chunks are put together
    for other in (payload.select([S]), Payload.of({S: [1]}, {S: "int64"})):
        with pytest.raises(errors.InvalidInputError, match="other columns"):
            Payload.concat([payload.select([S, I]), other])


def test_values_are_replaced_and_the_last_counts(payload: Payload) -> None:
    parts = Payload.concat([payload, payload])
    other = Payload.of({S: ["x", "y", None], I: [7, 8, 9]}, SCHEMA)
    changed = parts.replaced([5, 2, 5], other, [S, I])
    expected = [dict(row) for row in ROWS + ROWS]
    expected[2] |= {S: "y", I: 8}
    expected[5] |= {S: None, I: 9}
    assert changed.to_pylist() == expected
    assert parts.to_pylist() == ROWS + ROWS
    whole = parts.replaced([0], other.slice(1, 2))
    assert whole.to_pylist()[0] == dict.fromkeys(SCHEMA.names) | {S: "y", I: 8}
    with pytest.raises(errors.InvalidInputError, match=f"{I}.*int64.*float64"):
        parts.replaced([0], Payload.of({I: [0.5]}, {I: "float64"}))


def test_columns_are_added_dropped_and_chosen(payload: Payload) -> None:
    wider = SCHEMA.without([S, J]).with_columns([Column("new", "bool")])
    assert payload.with_schema(wider).to_pylist() == [
        {k: v for k, v in row.items() if k not in (S, J)} | {"new": None}
        for row in ROWS
    ]
    retyped = Schema.of({S: "int64"})
    assert payload.with_schema(retyped).to_pylist() == [{S: None}] * 4
    assert payload.select([I, S]).to_pylist() == [{I: r[I], S: r[S]} for r in ROWS]
    assert len(payload.select([])) == 4


def test_bytes_and_files_give_back_the_same(payload: Payload, tmp_path: Path) -> None:
    assert Payload.from_bytes(payload.to_bytes(), SCHEMA) == payload
    assert Payload.from_bytes(payload.slice(1, 3).to_bytes()) == payload.slice(1, 3)
    assert pickle.loads(pickle.dumps(payload)) == payload
    none = Payload.of({}, Schema(), n=5)
    assert Payload.from_bytes(none.to_bytes(), Schema()) == none
    blocks = [payload.slice(0, 3), Payload.empty(SCHEMA), payload.slice(3, 4)]
    assert Payload.write(tmp_path / "a", blocks, SCHEMA) == 4
    assert Payload.open(tmp_path / "a", SCHEMA) == payload
    assert pa.ipc.open_file(tmp_path / "a").read_all() == payload.to_arrow()
    assert Payload.write(tmp_path / "b", [], SCHEMA) == 0
    assert len(Payload.open(tmp_path / "b", SCHEMA)) == 0
    with pytest.raises(errors.MissingFileError):
        Payload.open(tmp_path / "absent", SCHEMA)
    with pytest.raises(errors.InvalidInputError, match="another schema"):
        Payload.write(tmp_path / "c", [payload.select([S])], SCHEMA)


def test_large_rows_go_into_batches_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BATCH_BYTES", 1000)
    schema = Schema.of({"s": "string"})
    held = Payload.of({"s": ["x" * 300] * 20 + ["y"] * 200}, schema)
    Payload.write(tmp_path / "a", [held], schema)
    with pa.ipc.open_file(tmp_path / "a") as written:
        assert written.num_record_batches > 4
    assert Payload.open(tmp_path / "a", schema) == held


DAY = datetime(2024, 1, 1, tzinfo=UTC)
NUMPY_MOMENTS: list[Any] = [
    [np.datetime64("2024-01-01"), None],
    [np.datetime64("2024", "Y"), np.datetime64("NaT")],
    [np.datetime64("2024-01-01T00:00", "m"), None],
    [np.datetime64("2024-01-01T00", "ns"), None],
    np.array(["2024-01", "NaT"], "datetime64[M]"),
    np.array(["2024-01-01", "NaT"], "datetime64[D]"),
    np.array(["2024-01-01T00:00", "NaT"], "datetime64[m]"),
]


@pytest.mark.parametrize("values", NUMPY_MOMENTS)
def test_moments_of_numpy_of_any_unit(values: Any) -> None:
    held = Payload.of({"at": values}, {"at": "timestamp"})
    assert held.to_arrow()["at"].to_pylist() == [DAY, None]


def test_moments_of_numpy_beside_those_of_python() -> None:
    values = [np.datetime64("2024-01-01"), DAY, datetime(2024, 1, 1), DAY]
    held = Payload.of({"at": values}, {"at": "timestamp"})
    assert held.to_arrow()["at"].to_pylist() == [DAY] * 4


BEYOND: list[tuple[ColumnType, Any, str]] = [
    ("int64", 2**63, "whole numbers are -9223372036854775808 to"),
    ("int64", -(10**400), "whole numbers are -9223372036854775808 to"),
    ("float64", 2**64, "beyond 64 bits; give a float"),
    ("float64", 10**5000, "a value of int with thousands of digits of row 1: it is"),
    ("string", 10**5000, "a value of int with thousands of digits of row 1: it has"),
    ("strings", [10**5000], "thousands of digits of row 1: it has type list"),
    ("int64", np.timedelta64(5, "ns"), r"duration\[ns\]"),
    ("timestamp", np.datetime64(5, "ns"), "row 1"),
    ("timestamp", np.datetime64(2**62, "Y"), "row 1: .* outside"),
    ("timestamp", np.datetime64(2**40, "s"), "row 1"),
]


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    BEYOND,
    ids=[f"{kind} {place}" for place, (kind, _, _) in enumerate(BEYOND)],
)
def test_values_beyond_what_python_or_arrow_can_hold(
    kind: ColumnType, value: Any, says: str
) -> None:
    with pytest.raises(errors.InvalidInputError, match=f"column 'a' .*{says}"):
        Payload.of({"a": [None, value]}, {"a": kind})


SCHEMAS: list[tuple[Any, str]] = [
    ({"": "int64"}, "does not match"),
    ({"1a": "int64"}, "does not match"),
    ({"é": "int64"}, "does not match"),
    ({"a" * 64: "int64"}, "does not match"),
    ({"Id": "int64"}, "taken"),
    ({"a": "text"}, "type 'text', expected one of string"),
    ({"a": "int64", "A": "int64"}, "same name but for case"),
    ([Column("a", "int64"), Column("a", "bool")], "same name$"),
    ({f"c{i}": "bool" for i in range(1025)}, "1025 columns, at most 1024"),
    ([("a", "int64")], "made of columns"),
]


@pytest.mark.parametrize(("columns", "says"), SCHEMAS)
def test_impossible_schemas_are_refused(columns: Any, says: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=says):
        Schema.of(columns)


def test_only_strings_and_integers_can_be_indexed() -> None:
    assert Column("a", "string", indexed=True).indexed
    with pytest.raises(errors.InvalidInputError, match="float64 cannot be indexed"):
        Column("a", "float64", indexed=True)


def test_a_column_that_is_given_again_is_indexed_in_its_place() -> None:
    whole = Column("rank", "int64")
    schema = Schema([Column("a", "string"), whole, Column("b", "float64")])
    indexed = Column("rank", "int64", indexed=True)
    assert schema.lacks(indexed)
    assert not schema.lacks(whole)
    assert not schema.lacks(Column("rank", "string", indexed=True))
    assert schema.lacks(Column("c", "string"))
    new = Column("c", "string", indexed=True)
    following = schema.with_columns([new, indexed])
    assert following.columns == (schema.columns[0], indexed, schema.columns[2], new)
    assert not following.lacks(indexed)
    assert not following.lacks(whole)
    for taken in (whole, Column("rank", "string", indexed=True)):
        with pytest.raises(errors.InvalidInputError, match=r"'rank' .* same name"):
            schema.with_columns([taken])
    with pytest.raises(errors.InvalidInputError, match="same name"):
        following.with_columns([indexed])
    for twice in (whole, indexed, Column("rank", "string")):
        with pytest.raises(errors.InvalidInputError, match="same name"):
            schema.with_columns([indexed, twice])


def test_schemas_are_values(payload: Payload) -> None:
    schema = SCHEMA.with_columns([Column("tenant", "string", indexed=True)])
    assert Schema.from_json(schema.to_json()) == schema
    assert hash(Schema.from_json(schema.to_json())) == hash(schema)
    assert schema != SCHEMA
    assert schema.without(["tenant"]) == SCHEMA
    assert json.loads(schema.to_json())[-1] == {
        "name": "tenant", "type": "string", "indexed": True,
    }  # fmt: skip
    for text in ("", "{}", "[" * 100_000, "[1]", '[{"name": "a"}]', "[[]]"):
        with pytest.raises(errors.InvalidInputError):
            Schema.from_json(text)


def test_search_needs_neither_arrow_nor_a_parser() -> None:
    """They load when payload is there, or a condition is given."""
    import subprocess

    program = (
        "import sys, numpy as np, gleann\n"
        "rows = np.random.default_rng(0).standard_normal((100, 4))\n"
        "index = gleann.SoarIndex.build(rows, gleann.BuildParams(tune_queries=0))\n"
        "index.search(rows[:2])\n"
        "gleann.Schema.of({'a': 'int64'})\n"
        "assert not {'pyarrow', 'sqlglot'} & set(sys.modules), 'loaded too early'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
