"""Commands take whatever `gleann.data.open` takes by a path."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from gleann.index import SoarIndex
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
