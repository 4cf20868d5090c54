"""The part "graph-labels" of `python -m bench curation`, on little data."""

from argparse import Namespace

import numpy as np
import pytest

from bench.curation import graph_active, graph_labels
from bench.selection.trials.concepts import Labelled

QUICK = Namespace(quick=True, seed=0, threads=1)


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(4, 8)) * 1.5
    classes = np.tile(np.arange(4), 60)
    base = (middles[classes] + rng.normal(size=(240, 8))).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    return Labelled(
        name="digits",
        base=base,
        classes=classes,
        queries=base[:1],
        query_classes=classes[:1],
        names=("a", "b", "c", "d"),
        sha256="",
    )


def test_few_labels_are_measured_for_every_method(blobs):
    result = graph_labels.measure_few(blobs, QUICK)
    assert list(result["trials"]) == ["1", "5"]
    for methods in result["trials"].values():
        assert {len(seen) for seen in methods.values()} == {2}
        for right, seconds in methods["propagation"]:
            assert 0.25 < right <= 1
            assert seconds > 0
    few, more = (result["trials"][per]["propagation"] for per in ("1", "5"))
    assert np.mean(few, axis=0)[0] < np.mean(more, axis=0)[0]
    lines = graph_labels.show(result).splitlines()
    assert lines[0] == "240 rows, 4 classes, k = 10, 2 seeds"
    assert len(lines) == 4 + 2 * len(result["trials"]["1"])


def test_drawn_rows_are_as_many_of_every_class(blobs):
    rows = graph_labels.drawn(blobs.classes, 5, seed=3)
    assert np.bincount(blobs.classes[rows]).tolist() == [5] * 4
    assert len(np.unique(rows)) == 20


def test_strategies_start_from_the_same_labels_and_have_as_many(blobs):
    result = graph_active.measure_active([blobs], QUICK)
    curves = result["curves"][0]
    assert curves["labels"] == [4 + 10 * batch for batch in range(9)]
    starts = set()
    for judged in curves["accuracies"].values():
        for judge in graph_active.JUDGES:
            assert len(judged[judge]) == 1
            assert len(judged[judge][0]) == 9
        starts.add((judged["propagation"][0][0], judged["logistic regression"][0][0]))
    assert len(starts) == 1
    table = graph_labels.show(result)
    assert "24 labels | 44 labels | 84 labels" in table
    assert table.count("| random |") == 2
