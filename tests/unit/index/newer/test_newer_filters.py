"""Newer rows under a filter: in lists, alone, or packed as a choice."""

import numpy as np
import pytest
from newer_rows import METRICS, TIERS, make_newer

from gleann.index import SearchParams
from gleann.index.engines.native import NativeEngine
from gleann.index.exact import exact_search_prepared
from gleann.index.search import allowed as allowed_module
from gleann.index.search import filtered


@pytest.fixture
def lists_only(monkeypatch):
    """Allowed rows are never few."""
    monkeypatch.setattr(filtered, "FEW", 0)
    monkeypatch.setattr(filtered, "PACKED_ROW", float("inf"))


@pytest.mark.parametrize("packs", [False, True])
@pytest.mark.parametrize("assigned", [0, 400, 900])
@pytest.mark.parametrize("metric", METRICS)
def test_newer_rows_under_a_filter_are_read_in_its_lists(
    built, lists_only, monkeypatch, metric, assigned, packs
):
    """As one index of all rows with these centroids would be, under the same filter."""
    monkeypatch.setattr(allowed_module, "PACKED_ENTRY", 0 if packs else 1 << 30)
    index = built(metric, n=4000, d=12, nlist=60)
    newer = make_newer(index, 900)
    lists = index.newer_lists()
    lists.assign(newer[:assigned])
    mask = np.random.default_rng(6).random(len(index) + len(newer)) < 0.4
    # A list that has no allowed row of the index has newer ones.
    own = index.data.lists
    mask[own.rows[own.offsets[9] : own.offsets[10]]] = False
    state = lists.masked(lists.rows(newer), mask[len(index) :])
    queries = np.concatenate([make_newer(index, 60, seed=8), newer[::30]])
    params = SearchParams(k=10, nprobe=None, allowed=index.allow(mask[: len(index)]))
    found = index.find_rows(queries, params, newer=state)
    again = index.find_rows(queries, params, newer=state)
    np.testing.assert_array_equal(found.rows, again.rows)
    assert mask[found.rows].all()
    want, _ = exact_search_prepared(
        queries,
        np.concatenate([index.vectors, newer]),
        metric=metric,
        k=10,
        allowed=mask,
    )
    pairs = zip(found.rows, want, strict=True)
    recall = np.mean([len(set(one) & set(true)) / 10 for one, true in pairs])
    alone = index.find_rows(queries, params)
    old = [
        len(set(one) & set(true[true < len(index)])) / max(1, (true < len(index)).sum())
        for one, true in zip(alone.rows, want, strict=True)
    ]
    assert recall >= np.mean(old) - 0.03
    for q in range(0, len(queries), 9):
        single = index.find_rows(queries[q : q + 1], params, newer=state)
        np.testing.assert_array_equal(single.rows[0], found.rows[q])


def test_under_a_filter_few_lists_of_newer_rows_are_read(built, lists_only):
    index = built(n=4000, d=12, nlist=60)
    newer = make_newer(index, 3000)
    lists = index.newer_lists()
    lists.assign(newer)
    mask = np.random.default_rng(6).random(len(index) + len(newer)) < 0.5
    state = lists.masked(lists.rows(newer), mask[len(index) :])
    allowed = index.allow(mask[: len(index)])
    queries = make_newer(index, 50, seed=8)
    params = SearchParams(k=10, allowed=allowed)
    alone = index.find_rows(queries, params)
    index.find_rows(queries, params, newer=state)
    found = index.find_rows(queries, params, newer=state)
    read = (found.stats.entries_scanned - alone.stats.entries_scanned) / len(queries)
    assert read < 0.7 * sum(part.entries.sum() for part in state.parts)


def test_a_first_query_under_a_filter_reads_the_lists_of_a_batch(built, lists_only):
    """A new filter, whose lists are not known, has the answers of one asked before."""
    index = built(n=4000, d=12, nlist=60)
    newer = make_newer(index, 1500)
    lists = index.newer_lists()
    lists.assign(newer)
    mask = np.random.default_rng(6).random(len(index) + len(newer)) < 0.5
    state = lists.masked(lists.rows(newer), mask[len(index) :])
    queries = make_newer(index, 50, seed=8)

    def search(some):
        allowed = index.allow(mask[: len(index)])
        params = SearchParams(k=10, target_recall=0.8, allowed=allowed)
        return index.find_rows(some, params, newer=state)

    together = search(queries)
    alone = [search(query[None]) for query in queries]
    np.testing.assert_array_equal(
        np.concatenate([one.rows for one in alone]), together.rows
    )
    np.testing.assert_array_equal(
        np.concatenate([one.distances for one in alone]), together.distances
    )


@pytest.mark.parametrize("metric", METRICS)
def test_few_newer_rows_under_a_filter_are_packed_alone(built, metric):
    index = built(metric, n=4000, d=12, nlist=60)
    newer = make_newer(index, 900)
    lists = index.newer_lists()
    lists.assign(newer[:600])
    queries = make_newer(index, 30, seed=8)
    whole = lists.rows(newer)
    none = index.allow(np.zeros(len(index), np.bool_))
    for seed in (6, 7):
        alive = np.random.default_rng(seed).random(len(newer)) < 0.05
        state = lists.masked(whole, alive)
        params = SearchParams(k=10, rerank=100, allowed=none)
        rows, near = exact_search_prepared(
            queries, newer, metric=metric, k=10, allowed=alive
        )
        for _ in range(2):
            found = index.find_rows(queries, params, newer=state)
            np.testing.assert_array_equal(found.rows, rows + len(index))
            np.testing.assert_allclose(found.distances, near, rtol=1e-6)
        assert found.stats.entries_scanned == len(queries) * alive.sum()
    gone = lists.masked(whole, np.zeros(len(newer), np.bool_))
    assert (index.find_rows(queries, params, newer=gone).rows == -1).all()


def test_a_choice_searches_newer_rows_on_every_tier(built, lists_only):
    index = built(n=4000, d=12, nlist=60)
    newer = make_newer(index, 900)
    queries = make_newer(index, 40, seed=8)
    mask = np.random.default_rng(6).random(len(index) + len(newer)) < 0.4
    answers = []
    for tier in TIERS:
        served = index.served_by(NativeEngine(index.data, tier=tier))
        lists = served.newer_lists()
        lists.assign(newer[:500])
        state = lists.masked(lists.rows(newer), mask[len(index) :])
        allowed = served.allow(mask[: len(index)])
        params = SearchParams(k=10, allowed=allowed)
        for _ in range(2):  # the first question looks at few lists only
            found = served.find_rows(queries, params, newer=state)
        answers.append(found)
    for other in answers[1:]:
        np.testing.assert_array_equal(other.rows, answers[0].rows)
        np.testing.assert_array_equal(other.distances, answers[0].distances)
