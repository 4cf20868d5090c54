import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.neighbors import KNeighborsTransformer

from bench.__main__ import make_parser
from bench.datasets import DatasetError
from bench.measures import estimators


@pytest.fixture
def data(tmp_path, clustered):
    folder = tmp_path / "small"
    folder.mkdir()
    rows = clustered(3060, 12, seed=1)
    np.save(folder / "base.npy", rows[:-60])
    np.save(folder / "queries.npy", rows[-60:])
    (folder / "meta.json").write_text(json.dumps({"name": "small", "metric": "l2"}))
    return folder


def test_pipelines_are_timed_and_judged(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(estimators, "in_own_process", estimators.measured)
    line = ["estimators", "--data", str(data), "--peers", "brute", "--rounds", "2"]
    arguments = make_parser().parse_args(
        [*line, "--k", "5", "--rows", "2500", "--out", str(tmp_path / "o.json")]
    )
    assert arguments.run(arguments) == 0
    result = json.loads((tmp_path / "o.json").read_text())
    assert list(result["peers"]) == ["gleann", "brute"]
    assert [len(runs) for runs in result["peers"].values()] == [2, 2]
    exact = result["peers"]["brute"][0]
    assert exact["graph_recall"] > 0.999
    assert exact["query_recall"] > 0.999
    ours = result["peers"]["gleann"][0]
    assert 0.9 < ours["graph_recall"] <= 1
    assert 0.9 < ours["query_recall"] <= 1
    assert abs(ours["right"] - exact["right"]) < 0.1
    assert result["data"]["n"] == 2500
    assert {"machine", "versions", "commit", "seed", "command"} <= result.keys()
    table = capsys.readouterr().out
    assert "small (2,500 x 12, l2), 5 neighbours" in table
    assert "| gleann |" in table
    assert "1.00x" in table


def test_a_process_of_its_own_answers_the_same(data):
    asked = estimators.Asked(
        data=data,
        rows=600,
        quick=False,
        peer="brute",
        k=3,
        recall=0.95,
        threads=1,
        seed=0,
    )
    here, there = estimators.measured(asked), estimators.in_own_process(asked)
    assert replace(here, fit=0, predict=0) == replace(there, fit=0, predict=0)


def test_the_nearest_columns_of_a_graph():
    graph = csr_array(
        (np.array([3.0, 1.0, 2.0, 0.0]), np.array([0, 1, 2, 2]), np.array([0, 3, 4])),
        shape=(2, 3),
    )
    assert estimators.nearest_columns(graph, k=2).tolist() == [[1, 2], [2, -1]]


def test_shared_rows():
    found = np.array([[3, 1], [-1, 4]])
    assert estimators.shared(found, np.array([[1, 2], [4, 5]])) == 0.5
    assert estimators.shared(found, found) == 1


def test_another_metric_is_refused(data):
    (data / "meta.json").write_text(json.dumps({"name": "small", "metric": "ip"}))
    arguments = make_parser().parse_args(["estimators", "--data", str(data)])
    with pytest.raises(DatasetError, match="'ip', not one of cosine, l2"):
        arguments.run(arguments)


def test_fewer_rows_than_classes_are_refused(data):
    line = ["estimators", "--data", str(data), "--rows", "49"]
    arguments = make_parser().parse_args(line)
    with pytest.raises(DatasetError, match="small has 49 rows, of which 50 are cl"):
        arguments.run(arguments)


def test_the_first_run_is_not_counted(data, monkeypatch):
    """What a peer compiles is compiled by then."""
    seen, clock = [], [0.0]

    class Slow(KNeighborsTransformer):
        def fit(self, rows, y=None):
            clock[0] += 0.25 if seen else 60.0
            seen.append(len(rows))
            return super().fit(rows, y)

    made = Slow(n_neighbors=3, algorithm="brute")
    monkeypatch.setattr(estimators, "transformer_of", lambda *_: made)
    monkeypatch.setattr(estimators, "perf_counter", lambda: clock[0])
    asked = estimators.Asked(
        data=data,
        rows=0,
        quick=False,
        peer="brute",
        k=3,
        recall=0.95,
        threads=1,
        seed=0,
    )
    done = estimators.measured(asked)
    assert seen == [estimators.FIRST_ROWS, 3000]
    assert (done.fit, done.predict) == (0.25, 0)
    assert done.graph_recall > 0.999
