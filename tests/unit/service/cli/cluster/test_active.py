"""`gleann cluster select active` picks what one machine does; without Ray."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.shards.cut import cut
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cli.main import run
from gleann.service.cluster import session
from gleann.service.cluster.search import opened

N, SHARDS = 600, 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One index, its rows in the order of the ids, and the same in shards."""
    rows = np.random.default_rng(2).normal(size=(N, 6)).astype(np.float32)
    one = SoarIndex.build(
        rows,
        BuildParams(nlist=9, tune_queries=16, codes="float32"),
        ids=np.arange(N) * 3,
        payload={"split": np.arange(N) % 4},
    )
    one.save(tmp_path / "one")
    cut(one, tmp_path / "cut", shards=SHARDS)
    np.save(tmp_path / "truth.npy", rows[:, 0] > 0.5)

    @contextmanager
    def held(_: object, path: Path, **__: object) -> Iterator[ShardedIndex]:
        yield ShardedIndex.load(path)

    monkeypatch.setattr(opened, "held", held)
    monkeypatch.setattr(session, "joined", lambda *_, **__: nullcontext())
    return tmp_path


def labelled(folder: Path, rows: list[int]) -> Path:
    truth = np.load(folder / "truth.npy")
    lines = [f"{3 * row},{int(truth[row])}" for row in rows]
    path = folder / "labels.csv"
    path.write_text("\n".join(["id,label", *lines, ""]))
    return path


def batches(folder: Path, words: list[str], name: str, asked: list[str]) -> list[Any]:
    """Three batches, the second and third by --resume."""
    rows, found = list(range(20)), []
    for number in range(3):
        out = folder / f"{name}-{number}.parquet"
        command = [*words, "active", str(folder / name), "--out", str(out)]
        command += ["--labels", str(labelled(folder, rows))]
        command += ["--state", str(folder / f"{name}.json")]
        assert run([*command, *(["--resume"] if number else asked)]) == 0
        found.append(pq.read_table(out).to_pydict())
        rows += [one // 3 for one in found[-1]["id"]]
    return found


def state(folder: Path, name: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    assert whole.pop("data_hash")
    return whole


@pytest.mark.parametrize("pool", ["auto", "seals", "classifier", "anchors", "random"])
@pytest.mark.parametrize("where", [[], ["--where", "split > $1", "--param", "0"]])
def test_batches_are_those_of_one_machine(
    folder: Path, pool: str, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--pool", pool, "--batch", "8", *where]
    here = batches(folder, ["select"], "one", asked)
    printed = capsys.readouterr().out.replace("one-", "cut-")
    there = batches(folder, ["cluster", "select"], "cut", asked)
    assert there == here
    assert state(folder, "cut") == state(folder, "one")
    assert capsys.readouterr().out == printed
    if where:
        assert all(one // 3 % 4 for batch in there for one in batch["id"])


def test_its_record_and_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, page = folder / "batch.parquet", folder / "batch.html"
    command = ["cluster", "select", "active", str(folder / "cut"), "--out", str(out)]
    command += ["--labels", str(labelled(folder, list(range(20))))]
    command += ["--state", str(folder / "s.json"), "--report", str(page)]
    assert run([*command, "--workers", "1"]) == 0
    record = json.loads(out.with_name("batch.parquet.manifest.json").read_text())
    assert record["command"] == "cluster select active"
    inputs = [Path(one["path"]).name for one in record["inputs"]]
    assert inputs == ["cut", "labels.csv"]
    text = page.read_text()
    # What to do next, on the same cluster.
    assert "gleann cluster select active" in text
    assert "--workers 1" in text
    assert "--resume" in text
    capsys.readouterr()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--where", "split > 9"], f"0 of {N} items pass --where"),
        (["--where", "size > 9"], "size"),
        (["--show-column", "text"], "--report"),
        (["--report", "a.html", "--show-column", "text"], "--show-from"),
        (["--pool", "none"], "none"),
        (["--metric", "l2"], "--metric"),
        (["--resume"], "s.json"),
    ],
)
def test_what_is_refused(
    folder: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "batch.parquet"
    command = ["cluster", "select", "active", str(folder / "cut"), "--out", str(out)]
    command += ["--labels", str(labelled(folder, list(range(20))))]
    assert run([*command, "--state", str(folder / "s.json"), *more]) != 0
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_an_index_that_is_not_in_shards(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["cluster", "select", "active", str(folder / "one"), "--labels"]
    command += [str(labelled(folder, [1, 2])), "--state", str(folder / "s.json")]
    assert run([*command, "--out", str(folder / "batch.parquet")]) == 1
    assert "no index in shards" in capsys.readouterr().err
