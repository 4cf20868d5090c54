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
    digits, tacred, _ = means.run(arguments)
    assert [row["name"] for row in digits.values["abae"]][-1] == "share of eights"
    told = tacred.values["joint"][1]["statistics"][1]
    assert told["over_stratified"] < 0.7
    assert told["rmse_over_uniform"] < 0.7
    assert "told by the proxy" in means.show(tacred.values)


def test_audits_measure_and_show(tmp_path):
    arguments = argparse.Namespace(data=tmp_path, quick=True, seed=0)
    (digits,) = audit.run(arguments)
    choices = {row["choice"]: row for row in digits.values["choices"]}
    assert max(choices["neighbours of one row"]["vendi_shares"]) < 0.95
    assert choices["five classes"]["classes"] == 5
    assert choices["farthest first"]["radius_ratios"][-1] < 1
    assert "| five classes | 100 |" in audit.show(digits.values)
