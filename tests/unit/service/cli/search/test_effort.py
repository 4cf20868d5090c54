"""`gleann search --effort`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.service.cli.main import run


@pytest.mark.slow
def test_lists_are_scanned_by_effort(
    tmp_path: Path,
    mixed: Callable[[int], np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    queries = mixed(200)
    index = SoarIndex.build(mixed(12_000), BuildParams(metric="l2", nlist=400))
    index.save(tmp_path / "index")
    np.save(tmp_path / "q.npy", queries)
    out = tmp_path / "out.parquet"
    paths = [str(tmp_path / "index"), str(tmp_path / "q.npy"), "--out", str(out)]
    line = ["search", *paths, "--target-recall", "0.98", "--verbose"]
    assert run([*line, "--effort", "by-query"]) == 0
    params = SearchParams(k=10, target_recall=0.98, effort="by_query")
    found = index.search(queries, params)
    assert f"lists_probed {found.stats.lists_probed:,}" in capsys.readouterr().out
    assert pq.read_table(out)["id"].to_pylist() == found.ids.ravel().tolist()
    even = index.search(queries, SearchParams(k=10, target_recall=0.98)).stats
    assert even.lists_probed != found.stats.lists_probed


def test_other_efforts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "i", "q.npy", "--out", "o.parquet", "--effort", "x"]) == 2
    assert "'even', 'by-query'" in capsys.readouterr().err
