"""The part `promises` of `python -m bench curation`."""

import argparse

import numpy as np
import pytest

from bench.curation import promises
from bench.curation.supg import supg_precision, supg_recall


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for name in promises.NAMES:
        proxy = rng.beta(0.1, 1, 12_000)
        arrays[f"{name}_proxy"] = proxy
        arrays[f"{name}_label"] = rng.random(12_000) < proxy
    (tmp_path / "supg-proxies").mkdir()
    np.savez(tmp_path / "supg-proxies" / "supg.npz", **arrays)
    return tmp_path


def test_the_part_measures_and_shows(folder, monkeypatch):
    monkeypatch.setattr(promises, "BUDGETS", (100,))
    arguments = argparse.Namespace(data=folder, quick=True, seed=0)
    *sets, audits = promises.run(arguments)
    assert [one.name for one in sets] == list(promises.NAMES)
    rows = {(r["promise"], r["method"]): r for r in sets[0].values["sets"]}
    assert rows["recall", "ideal"]["mean_recall"] >= 0.9
    assert rows["precision", "ideal"]["mean_precision"] >= 0.9
    assert rows["recall", "gleann"]["held"] == 1
    assert rows["recall", "gleann"]["mean_rows"] > rows["recall", "ideal"]["mean_rows"]
    shown = promises.show(sets[0].values)
    assert shown.count("| gleann |") == 2
    assert "| imagenet | " in promises.show(audits.values)
    assert audits.values["audits"][0]["held"] >= 0.8


@pytest.mark.parametrize("make", [supg_recall, supg_precision])
def test_supg_on_a_perfect_proxy(make):
    held = np.arange(5000) < 1000
    rows = make(held * 1.0, held, target=0.9, alpha=0.05, budget=1000, seed=0)
    assert np.array_equal(rows, np.arange(1000))
