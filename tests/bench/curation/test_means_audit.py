"""The parts `means` and `audit` of `python -m bench curation`."""

import argparse

import numpy as np
import pytest

from bench.curation import audit, means
from bench.selection.trials.populations import NAMES


@pytest.mark.slow
def test_means_measure_and_show(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for name in NAMES:
        proxy = rng.beta(0.1, 1, 12_000)
        arrays[f"{name}_proxy"] = proxy
        arrays[f"{name}_label"] = rng.random(12_000) < proxy
    (tmp_path / "supg-proxies").mkdir()
    np.savez(tmp_path / "supg-proxies" / "supg.npz", **arrays)
    arguments = argparse.Namespace(data=tmp_path, quick=True, seed=0)
    digits, tacred, _, made = means.run(arguments)
    assert [row["name"] for row in digits.values["abae"]][-1] == "share of eights"
    told = tacred.values["joint"][1]["statistics"][1]
    assert told["over_stratified"] < 0.7
    assert told["rmse_over_uniform"] < 0.7
    assert told["rmse_over_stratified"] < 0.7
    assert told["worse"] < 0
    assert "told by the proxy" in means.show(tacred.values)
    assert "| share of eights | 0.0" in means.show(digits.values)
    assert [row["budget"] for row in made.values["joint"]] == [60, 400]


def test_errors_beside_others_are_marked_beyond_noise():
    ours = {"rmse": 2.0, "squares_error": 0.1}
    same = means.beside(np.array([4.1, 3.9, 4.0, 4.0]), ours)
    assert same["ours_over"] == pytest.approx(1.0)
    assert abs(same["worse"]) < 1
    better = means.beside(np.array([1.1, 0.9, 1.0, 1.0]), ours)
    assert better["worse"] > means.BEYOND_NOISE
    assert means.ratio_of(better["ours_over"], better["worse"]) == "2.000 **no**"
    assert means.ratio_of(1.002, 0.4) == "1.002"


def test_audits_measure_and_show(tmp_path):
    arguments = argparse.Namespace(data=tmp_path, quick=True, seed=0)
    (digits,) = audit.run(arguments)
    choices = {row["choice"]: row for row in digits.values["choices"]}
    assert max(choices["neighbours of one row"]["vendi_shares"]) < 0.95
    assert choices["five classes"]["classes"] == 5
    assert choices["farthest first"]["radius_ratios"][-1] < 1
    assert "| five classes | 100 |" in audit.show(digits.values)
