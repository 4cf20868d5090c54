"""Commands take whatever `gleann.data.open` takes by a path."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from gleann.index import SoarIndex
from gleann.service.cli.collections import put
from gleann.service.cli.main import run

N, DIM = 300, 6
ROWS = np.random.default_rng(4).normal(size=(N, DIM)).astype(np.float32)
IDS = [f"r{row:03}" for row in range(N)]


def table():
    years = [2000 + row % 7 for row in range(N)]
    return pa.table({"id": IDS, "vector": ROWS.tolist(), "year": years})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "parts").mkdir()
    for part in range(3):
        some = table().slice(100 * part, 100)
        pq.write_table(some, tmp_path / "parts" / f"p{part}.parquet")
    pyarrow.feather.write_feather(table(), tmp_path / "v.feather")
    np.savez(tmp_path / "v.npz", vectors=ROWS, ids=IDS)
    heading = np.array(ROWS.shape, "<u4").tobytes()
    (tmp_path / "v.fbin").write_bytes(heading + ROWS.tobytes())
    return tmp_path


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("parts", True),
        ("parts/p*.parquet", True),
        ("v.feather", True),
        ("v.npz", True),
        ("v.fbin", False),
    ],
)
def test_build_search_and_select(source, named, folder, capsys):
    out = folder / "i.gleann"
    words = ["build", str(folder / source), str(out), "--metric", "l2", "--seed", "1"]
    assert run(words) == 0, capsys.readouterr().err
    index = SoarIndex.load(out)
    assert np.array_equal(index.vectors, ROWS)
    assert index.ids.tolist() == (IDS if named else list(range(N)))
    record = json.loads((folder / "i.gleann.manifest.json").read_text())
    assert record["inputs"][0]["bytes"] > 0
    found = folder / "found.parquet"
    words = ["search", str(out), str(folder / source), "--k", "1", "--out", str(found)]
    assert run(words) == 0, capsys.readouterr().err
    held = pq.read_table(found).to_pydict()
    assert held["id"] == held["query"] == (IDS if named else list(range(N)))
    words = ["select", "random", str(folder / source), "--k", "9", "--out"]
    assert run([*words, str(folder / "picks.csv")]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("source", ["parts", "parts/*.parquet", "v.feather"])
def test_columns_of_the_vectors(source, folder, capsys):
    out = folder / "i.gleann"
    words = ["build", str(folder / source), str(out), "--columns", "year"]
    assert run(words) == 0, capsys.readouterr().err
    index = SoarIndex.load(out)
    assert index.payload.to_arrow()["year"].to_pylist() == table()["year"].to_pylist()


@pytest.mark.parametrize("source", ["parts", "parts/*.parquet", "v.feather"])
def test_rows_put(source, folder, capsys):
    data = ["--data", str(folder / "library")]
    create = ["index", "create", "docs", "--dim", str(DIM), "--column", "year:int64"]
    assert run([*create, *data]) == 0, capsys.readouterr().err
    assert run(["rows", "put", "docs", str(folder / source), *data]) == 0
    capsys.readouterr()
    assert run(["rows", "count", "docs", "--where", "year = 2003", *data]) == 0
    years = table()["year"].to_pylist()
    assert f"{years.count(2003)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "source", ["v.npy", "arrays", "arrays/*.npy", "v.npz", "v.fbin"]
)
def test_rows_put_of_vectors_alone(source, folder, capsys, monkeypatch):
    monkeypatch.setattr(put, "BATCH_ROWS", 70)
    (folder / "arrays").mkdir()
    np.save(folder / "v.npy", ROWS)
    for part in range(3):
        np.save(folder / "arrays" / f"p{part}.npy", ROWS[100 * part : 100 * part + 100])
    data = ["--data", str(folder / "library"), "--json"]
    create = ["index", "create", "docs", "--dim", str(DIM), "--metric", "l2"]
    assert run([*create, *data]) == 0, capsys.readouterr().err
    assert run(["rows", "put", "docs", str(folder / source), *data]) == 0
    capsys.readouterr()
    assert run(["rows", "scroll", "docs", "--with-vectors", *data]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    named = source == "v.npz"
    assert [row["id"] for row in rows] == (IDS if named else list(range(N)))
    assert np.array_equal(np.float32([row["vector"] for row in rows]), ROWS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--update"], "v.fbin has vectors and no columns: payload is read from"),
        (["--take", "year"], "v.fbin has vectors and no columns: payload is read from"),
        (["--id-column", "key"], "v.fbin has no column 'key'"),
        (["--vectors-column", "v"], "v.fbin has no columns, but vectors is 'v'"),
    ],
)
def test_rows_put_asks_an_array_for_columns(words, says, folder, capsys):
    data = ["--data", str(folder / "library")]
    create = ["index", "create", "docs", "--dim", str(DIM), "--column", "year:int64"]
    assert run([*create, *data]) == 0, capsys.readouterr().err
    assert run(["rows", "put", "docs", str(folder / "v.fbin"), *words, *data]) == 1
    assert says in capsys.readouterr().err


def test_row_numbers_are_no_ids_of_an_index_with_texts(folder, capsys):
    data = ["--data", str(folder / "library")]
    create = ["index", "create", "docs", "--dim", str(DIM)]
    assert run([*create, *data]) == 0, capsys.readouterr().err
    assert run(["rows", "put", "docs", str(folder / "v.npz"), *data]) == 0
    capsys.readouterr()
    assert run(["rows", "put", "docs", str(folder / "v.fbin"), *data]) == 1
    assert "string" in capsys.readouterr().err
    assert run(["rows", "count", "docs", *data]) == 0
    assert str(N) in capsys.readouterr().out


def test_an_array_has_no_columns(folder, capsys):
    words = ["build", str(folder / "v.fbin"), str(folder / "i.gleann")]
    assert run([*words, "--id-column", "id"]) == 1
    assert "v.fbin is a .fbin file and has no columns" in capsys.readouterr().err
    assert run([*words, "--columns", "year"]) == 1
    assert "is a .fbin file and has no --columns" in capsys.readouterr().err


def test_an_url_keeps_its_slashes(folder, capsys):
    pytest.importorskip("obstore", reason="needs obstore (extra cloud)")
    out = folder / "i.gleann"
    assert run(["build", f"file://{folder}/parts", str(out)]) == 0
    assert SoarIndex.load(out).ids.tolist() == IDS
    record = json.loads((folder / "i.gleann.manifest.json").read_text())
    assert record["inputs"][0] == {"path": f"file://{folder}/parts"}
