"""The measurement of selection for targets: its rival and its tables."""

import numpy as np
import pytest

from bench.curation.target import SETS, TARGET, matrix_round_robin
from gleann.index import BuildParams, SoarIndex
from gleann.selection.curation.target import RoundRobinRequest, round_robin


def unit(rows):
    return np.float32(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.mark.parametrize("head", [None, 60])
def test_the_full_matrix_gives_the_turns_of_exhaustive_lists(head):
    rng = np.random.default_rng(0)
    rows, targets = unit(rng.normal(size=(700, 12))), unit(rng.normal(size=(30, 12)))
    params = BuildParams(metric="cosine", nlist=8, tune_queries=0)
    index = SoarIndex.build(rows, params)
    request = RoundRobinRequest(targets=targets, budget=250, target_recall=1.0)
    want = round_robin(index, request).rows
    found = matrix_round_robin(index.vectors, targets, 250, head=head)
    assert found.tolist() == want.tolist()


def test_tables_show_what_was_measured():
    chosen = [
        {"way": "best rank", "hits": 0.8, "divergence": 0.5, "distance": 0.1}
        | {"overlap": 0.93},
        {"way": "distilled best rank", "hits": 0.8, "divergence": 0.5, "distance": 0.1}
        | {"auc": 0.94},
    ]
    result = {"chosen": chosen, "seeds": 10}
    assert "overlap with round robin 0.930" in TARGET.show(result)
    assert "AUC of the classes 0.940" in TARGET.show(result)
    assert "seconds" not in TARGET.show(result)
    speeds = [
        {"way": "full matrix, sorted", "seconds": [4.0, 6.0, 5.0], "overlap": 1.0},
        {"way": "gleann 0.99", "seconds": [0.1, 0.3, 0.2], "overlap": 0.994},
    ]
    result |= {"speeds": speeds, "n": 110_000, "targets": 1000, "budget": 10_000}
    result |= {"build_seconds": 12.0, "filters": [{"share": 0.01, "overlap": 0.999}]}
    shown = TARGET.show(result)
    assert "| gleann 0.99 | 0.200 | 25.0x | 0.9940 |" in shown
    assert "| 1% | 0.9990 |" in shown
    assert "10,000 of 110,000 rows for 1,000 targets" in shown
    assert SETS == ("wordnet-384", "glove-100")
