"""The selection bench: its measures by hand, and a small run of it all."""

import argparse
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from bench.datasets import DatasetError
from bench.selection import active, growth, tasti
from bench.selection.gaps import paired_gap
from bench.selection.notes import notes_of
from bench.selection.tables.drawing import plot_active, plot_growth
from bench.selection.tables.tasti_table import tasti_table
from bench.selection.trials.concepts import draw_seed, load_labelled, rare_concepts
from bench.selection.trials.labelling import average_precision
from gleann.selection import EstimateParams


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
        ["--data", str(folder), "--concepts", "2", "--seeds", "1", "--budget", "150",
         "--strategies", "entropy", "most_likely_positive"]
    )  # fmt: skip
    result = active.run(args, tmp_path / "active.json")
    assert json.loads((tmp_path / "active.json").read_text())["sets"] == result["sets"]
    json.dumps(result, allow_nan=False)
    every = result["sets"][0]["summary"]
    found = [one for one in every if one["strategy"] == "most_likely_positive"]
    assert {one["method"] for one in found} == {m.name for m in active.METHODS}
    summary = {one["method"]: one for one in every if one["strategy"] == "entropy"}
    assert set(summary) == {method.name for method in active.METHODS}
    everything = summary["global"]
    assert everything["mean"]["looked_at"] == everything["in_pool"] == 1.0
    assert everything["below_global"]["recall"]["mean"] == 0.0
    assert summary["random"]["mean"]["recall"] < everything["mean"]["recall"]
    assert summary["SEALS, 15"]["mean"]["looked_at"] < 0.3
    assert summary["classifier, 15"]["in_pool"] > summary["SEALS, 15"]["in_pool"]
    # What lies nearest to the positives is found without a classifier, and at random
    # nearly nothing is.
    assert summary["nearest"]["mean"]["recall"] > summary["random"]["mean"]["recall"]
    assert active.tables(result).count("\n") >= 2 * len(active.METHODS)
    assert "Strongest simple method, entropy: " in active.tables(result)
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


def test_a_small_run_counts_concepts_and_goes_on_where_it_was(
    folder, tmp_path, monkeypatch
):
    parser = argparse.ArgumentParser()
    tasti.add_arguments(parser)
    out = tmp_path / "tasti.json"
    args = parser.parse_args(
        ["--data", str(folder), "--rows", "15200", "--concepts", "2", "--labels", "200",
         "--trials", "3", "--out", str(out)]
    )  # fmt: skip
    counted = []
    real = tasti.METHODS["TASTI in a session"]

    def killed(trial):
        counted.append(trial.params.seed)
        if len(counted) == 4:
            raise KeyboardInterrupt
        return real(trial)

    monkeypatch.setitem(tasti.METHODS, "TASTI in a session", killed)
    with pytest.raises(KeyboardInterrupt):
        tasti.run(args)
    assert notes_of(out).exists()
    result = tasti.run(args)
    # The first concept is not counted again; the second is, from its first seed.
    assert counted == [0, 1, 2, 0, 0, 1, 2]
    assert result["resumed_after"] == 1
    assert json.loads(out.read_text())["table"] == result["table"]
    assert [row["method"] for row in result["table"]] == 2 * list(tasti.METHODS)
    for row in result["table"]:
        assert row["labels"] == 200
        assert row["trials"] == 3
        assert row["positives"] == 100
    text = tasti_table(result)
    assert text.count("small, a (") == text.count("small, b (") == len(tasti.METHODS)
    assert "200 labels, 40 of them representatives" in text


def test_a_rival_beside_the_representatives_counts_them(folder):
    data = load_labelled(folder)
    held = data.classes == 0
    first = np.concatenate([np.flatnonzero(held)[:30], np.flatnonzero(~held)[:10]])
    found = []
    for seed in range(20):
        params = EstimateParams(budget=400, strata_cut="geometric", seed=seed)
        trial = tasti.Trial.of(data.base, held, first, params)
        found.append([method(trial) for method in (tasti.abae, tasti.fixed)])
    for made in zip(*found, strict=True):
        assert {one.labels_used for one in made} == {400}
        values = np.array([one.value for one in made])
        assert abs(values.mean() - 100) < 4 * values.std() / np.sqrt(20) + 1
