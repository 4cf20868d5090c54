"""Ids through the command line: what a file holds is what comes out, or is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
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


@pytest.mark.parametrize("suffix", outputs.TABLE_SUFFIXES)
def test_tables_hold_ids_as_they_are(suffix: str, tmp_path: Path) -> None:
    held, numbers = Texts.of_texts(ODD), np.arange(len(ODD))
    path = tmp_path / f"t{suffix}"
    outputs.write_table(path, {"held": held, "plain": np.array(ODD), "n": numbers})
    table = read_table(path, columns=("held", "plain", "n"))
    assert columns.own_ids(table, "held").tolist() == ODD
    assert columns.own_ids(table, "plain").tolist() == ODD
    assert columns.own_ids(table, "n").tolist() == numbers.tolist()
