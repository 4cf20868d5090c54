"""The recall that is promised: of the whole path, for queries not in the index."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.build import near_rows
from gleann.index.build.kmeans import train_centroids
from gleann.index.build.rank_by_code import distances_of_ranked, rank_by_code
from gleann.index.build.sample import DEEP, SHALLOW, draw_queries, sample_size
from gleann.index.codes import Encoding
from gleann.index.engines import native
from gleann.index.errors import RecallWarning
from gleann.index.exact import exact_search_prepared
from gleann.index.metric import prepare
from gleann.index.operating.points import (
    OperatingPoint,
    Pool,
    choose_point,
    default_rerank,
    pool_for,
)
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


def test_a_target_is_reached_with_confidence():
    points = point(1, 0.951, 0.004), point(2, 0.957, 0.004), point(3, 0.99, 0.002)
    assert choose_point(points, k=10, target_recall=0.95).nprobe == 2
    assert points[1].low == pytest.approx(0.957 - 1.645 * 0.004)
    assert points[1].high == pytest.approx(0.957 + 1.645 * 0.004)
    assert choose_point(points, k=10, target_recall=0.951).nprobe == 3
    assert choose_point(points, k=10, target_recall=0.994).nprobe == 3


def test_statistics_have_the_interval():
    rows = far_off("l2")
    index = SoarIndex.build(rows[:N], BuildParams(metric="l2"))
    stats = index.search(rows[N:], SearchParams(k=10, target_recall=0.95)).stats
    assert 0.95 <= stats.recall_low < stats.estimated_recall < stats.recall_high <= 1
    given = index.search(rows[N:], SearchParams(k=10, nprobe=3)).stats
    assert (given.recall_low, given.recall_high) == (None, None)
    exact = index.search(rows[N:], SearchParams(k=10, exact=True)).stats
    assert (exact.recall_low, exact.recall_high) == (1, 1)


def test_a_recall_out_of_reach_is_told():
    rows = np.random.default_rng(5).normal(size=(9000, 3)).astype(np.float32)
    rows[:, 0] = np.sign(rows[:, 0]) * 1e5  # a column that takes all of a code
    index = SoarIndex.build(rows, BuildParams(metric="l2", codes="int8"))
    most = index.best_recall(k=10)
    assert most < 0.99
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


@pytest.mark.parametrize("k", [15, 300, 700, 1500])
def test_the_recall_of_a_k_that_was_not_measured(clustered, k):
    rows = clustered(16_000, 16, seed=4)
    index = SoarIndex.build(rows[:15_000], BuildParams(metric="l2"))
    assert {p.k for p in index.operating_points} == {*SHALLOW.ks, *DEEP.ks}
    queries = rows[15_000:]
    found = index.search(queries, SearchParams(k=k, target_recall=0.95))
    exact = index.search(queries, SearchParams(k=k, exact=True))
    assert recall_at_k(found.distances, exact.distances) >= 0.945


def hard(n):
    """Rows of which int8 codes show one column of four."""
    rows = np.random.default_rng(5).normal(size=(n, 4)).astype(np.float32)
    rows[:, 0] = np.round(rows[:, 0]) * 300
    return rows


def test_more_lists_never_give_a_worse_answer():
    """A pool of one size would: ever more rows would have codes as good."""
    rows = hard(9000)
    index = SoarIndex.build(
        rows[:8500], BuildParams(metric="l2", codes="int8", nlist=64, spill="none")
    )
    queries = rows[8500:]
    exact = index.search(queries, SearchParams(k=10, exact=True)).distances

    def recall(nprobe, rerank=None):
        params = SearchParams(k=10, nprobe=nprobe, rerank=rerank)
        return recall_at_k(index.search(queries, params).distances, exact)

    recalls = [recall(nprobe) for nprobe in (1, 2, 4, 8, 16, 32, 48, 64)]
    assert (np.diff(recalls) >= -0.002).all(), recalls
    assert recalls[-1] > 0.99
    assert recall(64, rerank=40) < recalls[-1] - 0.2


def test_pools_are_saved_and_those_of_old_indexes_are_the_default(tmp_path):
    rows = hard(5000)
    index = SoarIndex.build(rows, BuildParams(metric="l2", codes="int8", nlist=64))
    index.save(tmp_path / "i")
    again = SoarIndex.load(tmp_path / "i")
    assert again.header.pools == index.header.pools
    assert pool_for(again.header.pools, k=10, nprobe=64) > default_rerank(10)
    assert pool_for((), k=10, nprobe=64) == default_rerank(10) == 40


def test_pools_between_measured_k():
    pools = (
        Pool(k=10, nprobe=1, rerank=50),
        Pool(k=10, nprobe=8, rerank=90),
        Pool(k=100, nprobe=1, rerank=700),
    )
    assert pool_for(pools, k=10, nprobe=7) == 50
    assert pool_for(pools, k=10, nprobe=8) == 90
    assert pool_for(pools, k=5, nprobe=8) == 90
    assert pool_for(pools, k=20, nprobe=8) == 700
    assert pool_for(pools, k=200, nprobe=8) == 1400


@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_nearest_rows_by_code_are_the_nearest(metric, codes, monkeypatch):
    if not native.available():
        pytest.skip(native.unavailable_reason())
    rows = np.random.default_rng(3).normal(size=(3000, 24)).astype(np.float32)
    rows = prepare(rows, metric)
    queries = rows[::50] + np.float32(0.001)
    encoding = Encoding(metric=metric, kind=codes, center=np.zeros(24, np.float32))
    monkeypatch.setattr(near_rows, "BLOCK_BYTES", 24 * 700)
    monkeypatch.setattr(near_rows, "LIST_BYTES", 24 * 100)
    got, near = near_rows.nearest_by_code(queries, rows, encoding, k=20, threads=2)
    wanted, distances = exact_search_prepared(queries, rows, metric=metric, k=20)
    np.testing.assert_allclose(near, distances, rtol=1e-5, atol=1e-6)
    assert (got == wanted).mean() > 0.999


def test_many_queries_make_the_error_small():
    rows = np.random.default_rng(2).normal(size=(20_000, 8)).astype(np.float32)
    few = SoarIndex.build(rows, BuildParams(metric="l2", tune_queries=200))
    many = SoarIndex.build(rows, BuildParams(metric="l2"))

    def error(index):
        return choose_point(index.operating_points, k=10, target_recall=0.9).error

    assert error(many) < error(few) / 2


def test_the_share_of_rows_that_are_sample_queries():
    default = BuildParams()
    sizes = {n: sample_size(n, default) for n in (100, 2048, 4000, 8000, 10**6)}
    assert sizes == {100: 25, 2048: 512, 4000: 512, 8000: 1000, 10**6: 10_000}
    assert sample_size(8000, BuildParams(tune_queries=30)) == 30
