"""The latency of small batches, by size."""

import numpy as np
import pytest

from bench.measures.single import CALLS, SIZES, single_table, summary, time_sizes
from gleann.index import BuildParams, SearchParams, SoarIndex


def test_every_size_is_timed_in_every_round() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(nlist=10, tune_queries=0, seed=0))
    searches = {0.9: SearchParams(k=3, nprobe=2)}
    taken = time_sizes(index, rows[:256], searches, rounds=2)
    assert set(taken) == {(0.9, size) for size in SIZES}
    for size in SIZES:
        assert len(taken[0.9, size]) == 2 * min(CALLS, 256 // size)
        assert min(taken[0.9, size]) > 0


def test_summary_by_hand() -> None:
    found = summary(4, [1e-6 * micros for micros in range(1, 101)])
    assert found["p50"] == pytest.approx(50.5)
    assert found["p50_a_query"] == pytest.approx(50.5 / 4)
    assert found["p99"] == pytest.approx(99.01)
    assert found["calls"] == 100
    level = {"level": 0.95, "recall": 0.951, "sizes": [found]}
    assert "| 0.951 | 4 | 12.6 | 50 | 99 |" in single_table({"levels": [level]})
