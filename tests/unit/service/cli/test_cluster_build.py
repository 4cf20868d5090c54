"""`gleann cluster build` without a cluster: plans, options, and what it is given."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index.build import kmeans
from gleann.index.errors import StorageError, UnavailableError
from gleann.index.shards.build import build as build_module
from gleann.index.shards.manifest import read
from gleann.service.cli.cluster import build
from gleann.service.cli.main import run
from tests.support.shard_builds import files_of, write_parquet


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    rows = np.random.default_rng(0).standard_normal((500, 8))
    return write_parquet(
        tmp_path / "pages", rows, ids=[f"p{n}" for n in range(500)], score=range(500)
    )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run in this process."""
    monkeypatch.setattr(build, "runner_of", runner_here)


@contextmanager
def runner_here(*_: Any) -> Iterator[Any]:
    yield map


def test_a_plan_says_what_it_takes(
    pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = pages.parent / "out"
    words = [
        "cluster",
        "build",
        str(pages),
        str(out),
        "--shards",
        "3",
        "--workers",
        "2",
    ]
    assert run([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "read 3 files in 3 blocks, and place their rows in 3 shards" in said
    assert "train 7 lists on 448 rows of all files, and assign 500 rows\n" in said
    assert "2 workers, each with about" in said
    assert "rows: 500" in said
    assert not out.exists()
    assert run([*words, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["rows"] == 500
    assert plan["workers"] == 2
    assert plan["trained_rows"] == 448
    assert plan["memory_bytes"] > 0 < plan["worker_bytes"]
    assert plan["disk_bytes"] >= plan["disk_bytes_after"] > 500 * 8 * 4


@pytest.mark.usefixtures("here")
def test_it_builds_and_leaves_a_record(
    pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = pages.parent / "out"
    words = ["cluster", "build", str(pages), str(out), "--shards", "2"]
    assert run([*words, "--columns", "score:float64", "--metric", "l2"]) == 0
    said = capsys.readouterr().out
    assert f"{out}: 500 vectors of 8 dimensions in 2 shards of" in said
    record = json.loads((pages.parent / "out.manifest.json").read_text())
    assert record["command"] == "cluster build"
    assert len(record["results"]["files"]) == 3
    assert sum(record["results"]["shards"]) == 500
    manifest = read(out)
    assert manifest.id_kind == "strings"
    assert manifest.header["params"]["metric"] == "l2"
    before = files_of(out)
    assert run(words) == 1
    assert "there is an index in shards at" in capsys.readouterr().err
    assert files_of(out) == before
    assert run([*words, "--overwrite"]) == 0
    assert files_of(out) != before


@pytest.mark.parametrize(
    ("more", "message", "code"),
    [
        (["--shards", "0"], "--shards", 2),
        (["--shards", "4097"], "4097 is not in the range 1<=x<=4096", 2),
        (["--shards", "2", "--nlist", "501"], "--nlist is 501, but there are 500", 1),
        (["--shards", "2", "--columns", "nothing"], "no column 'nothing'", 1),
        (["--shards", "2", "--id-column", "vector"], "must hold integers or texts", 1),
        (
            ["--shards", "2", "--projection", "9"],
            "--projection is 9, and rows have 8",
            1,
        ),
        ([], "--shards", 2),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_cannot_be_is_refused(
    pages: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
    code: int,
) -> None:
    for dry in ([], ["--dry-run"]):
        words = ["cluster", "build", str(pages), str(pages.parent / "out"), *more, *dry]
        assert run(words) == code
        assert message in capsys.readouterr().err
    assert not (pages.parent / "out").exists()


def test_one_of_each_is_counted_in_the_singular(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "one.npy", np.ones((1, 8), np.float32))
    words = ["cluster", "build", str(tmp_path / "one.npy"), str(tmp_path / "out")]
    assert run([*words, "--shards", "1", "--workers", "1", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "read 1 file in 1 block, and place their rows in 1 shard\n" in said
    assert "train 1 list on 1 row of all files, and assign 1 row\n" in said
    assert "1 worker, each with about" in said


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("error", [StorageError, UnavailableError])
def test_a_build_that_a_machine_failed_says_how_to_go_on(
    pages: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error("no room")

    out = pages.parent / "out"
    words = ["cluster", "build", str(pages), str(out), "--shards", "2"]
    monkeypatch.setattr(build_module, "finish_shards", refuse)
    assert run(words) == 1
    assert capsys.readouterr().err == (
        f"gleann: what is done is kept in {out}/.building: the same command goes on"
        " from there\ngleann: error: no room\n"
    )
    monkeypatch.undo()
    monkeypatch.setattr(build, "runner_of", runner_here)
    assert run(words) == 0
    assert "; done before: " in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_lists_that_are_trained_on_few_rows_are_told(
    pages: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = pages.parent / "out"
    words = ["cluster", "build", str(pages), str(out), "--shards", "2"]
    assert run([*words, "--dry-run"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(kmeans, "MOST_TRAIN_BYTES", 20 * 4 * 8)
    warning = (
        "gleann: warning: k-means holds 512 MiB of rows at most: it sees 20 of 500 rows"
        " for 7 lists, 2.9 a list in place of 64; --nlist names fewer lists\n"
    )
    assert run([*words, "--dry-run"]) == 0
    found = capsys.readouterr()
    assert found.err == warning
    assert "train 7 lists on 20 rows of all files" in found.out
    assert run(words) == 0
    found = capsys.readouterr()
    assert found.err == warning
    assert "7 lists trained on 20 rows, " in found.out
    record = json.loads((pages.parent / "out.manifest.json").read_text())
    assert record["results"]["trained_rows"] == 20
    assert run([*words, "--overwrite", "--nlist", "2", "--dry-run"]) == 0
    assert capsys.readouterr().err == ""  # ten a list


def test_the_index_is_a_directory(
    pages: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pages.parent)
    words = ["cluster", "build", str(pages), "s3://bucket/out", "--shards", "2"]
    for dry in ([], ["--dry-run"]):
        assert run([*words, *dry]) == 1
        assert "OUT is the URL s3://bucket/out: give a dir" in capsys.readouterr().err
    assert [path.name for path in pages.parent.iterdir()] == ["pages"]
