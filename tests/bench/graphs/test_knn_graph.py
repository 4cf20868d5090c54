"""The comparison of neighbour graphs, with real processes on tiny data."""

import json
from argparse import ArgumentParser, Namespace

import numpy as np
import pytest

from bench.datasets import load_dataset
from bench.graphs import GRAPHS
from bench.graphs.knn_graph import GraphRun, add_knn_graph, draw_rows, sampled
from bench.graphs.result import Entry, Made, graph_table, times
from bench.peers.contract import Peer

EXACT = '''
"""Exhaustive search; the weak setting answers with random rows."""
import numpy as np
from bench.peers.contract import Setting, Sweep
{preamble}

SEARCHES = True

def version():
    return "1.0"

def sweep(shape):
    settings = tuple(Setting(build={{"weak": w}}, efforts=(1,)) for w in (True, False))
    return Sweep(settings=settings, fixed=({{}},), effort="effort")

def build(base, metric, threads, params):
    return base, params["weak"]

def neighbours(built, own, k, params):
    base, weak = built
    own = np.arange(len(base)) if own is None else own
    apart = np.square(base).sum(axis=1) - 2 * base[own] @ base.T
    apart[np.arange(len(own)), own] = np.inf
    return np.argsort(-apart if weak else apart, axis=1)[:, :k]
'''


@pytest.fixture
def data(tmp_path, clustered):
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(folder / "base.npy", clustered(700, 8, seed=1))
    np.save(folder / "queries.npy", clustered(40, 8, seed=1)[:40])
    (folder / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    return folder


@pytest.fixture
def graphs(tmp_path, monkeypatch):
    folder = tmp_path / "modules"
    folder.mkdir()
    for name, preamble in {
        "exact_graph": "",
        "missing_graph": "import no_such",
    }.items():
        (folder / f"{name}.py").write_text(EXACT.format(preamble=preamble))
        monkeypatch.setitem(GRAPHS, name, Peer(module=name))
    monkeypatch.syspath_prepend(folder)
    return GRAPHS


def test_the_truth_leaves_a_row_out_of_its_own_neighbours(data):
    dataset = load_dataset(data)
    own = draw_rows(dataset, seed=3)
    few = sampled(dataset, own[:5], k=4)
    assert few.truth.shape == (5, 4)
    for row, near in zip(own[:5], few.truth, strict=True):
        apart = np.square(dataset.base - dataset.base[row]).sum(axis=1)
        apart[row] = np.inf
        np.testing.assert_array_equal(np.argsort(apart)[:4], near)


def test_ratios_are_paired_by_round():
    def entry(*totals):
        rounds = [
            Made(build=t, graph=1.0, cores=(2.0, 1.0), recall=1.0) for t in totals
        ]
        return Entry(name="x", rounds=rounds)

    assert times(entry(1, 3), entry(3, 7), "total") == {
        "median": 2.0,
        "low": 2.0,
        "high": 2.0,
    }
    assert times(entry(1), entry(4), "cpu")["median"] == 3.0
    assert times(entry(1), entry(), "total") is None


@pytest.mark.slow
def test_a_comparison_finds_the_setting_that_is_good_enough(graphs, data):
    asked = Namespace(
        data=data,
        peers=["exact_graph", "missing_graph"],
        k=5,
        level=0.9,
        rounds=1,
        threads=1,
        seed=0,
        quick=False,
    )
    result = json.loads(json.dumps(GraphRun(asked).run()))
    ours, exact, missing = result["peers"]
    assert ours["name"] == "gleann"
    assert [one["recall"] >= 0.9 for one in exact["tried"]] == [False, True]
    assert exact["build"] == {"weak": False}
    assert missing["failure"].startswith("skipped: No module named 'no_such'")
    for peer in (ours, exact):
        (made,) = peer["rounds"]
        assert made["recall"] >= 0.9
        assert made["build"] > 0
        assert made["graph"] > 0
    assert exact["rounds"][0]["recall"] == 1.0
    for key in ("machine", "versions", "commit", "seed", "threads", "load_at_start"):
        assert key in result
    table = graph_table(result)
    assert "exact_graph | weak=False effort=1 | 1.0000" in table
    assert "missing_graph skipped" in table


def test_the_command_line_has_defaults():
    parser = ArgumentParser()
    add_knn_graph(parser)
    parsed = parser.parse_args(["--data", "somewhere"])
    assert (parsed.k, parsed.level, parsed.rounds) == (10, 0.95, 3)
    assert parsed.peers == ["gleann", "pynndescent", "hnswlib"]
