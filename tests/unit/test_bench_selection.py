"""The selection bench: its measures by hand, and a small run of it all."""

import argparse
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from bench.datasets import DatasetError
from bench.selection import active, growth
from bench.selection.concepts import draw_seed, load_labelled, rare_concepts
from bench.selection.drawing import plot_active, plot_growth
from bench.selection.gaps import paired_gap
from bench.selection.labelling import average_precision


def test_a_paired_gap_by_hand():
    gap = paired_gap([[0.5, 0.3], [0.2, 0.2]], [[0.6, 0.4], [0.5, 0.5]])
    assert gap.mean == pytest.approx(
        0.2
    )  # 0.1 for the first concept, 0.3 for the other
    assert (gap.low, gap.high) == (pytest.approx(0.1), pytest.approx(0.3))
    assert gap.pairs == 4
    assert paired_gap([[1.0]], [[1.0]]).mean == 0


def test_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    positive = rng.random(200) < 0.1
    scores = rng.integers(20, size=200) / 20  # with ties
    assert average_precision(positive, scores) == pytest.approx(
        average_precision_score(positive, scores)
    )
    assert average_precision(np.zeros(3, bool), np.ones(3)) == 0


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(12), [100] * 2 + [1500] * 10)
    centres = rng.normal(size=(12, 8))
    for part, size in (("base", None), ("query", 300)):
        labels = classes if size is None else rng.permutation(classes)[:size]
        rows = centres[labels] + 0.6 * rng.normal(size=(len(labels), 8))
        name = "base.npy" if part == "base" else "queries.npy"
        np.save(tmp_path / name, rows.astype(np.float16))
        np.save(tmp_path / f"{part}_labels.npy", labels.astype(np.uint8))
    meta = {"name": "small", "metric": "cosine", "label_names": list("abcdefghijkl")}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    return tmp_path


def test_concepts_are_rare_and_seeds_hold_five_positives(folder):
    data = load_labelled(folder)
    assert rare_concepts(data, count=2, seed=3) == [0, 1]
    with pytest.raises(DatasetError, match="2 rare classes, not 3"):
        rare_concepts(data, count=3, seed=0)
    positive = data.classes == 1
    seed = draw_seed(positive, seed=4)
    assert positive[seed].sum() == 5
    assert len(set(seed.tolist())) == 100
    assert seed.tolist() == draw_seed(positive, seed=4).tolist()
    (folder / "base_labels.npy").unlink()
    with pytest.raises(DatasetError, match=r"no base_labels.npy"):
        load_labelled(folder)


def test_a_small_run_fills_every_cell(folder, tmp_path):
    parser = active.add_arguments(argparse.ArgumentParser())
    args = parser.parse_args(
        ["--data", str(folder), "--concepts", "2", "--seeds", "1", "--budget", "150"]
    )
    result = active.run(args)
    json.dumps(result, allow_nan=False)
    summary = {one["method"]: one for one in result["sets"][0]["summary"]}
    assert set(summary) == {method.name for method in active.METHODS}
    everything = summary["global"]
    assert everything["mean"]["looked_at"] == everything["in_pool"] == 1.0
    assert everything["below_global"]["recall"]["mean"] == 0.0
    assert summary["random"]["mean"]["recall"] < everything["mean"]["recall"]
    assert summary["SEALS, 15"]["mean"]["looked_at"] < 0.3
    assert summary["classifier, 15"]["in_pool"] > summary["SEALS, 15"]["in_pool"]
    assert active.tables(result).count("\n") >= len(active.METHODS)
    assert plot_active(result, tmp_path / "gaps.svg")
    drawn = (tmp_path / "gaps.svg").read_text()
    assert "SEALS, 15" in drawn
    assert "random" in drawn


def test_growth_is_drawn_a_line_a_pool(tmp_path):
    rows = [
        {"pool": pool, "n": n, "median_seconds": n * 1e-5}
        for pool in ("seals", "global")
        for n in (1000, 2000)
    ]
    for name in ("one.svg", "two.svg"):
        assert plot_growth({"data": "small", "rows": rows}, tmp_path / name)
    drawn = (tmp_path / "one.svg").read_bytes()
    assert b"seals" in drawn
    assert drawn == (tmp_path / "two.svg").read_bytes()


def test_growth_measures_on_one_thread_and_says_so():
    with threadpool_limits(1):
        assert growth.blas_threads() == 1
