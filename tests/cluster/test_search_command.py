"""`gleann cluster search` writes what `gleann search` does."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.shards.cut import cut
from gleann.service.cli.cluster.search import command
from gleann.service.cli.main import run

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((900, 8)).astype(np.float32)
    index = SoarIndex.build(
        rows, BuildParams(nlist=9), payload={"size": np.arange(900) % 7}
    )
    index.save(tmp_path / "one")
    cut(index, tmp_path / "cut", shards=2)
    np.save(tmp_path / "queries.npy", rng.standard_normal((30, 8)).astype(np.float32))
    return tmp_path


@pytest.mark.parametrize(
    "more",
    [
        ["--nprobe", "9", "--rerank", "900"],
        ["--exact", "--k", "3", "--columns", "size"],
        ["--where", "size = $1", "--param", "2", "--exact"],
        ["--radius", "0.6"],
    ],
)
def test_the_same_table(
    cluster: "Cluster",
    folder: Path,
    more: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables = []
    for words, name in ((["search"], "one"), (["cluster", "search"], "cut")):
        out = folder / f"{name}.parquet"
        files = [str(folder / name), str(folder / "queries.npy"), "--out", str(out)]
        assert run([*words, *files, *more]) == 0
        tables.append(pq.read_table(out))
        assert "30 queries" in capsys.readouterr().out
    assert tables[1].equals(tables[0])
    assert (folder / "cut.parquet.manifest.json").exists()


def test_the_examples(
    cluster: "Cluster", folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of --help, with the files of this test."""
    examples = (command.epilog or "").partition("Examples:\n")[2].splitlines()
    lines = [line.strip() for line in examples if "cluster search" in line]
    assert len(lines) == 3
    for line in lines:
        words = [_NAMES.get(word, word) for word in shlex.split(line)[1:]]
        words = [str(folder / word) if word in _FILES else word for word in words]
        assert run([*words, "--overwrite"]) == 0, line
        assert "30 queries" in capsys.readouterr().out


_NAMES = {"pages.shards": "cut", "/mnt/all/pages": "cut"}
_FILES = {"cut", "queries.npy", "found.parquet"}


def test_what_is_refused(
    cluster: "Cluster", folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries, out = str(folder / "queries.npy"), str(folder / "found.parquet")
    for index, more, said in (
        ("one", [], "no index in shards"),
        ("cut", ["--radius", "0.5", "--nprobe", "2"], "--nprobe is not for --radius"),
        ("cut", ["--param", "2"], "--where is not"),
        ("cut", ["--replicas", "0"], "--replicas"),
        ("cut", ["--where", "weight = 2"], "weight"),
    ):
        words = ["cluster", "search", str(folder / index), queries, "--out", out]
        assert run([*words, *more]) != 0
        assert said in capsys.readouterr().err
        assert not Path(out).exists()
