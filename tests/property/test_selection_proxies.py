"""Proxies rank the rows of a rare concept, those of score 0 under a plain vote too."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gleann.selection import (
    EstimateParams,
    TastiSession,
    propagate_labels,
    run_estimate,
)
from gleann.selection.estimate import estimate

N, CLUSTERS = 20_000, 200


def rare_clusters(seed):
    """One of 200 overlapping clusters is the concept; few rows are labelled."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(CLUSTERS, 8)) * 1.5
    cluster = rng.integers(0, CLUSTERS, size=N)
    vectors = (centres[cluster] + rng.normal(size=(N, 8))).astype(np.float32)
    held = cluster == 0
    rows = np.concatenate(
        [
            rng.choice(np.flatnonzero(held), size=5, replace=False),
            rng.choice(np.flatnonzero(~held), size=195, replace=False),
        ]
    )
    return vectors, held, rows


def plain_vote(vectors, rows, labels, k=5):
    """TASTI's: the k nearest vote, weighed by (sum of distances - distance)."""
    centres = vectors[rows]
    squares = (
        (vectors**2).sum(1)[:, None] - 2 * vectors @ centres.T + (centres**2).sum(1)
    )
    near = np.argpartition(squares, k - 1, axis=1)[:, :k]
    apart = np.sqrt(np.take_along_axis(squares, near, axis=1).clip(0))
    weights = apart.sum(axis=1, keepdims=True) - apart
    return (weights * labels[near]).sum(axis=1) / weights.sum(axis=1)


def test_held_out_positives_rank_higher_than_by_the_plain_vote():
    ours, plain = [], []
    for seed in range(6):
        vectors, held, rows = rare_clusters(seed)
        labels = held[rows].astype(float)
        proxy = propagate_labels(vectors, rows=rows, labels=labels)
        rest = np.setdiff1d(np.arange(N), rows)
        ours.append(roc_auc_score(held[rest], proxy[rest]))
        plain.append(roc_auc_score(held[rest], plain_vote(vectors, rows, labels)[rest]))
        assert proxy[rows] == pytest.approx(labels, abs=1e-5)
        assert proxy.min() >= 0
        assert proxy.max() <= 1 + 1e-6
    assert min(ours) > 0.9
    # Pairs of a positive and a negative in the wrong order: at most half as many.
    assert 1 - np.mean(ours) < (1 - np.mean(plain)) / 2


def test_ranks_cut_geometrically_count_better_than_the_plain_vote():
    vectors, held, rows = rare_clusters(0)
    labels = held[rows].astype(float)
    errors, widths = [], []
    for proxy, cut in (
        (propagate_labels(vectors, rows=rows, labels=labels), "geometric"),
        (plain_vote(vectors, rows, labels), "sqrt_mass"),
    ):
        found = [
            estimate(
                proxy,
                lambda ids: (held[ids], None),
                EstimateParams(budget=500, strata_cut=cut, seed=seed),
            )
            for seed in range(60)
        ]
        values = np.array([result.value for result in found])
        errors.append(np.sqrt(((values - held.sum()) ** 2).mean()))
        widths.append(np.mean([result.high - result.low for result in found]))
    assert errors[0] < errors[1]
    assert widths[0] < widths[1]


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_the_refreshed_count_is_unbiased_and_covered(target):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 4)) * 3
    cluster = rng.integers(0, 20, size=1200)
    vectors = (centres[cluster] + rng.normal(size=(1200, 4))).astype(np.float32)
    held = np.where(cluster < 2, rng.random(1200) < 0.8, rng.random(1200) < 0.05)
    # The value goes with what the proxy sees.
    values = rng.normal(10, 2, size=1200) + 3 * (cluster < 2)
    truth = {
        "count": held.sum(),
        "sum": values[held].sum(),
        "avg": values[held].mean(),
    }[target]
    made = []
    for seed in range(150):
        params = EstimateParams(
            target=target, budget=240, rounds=3, strata_cut="geometric", seed=seed
        )
        session = TastiSession.start(vectors, params, first=40)
        made.append(run_estimate(session, lambda ids: (held[ids], values[ids])))
    off = np.array([one.value for one in made]) - truth
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(len(off))
    assert np.mean([one.low <= truth <= one.high for one in made]) >= 0.9
