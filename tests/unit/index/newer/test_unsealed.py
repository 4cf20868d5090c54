"""Exact search of rows that no index holds."""

import numpy as np
import pytest

from gleann.index.engines import native
from gleann.index.exact import exact_search_prepared
from gleann.index.metric import prepare
from gleann.index.newer import unsealed
from gleann.index.newer.unsealed import UnsealedRows

METRICS = ["ip", "cosine", "l2"]


def make_rows(count, *, d=23, seed=1, metric="l2", offset=0.0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, d)) + offset
    return prepare(rows.astype(np.float32), metric)


def find(rows, queries, vectors, *, k, alive=None):
    packed = rows.rows(vectors, alive)
    return rows.search(queries, vectors, alive=alive, k=k, packed=packed)


def assert_exact(found, queries, vectors, *, metric, k, alive=None):
    want, near = exact_search_prepared(
        queries, vectors, metric=metric, k=k, allowed=alive
    )
    np.testing.assert_array_equal(found.rows, want)
    np.testing.assert_allclose(found.distances, near, rtol=1e-6, atol=1e-7)
    assert found.stats.exact


@pytest.mark.parametrize("count", [1, 63, 64, 700])
@pytest.mark.parametrize("assigned", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_the_answer_is_exact(metric, assigned, count):
    vectors = make_rows(count, metric=metric)
    queries = make_rows(30, seed=2, metric=metric)
    rows = UnsealedRows(metric, 23)
    if assigned and metric != "ip" and native.available():
        rows.lists.assign(vectors[: count // 2 + 1])
    for some in (queries[:1], queries):
        for k in (1, min(10, count), count):
            found = find(rows, some, vectors, k=k)
            assert_exact(found, some, vectors, metric=metric, k=k)
    alive = np.random.default_rng(3).random(count) < 0.5
    alive[0] = True
    k = min(5, int(alive.sum()))
    found = find(rows, queries, vectors, k=k, alive=alive)
    assert_exact(found, queries, vectors, metric=metric, k=k, alive=alive)


@pytest.mark.parametrize("copies", [2, 60])
def test_ties_go_to_the_lower_row(copies):
    """Also where more rows tie than are re-ranked."""
    some = make_rows(20)
    vectors = np.tile(some, (copies, 1))
    found = find(UnsealedRows("l2", 23), some, vectors, k=10)
    assert_exact(found, some, vectors, metric="l2", k=10)


@pytest.mark.parametrize("offset", [3000.0, 1e7])
def test_rows_far_from_the_origin(offset):
    """Where float32 has few digits left, many rows tie or nearly so."""
    vectors = make_rows(600, offset=offset)
    queries = make_rows(20, seed=2, offset=offset)
    found = find(UnsealedRows("l2", 23), queries, vectors, k=10)
    assert_exact(found, queries, vectors, metric="l2", k=10)


@pytest.mark.parametrize("scale", [1e-22, 1e-30, 1e17])
def test_tiny_and_huge_rows(scale):
    vectors = make_rows(600) * np.float32(scale)
    queries = make_rows(20, seed=2) * np.float32(scale)
    found = find(UnsealedRows("l2", 23), queries, vectors, k=10)
    assert_exact(found, queries, vectors, metric="l2", k=10)


@pytest.mark.skipif(not native.available(), reason=native.unavailable_reason())
def test_only_doubtful_queries_are_answered_again(monkeypatch):
    heard = []
    real = unsealed.search_exactly

    def listen(queries, *arguments, **settings):
        heard.append(len(queries))
        return real(queries, *arguments, **settings)

    monkeypatch.setattr(unsealed, "search_exactly", listen)
    vectors = make_rows(3000)
    vectors[:100] = vectors[0]
    queries = np.concatenate([make_rows(40, seed=2), vectors[:1]])
    found = find(UnsealedRows("l2", 23), queries, vectors, k=10)
    _, near = exact_search_prepared(queries, vectors, metric="l2", k=42)
    tied = int((near[:, 9] == near[:, 41]).sum())
    assert heard == [tied]
    assert 1 <= tied < 10
    assert_exact(found, queries, vectors, metric="l2", k=10)
