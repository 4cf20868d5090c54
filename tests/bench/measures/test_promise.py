"""`bench.measures.promise`: builds are resumed, and the least entries are the least."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures.promise import promise_table
from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search, recall_at_k


@pytest.fixture
def folder(tmp_path, clustered, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = clustered(4000, 8, seed=1)
    np.save(tmp_path / "base.npy", rows[:3600])
    np.save(tmp_path / "queries.npy", rows[3600:])
    (tmp_path / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    return tmp_path


def run(folder, line):
    out = folder / "out.json"
    arguments = make_parser().parse_args(
        f"promise --data {folder} --out {out} {line}".split()
    )
    assert arguments.run(arguments) == 0
    return json.loads(out.read_text())


def test_a_run_is_recorded_and_resumed(folder, capsys):
    one = run(folder, "--seeds 1")
    assert (one["mode"], one["queries"], one["given"]) == ("promise", 400, 0)
    assert {"machine", "versions", "commit", "command"} <= one.keys()
    marked = json.loads((folder / "out.json").read_text())
    marked["builds"]["0"][0]["nprobe"] = -1
    (folder / "out.json").write_text(json.dumps(marked))
    two = run(folder, "--seeds 2")
    assert list(two["builds"]) == ["0", "1"]
    assert two["builds"]["0"][0]["nprobe"] == -1  # it was not built again
    assert promise_table(two) in capsys.readouterr().out


def test_the_least_entries_are_the_least(folder):
    [build] = run(folder, "--seeds 1 --recall 0.9 0.95")["builds"].values()
    rows, queries = np.load(folder / "base.npy"), np.load(folder / "queries.npy")
    index = SoarIndex.build(rows, BuildParams(metric="l2", seed=0))
    exact = exact_search(queries, rows, metric="l2", k=10)[1]

    def recall(nprobe, rerank):
        params = SearchParams(k=10, nprobe=nprobe, rerank=rerank)
        return recall_at_k(index.search(queries, params).distances, exact)

    for one in build:
        assert recall(one["least_nprobe"], one["rerank"]) >= one["asked"]
        if one["least_nprobe"] > 1:
            assert recall(one["least_nprobe"] - 1, one["rerank"]) < one["asked"]
        assert one["recall"] == pytest.approx(
            recall(one["nprobe"], one["rerank"]), abs=1e-4
        )


def test_given_queries_are_not_asked(folder):
    result = run(folder, "--seeds 1 --given 150")
    assert (result["queries"], result["given"]) == (250, 150)
