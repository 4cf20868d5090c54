"""Operating points learned from queries that do not look like the rows."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.evaluate import cut_at_k
from gleann.index.exact import exact_search_prepared
from gleann.index.lists import assignment
from gleann.index.metric import list_scores, prepare
from gleann.index.operating.points import OperatingPoint, choose_point
from gleann.index.search.asked import (
    LEAST_QUERIES,
    AskedQueries,
    AskedQuery,
    lists_factor,
    with_asked,
)

N, DIM, K = 20_000, 24, 10


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(2)
    centres = 2 * rng.normal(size=(200, DIM))
    noise = rng.normal(size=(N, DIM))
    return (centres[rng.integers(200, size=N)] + noise).astype(np.float32)


def unlike(rows, kind, count, seed):
    """Queries that no row looks like."""
    rng = np.random.default_rng(seed)
    some = rows[rng.integers(len(rows), size=(count, 4))]
    if kind == "averages":
        return some.mean(axis=1)
    if kind == "random":
        return (rows.std() * rng.normal(size=(count, DIM))).astype(np.float32)
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(DIM, DIM)))[0]
    return (some[:, 0] @ turn + 1).astype(np.float32)


def asked_of(index, queries, *, target=0.95):
    """What a search of one query after another teaches."""
    asked = AskedQueries(index.data, index.operating_points)
    for query in prepare(queries, index.metric):
        found = index.find_rows(query[None], SearchParams(k=K, target_recall=target))
        rows, distances = exact_search_prepared(
            query[None], index.vectors, metric=index.metric, k=100
        )
        hits = found.distances <= cut_at_k(distances[:, :K])
        asked.add(
            AskedQuery(
                query=query[None],
                rows=rows[0],
                distances=distances[0],
                k=K,
                nprobe=found.stats.nprobe,
                found=float(hits.mean()),
            )
        )
    return asked


@pytest.mark.parametrize("kind", ["averages", "random", "turned"])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_few_hundred_queries_make_the_recall_right(rows, kind, metric):
    index = SoarIndex.build(rows, BuildParams(metric=metric))
    params = SearchParams(k=K, target_recall=0.95)
    queries = unlike(rows, kind, 1000, seed=5)
    exact = index.search(queries, SearchParams(k=K, exact=True)).distances
    before = index.search(queries, params)
    assert recall_at_k(before.distances, exact) < 0.93
    asked = asked_of(index, unlike(rows, kind, 300, seed=6))
    assert asked.is_enough
    index.learn(asked.points())
    after = index.search(queries, params)
    recall = recall_at_k(after.distances, exact)
    assert recall >= 0.945
    assert after.stats.recall_low <= recall + 0.005
    assert after.stats.nprobe < index.nlist
    factor = lists_factor(
        index.operating_points, index.learned_points, k=K, target_recall=0.95
    )
    assert factor == after.stats.nprobe / before.stats.nprobe
    index.learn(())
    assert index.search(queries[:9], params).stats.nprobe == before.stats.nprobe


@pytest.mark.parametrize("kind", ["averages", "random", "turned"])
def test_sample_queries_of_the_build_make_it_right_at_once(rows, kind):
    given = unlike(rows, kind, 1000, seed=6)
    index = SoarIndex.build(rows, BuildParams(metric="l2"), queries=given)
    queries = unlike(rows, kind, 1000, seed=5)
    exact = index.search(queries, SearchParams(k=K, exact=True)).distances
    for target in (0.9, 0.95):
        params = SearchParams(k=K, target_recall=target)
        found = index.search(queries, params).distances
        assert recall_at_k(found, exact) >= target - 0.005


def test_queries_like_the_rows_change_nothing(rows):
    index = SoarIndex.build(rows[1000:], BuildParams(metric="l2"))
    params = SearchParams(k=K, target_recall=0.95)
    before = index.search(rows[:9], params).stats.nprobe
    index.learn(asked_of(index, rows[:400]).points())
    after = index.search(rows[:9], params).stats.nprobe
    assert before <= after <= 1.6 * before  # the error of 400 queries is kept in hand


def test_places_are_those_of_the_lists(rows):
    index = SoarIndex.build(rows[:3000], BuildParams(metric="l2", spill="soar"))
    query = rows[4000:4001]
    asked = AskedQueries(index.data, index.operating_points)
    near, distances = exact_search_prepared(query, index.vectors, metric="l2", k=100)
    asked.add(
        AskedQuery(
            query=query, rows=near[0], distances=distances[0], k=1, nprobe=1, found=1.0
        )
    )
    scores = list_scores(query, index.data.centroids, index.data.encoding)
    ranks = np.empty(index.nlist, int)
    ranks[np.argsort(-scores[0], kind="stable")] = np.arange(index.nlist)
    first, second = assignment(index.data.lists, n=3000)
    expected = ranks[first[near[0]]]
    copied = second[near[0]] >= 0
    expected[copied] = np.minimum(expected, ranks[second[near[0]]])[copied]
    assert asked.places[0].tolist() == expected.tolist()


def test_too_few_queries_say_nothing(rows):
    index = SoarIndex.build(rows[:3000], BuildParams(metric="l2"))
    asked = asked_of(index, rows[3000 : 3000 + LEAST_QUERIES - 1])
    assert not asked.is_enough
    nothing = AskedQueries(index.data, ())
    nothing.count = 1000
    assert not nothing.is_enough


def point(nprobe, recall, rerank=20):
    return OperatingPoint(
        k=10, nprobe=nprobe, rerank=rerank, recall=recall, entries=nprobe
    )


def test_fewer_lists_than_those_of_the_build_are_never_probed():
    points = point(4, 0.9), point(8, 0.95), point(16, 0.99)
    built = choose_point(points, k=10, target_recall=0.95)
    easy = point(2, 0.96), point(4, 0.98), point(8, 0.995), point(16, 1.0)
    kept = with_asked(built, easy, k=10, target_recall=0.95)
    assert (kept.nprobe, kept.rerank, kept.recall) == (8, 20, 0.995)
    difficult = point(8, 0.7), point(16, 0.8), point(60, 0.96, rerank=40)
    moved = with_asked(built, difficult, k=10, target_recall=0.95)
    assert (moved.nprobe, moved.rerank, moved.recall) == (60, 40, 0.96)
    assert with_asked(None, difficult, k=10, target_recall=0.95) is None
    assert with_asked(built, (), k=10, target_recall=0.95) is built
