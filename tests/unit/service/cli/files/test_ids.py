"""Ids through the command line: what a file holds is what comes out, or is refused."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from gleann.index import SoarIndex
from gleann.index.ids.checks import MAX_ID_BYTES
from gleann.index.texts import Texts
from gleann.service.cli.files import columns, outputs
from gleann.service.cli.files.tables import read_table
from gleann.service.cli.main import run

ODD = ["a\0b", "a", "é", "e\u0301", "\ta", "a\nb", 'a"b', "a,b", "007", "7", "A" * 3000]
ROWS = np.random.default_rng(1).normal(size=(len(ODD), 5)).astype(np.float32)


def table(ids: Any) -> pa.Table:
    return pa.table({"id": ids, "vector": pa.array(ROWS.tolist())})


def build(tmp_path: Path, ids: Any) -> int:
    pq.write_table(table(ids), tmp_path / "in.parquet")
    words = ["build", "in.parquet", "i.gleann", "--id-column", "id", "--metric", "l2"]
    return run([str(tmp_path / w) if "." in w else w for w in words])


def test_ids_of_parquet_come_back_exactly(tmp_path: Path) -> None:
    assert build(tmp_path, ODD) == 0
    index, queries, out = (
        str(tmp_path / name) for name in ("i.gleann", "in.parquet", "out.parquet")
    )
    search = ["search", index, queries, "--id-column", "id", "--k", "1", "--out", out]
    assert run(search) == 0
    found = pq.read_table(out).to_pydict()
    assert found["id"] == ODD
    assert found["query"] == ODD


def test_a_dictionary_of_strings_is_read_as_strings(tmp_path: Path) -> None:
    assert build(tmp_path, pa.array(ODD).dictionary_encode()) == 0
    assert SoarIndex.load(tmp_path / "i.gleann").ids.tolist() == ODD


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([*ODD[:10], "z\0"], "row 10 is 'z\\x00', which ends in NUL"),
        ([*ODD[:10], ""], "row 10: id is empty (1 of 11 rows are)"),
        ([*ODD[:10], "z" * 5000], f"of 5000 bytes in UTF-8, at most {MAX_ID_BYTES}"),
        ([name.encode() for name in ODD], "integers or texts as ids, got binary"),
        ([1.5] * len(ODD), "integers or texts as ids, got double"),
        ([["x"]] * len(ODD), "integers or texts as ids, got list"),
    ],
)
def test_what_cannot_be_an_id_is_refused(
    ids: Any, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tmp_path, ids) == 1
    told = capsys.readouterr().err
    assert told.startswith("gleann: error: ")
    assert says in told
    assert not (tmp_path / "i.gleann").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ODD),
        (["--id-column", "id"], ODD),
        (["--id-column", ""], list(range(len(ODD)))),
    ],
)
def test_a_column_called_id_holds_the_ids(
    options: list[str], expected: list[object], tmp_path: Path
) -> None:
    pq.write_table(table(ODD), tmp_path / "in.parquet")
    words = [str(tmp_path / "in.parquet"), str(tmp_path / "out"), *options]
    assert run(["build", *words]) == 0
    assert SoarIndex.load(tmp_path / "out").ids.tolist() == expected


def test_a_column_called_id_that_cannot_be_taken_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(table([1.5] * len(ODD)), tmp_path / "in.parquet")
    words = [str(tmp_path / "in.parquet"), str(tmp_path / "out")]
    assert run(["build", *words]) == 0
    said = capsys.readouterr().err
    assert "ids are row numbers, as column 'id' holds double" in said
    assert SoarIndex.load(tmp_path / "out").ids.tolist() == list(range(len(ODD)))


LIKE_NUMBERS = [
    "007", "7", "07", "1e3", "1000", "1.10", "1.1", "+5", "5", "True", "true", "NA",
    "null", "nan", "2020-01-01", "12:30", "0x10", "1_000", "inf", "-0", "0",
]  # fmt: skip


def estimated(folder: Path, proxy: str, answers: str, *more: str) -> int:
    words = ["--proxy", proxy, "--oracle-csv", answers, "--todo", "todo.csv", "--out",
             "o.json"]  # fmt: skip
    words = [str(folder / word) if "." in word else word for word in words]
    return run(["estimate", *words, "--strata", "1", "--overwrite", *more])


@pytest.mark.parametrize("proxy", ["p.csv", "p.parquet"])
@pytest.mark.parametrize("answers", ["a.csv", "a.parquet"])
def test_answers_for_ids_like_numbers_find_their_items(
    proxy: str, answers: str, tmp_path: Path
) -> None:
    n = len(LIKE_NUMBERS)
    proxies = pa.table({"id": LIKE_NUMBERS, "proxy": np.linspace(0.1, 0.9, n)})
    positive = [int(row % 3 == 0) for row in range(n)]
    told = pa.table({"id": LIKE_NUMBERS, "positive": positive})
    for name, columns_ in (("p", proxies), ("a", told)):
        pq.write_table(columns_, tmp_path / f"{name}.parquet")
        pa.csv.write_csv(columns_, tmp_path / f"{name}.csv")
    assert estimated(tmp_path, proxy, answers, "--budget", str(n)) == 0
    made = json.loads((tmp_path / "o.json").read_text())
    assert made["estimate"]["value"] == sum(positive)


def test_an_answer_for_007_is_not_one_for_7(tmp_path: Path) -> None:
    proxies = {"id": ["7", "007", "8", "9"], "proxy": [0.5] * 4}
    pq.write_table(pa.table(proxies), tmp_path / "p.parquet")
    (tmp_path / "a.csv").write_text("id,positive\n007,1\n8,0\n9,0\n")
    assert estimated(tmp_path, "p.parquet", "a.csv", "--budget", "4") == 3
    todo = read_table(tmp_path / "todo.csv", columns=("id",))
    assert columns.own_ids(todo, "id").tolist() == [7]
    assert todo.columns["id"].to_pylist() == ["7"]


def test_zip_codes_that_are_asked_for_can_be_answered(tmp_path: Path) -> None:
    zips = [f"{code:05d}" for code in range(300)]
    proxies = {"id": zips, "proxy": np.linspace(0, 1, 300)}
    pq.write_table(pa.table(proxies), tmp_path / "p.parquet")
    known = ["id,positive"]
    for _ in range(5):
        (tmp_path / "a.csv").write_text("\n".join(known))
        if estimated(tmp_path, "p.parquet", "a.csv", "--budget", "60") == 0:
            break
        todo = read_table(tmp_path / "todo.csv", columns=("id",))
        asked = todo.columns["id"].to_pylist()
        assert set(asked) < set(zips)
        known += [f"{code},{int(code) % 4 == 0:d}" for code in asked]
    assert len(known) == 61
    assert (tmp_path / "o.json").exists()


@pytest.mark.parametrize("suffix", outputs.TABLE_SUFFIXES)
def test_tables_hold_ids_as_they_are(suffix: str, tmp_path: Path) -> None:
    held, numbers = Texts.of_texts(ODD), np.arange(len(ODD))
    path = tmp_path / f"t{suffix}"
    outputs.write_table(path, {"held": held, "plain": np.array(ODD), "n": numbers})
    table = read_table(path, columns=("held", "plain", "n"))
    assert columns.own_ids(table, "held").tolist() == ODD
    assert columns.own_ids(table, "plain").tolist() == ODD
    assert columns.own_ids(table, "n").tolist() == numbers.tolist()


@pytest.mark.parametrize("kind", [pa.binary(16), pa.uuid()])
def test_uuids_are_read_as_text(kind: pa.DataType, tmp_path: Path) -> None:
    held = [UUID(int=row) for row in range(len(ODD))]
    bytes_of = pa.array([one.bytes for one in held], pa.binary(16))
    assert build(tmp_path, bytes_of.cast(kind)) == 0
    ids = SoarIndex.load(tmp_path / "i.gleann").ids
    assert ids.tolist() == [str(one) for one in held]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_ids_of_bytes_are_refused(
    kind: pa.DataType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "u.parquet"
    bytes_of = pa.array([bytes([row] * 16) for row in range(3)], pa.binary(16))
    ids = bytes_of.cast(kind)
    pq.write_table(pa.table({"id": ids, "vector": np.eye(3).tolist()}), file)
    words = ["select", "random", str(file), "--k", "1", "--out"]
    assert run([*words, str(tmp_path / "o.csv")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "column 'id' holds" in said
    assert "--id-column ''" in said
    assert run([*words, str(tmp_path / "o.csv"), "--id-column", ""]) == 0
