"""`bench.costs`: the fit behind `index/cost.py`."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # bench is not installed

from bench.costs import TERMS, fit


def test_the_fit_finds_what_made_the_times():
    rng = np.random.default_rng(0)
    work = np.column_stack([np.ones(60), rng.integers(1, 4000, (60, 4))])
    true = np.array([5000.0, 0.5, 80.0, 0.4, 150.0])
    got = fit(work, work @ true, dim=100)
    assert list(got["nanoseconds"]) == list(TERMS)
    assert list(got["nanoseconds"].values()) == pytest.approx(true)
    assert got["error_of_fit"] < 1e-9
    assert 0.01 < got["error_of_model"] < 1
