"""Graphs by codes of projected rows: the axes, the scan, and when they are not used."""

from dataclasses import replace
from threading import get_ident

import numpy as np
import pytest

from gleann.index import (
    BuildParams,
    SoarIndex,
    exact_search,
    knn_graph,
    knn_graph_of,
    recall_at_k,
)
from gleann.index.codes import Encoding
from gleann.index.engines import native
from gleann.index.engines.contract import ScanRequest
from gleann.index.errors import InvalidInputError, InvalidParamsError, ZeroVectorError
from gleann.index.graph import neighbours, projection
from gleann.index.graph.join_plan import draw_sample, pool_needed
from gleann.index.graph.joined import Joined
from gleann.index.graph.projection import (
    fit_projection,
    project,
    projected_join,
    restore,
)
from gleann.index.metric import pair_distances

needs_native = pytest.mark.skipif(
    not native.available(), reason="the native kernels are not built"
)
TIERS = [*native.tiers(), native.EMULATED_TIER] if native.available() else []


@pytest.fixture(autouse=True)
def few_rows_are_projected(monkeypatch):
    monkeypatch.setattr(projection, "LEAST_ROWS", 200)


@pytest.fixture
def flat(clustered):
    """Make rows of 64 dimensions that differ in 10, but for some noise."""

    def make(n, *, seed, away=0.0):
        rng = np.random.default_rng(seed)
        axes = np.linalg.qr(rng.normal(size=(64, 10)))[0].T
        rows = clustered(n, 10, seed=seed, clusters=60, spread=0.6) @ axes
        rows = rows + rng.normal(scale=0.02, size=rows.shape) + away
        return rows.astype(np.float32)

    return make


@pytest.fixture
def joins(monkeypatch):
    """The rows of every graph that is made, as they were joined."""
    seen = []
    made = neighbours.join_lists

    def join(joined, **more):
        seen.append(joined)
        return made(joined, **more)

    monkeypatch.setattr(neighbours, "join_lists", join)
    return seen


def brute_force(rows, metric, k):
    """Distances (n, k) of the true neighbours, the row itself left out."""
    found, near = exact_search(rows, rows, metric=metric, k=k + 1)
    others = found != np.arange(len(rows))[:, None]
    others[others.all(axis=1), -1] = False
    return near[others].reshape(len(rows), k)


def distances(graph):
    return graph.distances.reshape(len(graph), graph.k)


def assert_sound(graph, rows, metric):
    n, k = len(rows), graph.k
    assert not (graph.neighbours == np.arange(n)[:, None]).any()
    assert all(len(set(row)) == k for row in graph.neighbours.tolist())
    order = np.lexsort((graph.neighbours, distances(graph)), axis=1)
    np.testing.assert_array_equal(order, np.broadcast_to(np.arange(k), (n, k)))
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    want = pair_distances(rows, rows[graph.neighbours], metric)
    np.testing.assert_allclose(distances(graph), want, rtol=1e-5, atol=1e-6)


def test_the_axes_are_those_along_which_rows_differ(flat):
    rows = flat(900, seed=1, away=50.0)
    fitted = fit_projection(rows, "l2", seed=0)
    assert fitted.row_axes.shape == (16, 64)
    np.testing.assert_allclose(
        fitted.row_axes @ fitted.row_axes.T, np.eye(16), atol=1e-5
    )
    short = project(rows, fitted)
    assert short.shape == (900, 16)
    assert short.dtype == np.float32
    np.testing.assert_allclose(
        short, (rows - fitted.center) @ fitted.row_axes.T, atol=1e-4
    )
    apart = np.linalg.norm(rows[:300] - rows[300:600], axis=1)
    kept = np.linalg.norm(short[:300] - short[300:600], axis=1)
    assert (kept <= apart * (1 + 1e-5)).all()
    assert (kept >= 0.9 * apart).mean() > 0.95
    np.testing.assert_allclose(restore(short, fitted), rows, atol=0.2)


def test_rows_are_projected_on_as_many_threads_as_are_asked_for(flat, monkeypatch):
    rows = flat(900, seed=1)
    fitted = fit_projection(rows, "l2", seed=0)
    monkeypatch.setattr(projection, "PROJECTED_VALUES", 64 * 10)
    seen = []

    class Watched:
        shape = rows.shape

        def __len__(self):
            return len(rows)

        def __getitem__(self, block):
            seen.append(get_ident())
            return rows[block]

    short = project(Watched(), fitted, threads=1)
    assert len(seen) == 90
    assert len(set(seen)) == 1
    np.testing.assert_array_equal(short, project(rows, fitted, threads=3))


def test_no_axes_where_they_would_not_pay(flat, clustered):
    rng = np.random.default_rng(2)
    assert fit_projection(rng.normal(size=(500, 64)).astype("f4"), "l2", seed=0) is None
    assert fit_projection(flat(150, seed=2), "l2", seed=0) is None
    assert fit_projection(flat(500, seed=2), "ip", seed=0) is None
    assert fit_projection(np.ones((500, 64), np.float32), "l2", seed=0) is None
    assert fit_projection(clustered(500, 20, seed=2), "l2", seed=0) is None


def test_axes_of_very_many_dimensions_need_more_rows():
    """They take the cube of the dimensions: at 12,000 of these, minutes."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(2600, 10)) @ rng.normal(size=(10, 400))
    rows = rows.astype(np.float32)
    assert fit_projection(rows[:2400], "l2", seed=0) is None
    assert fit_projection(rows, "l2", seed=0).row_axes.shape == (16, 400)


def by_hand(data, projected, places, list_nos, request):
    """The scan of projected codes in NumPy: distances (m, k)."""
    near = np.full((len(places), request.k), np.inf, np.float32)
    for number, (place, probed) in enumerate(zip(places, list_nos, strict=True)):
        bounds = zip(
            data.lists.offsets[probed], data.lists.offsets[probed + 1], strict=True
        )
        rows = np.unique(np.concatenate([data.lists.rows[a:b] for a, b in bounds]))
        query = projected[place : place + 1]
        scores = data.encoding.scan_scores(query, data.codes[rows])[0]
        best = rows[np.lexsort((rows, -scores))[: request.rerank]]
        apart = pair_distances(
            data.vectors[place][None], data.vectors[best][None], "l2"
        )[0]
        near[number, : len(best)] = np.sort(apart)[: request.k]
    return near


@needs_native
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("spill", ["none", "soar"])
def test_the_scan_measures_the_rows_of_the_best_projected_codes(
    flat, monkeypatch, tier, spill
):
    monkeypatch.setenv("GLEANN_NATIVE_TIER", tier)
    params = BuildParams(metric="l2", tune_queries=0, nlist=12, spill=spill)
    index = SoarIndex.build(flat(700, seed=3), params, engine="native")
    joined = projected_join(Joined.all(index.engine, index.data), seed=0, threads=1)
    assert joined.engine.name == f"native/{tier}"
    places = np.arange(0, 700, 3)
    queries = joined.queries_at(places)
    list_nos = joined.engine.rank_lists(queries, nprobe=4)
    request = ScanRequest(k=5, rerank=9)
    got = joined.scan(places, queries, list_nos, request)
    want = by_hand(joined.data, joined.projected, places, list_nos, request)
    np.testing.assert_allclose(got.distances, want, rtol=1e-6)
    assert got.work.reranked == 9 * len(places)
    # The other way: rows of the greatest pool are measured, whatever is requested.
    wide = replace(joined, pool=40).scan(places, queries, list_nos, request)
    assert wide.work.reranked == 40 * len(places)
    assert (wide.distances <= got.distances).all()


@needs_native
def test_the_kernels_refuse_exact_queries_that_do_not_fit(flat):
    params = BuildParams(metric="l2", tune_queries=0, nlist=5, spill="none")
    index = SoarIndex.build(flat(400, seed=4), params, engine="native")
    joined = projected_join(Joined.all(index.engine, index.data), seed=0, threads=1)
    places = np.arange(10)
    queries, exact = joined.queries_at(places), joined.vectors_at(places)
    list_nos = joined.engine.rank_lists(queries, nprobe=2)
    request = ScanRequest(k=3, rerank=6)
    with pytest.raises(ValueError, match="exact queries are missing"):
        joined.engine.scan(queries, list_nos, request)
    for wrong in (exact[:9], exact[:, :63]):
        with pytest.raises(ValueError, match="not of the kind of the vectors"):
            joined.engine.scan_projected(queries, list_nos, request, wrong)


@needs_native
@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("away", [0.0, 300.0])
def test_a_graph_by_projected_codes_reaches_its_recall(
    flat, joins, assert_recall, metric, away
):
    rows = flat(2500, seed=5, away=away)
    graph = knn_graph_of(rows, metric=metric, k=10, target_recall=0.95)
    assert joins[-1].projected.shape == (2500, 16)
    assert_sound(graph, rows, metric)
    true = brute_force(rows, metric, 10)
    assert_recall(distances(graph), true, at_least=0.95)
    estimate = recall_at_k(distances(graph), true)
    assert graph.estimated_recall == pytest.approx(estimate, abs=0.02)
    index = SoarIndex.build(rows, BuildParams(metric=metric, tune_queries=0))
    graph = knn_graph(index, k=10, target_recall=0.95)
    assert joins[-1].projected is not None
    assert_sound(graph, rows, metric)
    assert_recall(distances(graph), true, at_least=0.95)


@needs_native
def test_lists_that_are_counted_out_are_searched_by_the_codes_of_the_rows(flat, joins):
    params = BuildParams(metric="l2", tune_queries=0, nlist=8)
    index = SoarIndex.build(flat(600, seed=6), params)
    graph = knn_graph(index, k=6, nprobe=8)
    assert joins[-1].projected is None
    true = brute_force(index.vectors, "l2", 6)
    np.testing.assert_allclose(distances(graph), true, rtol=1e-5, atol=1e-6)


@needs_native
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_too_great_a_pool_is_not_measured(
    flat, joins, monkeypatch, assert_recall, metric
):
    """The rows are then joined by their own codes, in the lists of the projection."""
    monkeypatch.setattr(neighbours, "MOST_POOL", 0)
    rows = flat(1500, seed=7, away=20.0)
    graph = knn_graph_of(rows, metric=metric, k=8)
    assert joins[-1].projected is None
    assert joins[-1].data.codes.values.shape == (1500, 64)
    assert_sound(graph, rows, metric)
    assert_recall(distances(graph), brute_force(rows, metric, 8), at_least=0.95)


@needs_native
def test_the_pool_holds_the_neighbours_that_the_codes_misplace(flat):
    rows = flat(900, seed=8)
    params = BuildParams(metric="l2", tune_queries=0, nlist=9, spill="none")
    index = SoarIndex.build(rows, params, engine="native")
    joined = projected_join(Joined.all(index.engine, index.data), seed=0, threads=1)
    sample = draw_sample(joined, k=7, rng=np.random.default_rng(0))
    pool = pool_needed(joined, sample)
    codes, encoding = joined.data.codes, joined.data.encoding
    scores = encoding.scan_scores(joined.projected[sample.own], codes)
    order = np.argsort(-scores, axis=1, kind="stable")
    held = [
        np.isin(near, best[:pool]).mean()
        for near, best in zip(sample.rows, order, strict=True)
    ]
    fewer = [
        np.isin(near, best[: pool - 2]).mean()
        for near, best in zip(sample.rows, order, strict=True)
    ]
    assert np.mean(held) >= 0.99 > np.mean(fewer)


@needs_native
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_equal_rows_are_neighbours_at_distance_zero(flat, joins, metric):
    """More of them than a pool holds; and lists that are empty beside theirs."""
    rows = np.concatenate([np.tile(flat(1, seed=9), (400, 1)), flat(400, seed=10)])
    graph = knn_graph_of(rows, metric=metric, k=6)
    assert joins[-1].projected is not None
    assert_sound(graph, rows, metric)
    assert (distances(graph)[:400] == 0).all()


@needs_native
def test_threads_do_not_change_the_graph(flat, joins):
    rows = flat(3000, seed=11)
    one = knn_graph_of(rows, k=9, threads=1)
    many = knn_graph_of(rows, k=9, threads=5)
    assert joins[0].projected is not None
    np.testing.assert_array_equal(one.rows, many.rows)
    np.testing.assert_array_equal(one.distances, many.distances)


@needs_native
def test_tiers_give_one_graph(flat, joins, monkeypatch):
    rows = flat(700, seed=12)
    made = []
    for tier in TIERS:
        monkeypatch.setenv("GLEANN_NATIVE_TIER", tier)
        made.append(knn_graph_of(rows, k=5))
        assert made[-1].engine == f"native/{tier}"
        assert joins[-1].projected is not None
    for other in made[1:]:
        np.testing.assert_array_equal(other.rows, made[0].rows)
        np.testing.assert_array_equal(other.distances, made[0].distances)


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_rows_that_are_not_projected(clustered, metric, assert_recall):
    rows = clustered(1200, 16, seed=13, clusters=120, spread=0.9)
    graph = knn_graph_of(rows, metric=metric, k=10, target_recall=0.9)
    assert_sound(graph, rows, metric)
    assert_recall(distances(graph), brute_force(rows, metric, 10), at_least=0.9)


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_few_rows_are_all_neighbours(clustered, n):
    rows = clustered(n, 5, seed=14)
    names = [f"row {i}" for i in range(n)]
    graph = knn_graph_of(rows, metric="l2", k=20, ids=names)
    assert graph.k == n - 1
    assert graph.row_ids.tolist() == names
    if n > 1:
        assert_sound(graph, rows, "l2")


def test_refuses_what_cannot_be(clustered):
    rows = clustered(300, 5, seed=15)
    for wrong, message in [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"target_recall": 1.1}, "got 1.1"),
        ({"threads": -1}, "threads must be at least 0, got -1"),
        ({"metric": "l1"}, "l1"),
    ]:
        with pytest.raises(InvalidParamsError, match=message):
            knn_graph_of(rows, **wrong)
    with pytest.raises(InvalidInputError, match="ids"):
        knn_graph_of(rows, ids=np.arange(299))
    rows[7] = 0
    with pytest.raises(ZeroVectorError, match="row 7"):
        knn_graph_of(rows, metric="cosine")


@needs_native
def test_float32_codes_are_not_projected(flat, joins):
    params = BuildParams(metric="l2", tune_queries=0, codes="float32")
    index = SoarIndex.build(flat(600, seed=16), params)
    assert index.data.encoding.kind == "float32"
    knn_graph(index, k=4)
    assert joins[-1].projected is None
    assert isinstance(joins[-1].data.encoding, Encoding)
