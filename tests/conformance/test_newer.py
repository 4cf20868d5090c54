"""Search of newer rows together with an index, on every engine."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.engines.choose import PROJECTING
from gleann.index.exact import exact_search_prepared
from gleann.index.ids.live_rows import LiveRows
from gleann.index.metric import prepare

METRICS = ["ip", "cosine", "l2"]
SEALED, NEWER, DIM, NLIST = 900, 420, 19, 20


def make_rows(metric, *, seed=5, offset=0.0, duplicates=False):
    """Prepared rows around some centres: of the index, then newer ones."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(10, DIM))
    n = SEALED + NEWER
    rows = centres[rng.integers(10, size=n)] + 0.6 * rng.normal(size=(n, DIM)) + offset
    if duplicates:
        rows[SEALED:] = rows[:NEWER]
    return prepare(rows.astype(np.float32), metric)


@pytest.fixture(scope="module")
def built():
    """An index of each kind, built once and served by each engine, and all rows."""
    cache = {}

    def build(metric, *, codes="int8", offset=0.0, duplicates=False):
        key = metric, codes, offset, duplicates
        if key not in cache:
            rows = make_rows(metric, offset=offset, duplicates=duplicates)
            params = BuildParams(
                metric=metric, spill="soar", nlist=NLIST, codes=codes, tune_queries=0
            )
            index = SoarIndex.build(rows[:SEALED], params, engine="reference")
            cache[key] = index, rows
        return cache[key]

    return build


def served(built, engine_name, metric, **kind):
    index, rows = built(metric, **kind)
    newer = np.ascontiguousarray(rows[SEALED:])
    queries = prepare(
        rows[::37]
        + 0.2
        * np.random.default_rng(1).normal(size=rows[::37].shape).astype(np.float32),
        metric,
    )
    return index.with_engine(engine_name), newer, queries


ALL = SearchParams(k=10, nprobe=NLIST, rerank=SEALED)


def assert_exact(found, queries, rows, *, metric, k, allowed=None):
    """The exact answer; on ties in the distance, any rows."""
    want, near = exact_search_prepared(
        queries, rows, metric=metric, k=k, allowed=allowed
    )
    np.testing.assert_allclose(found.distances, near, rtol=2e-5, atol=2e-5)
    differing = found.rows != want
    gaps = np.abs(np.diff(near, axis=1, append=np.inf)) > 1e-4
    before = np.abs(np.diff(near, axis=1, prepend=-np.inf)) > 1e-4
    clear = gaps & before
    clear[:, -1] = False  # its next neighbour is not in sight
    assert not (differing & clear).any()


@pytest.mark.parametrize("assigned", [0, 200, NEWER])
@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", METRICS)
def test_all_lists_and_newer_rows_hold_every_neighbour(
    built, engine_name, metric, codes, assigned
):
    index, newer, queries = served(built, engine_name, metric, codes=codes)
    lists = index.newer_lists()
    lists.assign(newer[:assigned])
    found = index.find_rows(queries, ALL, newer=lists.rows(newer))
    rows = np.concatenate([index.vectors, newer])
    assert_exact(found, queries, rows, metric=metric, k=10)
    assert (found.rows >= SEALED).any()
    assert (found.rows < SEALED).any()


@pytest.mark.parametrize("offset", [0.0, 3000.0])
@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_duplicates_and_rows_far_from_the_origin(
    built, engine_name, metric, duplicates, offset
):
    index, newer, queries = served(
        built, engine_name, metric, offset=offset, duplicates=duplicates
    )
    lists = index.newer_lists()
    lists.assign(newer)
    params = SearchParams(k=7, nprobe=NLIST, rerank=SEALED)
    found = index.find_rows(queries, params, newer=lists.rows(newer))
    rows = np.concatenate([index.vectors, newer])
    _, near = exact_search_prepared(queries, rows, metric=metric, k=7)
    np.testing.assert_allclose(found.distances, near, rtol=1e-4)
    for row in found.rows:
        assert len(set(row.tolist())) == 7


@pytest.mark.parametrize("metric", METRICS)
def test_only_live_rows_are_found(built, engine_name, metric):
    index, newer, queries = served(built, engine_name, metric)
    rng = np.random.default_rng(3)
    alive, sealed_alive = rng.random(NEWER) < 0.7, rng.random(SEALED) < 0.8
    lists = index.newer_lists()
    lists.assign(newer[:300])
    state = lists.rows(newer, alive=alive, sealed_alive=LiveRows.of(sealed_alive))
    rows = np.concatenate([index.vectors, newer])
    allowed = np.concatenate([sealed_alive, alive])
    for params in (ALL, SearchParams(k=10, exact=True), SearchParams(target_recall=1)):
        found = index.find_rows(queries, params, newer=state)
        assert_exact(found, queries, rows, metric=metric, k=10, allowed=allowed)
    found = index.find_rows(queries, SearchParams(k=10), newer=state)
    assert allowed[found.rows].all()


@pytest.mark.parametrize("share", [0.5, 0.05, 0.0])
def test_a_filter_is_complete(built, engine_name, share):
    """Every query has k rows where k rows are allowed, here and there."""
    index, newer, queries = served(built, engine_name, "l2")
    rng = np.random.default_rng(4)
    mask = rng.random(SEALED + NEWER) < share
    lists = index.newer_lists()
    lists.assign(newer)
    state = lists.rows(newer, alive=mask[SEALED:])
    params = SearchParams(k=10, target_recall=0.99, allowed=mask[:SEALED])
    found = index.find_rows(queries, params, newer=state)
    there = min(10, int(mask.sum()))
    assert (found.rows[:, :there] >= 0).all()
    assert (found.rows[:, there:] == -1).all()
    assert mask[found.rows[:, :there]].all()
    if there:
        rows = np.concatenate([index.vectors, newer])
        want, _ = exact_search_prepared(queries, rows, metric="l2", k=10, allowed=mask)
        assert (found.rows == want).mean() > 0.95


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_newer_rows(built, engine_name, count):
    index, newer, queries = served(built, engine_name, "cosine")
    few = newer[:count]
    state = index.newer_lists().rows(few)
    found = index.find_rows(queries, ALL, newer=state)
    rows = np.concatenate([index.vectors, few])
    assert_exact(found, queries, rows, metric="cosine", k=10)
    asked = index.find_rows(few, SearchParams(k=1), newer=state) if count else None
    if asked is not None:
        assert asked.rows[:, 0].tolist() == list(range(SEALED, SEALED + count))


def test_more_neighbours_than_rows(built, engine_name):
    index, newer, queries = served(built, engine_name, "l2")
    few = newer[:5]
    state = index.newer_lists().rows(few)
    found = index.find_rows(queries[:3], SearchParams(k=SEALED + 9), newer=state)
    assert (np.sort(found.rows[:, : SEALED + 5], axis=1) == np.arange(SEALED + 5)).all()
    assert (found.rows[:, SEALED + 5 :] == -1).all()
    assert np.isposinf(found.distances[:, SEALED + 5 :]).all()


@pytest.mark.parametrize("k", [1, 5, 10])
def test_an_index_of_few_rows_beside_many_newer_ones(engine_name, k):
    """It does not limit how many of these are re-ranked."""
    rows = make_rows("l2")
    params = BuildParams(metric="l2", nlist=2, codes="int8", tune_queries=0)
    index = SoarIndex.build(rows[:5], params).with_engine(engine_name)
    newer, queries = np.ascontiguousarray(rows[5:]), rows[::11] + np.float32(0.05)
    lists = index.newer_lists()
    lists.assign(newer)
    asked = SearchParams(k=k, nprobe=2)
    found = index.find_rows(queries, asked, newer=lists.rows(newer))
    _, near = exact_search_prepared(queries, rows, metric="l2", k=k)
    assert recall_at_k(found.distances, near) >= 0.995


def test_coarse_codes_of_many_newer_rows(engine_name):
    """A pool that was measured among few rows is too small among four times as many."""
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(3000, 12)).astype(np.float32)
    params = BuildParams(metric="l2", nlist=8, projection=5, seed=2)
    index = SoarIndex.build(rows[:600], params)
    if engine_name not in PROJECTING:
        pytest.skip(f"engine {engine_name!r} searches no projected codes")
    index = index.with_engine(engine_name)
    newer = np.ascontiguousarray(rows[600:])
    queries = rng.normal(size=(300, 12)).astype(np.float32)
    lists = index.newer_lists()
    lists.assign(newer)
    for k in (1, 10):
        found = index.find_rows(queries, SearchParams(k=k), newer=lists.rows(newer))
        _, near = exact_search_prepared(queries, rows, metric="l2", k=k)
        assert recall_at_k(found.distances, near) >= found.stats.recall_low - 0.03


def test_nothing_is_alive(built, engine_name):
    index, newer, queries = served(built, engine_name, "l2")
    state = index.newer_lists().rows(
        newer[:9],
        alive=np.zeros(9, np.bool_),
        sealed_alive=LiveRows.of(np.zeros(SEALED, np.bool_)),
    )
    found = index.find_rows(queries, SearchParams(k=3), newer=state)
    assert (found.rows == -1).all()
    assert np.isposinf(found.distances).all()


def test_a_radius_cuts_newer_rows_too(built, engine_name):
    index, newer, queries = served(built, engine_name, "l2")
    state = index.newer_lists().rows(newer)
    whole = index.find_rows(queries, ALL, newer=state)
    radius = float(np.median(whole.distances))
    cut = index.find_rows(queries, replace(ALL, radius=radius), newer=state)
    near = whole.distances <= np.float32(radius)
    np.testing.assert_array_equal(cut.rows, np.where(near, whole.rows, -1))
    assert np.isposinf(cut.distances[~near]).all()
