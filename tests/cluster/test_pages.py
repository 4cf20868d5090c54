"""The commands of the pages about a cluster run as they stand, with a real Ray."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.cluster import demo
from docs.make.contents import ROOT
from gleann.service.cli.main import run
from tests.docs.test_command_blocks import blocks_of

PAGES = "README.md", "docs/howto/cluster.md"
N, DIM, QUERIES = 3000, 16, 20


@pytest.fixture
def folder(tmp_path: Path, clustered, monkeypatch: pytest.MonkeyPatch) -> Path:
    np.save(tmp_path / "vectors.npy", clustered(N, DIM, seed=1))
    np.save(tmp_path / "queries.npy", clustered(QUERIES, DIM, seed=2))
    labels = "\n".join(f"{row},{row % 2}" for row in range(20))
    (tmp_path / "seed.csv").write_text(f"id,label\n{labels}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands_of(page: str) -> Iterator[list[str]]:
    """The commands of a page that work on a cluster, as words."""
    for block in blocks_of(page, (ROOT / page).read_text("utf-8")):
        for line in block.lines:
            if line.startswith("gleann cluster "):
                yield shlex.split(line)[1:]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page: str, folder: Path, cluster, capsys) -> None:
    found = list(commands_of(page))
    assert [words[1] for words in found[:2]] == ["build", "search"]
    for words in found:
        assert run(words) == 0, capsys.readouterr().err
    table = pq.read_table(folder / "found.parquet")
    assert table.num_rows == QUERIES * 10
    assert (folder / "pages.shards" / "shards.json").exists()
    outs = [words[words.index("--out") + 1] for words in found if "--out" in words]
    assert all((folder / out).exists() for out in outs)


def test_the_demo_runs(tmp_path: Path, cluster, capsys, monkeypatch) -> None:
    demo.write_inputs(tmp_path, rows=N)
    monkeypatch.chdir(tmp_path)
    for line in demo.commands(demo.README.read_text("utf-8")):
        words = shlex.split(line)
        assert words[0] == "gleann"
        assert run(words[1:]) == 0, capsys.readouterr().err
    assert pq.read_table(tmp_path / "found.parquet").num_rows == demo.QUERIES * 10
    assert pq.read_table(tmp_path / "picks.parquet").num_rows == 50
