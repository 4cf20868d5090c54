"""`bench.measures.costs`: the fit behind `index/operating/cost.py`."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures import costs
from bench.measures.costs import TERMS, fit
from gleann.index.engines import native


def test_the_fit_finds_what_made_the_times():
    rng = np.random.default_rng(0)
    work = np.column_stack([np.ones(60), rng.integers(1, 4000, (60, 4))])
    true = np.array([5000.0, 0.5, 80.0, 0.4, 150.0])
    got = fit(work, work @ true, dim=100)
    assert list(got["nanoseconds"]) == list(TERMS)
    assert list(got["nanoseconds"].values()) == pytest.approx(true)
    assert got["error_of_fit"] < 1e-9
    assert 0.01 < got["error_of_model"] < 1


@pytest.mark.skipif(not native.tiers(), reason="the native kernels are not built")
def test_a_run_records_what_it_measured(tmp_path, clustered, monkeypatch, capsys):
    monkeypatch.setattr(costs, "NLISTS", (20,))
    monkeypatch.setattr(costs, "NPROBES", (2, 5))
    monkeypatch.setattr(costs, "RERANKS", (12, 20))
    monkeypatch.setattr(costs, "TIER", native.tiers()[0])
    np.save(tmp_path / "base.npy", clustered(600, 8, seed=1))
    np.save(tmp_path / "queries.npy", clustered(40, 8, seed=2))
    (tmp_path / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    out = tmp_path / "out" / "costs.json"
    line = ["costs", "--data", str(tmp_path), "--repeats", "1", "--out", str(out)]
    arguments = make_parser().parse_args(line)
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    (fitted,) = result["fits"]
    assert fitted["data"]["n"] == 600
    assert len(fitted["data"]["sha256"]) == 64
    assert fitted["terms"] == list(TERMS)
    assert np.shape(fitted["work_a_query"]) == (4, 5)
    assert min(fitted["nanoseconds_a_query"]) > 0
    again = fit(
        np.array(fitted["work_a_query"]),
        np.array(fitted["nanoseconds_a_query"]),
        dim=fitted["data"]["dim"],
    )
    assert again["nanoseconds"] == pytest.approx(fitted["nanoseconds"])
    assert {"machine", "versions", "commit", "seed", "repeats"} <= result.keys()
    assert "| tiny | 8 |" in capsys.readouterr().out
