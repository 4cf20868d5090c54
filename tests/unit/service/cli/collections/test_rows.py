"""`gleann index` and `gleann rows`, on a data directory and on a server."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from gleann.index.errors import InvalidParamsError
from gleann.service.cli.collections import put
from gleann.service.cli.collections.tuning import declared_optimizer
from gleann.service.cli.main import run
from gleann.service.config import Config
from gleann.service.server import serve

COLUMNS = (
    "split:string:indexed",
    "score:float64",
    "seen:bool",
    "year:int64",
    "at:timestamp",
    "tags:strings",
    "extra:json",
)
LINES = (
    {
        "id": 1,
        "vector": [1, 2, 3, 4],
        "split": "train",
        "score": 0.5,
        "seen": True,
        "year": 2024,
        "at": "2024-02-29T12:00:00Z",
        "tags": ["a", "b,c"],
        "extra": {"k": [1, "é"]},
    },
    {"id": 20, "vector": [1, 2, 3, 5], "split": "test", "score": None, "tags": []},
    {"id": 3, "vector": [1, 2, 3, 6], "score": -1.25, "split": 'say "hi"'},
)
Gleann = Callable[..., Any]


@pytest.fixture(params=["directory", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The options that say where the indexes are."""
    data = tmp_path / "library"
    if request.param == "directory":
        data.mkdir()
        yield ["--data", str(data)]
        return
    config = Config(data_dir=data, listen="127.0.0.1:0", import_roots=(tmp_path,))
    with serve(config) as server:
        yield ["--server", server.target]


@pytest.fixture
def run_in(place: list[str], capsys: pytest.CaptureFixture[str]) -> Gleann:
    """Run a command there with --json; its object, or the error of the code given."""

    def call(*arguments: str, code: int = 0) -> Any:
        got = run([*arguments, *place, "--json"])
        printed = capsys.readouterr()
        assert got == code, printed.err
        return printed.err if code else json.loads(printed.out)

    return call


@pytest.fixture
def docs(run_in: Gleann, tmp_path: Path) -> Gleann:
    """The index docs with the rows of `LINES`."""
    declared = [part for column in COLUMNS for part in ("--column", column)]
    run_in("index", "create", "docs", "--dim", "4", "--metric", "l2", *declared)
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    assert run_in("rows", "put", "docs", str(file)) == {"count": 3}
    return run_in


def test_what_is_put_is_scrolled_in_the_order_of_ids(docs: Gleann) -> None:
    found = docs("rows", "scroll", "docs", "--with-vectors")
    assert found["count"] == 3
    assert [row["id"] for row in found["rows"]] == [1, 3, 20]
    expected = LINES[0] | {"at": "2024-02-29T12:00:00.000000Z"}
    assert found["rows"][0] == expected
    assert found["rows"][1]["tags"] is None
    assert found["rows"][2]["tags"] == []


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_a_scrolled_file_can_be_put_again(
    docs: Gleann, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"out{suffix}"
    docs("rows", "scroll", "docs", "--with-vectors", "--out", str(out))
    before = docs("rows", "scroll", "docs", "--with-vectors")
    docs("rows", "delete", "docs", "--where", "true", "--yes")
    assert docs("rows", "count", "docs") == {"count": 0}
    docs("rows", "put", "docs", str(out))
    assert docs("rows", "scroll", "docs", "--with-vectors") == before


def test_printed_rows_are_lines_of_json(
    docs: Gleann, place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rows", "scroll", "docs", "--where", "tags is null", *place]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in printed] == [3]
    assert json.loads(printed[0])["split"] == 'say "hi"'


def test_filters_and_parameters(docs: Gleann) -> None:
    def count(*arguments: str) -> int:
        return int(docs("rows", "count", "docs", *arguments)["count"])

    assert count() == 3
    assert count("--where", "score > $1", "--param", "0.25") == 1
    assert count("--where", "split = $1", "--param", 'say "hi"') == 1
    assert count("--where", "id IN $1", "--param", "[1, 20, 7]") == 2
    assert count("--where", "seen") == 1
    says = docs("rows", "count", "docs", "--where", "splot = 'x'", code=1)
    assert "splot" in says
    assert "character 1" in says
    says = docs("rows", "count", "docs", "--where", "year = $1", "--param", "x", code=1)
    assert "year" in says


def test_get_by_id(docs: Gleann, tmp_path: Path) -> None:
    found = docs("rows", "get", "docs", "20", "1", "--columns", "split,score")
    assert found["rows"] == [
        {"id": 20, "split": "test", "score": None},
        {"id": 1, "split": "train", "score": 0.5},
    ]
    (tmp_path / "wanted.csv").write_text("id\n3\n")
    out = tmp_path / "got.parquet"
    docs("rows", "get", "docs", "--ids", str(tmp_path / "wanted.csv"), "--columns", "",
         "--with-vectors", "--out", str(out))  # fmt: skip
    table = pa.parquet.read_table(out)
    assert table.to_pydict() == {"id": [3], "vector": [[1, 2, 3, 6]]}
    assert "no id 4" in docs("rows", "get", "docs", "4", code=1)
    assert "integers, got 'x'" in docs("rows", "get", "docs", "x", code=1)
    assert "neither is given" in docs("rows", "get", "docs", code=1)


def test_update_leaves_vectors_and_other_columns(docs: Gleann, tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("id,score,other\n3,0.75,x\n1,,y\n")
    assert docs("rows", "put", "docs", str(file), "--update") == {"count": 2}
    rows = docs("rows", "scroll", "docs", "--with-vectors")["rows"]
    assert [(row["score"], row["vector"][3]) for row in rows] == [
        (None, 4),
        (0.75, 6),
        (None, 5),
    ]
    assert rows[0]["split"] == "train"
    says = docs("rows", "put", "docs", str(file), "--update", "--take", "other", code=1)
    assert "'other'" in says


def test_delete_rows(docs: Gleann) -> None:
    assert docs("rows", "delete", "docs", "1") == {"count": 1}
    assert "no id 1" in docs("rows", "delete", "docs", "1", "3", code=1)
    assert docs("rows", "count", "docs") == {"count": 2}
    assert docs("rows", "delete", "docs", "1", "3", "--missing-ok") == {"count": 1}
    says = docs("rows", "delete", "docs", "--where", "split = 'test'", code=1)
    assert "Remove 1 rows" in says
    assert "--yes" in says
    gone = docs("rows", "delete", "docs", "--where", "split = 'test'", "--yes")
    assert gone == {"count": 1}
    assert "do not go" in docs("rows", "delete", "docs", "3", "--where", "true", code=1)


def test_vectors_beside_a_csv_file(docs: Gleann, tmp_path: Path) -> None:
    rows, vectors = tmp_path / "more.csv", tmp_path / "more.npy"
    rows.write_text('id,split,tags\n7,new,"[""x""]"\n8,new,\n')
    np.save(vectors, np.arange(8, dtype=np.float32).reshape(2, 4))
    docs("rows", "put", "docs", str(rows), "--vectors", str(vectors))
    got = docs("rows", "get", "docs", "8", "7", "--columns", "tags", "--with-vectors")
    assert got["rows"] == [
        {"id": 8, "vector": [4, 5, 6, 7], "tags": None},
        {"id": 7, "vector": [0, 1, 2, 3], "tags": ["x"]},
    ]
    np.save(vectors, np.zeros((3, 4), np.float32))
    says = docs("rows", "put", "docs", str(rows), "--vectors", str(vectors), code=1)
    assert "3 rows" in says
    assert "has 2" in says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,vector\n", None),
        ('id,vector\n1,"[1, 2, 3]"\n', "dim"),
        ('id,vector,year\n1,"[1, 2, 3, 4]",x\n', "'year'"),
        ('id,vector,seen\n1,"[1, 2, 3, 4]",maybe\n', "cannot hold 'maybe' of row 0"),
        ('id,vector,tags\n1,"[1, 2, 3, 4]",a\n', "cannot hold 'a' of row 0"),
        ('id,vector,at\n1,"[1, 2, 3, 4]",yesterday\n', "RFC 3339"),
        ('id,vector,extra\n1,"[1, 2, 3, 4]",{\n', "JSON"),
        ('key,vector\n1,"[1, 2, 3, 4]"\n', "'id'"),
        ("id,split\n1,a\n", "'vector'"),
    ],
)
def test_files_that_cannot_be_stored(
    docs: Gleann, tmp_path: Path, text: str, says: str | None
) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(text)
    if says is None:
        assert docs("rows", "put", "docs", str(file)) == {"count": 0}
        return
    assert says in docs("rows", "put", "docs", str(file), code=1)
    assert docs("rows", "count", "docs") == {"count": 3}


def test_a_batch_that_is_refused_is_named(
    docs: Gleann, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(put, "BATCH_ROWS", 2)
    line = '{"id": %d, "vector": [1, 2, 3, 4], "year": %s}\n'
    file = tmp_path / "more.jsonl"
    file.write_text("".join(line % (40 + i, "1" if i < 3 else '"x"') for i in range(5)))
    says = docs("rows", "put", "docs", str(file), code=1)
    assert "rows from 2 on" in says
    assert "2 rows before them are stored" in says
    assert "'year'" in says
    assert docs("rows", "count", "docs") == {"count": 5}


def test_a_batch_that_the_server_refuses_is_named(
    docs: Gleann, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(put, "BATCH_ROWS", 2)
    file = tmp_path / "more.jsonl"
    widths = [4, 4, 3, 3, 4]
    file.write_text(
        "".join(
            json.dumps({"id": 40 + i, "vector": [1] * width}) + "\n"
            for i, width in enumerate(widths)
        )
    )
    says = docs("rows", "put", "docs", str(file), code=1)
    assert "batch 2 (2 vectors, ids 42 to 43) is refused" in says
    assert "3 rows are stored" in says
    assert docs("rows", "count", "docs") == {"count": 6}


def test_an_upload_goes_on(
    docs: Gleann, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(put, "BATCH_ROWS", 2)
    file = tmp_path / "more.jsonl"
    line = '{"id": %d, "vector": [1, 2, 3, 4], "year": %s}\n'
    lines = [line % (40 + i, "1") for i in range(7)]
    file.write_text("".join([*lines[:4], line % (44, '"x"'), *lines[5:]]))
    docs("rows", "put", "docs", str(file), "--resume", "monday", code=1)
    assert docs("rows", "count", "docs") == {"count": 7}
    docs("rows", "delete", "docs", "40", "--yes")
    file.write_text("".join(lines))
    put_again = docs("rows", "put", "docs", str(file), "--resume", "monday")
    assert put_again == {"count": 7}
    # The first batches were stored before: they are not sent again.
    assert docs("rows", "count", "docs") == {"count": 9}
    says = docs("rows", "put", "docs", str(file), "--resume", "x", "--update", code=1)
    assert "--resume does not go with --update" in says


def test_texts_as_ids(run_in: Gleann, tmp_path: Path) -> None:
    run_in("index", "create", "named", "--dim", "2", "--column", "a:string")
    file = tmp_path / "rows.jsonl"
    file.write_text('{"id": "007", "vector": [1, 0], "a": "x"}\n')
    run_in("rows", "put", "named", str(file))
    (tmp_path / "more.csv").write_text('id,vector,a\n7,"[0, 1]",y\n')
    run_in("rows", "put", "named", str(tmp_path / "more.csv"))
    rows = run_in("rows", "get", "named", "7", "007")["rows"]
    assert rows == [{"id": "7", "a": "y"}, {"id": "007", "a": "x"}]


def test_columns(docs: Gleann) -> None:
    listed = docs("index", "columns", "docs")["columns"]
    assert listed[0] == {"name": "split", "type": "string", "indexed": True}
    changed = docs("index", "columns", "docs", "--add", "x:int64", "--drop", "score")
    names = [column["name"] for column in changed["columns"]]
    again = docs("index", "columns", "docs", "--add", "x:int64:indexed")["columns"]
    assert again[-1] == {"name": "x", "type": "int64", "indexed": True}
    assert "score" not in names
    assert names[-1] == "x"
    assert "'score'" in docs("index", "columns", "docs", "--drop", "score", code=1)
    for wrong in ("x", "x:text", "x:int64:sorted", "x y:int64", "id:int64"):
        says = docs("index", "columns", "docs", "--add", wrong, code=1)
        assert wrong.partition(":")[0] in says
    says = docs("index", "columns", "docs", "--add", "x:int64", "--drop", "x", code=1)
    assert "both" in says


def test_indexes(docs: Gleann, place: list[str], capsys: Any) -> None:
    docs("index", "create", "other", "--dim", "2")
    assert [one["name"] for one in docs("index", "list")["indexes"]] == [
        "docs",
        "other",
    ]
    info = docs("index", "info", "docs")
    assert (info["count"], info["dim"], info["metric"]) == (3, 4, "l2")
    says = docs("index", "delete", "other", code=1)
    assert "Delete other with its 0 rows?" in says
    assert docs("index", "delete", "other", "--yes") == {"name": "other", "count": 0}
    assert run(["index", "list", *place]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["docs: 3 x 4, l2, never built, 7 columns"]
    assert "other" in docs("index", "info", "other", code=1)


def test_import(docs: Gleann, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(20, dtype=np.float32).reshape(5, 4))
    np.save(tmp_path / "i.npy", np.arange(100, 105))
    found = docs("index", "import", "docs", str(tmp_path / "v.npy"), "--ids",
                 str(tmp_path / "i.npy"))  # fmt: skip
    assert found["count"] == 5
    assert found["index"]["count"] == 8
    assert docs("rows", "get", "docs", "104")["rows"][0]["split"] is None


def test_import_of_payload_and_compaction(docs: Gleann, tmp_path: Path) -> None:
    file = tmp_path / "items.parquet"
    table = pa.table(
        {
            "key": list(range(50, 90)),
            "vector": pa.array([[i, 1.0, 2.0, 3.0] for i in range(40)]),
            "split": ["new"] * 40,
            "licence": ["cc0", None] * 20,
        }
    )
    pa.parquet.write_table(table, file)
    docs("index", "import", "docs", str(file), "--id-column", "key", "--add-columns")
    assert docs("rows", "count", "docs", "--where", "licence = 'cc0'") == {"count": 20}
    before = docs("rows", "scroll", "docs")
    info = docs("index", "optimize", "docs", "--kind", "rebuild")
    assert (info["count"], info["pending"]) == (43, 0)
    assert info["optimizer"]["last_kind"] == "rebuild"
    assert docs("rows", "scroll", "docs") == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "neither is given"),
        (["--data", "a", "--server", "grpc://127.0.0.1:1"], "both"),
        (["--server", "directory"], "address"),
        (["--server", "127.0.0.1:50051"], "grpc://"),
        (["--data", "missing"], "no such directory"),
    ],
)
def test_places_that_are_none(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["index", "list", *arguments]) == 1
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_there_is_kept(
    docs: Gleann, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "kept.csv"
    out.write_text("mine")
    assert "exists" in docs("rows", "scroll", "docs", "--out", str(out), code=1)
    assert out.read_text() == "mine"
    says = docs("rows", "scroll", "docs", "--where", "no = 1", "--out", str(out),
                "--overwrite", code=1)  # fmt: skip
    assert "no" in says
    assert out.read_text() == "mine"
    says = docs("rows", "scroll", "docs", "--out", str(tmp_path / "a.txt"), code=1)
    assert ".parquet" in says


def test_the_key_of_a_server(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    config = Config(data_dir=tmp_path, listen="127.0.0.1:0", api_key="k" * 32)
    with serve(config) as server:
        assert run(["index", "list", "--server", server.target]) == 1
        monkeypatch.setenv("GLEANN_API_KEY", "k" * 32)
        assert run(["index", "list", "--server", server.target]) == 0


def test_an_import_says_which_columns_it_did_not_take(
    place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "v.npy", np.eye(2, dtype=np.float32))
    (tmp_path / "p.csv").write_text("year,a b\n1,2\n3,4\n")
    assert run(["index", "create", "n", "--dim", "2", *place]) == 0
    arguments = ["index", "import", "n", str(tmp_path / "v.npy"), *place]
    arguments += ["--payload", str(tmp_path / "p.csv")]

    def said(*more: str) -> str:
        capsys.readouterr()
        assert run([*arguments, *more]) == 0
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert "the index has no such columns: 'year', 'a b' (--add-columns)" in said()
    assert "can have the name or hold the type: 'a b'\n" in said("--add-columns")
    assert json.loads(said("--json"))["ignored_columns"] == ["a b"]
    assert "not taken" not in said("--take", "year")


def test_when_an_index_is_compacted(run_in: Gleann) -> None:
    made = run_in("index", "create", "docs", "--dim", "4", "--optimizer", "off")[
        "optimizer"
    ]
    assert made["params"]["enabled"] is False
    assert made["params"]["pending_share"] == 0.05
    assert "turned off" in made["decision"]
    words = ("on", "pending_share=0.1", "min_rows=7")
    some = [word for text in words for word in ("--optimizer", text)]
    set_ = run_in("index", "update", "docs", *some)["optimizer"]["params"]
    assert (set_["enabled"], set_["pending_share"], set_["min_rows"]) == (True, 0.1, 7)
    set_ = run_in("index", "update", "docs", "--optimizer", "drift=2")["optimizer"]
    assert (set_["params"]["drift"], set_["params"]["min_rows"]) == (2, 7)
    assert run_in("index", "info", "docs")["optimizer"]["params"] == set_["params"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("maybe",), "--optimizer is on, off or NAME=VALUE"),
        (("enabled=1",), "got 'enabled=1'"),
        (("pending_share=2",), r"pending_share must be in \(0, 1\], got 2"),
        (("min_rows=1.5",), "min_rows must be a number, got '1.5'"),
        (("on", "off"), "sets enabled twice"),
    ],
)
def test_compaction_parameters_that_are_refused(
    words: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InvalidParamsError, match=says):
        declared_optimizer(words)


def test_an_update_of_nothing(run_in: Gleann) -> None:
    run_in("index", "create", "docs", "--dim", "4")
    assert "nothing to set" in run_in("index", "update", "docs", code=1)
