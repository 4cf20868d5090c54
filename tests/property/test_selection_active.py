"""SEALS against the global method, over random seeds."""

import numpy as np
import pytest
from active_world import Exact
from sklearn.metrics import average_precision_score

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


class Missing(Exact):
    """Neighbours of which a share is missed, and the next ones found instead."""

    recall = 1.0

    def __init__(self, vectors):
        super().__init__(vectors)
        self.luck = np.random.default_rng(9).random(self.order.shape)

    def neighbours(self, rows, *, k):
        self.asked += rows.tolist()
        kept = [
            self.order[row][self.luck[row] < self.recall][:k] for row in rows.tolist()
        ]
        return np.stack(kept) if kept else np.empty((0, k), np.int64)


def spots(seed, n=1000, d=8):
    """Two spots are the concept, 23 others are not."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(25, d)) * 1.5
    of = rng.integers(25, size=n)
    vectors = (centres[of] + 0.6 * rng.normal(size=(n, d))).astype(np.float32)
    return vectors, np.isin(of, (0, 1)).astype(np.int64)


@pytest.fixture(scope="module")
def curve():
    """Mean average precision and share of positives found, by recall of neighbours."""
    found = {recall: [] for recall in (0.02, 0.5, 0.8, 0.9, 0.99, 1.0)}
    for seed in range(5):
        vectors, labels = spots(seed)
        near = Missing(vectors)
        for recall, made in found.items():
            near.recall = recall
            session = start(
                vectors, labels, near, neighbours=6, strategy="most_likely_positive"
            )
            run_active(session, lambda ids, y=labels: y[ids], budget=96)
            p = session.probabilities()[:, 1]
            share = labels[session.labelled_rows].sum() / labels.sum()
            made.append((average_precision_score(labels, p), share))
    return {recall: np.mean(made, axis=0) for recall, made in found.items()}


@pytest.mark.parametrize("recall", [0.8, 0.9, 0.99])
def test_neighbours_missed_by_an_index_cost_hardly_anything(curve, recall):
    """The curve of average precision against recall of the index is flat."""
    lost = curve[1.0] - curve[recall]
    assert (lost <= (0.02, 0.05)).all(), (recall, lost)


def test_neighbours_still_matter(curve):
    """What holds at 0.8 would say little if rows from anywhere found as many.

    They find fewer positives; they do teach the classifier about what lies elsewhere.
    """
    assert (curve[1.0] - curve[0.02])[1] > 0.05
