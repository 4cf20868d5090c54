"""Operating points are counted, not searched; what is counted must be what happens."""

from itertools import pairwise

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors, recall_at_k
from gleann.index.build.choose_spill import choose_spill
from gleann.index.build.sample import Sample
from gleann.index.build.tune import measure_points
from gleann.index.codes import Encoding
from gleann.index.operating import cost
from gleann.index.operating.cost import CostModel
from gleann.index.operating.points import WORTH, cost_of_recall


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(60, 16))
    noise = 0.8 * rng.normal(size=(6000, 16))
    return (centres[rng.integers(60, size=6000)] + noise).astype(np.float32)


@pytest.fixture(scope="module")
def queries(rows):
    noise = np.random.default_rng(3).normal(size=(150, 16)).astype(np.float32)
    return rows[:150] + 0.3 * noise


@pytest.mark.parametrize("spill", ["soar", "none"])
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_counted_points_are_what_a_search_does(rows, queries, metric, spill):
    params = BuildParams(metric=metric, spill=spill, nlist=80)
    index = SoarIndex.build(rows, params, queries=queries)
    for k in (1, 10, 100):
        exact = index.search(queries, SearchParams(k=k, exact=True)).distances
        points = [p for p in index.operating_points if p.k == k]
        for point in points[:: max(1, len(points) // 5)]:
            search = SearchParams(k=k, nprobe=point.nprobe, rerank=point.rerank)
            found = index.search(queries, search)
            if found.stats.completed:  # rare: a point that probes too few rows
                continue
            assert found.stats.entries_scanned == pytest.approx(150 * point.entries)
            recall = recall_at_k(found.distances, exact)
            assert recall == pytest.approx(point.recall, abs=0.004), point


def test_points_by_hand():
    """Two queries, three lists; row 2 is also in list 0, row 1 codes better than 0."""
    sample = Sample(
        encoding=Encoding.uncentred("l2", 1),
        dim=1,
        truth=np.array([[0.1], [0.2]], np.float32),
        rows=np.array([[1, 0, 2], [2, 1, 0]]),
        distances=np.array([[0.3, 0.1, 0.5], [0.2, 0.4, 0.6]], np.float32),
        list_ranks=np.array([[0, 1, 2], [0, 2, 1]], np.int32),
    )
    primary, second = np.array([1, 0, 2], np.int32), np.array([-1, -1, 0], np.int32)
    got = {
        name: [(p.nprobe, p.rerank, p.recall, p.entries) for p in points]
        for name, points in (
            ("none", measure_points(sample, primary, None)),
            ("soar", measure_points(sample, primary, second)),
        )
    }
    # Query 0 wants row 0 of list 1, its second; query 1 wants row 2 of list 2, its
    # second, or with the copy in list 0 its first.
    assert got["none"] == [(1, 2, 0.0, 1.0), (2, 2, 1.0, 2.0)]
    assert got["soar"] == [(1, 2, 0.5, 2.0), (2, 2, 1.0, 3.0)]


def test_a_pool_holds_the_best_codes_of_what_was_probed():
    """The true neighbour has the third best code: a pool of 2 misses it."""
    sample = Sample(
        encoding=Encoding.uncentred("l2", 1),
        dim=1,
        truth=np.array([[0.1]], np.float32),
        rows=np.array([[1, 2, 0]]),
        distances=np.array([[0.3, 0.2, 0.1]], np.float32),
        list_ranks=np.array([[0, 1]], np.int32),
    )
    primary = np.array([0, 0, 1], np.int32)
    points = measure_points(sample, primary, None)
    # With one list, rows 1 and 0 compete and 0 is among two; row 2 pushes it out.
    assert [(p.nprobe, p.rerank, p.recall) for p in points] == [(1, 2, 1.0)]
    pushed = measure_points(sample, np.array([1, 0, 0], np.int32), None)
    assert [(p.nprobe, p.rerank, p.recall) for p in pushed] == [
        (1, 2, 0.0),
        (2, 3, 1.0),
    ]


def test_cost_between_points(rows):
    index = SoarIndex.build(rows, BuildParams(spill="soar"))
    points, model = index.operating_points, CostModel(index.dim, index.nlist)
    ten = [p for p in points if p.k == 10]
    for low, high in pairwise(ten):
        middle = (low.recall + high.recall) / 2
        cost = cost_of_recall(points, model, k=10, recall=middle)
        assert cost == pytest.approx((low.cost(model) * high.cost(model)) ** 0.5)
        assert cost_of_recall(points, model, k=10, recall=low.recall) == pytest.approx(
            low.cost(model)
        )


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_auto_is_one_of_the_two_and_says_why(rows, metric):
    params = BuildParams(metric=metric, nlist=80, seed=4)
    auto = SoarIndex.build(rows, params)
    report = auto.spill_report
    assert auto.params.spill == report.chosen
    assert (report.chosen == "soar") == (report.saving >= WORTH)
    assert report.recalls == (0.95, 0.99)
    ratios = np.divide(report.soar_costs, report.none_costs)
    assert report.saving == pytest.approx(1 - ratios.prod() ** 0.5)
    named = BuildParams(metric=metric, nlist=80, seed=4, spill=report.chosen)
    plain = SoarIndex.build(rows, named)
    assert plain.spill_report is None
    assert plain.operating_points == auto.operating_points
    for name in ("offsets", "mids", "rows", "others"):
        np.testing.assert_array_equal(
            getattr(plain.data.lists, name), getattr(auto.data.lists, name)
        )


def verdict(n_far, *, target_recall=None, dim=1):
    """Lists where the copies of `n_far` of 40 true neighbours save half the probes."""
    nlist, nq = 64, 40
    ranks = np.tile(np.arange(nlist, dtype=np.int32), (nq, 1))
    sample = Sample(
        encoding=Encoding.uncentred("l2", dim),
        dim=dim,
        truth=np.full((nq, 1), 0.5, np.float32),
        rows=np.arange(nq)[:, None],
        distances=np.full((nq, 1), 0.5, np.float32),
        list_ranks=ranks,
    )
    # Every list holds 40,000 rows; the neighbour of query q is row q.
    primary = np.repeat(np.arange(nlist, dtype=np.int32), 40_000)
    primary[:nq] = 1
    primary[:n_far] = 60
    second = np.full(len(primary), -1, np.int32)
    second[:n_far] = 3
    report, spilled, plain = choose_spill(
        sample, primary, second, target_recall=target_recall
    )
    return report, (spilled if report.chosen == "soar" else plain).points


def test_copies_are_kept_where_they_pay():
    report, points = verdict(4)
    assert report.chosen == "soar"
    assert max(p.nprobe for p in points) < 60
    report, points = verdict(0)
    assert report.saving == pytest.approx(0)
    assert report.chosen == "none"


def test_what_a_batch_streams_from_memory_counts(monkeypatch):
    """2.56 million rows of 1,000 dimensions are 51 us for each query of a batch."""
    assert CostModel(1000, 64).streamed(64 * 40_000) == pytest.approx(51_200)
    assert CostModel(1000, 64, code_dim=10).streamed(5000) == pytest.approx(1)
    assert verdict(4)[0].chosen == "soar"
    # Where memory is slow, the few probes that copies save count for nothing.
    monkeypatch.setattr(cost, "STREAMED", 1e6)
    report = verdict(4)[0]
    assert (report.chosen, report.saving) == ("none", pytest.approx(0, abs=0.01))


def test_the_recall_that_is_asked_for_decides():
    """The far ones are a tenth: recall 0.85 is there without them, 0.99 is not."""
    assert verdict(4, target_recall=0.85)[0].chosen == "none"
    report = verdict(4, target_recall=0.99)[0]
    assert report.chosen == "soar"
    assert report.recalls == (0.99,)


def test_auto_without_a_sample_is_soar(rows):
    index = SoarIndex.build(rows[:500], BuildParams(tune_queries=0, nlist=9))
    assert (index.params.spill, index.spill_report) == ("soar", None)
    alone = SoarIndex.build(rows[:1])
    assert (alone.params.spill, alone.operating_points) == ("soar", ())


def test_sample_queries_of_another_kind_are_believed(rows, assert_recall):
    """Between the clusters lists are many: rows as queries would promise too much."""
    rng = np.random.default_rng(8)
    far = rng.normal(size=(600, 16)).astype(np.float32) * rows.std()
    params = BuildParams(metric="l2", nlist=80, tune_queries=300)
    asked, kept = far[:300], far[300:]
    index = SoarIndex.build(rows, params, queries=asked)
    naive = SoarIndex.build(rows, params)
    exact = index.search(kept, SearchParams(exact=True)).distances
    found = index.search(kept, SearchParams(target_recall=0.9))
    assert_recall(found.distances, exact, at_least=0.88)
    guessed = naive.search(kept, SearchParams(target_recall=0.9))
    assert recall_at_k(guessed.distances, exact) < 0.88


@pytest.mark.parametrize("bad", [np.ones((3, 5)), np.full((3, 16), np.nan), [1, 2]])
def test_bad_sample_queries(rows, bad):
    with pytest.raises(errors.InvalidInputError, match="queries"):
        SoarIndex.build(rows, queries=bad)


@pytest.mark.parametrize("recall", [0, -1, 1.01])
def test_bad_target_recall(recall):
    with pytest.raises(errors.InvalidParamsError, match="target_recall"):
        BuildParams(target_recall=recall)
