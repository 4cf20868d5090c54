"""The recall that is promised: of the whole path, for queries not in the index."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.build.kmeans import train_centroids
from gleann.index.build.rank_by_code import distances_of_ranked, rank_by_code
from gleann.index.build.sample import draw_queries
from gleann.index.codes import Encoding
from gleann.index.errors import RecallWarning
from gleann.index.operating_points import OperatingPoint, choose_point
from gleann.index.params import Metric

N = 6000


def far_off(metric: Metric) -> np.ndarray:
    """Rows that int8 codes around the origin cannot tell apart."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(N + 500, 12)).astype(np.float32)
    return rows + {"l2": 3000, "cosine": 30, "ip": 0}[metric]


@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_the_estimate_is_what_held_out_queries_get(metric, codes):
    rows = far_off(metric)
    index = SoarIndex.build(rows[:N], BuildParams(metric=metric, codes=codes))
    queries = rows[N:]
    exact = index.search(queries, SearchParams(k=10, exact=True)).distances
    for target in (0.9, 0.95, 0.99):
        found = index.search(queries, SearchParams(k=10, target_recall=target))
        got = recall_at_k(found.distances, exact)
        assert found.stats.estimated_recall == pytest.approx(got, abs=0.02)
        assert got >= target - 0.015


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_codes_that_cannot_tell_rows_apart_promise_nothing(metric):
    """Uncentred codes of far-off rows: what all rows compete for is lost, and told."""
    rows = far_off(metric)[:800] + np.float32(3000 if metric == "l2" else 0)
    plain = Encoding.uncentred(metric, rows.shape[1])
    own = np.arange(20)
    ranked = rank_by_code(
        plain,
        rows,
        rows[:20],
        own=own,
        width=799,
        rng=np.random.default_rng(0),
    )
    scores = plain.scan_scores(rows[:20], plain.encode(rows))
    for q in own:
        assert sorted(ranked[q].tolist()) == [r for r in range(800) if r != q]
        assert (np.diff(scores[q, ranked[q]]) <= 0).all()


def test_ties_of_codes_do_not_keep_the_order_of_the_rows():
    rows = np.ones((400, 4), np.float32)
    ranked = rank_by_code(
        Encoding.uncentred("l2", 4),
        rows,
        rows[:2],
        own=None,
        width=400,
        rng=np.random.default_rng(0),
    )
    assert (ranked[0] != np.arange(400)).mean() > 0.9
    assert abs(ranked[0][:200].mean() - 199.5) < 30


def test_distances_of_rows_behind_the_nearest_are_infinite_but_for_ties():
    rows = np.array([[0.0], [1], [2], [2], [2], [9]], np.float32)
    queries = np.zeros((1, 1), np.float32)
    ranked = np.array([[5, 4, 3, 2, 1, 0]])
    known = distances_of_ranked(
        rows,
        queries,
        ranked,
        near=np.array([[0, 1, 2]]),
        distances=np.array([[0, 1, 4]], np.float32),
        depth=2,
        metric="l2",
    )
    assert known.tolist() == [[np.inf, np.inf, np.inf, 4, 1, 0]]
    tied = distances_of_ranked(
        rows,
        queries,
        ranked,
        near=np.array([[0, 1, 2, 3]]),
        distances=np.array([[0, 1, 4, 4]], np.float32),
        depth=3,
        metric="l2",
    )
    assert tied.tolist() == [[81, 4, 4, 4, 1, 0]]


def test_no_centroid_learns_from_the_sample():
    """A row far from all others would have a centroid of its own."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(1000, 4)).astype(np.float32)
    params = BuildParams(metric="l2", nlist=60)
    drawn = draw_queries(rows, params, nlist=60, queries=None)
    assert len(drawn.own) == 250  # a quarter of the rows, fewer than tune_queries
    rows[drawn.own] += 1e4
    centroids = train_centroids(
        rows, nlist=60, metric="l2", iterations=4, seed=0, kept_out=drawn.own
    )
    assert np.abs(centroids).max() < 100


@pytest.mark.parametrize(("n", "nlist"), [(1, 1), (2, 1), (2, 2), (5, 3), (8, 8)])
def test_few_rows_leave_enough_to_train_on(n, nlist):
    rows = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(metric="l2", nlist=nlist))
    found = index.search(rows, SearchParams(k=1, exact=True))
    np.testing.assert_array_equal(found.ids[:, 0], np.arange(n))


def point(nprobe, recall, error):
    return OperatingPoint(
        k=10, nprobe=nprobe, rerank=20, recall=recall, entries=nprobe, error=error
    )


def test_half_a_standard_error_is_kept_in_hand():
    points = point(1, 0.951, 0.004), point(2, 0.953, 0.004), point(3, 0.99, 0.002)
    assert choose_point(points, k=10, target_recall=0.95).nprobe == 2
    assert choose_point(points, k=10, target_recall=0.994).nprobe == 3


def test_a_recall_out_of_reach_is_told():
    rows = np.random.default_rng(5).normal(size=(4000, 3)).astype(np.float32)
    rows[:, 0] = np.round(rows[:, 0]) * 1e5  # a column that takes all of a code
    index = SoarIndex.build(rows, BuildParams(metric="l2", codes="int8"))
    most = index.best_recall(k=10)
    assert most < 0.9
    within = SearchParams(k=10, target_recall=most - 0.01)
    beyond = SearchParams(k=10, target_recall=(most + 1) / 2)
    index.search(rows[:5], within)  # warnings are errors in these tests
    with pytest.warns(RecallWarning, match=f"asked for, but .* k = 10 is {most:.4f}"):
        index.search(rows[:5], beyond)
    assert index.find_rows(rows[:5], beyond).stats.estimated_recall == most


def test_a_recall_of_which_nothing_is_known_is_told_where_it_was_named():
    rows = np.random.default_rng(5).normal(size=(900, 8)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(metric="l2", tune_queries=0))
    index.search(rows[:5])
    index.search(rows[:5], SearchParams(target_recall=1))
    with pytest.warns(RecallWarning, match="what this index reaches is not known"):
        index.search(rows[:5], SearchParams(target_recall=0.9))


def test_a_recall_of_one_is_an_exact_search():
    rows = np.random.default_rng(5).normal(size=(2000, 24)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(metric="l2"))
    found = index.search(rows[:5], SearchParams(k=10, target_recall=1))
    assert found.stats.exact
    assert found.stats.estimated_recall == 1


def test_more_neighbours_than_were_measured_probe_more(clustered):
    rows = clustered(9000, 16, seed=4)
    index = SoarIndex.build(rows, BuildParams(metric="l2"))
    hundred = index.search(rows[:50], SearchParams(k=100))
    many = index.search(rows[:50], SearchParams(k=400))
    assert many.stats.nprobe == np.ceil(2 * hundred.stats.nprobe)
    exact = index.search(rows[:50], SearchParams(k=400, exact=True))
    assert recall_at_k(many.distances, exact.distances) > 0.93
