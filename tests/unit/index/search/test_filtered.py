"""A filter, or the deletion of what lies together, keeps the recall asked for."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.exact import exact_search

N, DIM = 20_000, 16
FILTERS = ("at random", "against the queries", "along the queries")


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(53).normal(size=(N, DIM)).astype(np.float32)


@pytest.fixture(scope="module")
def queries():
    """On one side of the data."""
    queries = np.random.default_rng(54).normal(size=(200, DIM)).astype(np.float32)
    queries[:, 0] = np.abs(queries[:, 0]) + 1
    return queries


@pytest.fixture(scope="module", params=["ip", "cosine", "l2"])
def index(request, rows):
    return SoarIndex.build(rows, BuildParams(metric=request.param))


def mask_of(kind, share, rows):
    if kind == "at random":
        return np.random.default_rng(55).random(len(rows)) < share
    if kind == "against the queries":
        return rows[:, 0] <= np.quantile(rows[:, 0], share)
    return rows[:, 0] >= np.quantile(rows[:, 0], 1 - share)


def exact(index, rows, queries, mask, k=10):
    return exact_search(queries, rows, metric=index.metric, k=k, allowed=mask)


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("share", [0.9, 0.6, 0.3, 0.09, 0.01])
def test_recall_under_a_filter(index, rows, queries, kind, share, assert_recall):
    mask = mask_of(kind, share, rows)
    _, distances = exact(index, rows, queries, mask)
    for target in (0.95, 0.99):
        params = SearchParams(k=10, target_recall=target, allowed=mask)
        found = index.search(queries, params)
        assert mask[found.ids].all()
        assert_recall(found.distances, distances, at_least=target - 0.02)
        assert found.stats.estimated_recall >= target


def test_few_allowed_rows_are_all_looked_at(index, rows, queries):
    mask = np.zeros(N, np.bool_)
    mask[[7, 77, 777]] = True
    near, distances = exact(index, rows, queries, mask)
    found = index.search(queries, SearchParams(k=10, allowed=mask))
    np.testing.assert_array_equal(found.ids, near)
    np.testing.assert_array_equal(found.distances, distances)
    assert found.stats.exact
    assert found.stats.estimated_recall == 1
    assert found.stats.entries_scanned == 3 * len(queries)


def test_nothing_allowed(index, queries):
    found = index.search(queries, SearchParams(k=3, allowed=np.zeros(N, np.bool_)))
    assert (found.ids == -1).all()
    assert np.isinf(found.distances).all()


def test_where_all_is_allowed_there_is_no_filter(index, queries):
    plain = index.search(queries, SearchParams(k=10))
    found = index.search(queries, SearchParams(k=10, allowed=np.ones(N, np.bool_)))
    np.testing.assert_array_equal(found.ids, plain.ids)
    assert found.stats == plain.stats


def test_few_forbidden_rows_cost_no_more_lists(index, rows, queries):
    """Half of the lists, then the other half, and that is enough."""
    plain = index.search(queries, SearchParams(k=10))
    mask = mask_of("at random", 0.999, rows)
    found = index.search(queries, SearchParams(k=10, allowed=mask))
    assert found.stats.lists_probed <= 1.1 * plain.stats.lists_probed + len(queries)


@pytest.mark.parametrize("kind", FILTERS)
def test_an_answer_does_not_depend_on_its_batch(index, rows, queries, kind):
    mask = mask_of(kind, 0.2, rows)
    params = SearchParams(k=10, allowed=mask)
    together = index.search(queries[:40], params)
    for q in range(40):
        alone = index.search(queries[q : q + 1], params)
        np.testing.assert_array_equal(alone.ids[0], together.ids[q])
        np.testing.assert_array_equal(alone.distances[0], together.distances[q])


def test_nprobe_is_taken_at_its_word(index, rows, queries):
    mask = mask_of("at random", 0.5, rows)
    found = index.search(queries, SearchParams(k=10, nprobe=3, allowed=mask))
    assert found.stats.lists_probed == 3 * len(queries)
    assert found.stats.estimated_recall is None


@pytest.mark.parametrize("engine", ["reference", "native", "faiss"])
def test_all_engines_probe_on(rows, queries, engine, assert_recall):
    pytest.importorskip("faiss" if engine == "faiss" else "numpy")
    index = SoarIndex.build(rows[:4000], BuildParams(metric="l2"), engine=engine)
    mask = mask_of("against the queries", 0.4, rows[:4000])
    _, distances = exact(index, rows[:4000], queries[:30], mask)
    found = index.search(queries[:30], SearchParams(k=10, allowed=mask))
    assert_recall(found.distances, distances, at_least=0.93)


def test_no_row_comes_twice(index, rows, queries):
    mask = mask_of("at random", 0.4, rows)
    found = index.search(queries, SearchParams(k=50, allowed=mask))
    for ids in found.ids:
        assert len(set(ids.tolist())) == 50


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_fewer_allowed_rows_than_neighbours_come_once(rows, engine):
    index = SoarIndex.build(
        rows[:200], BuildParams(metric="l2", nlist=20, spill="soar"), engine=engine
    )
    mask = np.zeros(200, np.bool_)
    mask[::3] = True
    near, distances = exact(index, rows[:200], rows[:30], mask, k=90)
    found = index.search(rows[:30], SearchParams(k=90, allowed=mask))
    np.testing.assert_array_equal(found.ids, near)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)
