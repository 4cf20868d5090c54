"""Every reader of tables: the right answer, or an error that names file and row."""

import csv
import io
import random
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.index.errors import GleannError, InvalidInputError, UnknownIdError
from gleann.index.texts import Texts
from gleann.selection.checks import IdMap
from gleann.service.cli.estimate.group_answers import (
    read_group_answers,
    read_own_answers,
)
from gleann.service.cli.files import columns, inputs
from gleann.service.cli.files.answers import read_answers, read_examples
from gleann.service.cli.files.proxies import read_proxies
from gleann.service.cli.files.tables import read_table
from gleann.service.cli.select.active_job import read_labels

NUMBERED = IdMap(None, n=20)
PAIR = IdMap([1, 2], n=2)
NAMED = IdMap(["007", "7", "07", "1e3", "True", "NA", "nan", "2020-01-01", "é"], n=9)


def labels(path, pool, concepts=()):
    return read_labels(path, pool, concepts)


READERS = {
    "answers": lambda path, pool: read_answers(path, pool, with_values=True),
    "examples": read_examples,
    "labels": labels,
    "concepts": lambda path, pool: labels(path, pool, ("label", "value")),
    "group answers": lambda path, pool: read_group_answers(
        path, pool, ("a", "b"), with_values=False
    ),
    "own answers": lambda path, pool: read_own_answers(
        path, pool, ("a", "b"), with_values=True
    ),
    "proxies": lambda path, pool: read_proxies({"one": path, "two": path}),
    "costs": lambda path, pool: inputs.read_scores(path, PAIR, name="cost"),
    "groups": lambda path, pool: inputs.read_groups(str(path), PAIR),
    "ids": inputs.read_id_rows,
    "own ids": lambda path, pool: inputs.read_own_ids(path),
}
HEADING = ["id", "label", "value", "group", "proxy", "cost"]
ROWS = [["1", "0", "2.5", "a", "0.1", "0.2"], ["2", "1", "", "b", "0.3", "0.4"]]


def written(path, rows, *, ends="\n", encoding="utf-8", **how):
    text = io.StringIO()
    csv.writer(text, lineterminator=ends, **how).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.csv"


def refused(reader, path, *words):
    with pytest.raises(GleannError) as error:
        READERS[reader](path, NUMBERED)
    for word in ("t.", *words):
        assert word in str(error.value)


@pytest.mark.parametrize("reader", set(READERS) - {"concepts"})
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"ends": "\r\n", "encoding": "utf-8-sig"},
        {"ends": "\r"},
        {"quoting": csv.QUOTE_ALL},
    ],
)
def test_files_of_spreadsheets_are_read(reader, how, path):
    READERS[reader](written(path, [HEADING, *ROWS], **how), NUMBERED)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("rows", "how", "says"),
    [
        ([], {}, None),
        ([["1", "0", "2.5", "a", "0.1", "0.2"]], {}, "has no column"),
        ([HEADING, *ROWS], {"delimiter": ";"}, "separated by commas, not by ';'"),
        ([HEADING, *ROWS], {"delimiter": "\t"}, "separated by commas, not by '\\t'"),
        ([HEADING, *ROWS], {"encoding": "utf-16"}, "UTF-16"),
        ([HEADING, ROWS[0], ["2"]], {}, "row 1 (line 3) has 1 cell, but"),
        ([HEADING * 2, *(row * 2 for row in ROWS)], {}, "has 2 columns '"),
        ([HEADING, ROWS[0], [""] * 6], {}, "row 1 (line 3): "),
        ([HEADING, ROWS[0], ["\xe9"] * 6], {"encoding": "latin-1"}, "no text in UTF-8"),
    ],
)
def test_files_that_are_not_as_they_should_be(reader, rows, how, says, path):
    written(path, rows, **how)
    if says is None and reader in ("answers", "group answers", "own answers"):
        READERS[reader](path, NUMBERED)  # there are no answers yet
    else:
        refused(reader, path, says or "is empty")


@pytest.mark.parametrize("reader", set(READERS) - {"costs", "groups", "own ids"})
def test_an_unknown_id_is_named_with_its_row(reader, path):
    written(path, [HEADING, ROWS[0], ["99", *ROWS[1][1:-2], "0.1", "0.2"]])
    if reader == "proxies":
        one = written(path.with_name("o.csv"), [HEADING, *ROWS])
        with pytest.raises(GleannError, match=r"row 1 \(line 3\), column id: no id 99"):
            read_proxies({"one": one, "two": path})
    else:
        if reader == "concepts":
            written(path, [HEADING, ["1", "0", "1"] + [""] * 3, ["99"] + ["1"] * 5])
        refused(reader, path, "row 1 (line 3), column id: no id 99")


@pytest.mark.parametrize("reader", ["answers", "labels", "proxies", "ids"])
def test_an_id_twice_and_a_second_heading_are_named(reader, path):
    refused(reader, written(path, [HEADING, ROWS[0], ROWS[0]]), "row 1 (line 3)")
    again = written(path, [HEADING, ROWS[0], HEADING, ROWS[1]])
    refused(reader, again, "row 1 (line 3)", "the heading again")


@pytest.mark.parametrize(
    ("reader", "column", "cell", "says"),
    [
        ("labels", "label", "cat", "label must be an integer label, got 'cat'"),
        ("labels", "label", "0.5", "label must be an integer label, got '0.5'"),
        ("labels", "label", "", "label is empty (1 of 2 rows are)"),
        ("labels", "label", "nan", "got 'nan'"),
        ("labels", "label", "9" * 30, "of int64"),
        ("answers", "label", "maybe", "label must be 0 or 1, got 'maybe'"),
        ("answers", "value", "0,5", "value must be a number, got '0,5'"),
        ("costs", "cost", "", "cost is empty"),
        ("costs", "cost", "inf", "cost is inf"),
        ("proxies", "proxy", "nan", "proxy is nan"),
        ("ids", "id", "007", "must be an integer without leading zeros"),
        ("ids", "id", "-4", "got '-4'"),
        ("ids", "id", "9" * 30, "of int64"),
        ("group answers", "group", "c", "there is no group 'c'"),
        ("own answers", "group", "", "group is empty, but an answer is for one"),
    ],
)
def test_a_cell_that_cannot_be_meant_is_named(reader, column, cell, says, path):
    row = ROWS[1].copy()
    row[HEADING.index(column)] = cell
    written(path, [HEADING, ROWS[0], [], row])
    refused(reader, path, "row 1 (line 4): ", says)


def test_labels_and_ids_are_read_in_the_spellings_of_other_programs(path):
    rows, found = labels(written(path, [HEADING[:2], ["3.0", "1.0"], ["4", "-0"]]),
                         NUMBERED)  # fmt: skip
    assert (rows.tolist(), found.tolist()) == ([3, 4], [1, 0])
    _, found = labels(written(path, [HEADING[:2], ["3", "True"], ["4", "false"]]),
                      NUMBERED)  # fmt: skip
    assert found.tolist() == [1, 0]
    big = [HEADING[:2], ["3", "9007199254740993"], ["4", "-1"]]
    assert labels(written(path, big), NUMBERED)[1].tolist() == [2**53 + 1, -1]
    answers = [["id", "positive"], ["3", "1.0"], ["4", " Yes"], ["5", "0.00"]]
    made = read_answers(written(path, answers), NUMBERED, with_values=False)
    assert np.flatnonzero(made.known).tolist() == [3, 4, 5]
    assert np.flatnonzero(made.positive).tolist() == [3, 4]


def test_texts_stay_as_they_are_written(path):
    names = NAMED.held.tolist()
    written(path, [["id"], *([name] for name in names)])
    assert inputs.read_id_rows(path, NAMED).tolist() == list(range(9))
    assert inputs.read_own_ids(path).tolist() == names
    assert inputs.read_own_ids(written(path, [["id"], ["0"], ["12"]])).dtype == np.int64
    beyond = [["id"], ["1"], ["9" * 25]]
    assert inputs.read_own_ids(written(path, beyond)).tolist() == ["1", "9" * 25]
    written(path, [["group"], ["01"], ["1"]])
    assert inputs.read_groups(str(path), PAIR).tolist() == ["01", "1"]


@pytest.mark.parametrize("write", ["parquet", "npy", "jsonl"])
def test_integers_of_typed_files_are_no_texts(write, tmp_path):
    path = tmp_path / f"t.{write}"
    if write == "npy":
        np.save(path, np.array([7]))
    elif write == "jsonl":
        path.write_text('{"id": 7}\n')
    else:
        pq.write_table(pa.table({"id": [7]}), path)
    with pytest.raises(InvalidInputError, match="row 0: id is the integer 7, but ids"):
        inputs.read_id_rows(path, NAMED)
    assert inputs.read_id_rows(path, NUMBERED).tolist() == [7]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["3", "4"]).dictionary_encode(), [3, 4]),
        (pa.array([3, 4], pa.uint64()), [3, 4]),
        (pa.array([3.0, 4.0]), [3, 4]),
        (pa.array([3.5, 4.0]), "row 0: id must be an integer, got 3.5"),
        (pa.array([3, None]), "row 1: id is empty"),
        (pa.array([True, False]), "integers or texts as ids, got bool"),
        (pa.array([b"3", b"4"]), "integers or texts as ids, got binary"),
        (pa.array([None, None]), "row 0: id is empty"),
        (
            pa.array([3, 2**63], pa.uint64()),
            "must be of int64, got 9223372036854775808",
        ),
        (pa.array([[3], [4]]), "integers or texts as ids, got list"),
        (pa.array(["a", "b"]), "row 0: id must be an integer without leading zeros"),
    ],
)
def test_columns_of_parquet(values, expected, tmp_path):
    pq.write_table(pa.table({"id": values}), tmp_path / "t.parquet")
    if isinstance(expected, list):
        assert (
            inputs.read_id_rows(tmp_path / "t.parquet", NUMBERED).tolist() == expected
        )
    else:
        with pytest.raises(InvalidInputError) as error:
            inputs.read_id_rows(tmp_path / "t.parquet", NUMBERED)
        assert expected in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1 is no JSON"),
        ("\n[1]", "line 2 is no JSON object"),
        ('{"id": 1}\n{"id": "a"}', "row 1: id is 'a', and 1 before"),
        ('{"id": 1}\n{}', "row 1: id is empty"),
        ('{"name": 1}', "has no column 'id', only name"),
        ("[" * 9999, "line 1 is no JSON"),
        ('{"id": ' + "9" * 30 + "}", "t.jsonl"),
    ],
)
def test_lines_of_json(text, says, tmp_path):
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(InvalidInputError) as error:
        inputs.read_id_rows(tmp_path / "t.jsonl", NUMBERED)
    assert says in str(error.value)


def test_a_group_column_is_named_after_a_colon(path, tmp_path):
    written(path, [["kind", "group"], ["x", "1"], ["y", "2"]])
    assert inputs.read_groups(f"{path}:kind", PAIR).tolist() == ["x", "y"]
    assert inputs.read_groups(str(path), PAIR).tolist() == [1, 2]
    odd = written(tmp_path / "a:b", [["group"], ["x"], ["y"]])
    assert inputs.read_groups(str(odd), PAIR).tolist() == ["x", "y"]
    with pytest.raises(InvalidInputError, match="has no column 'sort', only kind, gro"):
        inputs.read_groups(f"{path}:sort", PAIR)


def named_pool(*names):
    return IdMap(list(names), n=len(names))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_costs_and_groups_are_found_by_id(suffix, tmp_path):
    path = tmp_path / f"t.{suffix}"
    ids, costs, groups = ["7", "007", "b"], [1.5, 2.5, 3.5], ["x", "y", "z"]
    if suffix == "csv":
        rows = zip(ids, map(str, costs), groups, strict=True)
        written(path, [["id", "cost", "group"], *rows])
    else:
        pq.write_table(pa.table({"id": ids, "cost": costs, "group": groups}), path)
    pool = named_pool("b", "7", "007")
    assert inputs.read_scores(path, pool, name="cost").tolist() == [3.5, 1.5, 2.5]
    assert inputs.read_groups(str(path), pool).tolist() == ["z", "x", "y"]
    own = inputs.read_scores(path, pool, name="cost", own=path)
    assert own.tolist() == costs
    with pytest.raises(UnknownIdError, match=r"row 1.*no id '007'"):
        inputs.read_groups(str(path), named_pool("7", "07", "b"))


def test_an_empty_cost_is_named_by_its_row_in_the_file(path):
    written(path, [["id", "cost"], ["b", "1"], ["a", ""]])
    with pytest.raises(InvalidInputError, match=r"row 1 \(line 3\): cost is empty"):
        inputs.read_scores(path, named_pool("a", "b"), name="cost")


def test_names_beside_row_numbers_leave_the_row_order_and_say_so(path, capsys):
    written(path, [["id", "group"], ["mat", "x"], ["cat", "y"]])
    pool = IdMap(None, n=2)
    assert inputs.read_groups(str(path), pool).tolist() == ["x", "y"]
    assert "group is taken in row order" in capsys.readouterr().err
    written(path, [["id", "group"], ["1", "x"], ["0", "y"]])
    assert inputs.read_groups(str(path), pool).tolist() == ["y", "x"]
    written(path, [["id", "group"], ["1", "x"], ["cat", "y"]])
    with pytest.raises(InvalidInputError, match=r"row 1 .*got 'cat'"):
        inputs.read_groups(str(path), pool)


NASTY = [
    "", " ", "1", "2", "007", "1.0", "-3", "1e3", "nan", "inf", "NA", "é", "a,b", 'a"b',
    "a\nb", "a\r\nb", "\0", "id", "label", "true", "yes", "0", "🙂", "x" * 300,
    "9" * 40,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_fuzzed_csv_is_read_rightly_or_refused_by_name(seed, path):
    """Compared with Python's own reader; every reader, every time."""
    rng = random.Random(seed)
    names = rng.choices([*HEADING, "positive", "odd", ""], k=rng.randint(1, 7))
    rows = [rng.choices(NASTY, k=len(names)) for _ in range(rng.randint(0, 4))]
    if rng.random() < 0.3 and rows:
        rows[-1] = rows[-1][: rng.randint(0, len(names))]
    how = {
        "ends": rng.choice(["\n", "\r\n"]),
        "encoding": rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]),
        "quoting": rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    }
    raw = bytearray(written(path, [names, *rows], **how).read_bytes())
    if rng.random() < 0.4:
        for _ in range(rng.randint(1, 3)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
    path.write_bytes(raw)
    for reader, read in READERS.items():
        for pool in (NUMBERED, NAMED):
            assert "t.csv" in error_of(read, path, pool), reader
    compare_with_python(path)


def error_of(read, path, pool):
    """Gleann's error; the path if there is none. Others are not caught."""
    try:
        read(path, pool)
    except GleannError as error:
        return str(error)
    return str(path)


def compare_with_python(path):
    try:
        table = read_table(path, columns=("id",))
    except GleannError:
        return
    lines = list(
        csv.reader(
            io.StringIO(path.read_bytes().decode("utf-8-sig", "replace"), newline="")
        )
    )
    heading, *rows = [line for line in lines if line]
    place = [name.strip() for name in heading].index("id")
    assert table.columns["id"].to_pylist() == [row[place] for row in rows]


@pytest.mark.parametrize("suffix", [".parquet", ".npz", ".jsonl", ".csv.gz", ".npy"])
def test_damaged_files_are_refused(suffix, tmp_path):
    path = tmp_path / f"t{suffix}"
    whole = damaged(path)
    rng = random.Random(3)
    for _ in range(60):
        raw = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        path.write_bytes(raw[: rng.choice([len(raw), rng.randrange(len(raw))])])
        for read in (READERS["ids"], READERS["labels"], READERS["own ids"]):
            assert "t." in error_of(read, path, NUMBERED)


def damaged(path):
    """A whole file, which tests then damage."""
    data = {"id": np.arange(9), "label": np.arange(9) % 2}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(data), path)
    elif path.suffix == ".npz":
        np.savez(path, **data)
    elif path.suffix == ".npy":
        np.save(path, data["id"])
    else:
        text = "id,label\n" + "".join(f"{row},{row % 2}\n" for row in range(9))
        if path.suffix == ".jsonl":
            text = "".join(f'{{"id": {row}, "label": 1}}\n' for row in range(9))
        with pa.output_stream(path) as out:
            out.write(text.encode())
    return path.read_bytes()


def test_no_call_in_python_is_made_for_each_row(tmp_path):
    n = 200_000
    pa.csv.write_csv(pa.table({"id": np.arange(n), "positive": np.arange(n) % 2}),
                     tmp_path / "t.csv")  # fmt: skip
    calls = []
    pool = IdMap(None, n=n)
    sys.setprofile(lambda *_: calls.append(1))
    try:
        made = read_answers(tmp_path / "t.csv", pool, with_values=False)
    finally:
        sys.setprofile(None)
    assert made.positive.sum() == n // 2
    assert len(calls) < 20_000


def test_held_texts_are_checked_like_others(path):
    written(path, [["id"], ["a" * 5000]])
    with pytest.raises(InvalidInputError, match=r"t\.csv: id row 0"):
        inputs.read_own_ids(path)
    assert isinstance(NAMED.held, Texts)
    table = read_table(written(path, [["id"], ["b"]]), columns=("id",))
    assert columns.ids_like(table, "id", NAMED.held).tolist() == ["b"]
