"""What an id may be: refused by its row before anything is built, or kept exactly."""

from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.ids.checks import (
    MAX_ID_BYTES,
    as_ids,
    hold_distinct,
    hold_id_array,
    hold_ids,
    hold_row_ids,
)
from gleann.index.texts import Texts

BAD: list[tuple[Any, str]] = [
    (["a", 1], r"row 1 is 1 \(int\), row 0 is 'a'"),
    ([1, "a"], r"row 1 is 'a' \(str\), row 0 is 1"),
    (np.array(["a", 3], object), r"row 1 is 3 \(int\)"),
    ([0, 1.5], r"row 1 is 1.5 \(float\)"),
    (np.array([1.0, 2.0]), r"row 0 is 1.0 \(float64\)"),
    ([True, False], r"row 0 is True \(bool\)"),
    (np.array([True, False]), r"row 0 is True \(bool\)"),
    ([1, True], r"row 1 is True \(bool\)"),
    ([b"a", b"b"], r"row 0 is b'a' \(bytes\)"),
    (np.array([b"a", b"b"]), r"row 0 is b'a'"),
    (["a", None], r"row 1 is None \(NoneType\)"),
    (["a", float("nan")], r"row 1 is nan \(float\)"),
    ([1, [2]], "one-dimensional, but row 1 is a list"),
    ([[1], [2]], "one-dimensional, but row 0 is a list"),
    (np.zeros((2, 2), int), "one-dimensional"),
    ("ab", "one-dimensional"),
    (np.ma.masked_array([1, 2], mask=[False, True]), r"row 1 is masked \(1 of 2"),
    ([3, -1], "got -1 at row 1"),
    ([3, 2**63], "int64, got 9223372036854775808 at row 1"),
    (np.array([3, 2**63], np.uint64), "int64, got 9223372036854775808 at row 1"),
    (["a", ""], "empty string, which means 'none', at row 1"),
    (["a", "\ud800"], r"row 1 is '\\ud800', which has no UTF-8"),
    (["a", "a\0"], r"row 1 is 'a\\x00', which ends in NUL"),
    (["a", "\0\0"], r"row 1 is '\\x00\\x00', which ends in NUL"),
]


@pytest.mark.parametrize(("ids", "says"), BAD)
def test_what_cannot_be_an_id_is_refused_by_its_row(ids: Any, says: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=says):
        hold_id_array(ids)
    with pytest.raises(errors.InvalidInputError, match=says):
        as_ids(ids, n=2)


def test_nothing_is_built_from_ids_that_cannot_be(tmp_path: Path) -> None:
    rows = np.eye(2, dtype=np.float32)
    for ids, says in BAD:
        with pytest.raises(errors.InvalidInputError, match=says):
            SoarIndex.build(rows, ids=ids)
        with pytest.raises(errors.InvalidInputError, match=says):
            SoarIndex.build_on_disk(rows, tmp_path / "i", ids=ids)
    assert list(tmp_path.iterdir()) == []


def test_a_new_id_has_a_longest_length() -> None:
    longest = "é" * (MAX_ID_BYTES // 2)
    assert hold_ids([longest], n=1).tolist() == [longest]
    says = rf"row 1 is 'é+\.\.\. of {MAX_ID_BYTES + 1} bytes .* at most {MAX_ID_BYTES}"
    with pytest.raises(errors.InvalidInputError, match=says) as told:
        hold_ids(["a", longest + "x"], n=2)
    assert len(str(told.value)) < 200
    # What is looked up, or was held by an earlier version, may be longer.
    assert hold_distinct([longest + "x"]).tolist() == [longest + "x"]
    held = Texts.of_texts([longest + "x", "b"])
    assert hold_row_ids(held, n=2) is held


def test_an_id_that_an_earlier_version_kept_stays(tmp_path: Path) -> None:
    ids = Texts.of_texts(["a", "b" * 100_000, "c"])
    rows = np.eye(3, dtype=np.float32)
    index = SoarIndex.build(rows, BuildParams(metric="l2", tune_queries=0), ids=ids)
    index.save(tmp_path / "i")
    again = SoarIndex.load(tmp_path / "i")
    assert again.held_ids.tolist() == ids.tolist()
    assert again.rows_of(["b" * 100_000]).tolist() == [1]
    found = again.search(rows[:1], SearchParams(k=1))
    assert found.ids.tolist() == [["a"]]
    assert found.ids.dtype == "<U1"


def test_every_other_string_is_kept_byte_for_byte(tmp_path: Path) -> None:
    ids = [
        "a\0b",
        "\ta",
        "a\nb",
        "é",
        "e\u0301",
        "\ufeffx",
        "x\u200b",
        "😀",
        " a",
        "a ",
    ]
    ids += ["A" * 3000, "\x7f", "-1", "007", "7", "nan"]
    rows = np.random.default_rng(0).normal(size=(len(ids), 5)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(metric="l2", tune_queries=0), ids=ids)
    index.save(tmp_path / "i")
    for one in (index, SoarIndex.load(tmp_path / "i")):
        assert one.search(rows, SearchParams(k=1)).ids[:, 0].tolist() == ids
        assert one.rows_of(ids).tolist() == list(range(len(ids)))
        assert one.ids.tolist() == ids


def test_kinds_of_arrays_that_are_taken() -> None:
    assert hold_id_array(range(3)).tolist() == [0, 1, 2]
    assert hold_id_array(np.array(["a", "b"], object)).tolist() == ["a", "b"]
    assert hold_id_array([np.int32(4), 5]).tolist() == [4, 5]
    assert hold_id_array([np.str_("x"), "y"]).tolist() == ["x", "y"]
    assert isinstance(hold_id_array(np.array([], np.str_)), Texts)
    assert hold_id_array([]).tolist() == []
    whole = np.ma.masked_array([1, 2], mask=[False, False])
    assert hold_id_array(whole).tolist() == [1, 2]


UUIDS = [UUID(int=number) for number in (1, 7, 2**100)]
UUID_TEXTS = [str(one) for one in UUIDS]
UUID_BYTES = pa.array([one.bytes for one in UUIDS], pa.binary(16))


@pytest.mark.parametrize(
    "ids",
    [
        UUIDS,
        tuple(UUIDS),
        np.array(UUIDS),
        UUID_BYTES,
        pa.chunked_array([UUID_BYTES[:1], UUID_BYTES[1:]]),
        pa.array(UUID_TEXTS),
    ],
    ids=["list", "tuple", "array", "binary", "chunked", "texts"],
)
def test_uuids_are_kept_as_their_text(ids):
    assert as_ids(ids, n=3).tolist() == UUID_TEXTS


@pytest.mark.skipif(not hasattr(pa, "uuid"), reason="this pyarrow has no uuid type")
def test_the_uuid_type_of_arrow_is_read():
    column = pa.ExtensionArray.from_storage(pa.uuid(), UUID_BYTES)
    assert as_ids(column, n=3).tolist() == UUID_TEXTS
    assert as_ids(pa.chunked_array([column]), n=3).tolist() == UUID_TEXTS


def test_an_index_finds_rows_by_uuid():
    index = SoarIndex.build(np.eye(3, dtype=np.float32), ids=UUIDS)
    assert index.rows_of([UUIDS[2], UUIDS[0]]).tolist() == [2, 0]
    assert index.rows_of(UUID_TEXTS[1:2]).tolist() == [1]
    assert index.search([0, 1, 0]).ids[0, 0] == UUID_TEXTS[1]


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([UUIDS[0], "a"], "row 1 is 'a'|row 0 is UUID"),
        (pa.array([b"\0" * 16, None], pa.binary(16)), "row 1"),
        (pa.array([b"abc"]), "row 0 is b'abc'"),
        (pa.array([3, None, 4]), "ids row 1 is null"),
        (pa.array(["a", None]), "ids row 1 is null"),
        (UUID_BYTES.cast(pa.binary()), "row 0"),
    ],
)
def test_what_is_no_uuid_is_refused_by_row(ids, says):
    with pytest.raises(errors.InvalidInputError, match=says):
        as_ids(ids, n=len(ids))
