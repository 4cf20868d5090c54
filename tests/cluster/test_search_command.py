"""`gleann cluster search` writes what `gleann search` does."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.shards.cut import cut
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
    for command, name in ((["search"], "one"), (["cluster", "search"], "cut")):
        out = folder / f"{name}.parquet"
        files = [str(folder / name), str(folder / "queries.npy"), "--out", str(out)]
        assert run([*command, *files, *more]) == 0
        tables.append(pq.read_table(out))
        assert "30 queries" in capsys.readouterr().out
    assert tables[1].equals(tables[0])
    assert (folder / "cut.parquet.manifest.json").exists()


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
        command = ["cluster", "search", str(folder / index), queries, "--out", out]
        assert run([*command, *more]) != 0
        assert said in capsys.readouterr().err
        assert not Path(out).exists()
