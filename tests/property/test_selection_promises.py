"""Coverage of promises over many draws, where it is hardest, at tiny budgets too."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from gleann.selection.promises import PromiseParams, PromiseSession, run_promise

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 200


def covered(proxy, held, params):
    """How many of `TRIALS` sets keep the promise, and their mean size."""
    kept, sizes = 0, []
    for seed in range(TRIALS):
        one = PromiseParams(
            promise=params.promise,
            target=params.target,
            budget=params.budget,
            confidence=params.confidence,
            seed=seed,
        )
        session = PromiseSession.start(proxy, one)
        found = run_promise(session, lambda ids: held[ids], chunk=one.budget)
        inside = held[found.rows].sum()
        of = held.sum() if one.promise == "recall" else len(found)
        kept += inside >= one.target * of
        sizes.append(len(found))
    return kept, float(np.mean(sizes))


def assert_covered(kept, confidence):
    test = binomtest(kept, TRIALS, confidence, alternative="less")
    assert test.pvalue > 0.01, f"{kept} of {TRIALS} hold, promised {confidence}"


@cache
def hard(name):
    """A population (proxy, held) of 3,000 rows."""
    rng = np.random.default_rng(7)
    n = 3000
    proxy = rng.beta(0.2, 1.5, n)
    if name == "useless proxy":
        return proxy, rng.random(n) < 0.15
    if name == "reversed proxy":
        return proxy, rng.random(n) < 0.3 * (1 - proxy)
    if name == "few hidden":  # the top looks perfect, a ninth lie at the bottom
        held = np.zeros(n, bool)
        order = np.argsort(-proxy)
        held[order[:200]] = True
        held[order[-2500:]] = rng.random(2500) < 26 / 2500
        return proxy, held
    # Just short of nine in ten wherever one cuts.
    held = np.ones(n, bool)
    held[np.argsort(-proxy)[4::9]] = False
    return proxy, held


@pytest.mark.slow
@pytest.mark.parametrize("budget", [100, 600])
@pytest.mark.parametrize(
    "name", ["useless proxy", "reversed proxy", "few hidden", "just short"]
)
@pytest.mark.parametrize("promise", ["recall", "precision"])
def test_promises_hold_whatever_the_proxy(promise, name, budget):
    params = PromiseParams(promise=promise, budget=budget, confidence=0.9)
    kept, _ = covered(*hard(name), params)
    assert_covered(kept, 0.9)


@pytest.fixture(scope="module")
def supg():
    shared = Path(os.environ.get("GLEANN_DATA", ROOT.parent / "shared" / "data"))
    file = shared / "supg-proxies" / "supg.npz"
    if not file.exists():
        pytest.skip("no supg-proxies/supg.npz under GLEANN_DATA")
    return np.load(file)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("promise", "budget", "most"),
    [("recall", 100, 11_165), ("recall", 3000, 4000), ("precision", 100, 300)],
)
def test_promises_hold_on_real_proxies(supg, promise, budget, most):
    params = PromiseParams(promise=promise, budget=budget)
    proxy = supg["onto_proxy"].astype(np.float64)
    kept, size = covered(proxy, supg["onto_label"], params)
    assert_covered(kept, 0.95)
    assert size <= most
