"""The graph of some rows of an index, against brute force over those rows alone."""

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex, exact_search, knn_graph, recall_at_k
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.lists import lists_among
from gleann.selection.neighbours import GraphNeighbours

METRICS = ["ip", "cosine", "l2"]


def build(rows, metric="l2", *, engine="auto", ids=None, **params):
    chosen = BuildParams(metric=metric, tune_queries=0, seed=3, **params)
    return SoarIndex.build(rows, chosen, engine=engine, ids=ids)


def some_of(n, share, *, seed=0):
    mask = np.random.default_rng(seed).random(n) < share
    mask[0] = True
    return mask


def alone(index, mask, k):
    """Neighbours (m, k) in the index's rows, and their distances, of those alone."""
    own = np.flatnonzero(mask)
    rows = index.vectors[own]
    found, near = exact_search(rows, rows, metric=index.metric, k=k + 1)
    others = found != np.arange(len(own))[:, None]
    others[others.all(axis=1), -1] = False
    return own[found[others]].reshape(-1, k), near[others].reshape(-1, k)


@pytest.mark.parametrize("spill", ["soar", "none"])
@pytest.mark.parametrize("metric", METRICS)
def test_all_lists_give_the_graph_of_those_rows_alone(
    clustered, engine_name, metric, spill
):
    index = build(clustered(400, 12, seed=1), metric, spill=spill, engine=engine_name)
    mask = some_of(400, 0.3)
    graph = knn_graph(index, k=6, nprobe=index.nlist, among=mask)
    rows, near = alone(index, mask, 6)
    np.testing.assert_allclose(
        graph.distances.reshape(near.shape), near, rtol=1e-5, atol=1e-6
    )
    # Ties of float32 aside, the same rows; and only rows of the mask.
    assert (graph.neighbours == rows).mean() > 0.99
    assert mask[graph.rows].all()
    np.testing.assert_array_equal(graph.own_rows, np.flatnonzero(mask))
    if engine_name in ("native", "reference"):
        assert graph.engine == index.engine_name


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_reaches_its_recall_at_every_share(clustered, share):
    index = build(clustered(6000, 16, seed=2, clusters=60, spread=1.0))
    mask = some_of(6000, share, seed=1)
    graph = knn_graph(index, k=10, target_recall=0.95, among=mask)
    _, near = alone(index, mask, 10)
    assert recall_at_k(graph.distances.reshape(near.shape), near) >= 0.93
    assert graph.estimated_recall >= 0.93
    assert (graph.neighbours != graph.own_rows[:, None]).all()
    assert mask[graph.rows].all()
    assert all(len(set(found)) == 10 for found in graph.neighbours.tolist())


def test_rows_are_those_of_the_whole_index(clustered):
    ids = np.array([f"r{row}" for row in range(300)])
    index = build(clustered(300, 8, seed=3), ids=ids)
    mask = index.mask_of(ids[50:90])
    graph = knn_graph(index, k=4, among=mask)
    assert len(graph) == 300
    assert graph.to_scipy().shape == (300, 300)
    counts = np.diff(graph.indptr)
    np.testing.assert_array_equal(counts, np.where(mask, 4, 0))
    lines = graph.table()
    assert set(lines.columns["id"].to_numpy()) == set(ids[50:90])
    assert set(lines.columns["neighbour"].to_numpy()) <= set(ids[50:90])
    assert lines.facts["summary"]["among"] == 40


def test_few_rows_have_fewer_neighbours(clustered):
    index = build(clustered(200, 8, seed=4))
    mask = np.zeros(200, np.bool_)
    mask[[3, 150, 199]] = True
    graph = knn_graph(index, k=10, among=mask)
    assert graph.k == 2
    assert {tuple(sorted(row)) for row in graph.neighbours.tolist()} == {
        (150, 199),
        (3, 199),
        (3, 150),
    }
    mask[[150, 199]] = False
    assert knn_graph(index, k=10, among=mask).neighbours.shape == (1, 0)


def test_all_rows_are_no_filter(clustered):
    index = build(clustered(300, 8, seed=5))
    whole = knn_graph(index, k=5)
    same = knn_graph(index, k=5, among=np.ones(300, np.bool_))
    np.testing.assert_array_equal(whole.rows, same.rows)
    assert same.among is None


def test_threads_do_not_matter(clustered):
    index = build(clustered(1500, 8, seed=6))
    mask = some_of(1500, 0.4)
    one = knn_graph(index, k=5, nprobe=3, among=mask, threads=1)
    two = knn_graph(index, k=5, nprobe=3, among=mask, threads=2)
    np.testing.assert_array_equal(one.rows, two.rows)


def test_lists_of_some_rows_keep_their_copies(clustered):
    index = build(clustered(500, 6, seed=7), nlist=9)
    lists, mask = index.data.lists, some_of(500, 0.3)
    some = lists_among(lists, mask)
    for j in range(9):
        for start, stop in (("offsets", "mids"), ("mids", "next")):
            ends = {"offsets": lists.offsets, "mids": lists.mids}
            mine = {"offsets": some.offsets, "mids": some.mids}
            last = lists.mids[j] if stop == "mids" else lists.offsets[j + 1]
            end = some.mids[j] if stop == "mids" else some.offsets[j + 1]
            held = lists.rows[ends[start][j] : last]
            np.testing.assert_array_equal(
                some.rows[mine[start][j] : end], held[mask[held]]
            )


def test_refuses_what_is_no_mask(clustered):
    index = build(clustered(100, 4, seed=8))
    with pytest.raises(InvalidInputError, match="among must be bool, one a row"):
        knn_graph(index, among=np.array([1, 2]))
    with pytest.raises(DimensionMismatchError, match=r"shape \(99,\), expected"):
        knn_graph(index, among=np.ones(99, np.bool_))
    with pytest.raises(InvalidInputError, match="among has 0 of 100 rows"):
        knn_graph(index, among=np.zeros(100, np.bool_))


def test_neighbours_of_a_graph_of_some_rows(clustered):
    index = build(clustered(300, 8, seed=9))
    mask = some_of(300, 0.3)
    near = GraphNeighbours(knn_graph(index, k=5, nprobe=index.nlist, among=mask))
    own = np.flatnonzero(mask)
    rows, _ = alone(index, mask, 5)
    np.testing.assert_array_equal(near.neighbours(own, k=3), rows[:, :3])
    outside = np.flatnonzero(~mask)[:4]
    assert (near.neighbours(outside, k=3) == -1).all()
    assert len(near) == 300
