"""`gleann graph`, end to end on small files."""

import json

import numpy as np
import pytest
from scipy.sparse import load_npz

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.service.cli.main import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    rng = np.random.default_rng(8)
    names = np.array([f"n{i}" for i in range(250)])
    params = BuildParams(metric="l2", nlist=8, tune_queries=0, seed=2)
    SoarIndex.build(rng.normal(size=(250, 7)), params, ids=names).save(folder / "index")
    return folder


def test_the_file_is_the_graph_and_scipy_reads_it(folder, capsys):
    out = folder / "graph.npz"
    assert run(["graph", str(folder / "index"), "--k", "6", "--out", str(out)]) == 0
    index = SoarIndex.load(folder / "index")
    graph = knn_graph(index, k=6)
    with np.load(out, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["ids"], index.ids)
        np.testing.assert_array_equal(stored["indices"], graph.rows)
        np.testing.assert_array_equal(stored["data"], graph.distances)
    assert abs(load_npz(out) - graph.to_scipy()).max() == 0
    assert "6 neighbours of 250 rows" in capsys.readouterr().out
    record = json.loads((folder / "graph.npz.manifest.json").read_text())
    assert record["results"]["nprobe"] == graph.nprobe
    assert record["results"]["estimated_recall"] == graph.estimated_recall
    assert set(record["seconds"]) == {"load", "graph", "save"}


def test_it_does_as_told_and_replaces_only_when_told(folder, capsys):
    out = folder / "told.npz"
    told = ["graph", str(folder / "index"), "--nprobe", "2", "--out", str(out)]
    assert run(told) == 0
    assert "nprobe 2," in capsys.readouterr().out
    assert run(told) == 1
    assert "exists already" in capsys.readouterr().err
    assert run([*told, "--overwrite", "--k", "3", "--engine", "reference"]) == 0
    assert load_npz(out).nnz == 750
    assert not list(folder.glob(".*.part"))


def test_refusals_are_one_line(folder, capsys):
    out = str(folder / "not.npz")
    assert run(["graph", str(folder / "index"), "--k", "0", "--out", out]) == 1
    assert capsys.readouterr().err == "gleann: error: --k must be at least 1, got 0\n"
    assert run(["graph", str(folder / "none"), "--out", out]) == 1
    assert not (folder / "not.npz").exists()
