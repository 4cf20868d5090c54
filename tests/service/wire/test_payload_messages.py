"""Payload, filters and their parameters as messages, and messages that do not fit."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    UnknownColumnError,
)
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.wire.payload.columns import columns_to_wire, schema_of, wanted_names
from gleann.service.wire.payload_messages import (
    payload_of,
    payload_sizes,
    payload_to_wire,
)
from gleann.v1 import payload_pb2

SCHEMA = Schema(
    [
        Column("split", "string", indexed=True),
        Column("year", "int64"),
        Column("score", "float64"),
        Column("seen", "bool"),
        Column("at", "timestamp"),
        Column("tags", "strings"),
        Column("extra", "json"),
    ]
)
TEXT = st.text(max_size=8)
VALUES = {
    "split": TEXT,
    "year": st.integers(-(2**63), 2**63 - 1),
    "score": st.floats(allow_nan=False, allow_infinity=False),
    "seen": st.booleans(),
    "at": st.datetimes(timezones=st.just(UTC)),
    "tags": st.lists(TEXT, max_size=3),
    "extra": st.sampled_from(["{}", '{"a": [1, "é"]}', "null", "-1.5"]),
}
ROWS = st.lists(
    st.fixed_dictionaries({k: st.none() | v for k, v in VALUES.items()}), max_size=9
)


def payload(rows: list[dict[str, Any]]) -> Payload:
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    return Payload.of(columns, SCHEMA, n=len(rows))


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_what_is_packed_is_read_again(rows: list[dict[str, Any]], data: Any) -> None:
    whole = payload(rows)
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    for part in (whole, whole.slice(start, stop), whole.select(["tags", "split"])):
        message = payload_to_wire(part)
        received = payload_pb2.Payload.FromString(message.SerializeToString())
        again = payload_of(received, SCHEMA, len(part))
        assert again == part
        assert [column.indexed for column in again.schema.columns] == [
            column.indexed for column in part.schema.columns
        ]
        frame = 160 * len(part.schema.columns) + 20
        assert payload_sizes(part).sum() + frame >= message.ByteSize()


def test_sizes_are_those_of_each_row() -> None:
    held = Payload.of({"split": ["a", None, "é" * 10], "tags": [["x", "yy"], None, []]},
                      Schema.of({"split": "string", "tags": "strings"}))  # fmt: skip
    assert payload_sizes(held).tolist() == [9 + 1 + 9 + 5 + 6, 9 + 9, 9 + 20 + 9]


def test_what_stands_beneath_a_null_is_not_sent() -> None:
    whole = pa.array(["kept", "secret", "kept too"])
    beneath = pa.Array.from_buffers(
        pa.string(), 3, [pa.py_buffer(b"\x05"), *whole.buffers()[1:]]
    )
    numbers = pa.Array.from_buffers(
        pa.int64(), 3, [pa.py_buffer(b"\x05"), pa.array([1, 4242, 3]).buffers()[1]]
    )
    held = Payload(
        pa.table({"split": beneath, "year": numbers}),
        Schema.of({"split": "string", "year": "int64"}),
        n=3,
    )
    packed = payload_to_wire(held).SerializeToString()
    assert b"secret" not in packed
    assert (4242).to_bytes(8, "little") not in packed
    assert b"kept too" in packed


def test_what_a_message_has_beneath_a_null_is_not_kept() -> None:
    shown = full() | {"split": "shown", "tags": ["shown"]}
    message = payload_to_wire(payload([shown, full()]))
    for column in message.columns:
        column.present = b"\1\0"
    received = payload_of(message, SCHEMA, 2)
    assert received.to_pylist()[1] == dict.fromkeys(SCHEMA.names)
    table = received.to_arrow()
    for name in ("split", "tags", "year", "at", "score"):
        buffers = table[name].chunk(0).buffers()
        assert all(b"hidden" not in part.to_pybytes() for part in buffers if part)
    assert np.frombuffer(table["year"].chunk(0).buffers()[1], "<i8")[1] == 0


def full() -> dict[str, Any]:
    return {
        "split": "hidden",
        "year": 2024,
        "score": 0.5,
        "seen": True,
        "at": datetime(2024, 2, 29, tzinfo=UTC),
        "tags": ["hidden", "b"],
        "extra": "{}",
    }


def column_of(message: payload_pb2.Payload, name: str) -> payload_pb2.PayloadColumn:
    return next(column for column in message.columns if column.name == name)


def no_utf8(message: payload_pb2.Payload) -> None:
    column_of(message, "split").strings.text = b"hidden\xff\xfe\x80\xff\xff\xff"


def negative_length(message: payload_pb2.Payload) -> None:
    lengths = np.array([-6, 18], "<i4").tobytes()
    column_of(message, "split").strings.lengths = lengths


def wrapping_lengths(message: payload_pb2.Payload) -> None:
    lengths = np.array([2**31 - 1, -(2**31) + 13], "<i4").tobytes()
    column_of(message, "split").strings.lengths = lengths


def both_forms(message: payload_pb2.Payload) -> None:
    column_of(message, "split").strings.values.append("more")


def too_few_values(message: payload_pb2.Payload) -> None:
    column_of(message, "split").strings.CopyFrom(
        payload_pb2.PayloadColumn(strings={"values": ["one"]}).strings
    )


def short_numbers(message: payload_pb2.Payload) -> None:
    column_of(message, "year").int64s = b"\0" * 15


def long_numbers(message: payload_pb2.Payload) -> None:
    column_of(message, "score").float64s = b"\0" * 24


def nan(message: payload_pb2.Payload) -> None:
    column_of(message, "score").float64s = np.array([1, np.nan]).tobytes()


def infinite(message: payload_pb2.Payload) -> None:
    column_of(message, "score").float64s = np.array([np.inf, 0]).tobytes()


def other_flag(message: payload_pb2.Payload) -> None:
    column_of(message, "seen").bools = b"\0\2"


def other_presence(message: payload_pb2.Payload) -> None:
    column_of(message, "year").present = b"\1\7"


def short_presence(message: payload_pb2.Payload) -> None:
    column_of(message, "year").present = b"\1"


def beyond_years(message: payload_pb2.Payload) -> None:
    column_of(message, "at").int64s = np.array([0, 2**62], "<i8").tobytes()


def no_json(message: payload_pb2.Payload) -> None:
    text = payload_pb2.PayloadColumn(strings={"values": ["{}", "{"]}).strings
    column_of(message, "extra").strings.CopyFrom(text)


def lists_of_more(message: payload_pb2.Payload) -> None:
    column_of(message, "tags").lists.lengths = np.array([2, 3], "<i4").tobytes()


def huge_lists(message: payload_pb2.Payload) -> None:
    lengths = np.array([2**31 - 1, 2**31 - 1], "<i4").tobytes()
    column_of(message, "tags").lists.lengths = lengths


def no_values(message: payload_pb2.Payload) -> None:
    column_of(message, "year").ClearField("values")


def values_elsewhere(message: payload_pb2.Payload) -> None:
    column_of(message, "year").float64s = b"\0" * 16


def other_type(message: payload_pb2.Payload) -> None:
    column = column_of(message, "year")
    column.type = payload_pb2.COLUMN_TYPE_FLOAT64
    column.float64s = b"\0" * 16


def no_type(message: payload_pb2.Payload) -> None:
    column_of(message, "year").type = 0


def unknown_type(message: payload_pb2.Payload) -> None:
    column_of(message, "year").type = 99


def twice(message: payload_pb2.Payload) -> None:
    message.columns.append(column_of(message, "year"))


WRONG: list[tuple[Callable[[payload_pb2.Payload], None], str]] = [
    (no_utf8, "split"),
    (negative_length, "lengths from -6 to 18"),
    (wrapping_lengths, "2147483647"),
    (both_forms, "values and text"),
    (too_few_values, "1 entries for 2"),
    (short_numbers, "15 bytes.*16"),
    (long_numbers, "24 bytes.*16"),
    (nan, "'score'.*row 1.*finite"),
    (infinite, "'score'.*row 0.*finite"),
    (other_flag, "row 1 must be 0 or 1, got 2"),
    (other_presence, "present row 1 must be 0 or 1, got 7"),
    (short_presence, "present has 1 bytes"),
    (beyond_years, "'at'.*row 1"),
    (no_json, "'extra'.*row 1.*JSON"),
    (lists_of_more, "add up to 5, for 4"),
    (huge_lists, "2147483647"),
    (no_values, "'year'.*int64s.*no field"),
    (values_elsewhere, "'year'.*int64s.*float64s"),
    (other_type, "'year' holds int64, not float64"),
    (no_type, "'year' needs a type"),
    (unknown_type, "'year' needs a type.*99"),
    (twice, "'year' is there 2 times"),
]


@pytest.mark.parametrize(
    ("change", "says"), WRONG, ids=lambda x: getattr(x, "__name__", "")
)
def test_payload_that_does_not_fit_is_refused(
    change: Callable[[payload_pb2.Payload], None], says: str
) -> None:
    message = payload_to_wire(payload([full(), full()]))
    change(message)
    with pytest.raises(InvalidInputError, match=says):
        payload_of(message, SCHEMA, 2)


def test_columns_that_the_index_does_not_have_are_refused() -> None:
    message = payload_to_wire(payload([full()]))
    with pytest.raises(UnknownColumnError, match="'tags'"):
        payload_of(message, SCHEMA.without(["tags"]), 1)
    assert payload_of(message, None, 1).schema.names == SCHEMA.names


def test_a_count_is_no_reason_to_allocate() -> None:
    message = payload_pb2.Payload(count=2**62)
    with pytest.raises(DimensionMismatchError, match=f"{2**62} vectors, expected 3"):
        payload_of(message, SCHEMA, 3)
    message = payload_to_wire(payload([full()]))
    message.count = 2**40
    with pytest.raises(InvalidInputError, match=f"1 entries for {2**40} vectors"):
        payload_of(message, SCHEMA, 2**40)


def test_many_columns_are_refused_before_they_are_read() -> None:
    spec = payload_pb2.ColumnSpec(name="a")
    with pytest.raises(InvalidInputError, match="2000 columns, at most 1024"):
        schema_of([spec] * 2000)
    with pytest.raises(InvalidInputError, match="2000 columns, at most 1024"):
        wanted_names(["*"] * 2000, SCHEMA)
    message = payload_pb2.Payload(count=0)
    message.columns.extend([payload_pb2.PayloadColumn()] * 2000)
    with pytest.raises(InvalidInputError, match="2000 columns, at most 1024"):
        payload_of(message, SCHEMA, 0)


@pytest.mark.alone
def test_a_thousand_rows_of_five_columns_take_less_than_a_millisecond() -> None:
    rng = np.random.default_rng(0)
    schema = Schema(
        [one for one in SCHEMA.columns if one.name not in ("tags", "extra")]
    )
    columns = {
        "split": [f"text-{i}" if i % 5 else None for i in range(1000)],
        "year": rng.integers(9, size=1000),
        "score": rng.normal(size=1000),
        "seen": rng.normal(size=1000) > 0,
        "at": pa.array(range(1000), pa.timestamp("us", "UTC")),
    }
    held = Payload.of(columns, schema)
    message = payload_to_wire(held)
    fastest = min(timed(lambda: payload_of(message, schema, 1000)) for _ in range(50))
    assert fastest < 1e-3
    assert min(timed(lambda: payload_to_wire(held)) for _ in range(50)) < 1e-3


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def test_declarations() -> None:
    assert schema_of(columns_to_wire(SCHEMA.columns)) == SCHEMA
    spec = payload_pb2.ColumnSpec(name="a", type=payload_pb2.COLUMN_TYPE_INT64)
    for wrong, says in (
        ([payload_pb2.ColumnSpec(name="a")], "needs a type"),
        ([spec, spec], "'a'"),
        ([payload_pb2.ColumnSpec(name="ID", type=1)], "taken"),
        ([payload_pb2.ColumnSpec(name="a b", type=1)], "'a b'"),
        ([payload_pb2.ColumnSpec(name="a", type=3, indexed=True)], "indexed"),
    ):
        with pytest.raises(InvalidInputError, match=says):
            schema_of(wrong)


def test_wanted_columns() -> None:
    assert wanted_names(["*"], SCHEMA) == SCHEMA.names
    assert wanted_names(["at", "split"], SCHEMA) == ("at", "split")
    assert wanted_names([], SCHEMA) == ()
    with pytest.raises(InvalidInputError, match="takes all"):
        wanted_names(["*", "at"], SCHEMA)
    with pytest.raises(InvalidInputError, match="2 times"):
        wanted_names(["at", "at"], SCHEMA)
    with pytest.raises(UnknownColumnError, match="'At'"):
        wanted_names(["At"], SCHEMA)
