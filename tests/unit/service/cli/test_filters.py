"""`gleann build --payload` and `gleann search --where`, on small files."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.index import SearchParams, SoarIndex
from gleann.service.cli.main import run
from gleann.service.cli.options import FilterOptions

N = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filters")
    rows = np.random.default_rng(0).standard_normal((N, 6)).astype(np.float32)
    np.save(folder / "v.npy", rows)
    np.save(folder / "q.npy", rows[:5])
    lines = [f"title {i},{2000 + i % 30},{'en' if i % 3 else 'de'}," for i in range(N)]
    (folder / "p.csv").write_text("title,year,lang,note\n" + "\n".join(lines) + "\n")
    table = pa.table(
        {
            "id": [f"r{row}" for row in range(N)],
            "vector": list(rows),
            "year": pa.array(np.arange(N) % 30, pa.int16()),
            "tags": [["a", "b"][: row % 3] for row in range(N)],
            "when": pa.array([row * 10**6 for row in range(N)], pa.timestamp("us")),
            "half": [None if row % 2 else row for row in range(N)],
        }
    )
    pq.write_table(table, folder / "v.parquet")
    assert build(folder, "v.npy", "a", "--payload", str(folder / "p.csv")) == 0
    assert build(folder, "v.parquet", "b", "--columns", "year,tags,when,half") == 0
    return folder


def build(folder: Path, vectors: str, out: str, *options: str) -> int:
    paths = [str(folder / vectors), str(folder / out)]
    return run(["build", *paths, "--metric", "l2", "--nlist", "5", *options])


def search(folder: Path, index: str, out: str, *options: str) -> int:
    paths = [str(folder / index), str(folder / "q.npy"), "--out", str(folder / out)]
    return run(["search", *paths, "--k", "4", "--overwrite", *options])


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gleann: error: ")
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


def test_payload_of_a_csv_file_is_built_in(folder: Path) -> None:
    index = SoarIndex.load(folder / "a")
    assert {c.name: c.type for c in index.schema.columns} == {
        "title": "string",
        "year": "int64",
        "lang": "string",
        "note": "string",
    }
    assert index.payload is not None
    assert index.payload.slice(2, 3).to_pylist() == [
        {"title": "title 2", "year": 2002, "lang": "en", "note": None}
    ]


def test_columns_are_chosen_with_types_and_indexed(folder: Path) -> None:
    columns = "lang:indexed,year:string:indexed,note:json,title"
    payload = ["--payload", str(folder / "p.csv")]
    assert build(folder, "v.npy", "c", *payload, "--columns", columns) == 0
    assert [
        (one.name, one.type, one.indexed)
        for one in SoarIndex.load(folder / "c").schema.columns
    ] == [
        ("lang", "string", True),
        ("year", "string", True),
        ("note", "json", False),
        ("title", "string", False),
    ]


def test_columns_that_are_left_out_are_named_with_the_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = [{"x": row} for row in range(N)]
    table = pa.table(
        {"a b": range(N), "year": range(N), "about": about, "id": range(N)}
    )
    pq.write_table(table, folder / "odd.parquet")
    payload = ["--payload", str(folder / "odd.parquet")]
    assert build(folder, "v.npy", "d", *payload, "--json") == 0
    out, err = capsys.readouterr()
    left_out = json.loads(out)["results"]["left_out"]
    assert list(left_out) == ["a b", "about", "id"]
    assert "does not match" in left_out["a b"]
    assert "struct<x: int64>" in left_out["about"]
    assert "it is the id of the vector" in left_out["id"]
    (line,) = err.splitlines()
    assert "3 of 4 columns are left out: 'a b' (" in line
    assert all(reason in line for reason in left_out.values())
    assert SoarIndex.load(folder / "d").schema.names == ("year",)
    record = json.loads((folder / "d.manifest.json").read_text())
    assert record["results"]["left_out"] == left_out
    # What is chosen leaves nothing out.
    chosen = [*payload, "--columns", "year", "--json", "--overwrite"]
    assert build(folder, "v.npy", "d", *chosen) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["results"]["left_out"] == {}
    assert not err


def test_a_search_goes_among_the_rows_that_pass(folder: Path) -> None:
    done = search(
        folder, "a", "f.csv", "--where", "lang = $1 AND year IN $2", "--param", "en",
        "--param", "[2010, 2011]", "--columns", "title,year",
    )  # fmt: skip
    assert done == 0
    with (folder / "f.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["query", "rank", "id", "distance", "title", "year"]
    index = SoarIndex.load(folder / "a")
    allowed = np.array(
        [row % 3 != 0 and 2000 + row % 30 in (2010, 2011) for row in range(N)]
    )
    expected = index.search(
        np.load(folder / "q.npy"), SearchParams(k=4, allowed=allowed)
    )
    assert [int(line["id"]) for line in lines] == expected.ids.ravel().tolist()
    for line in lines:
        row = int(line["id"])
        assert (line["title"], line["year"]) == (f"title {row}", str(2000 + row % 30))


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".csv":
        with path.open() as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("out", ["o.parquet", "o.csv", "o.jsonl"])
def test_payload_is_written_as_the_format_has_it(folder: Path, out: str) -> None:
    columns = ("--columns", "half,tags,when")
    assert search(folder, "b", out, "--where", "contains(tags, 'b')", *columns) == 0
    lines = read(folder / out)
    assert len(lines) == 20
    for line in lines:
        row = int(line["id"][1:])
        assert row % 3 == 2
        half = None if row % 2 else row
        if out == "o.csv":
            assert line["half"] == ("" if half is None else str(half))
            assert json.loads(line["tags"]) == ["a", "b"]
        else:
            assert (line["half"], line["tags"]) == (half, ["a", "b"])
        moment = f"1970-01-01T00:{row // 60:02}:{row % 60:02}"
        when = line["when"]
        said = when if isinstance(when, str) else when.isoformat()
        assert said.startswith(moment), said


def test_npz_has_no_room_for_nulls_and_lists(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(folder, "b", "o.npz", "--columns", "year") == 0
    with np.load(folder / "o.npz") as arrays:
        assert arrays["year"].shape == arrays["id"].shape
    capsys.readouterr()
    for name in ("half", "tags"):
        assert search(folder, "b", "o.npz", "--columns", name) == 1
        assert f"column '{name}'" in refused(capsys)


SEARCHES = [
    (["--where", "color = 'red'"], "no column 'color', the columns are title (string)"),
    (["--where", "lang = 5"], "where, character 8: column 'lang' (string)"),
    (["--where", "year = $1", "--param", "new"], "$1, 'new': expected a whole number"),
    (["--where", "lang ="], "cannot be parsed"),
    (["--where", ""], "--where is empty"),
    (["--where", "lang = $1"], "$1 is not given: there are 0 parameters"),
    (["--param", "5"], "--param is given 1 times, and --where is not"),
    (["--columns", "color"], "no column 'color'"),
    (["--columns", "year,"], "--columns has an empty name"),
]


@pytest.mark.parametrize(("options", "says"), SEARCHES)
def test_searches_that_do_not_fit_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert search(folder, "a", "x.csv", *options) == 1
    assert says in refused(capsys)
    assert not (folder / "x.csv").exists()


BUILDS = [
    ("v.npy", ["--columns", "year"], "is a .npy file and has no --columns"),
    ("v.parquet", ["--columns", "vector"], "'vector' has the Arrow type list<"),
    ("v.parquet", ["--columns", "color"], "no column 'color'"),
    ("v.parquet", ["--columns", "year:text"], "int64, float64, bool"),
    ("v.parquet", ["--columns", "year:indexed:int64"], "got 'year:indexed:int64'"),
    ("v.parquet", ["--columns", "year::indexed"], "got 'year::indexed'"),
    ("v.parquet", ["--columns", "tags:indexed"], "strings cannot be indexed"),
    ("v.parquet", ["--columns", "tags:int64"], "give integers"),
    ("v.npy", ["--payload", "short.csv"], "2 rows of payload for 300 vectors"),
    ("v.npy", ["--payload", "p.txt"], "must end in one of"),
]


@pytest.mark.parametrize(("vectors", "options", "says"), BUILDS)
def test_builds_that_do_not_fit_leave_nothing(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    vectors: str,
    options: list[str],
    says: str,
) -> None:
    (folder / "short.csv").write_text("a\n1\n2\n")
    options = [str(folder / o) if "." in o else o for o in options]
    assert build(folder, vectors, "none", *options) == 1
    assert says in refused(capsys)
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("en", "en"),
        ("5", 5),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ('"5"', "5"),
        ('["a", "b"]', ["a", "b"]),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("it's", "it's"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_parameters_are_json_or_text(text: str, value: object) -> None:
    (parameter,) = FilterOptions(where="x = $1", param=(text,)).parameters
    assert parameter == value
    assert type(parameter) is type(value)
