"""T1: SEALS against the global method, over random seeds."""

import numpy as np
import pytest
from active_world import Exact

from gleann.selection import ActiveParams, ActiveSession, run_active


def concept(seed, n=300, d=4):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    labels = (vectors @ rng.normal(size=d) > 2.2).astype(np.int64)
    labels[:2] = [0, 1]
    return vectors, labels


def start(vectors, labels, near, **params):
    seed = np.r_[np.flatnonzero(labels)[:3], np.flatnonzero(labels == 0)[:9]]
    return ActiveSession.start(
        vectors,
        ActiveParams(**{"pool": "seals", "batch": 7, **params}),
        rows=seed,
        labels=labels[seed],
        neighbours=near,
    )


@pytest.mark.parametrize("strategy", ["entropy", "most_likely_positive", "margin"])
@pytest.mark.parametrize("seed", range(3))
def test_with_all_neighbours_seals_is_the_global_method(strategy, seed):
    vectors, labels = concept(seed)
    near = Exact(vectors)
    seals = start(vectors, labels, near, neighbours=len(vectors), strategy=strategy)
    everything = start(vectors, labels, None, pool="global", strategy=strategy)
    for _ in range(6):
        rows = seals.next_batch().rows
        assert rows.tolist() == everything.next_batch().rows.tolist()
        seals.submit_labels(rows, labels[rows])
        everything.submit_labels(rows, labels[rows])


@pytest.mark.parametrize("seed", range(5))
def test_the_pool_against_its_definition(seed):
    """Each pick is the best of (neighbours of all labelled so far) - labelled."""
    vectors, labels = concept(seed)
    near, k = Exact(vectors), 4
    session = start(vectors, labels, near, neighbours=k)
    grown = set(session.labelled_rows.tolist())
    for _ in range(5):
        batch = session.next_batch()
        p = session.probabilities()
        with np.errstate(divide="ignore", invalid="ignore"):
            score = -np.nansum(p * np.log(p), axis=1)
        for row in batch.rows.tolist():
            pool = {r for g in grown for r in near.order[g, :k].tolist()} - grown
            assert len(pool) <= k * len(grown)
            assert row in pool
            assert score[row] >= max(score[list(pool)]) - 1e-12
            grown.add(row)
        session.submit_labels(batch.rows, labels[batch.rows])
    assert sorted(near.asked) == sorted(grown)
    assert session.looked_at <= k * len(grown)


def test_seals_finds_far_more_positives_than_random():
    found = {}
    for pool in ("seals", "global", "random"):
        counts = []
        for seed in range(4):
            vectors, labels = concept(seed, n=800)
            session = start(
                vectors,
                labels,
                Exact(vectors),
                pool=pool,
                neighbours=10,
                strategy="most_likely_positive",
            )
            run = run_active(session, lambda ids, y=labels: y[ids], budget=60)
            counts.append(run.history[-1].positives / labels.sum())
        found[pool] = np.mean(counts)
    assert found["seals"] > found["global"] - 0.05
    assert found["seals"] > 2 * found["random"]
