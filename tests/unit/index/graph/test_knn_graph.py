"""The k-nearest-neighbour graph against brute force, on all that is awkward."""

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex, exact_search, knn_graph, recall_at_k
from gleann.index.errors import CancelledError, InvalidParamsError
from gleann.index.graph.join_plan import NEVER, draw_sample, plan_nprobe
from gleann.index.graph.joined import Joined
from gleann.index.graph.self_join import candidates_of

METRICS = ["ip", "cosine", "l2"]


def build(rows, metric="l2", *, engine="auto", ids=None, **params):
    chosen = BuildParams(metric=metric, tune_queries=0, seed=3, **params)
    return SoarIndex.build(rows, chosen, engine=engine, ids=ids)


def brute_force(index, k):
    """Distances (n, k) of the true neighbours, the row itself left out."""
    n = len(index)
    every = index.vectors
    rows, near = exact_search(every, every, metric=index.metric, k=k + 1)
    others = rows != np.arange(n)[:, None]
    others[others.all(axis=1), -1] = False
    return near[others].reshape(n, k)


def table(graph):
    return graph.distances.reshape(len(graph), graph.k)


def assert_sound(graph, index):
    """What holds of every graph, however few lists it probed."""
    n, k = len(graph), graph.k
    np.testing.assert_array_equal(graph.indptr, np.arange(n + 1) * k)
    assert graph.neighbours.shape == (n, k)
    assert graph.neighbours.min() >= 0
    assert graph.neighbours.max() < n
    assert not (graph.neighbours == np.arange(n)[:, None]).any()
    assert all(len(set(row)) == k for row in graph.neighbours.tolist())
    order = np.lexsort((graph.neighbours, table(graph)), axis=1)
    np.testing.assert_array_equal(order, np.broadcast_to(np.arange(k), (n, k)))
    here = np.repeat(np.arange(n), k)
    wide = index.vectors.astype(np.float64)
    if index.metric == "l2":
        want = ((wide[here] - wide[graph.rows]) ** 2).sum(axis=1)
    else:
        want = (index.metric == "cosine") - (wide[here] * wide[graph.rows]).sum(axis=1)
    np.testing.assert_allclose(graph.distances, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spill", ["soar", "none"])
@pytest.mark.parametrize("metric", METRICS)
def test_all_lists_give_brute_force(clustered, engine_name, metric, spill):
    index = build(clustered(400, 12, seed=1), metric, spill=spill, engine=engine_name)
    graph = knn_graph(index, k=7, nprobe=index.nlist)
    assert_sound(graph, index)
    np.testing.assert_allclose(
        table(graph), brute_force(index, 7), rtol=1e-5, atol=1e-6
    )
    assert graph.nprobe == index.nlist == 6
    assert graph.estimated_recall == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_few_lists_give_the_reference_graph(clustered, engine_name, metric):
    """Candidate lists hold all that the probed lists do, so codes can lose nothing."""
    rows = clustered(150, 9, seed=2)
    index = build(rows, metric, nlist=10, engine="reference")
    want = knn_graph(index, k=74, nprobe=2)
    got = knn_graph(index.with_engine(engine_name), k=74, nprobe=2)
    assert_sound(got, index)
    np.testing.assert_allclose(got.distances, want.distances, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_reaches_the_recall_asked_for(clustered, assert_recall, metric):
    rows = clustered(2000, 16, seed=4, clusters=200, spread=0.9)
    index = build(rows, metric, nlist=80)
    true = brute_force(index, 10)
    probes = []
    for target in (0.8, 0.97):
        graph = knn_graph(index, k=10, target_recall=target)
        assert_sound(graph, index)
        assert_recall(table(graph), true, at_least=target)
        estimate = graph.estimated_recall
        assert estimate == pytest.approx(recall_at_k(table(graph), true), abs=0.02)
        probes.append(graph.nprobe)
    assert probes[0] < probes[1] < 60


def test_needs_fewer_probes_than_a_search(clustered):
    """What a row missed, the other end has often found."""
    rows = clustered(2000, 16, seed=4, clusters=200, spread=0.9)
    index = build(rows, "l2", nlist=80)
    true = brute_force(index, 10)
    graph = knn_graph(index, k=10, nprobe=4)
    lists = index.engine.rank_lists(index.vectors, nprobe=4)
    joined = Joined.all(index.engine, index.data)
    primary, secondary = joined.lists_of()
    near, _ = exact_search(index.vectors, index.vectors, metric="l2", k=11)
    near = np.array([row[row != i][:10] for i, row in enumerate(near)])
    reached = (
        (lists[:, None, :] == primary[near][:, :, None])
        | (lists[:, None, :] == secondary[near][:, :, None])
    ).any(axis=2)
    assert recall_at_k(table(graph), true) > reached.mean() + 0.02


@pytest.mark.parametrize("n", [2, 3, 9])
def test_k_beyond_n_takes_all_others(clustered, engine_name, n):
    index = build(clustered(n, 5, seed=6), nlist=min(n, 3), engine=engine_name)
    graph = knn_graph(index, k=20)
    assert graph.k == n - 1
    assert_sound(graph, index)
    np.testing.assert_allclose(table(graph), brute_force(index, n - 1), rtol=1e-5)


def test_one_row_has_no_neighbours():
    graph = knn_graph(build(np.ones((1, 4), np.float32), "cosine"))
    assert (len(graph), graph.k, len(graph.rows), len(graph.ids)) == (1, 0, 0, 0)
    assert graph.indptr.tolist() == [0, 0]
    assert graph.neighbours.shape == (1, 0)
    assert graph.to_scipy().shape == (1, 1)


def test_equal_rows_come_in_row_order(engine_name):
    """Five rows of each of four vectors: the four others, by row, at distance 0."""
    vectors = np.tile(10 * np.eye(4, dtype=np.float32), (5, 1))
    graph = knn_graph(build(vectors, nlist=4, engine=engine_name), k=4)
    for row in range(20):
        others = [r for r in range(row % 4, 20, 4) if r != row]
        assert graph.neighbours[row].tolist() == others
    assert (graph.distances == 0).all()
    assert graph.estimated_recall == 1.0


def test_more_equal_rows_than_a_pool_holds(clustered, engine_name):
    """A row that is missing from its own candidates must not lose a neighbour."""
    rows = np.concatenate([np.zeros((200, 6)), clustered(100, 6, seed=7)])
    index = build(rows.astype(np.float32), nlist=6, engine=engine_name)
    graph = knn_graph(index, k=5)
    assert_sound(graph, index)
    assert (table(graph)[:200] == 0).all()


def test_lists_too_short_are_made_up_for(clustered, engine_name):
    """One list of 30, of rows far from all others, cannot hold 40 neighbours."""
    rows = clustered(300, 6, seed=8)
    rows[:30] += 100
    index = build(rows, nlist=8, spill="none", engine=engine_name)
    graph = knn_graph(index, k=40, nprobe=1)
    assert_sound(graph, index)


def test_threads_do_not_change_the_graph(clustered):
    index = build(clustered(3000, 10, seed=9), "cosine", nlist=40)
    one = knn_graph(index, k=9, nprobe=3, threads=1)
    many = knn_graph(index, k=9, nprobe=3, threads=5)
    np.testing.assert_array_equal(one.rows, many.rows)
    np.testing.assert_array_equal(one.distances, many.distances)


def test_ids_and_scipy_tell_the_same(clustered):
    names = np.array([f"item-{i:03d}" for i in range(120)])
    index = build(clustered(120, 7, seed=10), ids=names)
    graph = knn_graph(index, k=3)
    np.testing.assert_array_equal(graph.ids, names[graph.rows])
    matrix = graph.to_scipy()
    assert matrix.shape == (120, 120)
    assert matrix.nnz == 360
    assert matrix[5, graph.neighbours[5, 2]] == table(graph)[5, 2]
    assert (matrix.diagonal() == 0).all()


def test_progress_goes_up_and_can_cancel(clustered, monkeypatch):
    monkeypatch.setattr("gleann.index.graph.self_join.CHUNK_ROWS", 100)
    index = build(clustered(450, 6, seed=11))
    seen = []
    knn_graph(index, k=3, progress=seen.append)
    assert [p.phase for p in seen] == ["plan"] + ["join"] * 6
    assert [p.done for p in seen[1:]] == [0, 100, 200, 300, 400, 450]
    assert {p.total for p in seen[1:]} == {450}

    def cancel(progress):
        if progress.done >= 200:
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        knn_graph(index, k=3, progress=cancel)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"target_recall": 0}, r"target_recall must be in \(0, 1\], got 0"),
        ({"target_recall": 1.1}, "got 1.1"),
        ({"nprobe": 0}, "nprobe must be in 1..6, the lists there are; got 0"),
        ({"nprobe": 7}, "got 7"),
        ({"nprobe": 2, "target_recall": 0.9}, "not both: got nprobe 2"),
        ({"threads": -1}, "threads must be at least 0, got -1"),
    ],
)
def test_refuses_what_cannot_be(clustered, wrong, message):
    index = build(clustered(400, 5, seed=12))
    with pytest.raises(InvalidParamsError, match=message):
        knn_graph(index, **wrong)


def test_list_order_is_a_permutation_that_lists_of_inverts(clustered):
    index = build(clustered(500, 6, seed=13), nlist=9)
    lists = index.data.lists
    joined = Joined.all(index.engine, index.data)
    order = joined.in_list_order()
    assert sorted(order.tolist()) == list(range(500))
    primary, secondary = joined.lists_of()
    assert (np.diff(primary[order]) >= 0).all()
    for j in range(9):
        held = lists.rows[lists.offsets[j] : lists.offsets[j + 1]]
        want = np.flatnonzero((primary == j) | (secondary == j))
        np.testing.assert_array_equal(np.sort(held), want)


def test_the_sample_holds_true_neighbours(clustered):
    index = build(clustered(900, 8, seed=14), "cosine", nlist=12)
    rng = np.random.default_rng(0)
    joined = Joined.all(index.engine, index.data)
    sample = draw_sample(joined, k=6, rng=rng)
    np.testing.assert_allclose(
        sample.distances, brute_force(index, 6)[sample.own], rtol=1e-5, atol=1e-7
    )
    assert not (sample.rows == sample.own[:, None]).any()


def test_the_plan_is_the_least_that_reaches_its_target(clustered):
    """On an index whose every row is sampled, one probe fewer is no better."""
    index = build(clustered(500, 16, seed=15, clusters=90, spread=1.0), nlist=40)
    rng = np.random.default_rng(0)
    joined = Joined.all(index.engine, index.data)
    sample = draw_sample(joined, k=10, rng=rng)
    nprobe = plan_nprobe(
        joined,
        sample,
        width=candidates_of(10) + 1,
        target_recall=0.9,
        rng=rng,
    )
    true = brute_force(index, 10)
    found = knn_graph(index, k=10, nprobe=nprobe)
    fewer = knn_graph(index, k=10, nprobe=nprobe - 1)
    assert recall_at_k(table(found), true) >= 0.9
    # The plan keeps clear of the target by the standard error of 512 rows, about 0.01:
    # without a probe that margin is gone.
    assert recall_at_k(table(fewer), true) < 0.91
    assert 1 < nprobe < NEVER
