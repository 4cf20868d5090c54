"""Labels over the neighbour graph, beside the dense solve."""

import numpy as np
import pytest
from label_graphs import (
    blobs,
    built,
    dense_shares,
    dense_weights,
    first_of_each,
    some_graph,
)
from sklearn.datasets import load_digits

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.selection.curation.graph_labels import (
    PropagationParams,
    PropagationRequest,
    propagate,
)
from gleann.selection.curation.graph_labels.solver import Evidence, solve
from gleann.selection.curation.graph_labels.walk import Walk


@pytest.mark.parametrize("hold", ["soft", "clamped"])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.95, 0.999])
def test_masses_equal_the_dense_solve(hold, alpha):
    near, weights = some_graph()
    near[3, 2:] = -1  # a row with fewer neighbours
    weights[near < 0] = 0
    weights[7] = 0  # a row that only others lead to
    rows = np.array([4, 11, 60, 90])
    values = np.array([[1, 0, 0], [0, 2.0, 0], [0, 0.5, 0.5], [0, 0, 0.1]])
    params = PropagationParams(alpha=alpha, hold=hold)
    found = solve(
        Walk.of_edges(near, weights), Evidence(rows=rows, values=values), params
    )
    expected = dense_shares(
        dense_weights(near, weights), rows, values, alpha=alpha, hold=hold
    )
    if alpha == 0:
        assert (
            np.flatnonzero(found.errors <= params.tolerance).tolist() == rows.tolist()
        )
    else:
        assert found.reached.all()
        assert found.errors.max() <= params.tolerance
    known = found.errors <= params.tolerance
    shares = found.masses[known] / found.masses[known].sum(axis=1, keepdims=True)
    away = np.abs(shares - expected[known]).max(axis=1)
    assert away.max() < 1e-4
    assert (away <= found.errors[known] + 1e-12).all()


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-10])
@pytest.mark.parametrize("seed", range(4))
def test_the_bound_holds_and_is_met(tolerance, seed):
    near, weights = some_graph(n=80, k=3, seed=seed)
    rows, values = np.array([0, 9]), np.eye(2)
    params = PropagationParams(tolerance=tolerance, alpha=0.9)
    found = solve(
        Walk.of_edges(near, weights), Evidence(rows=rows, values=values), params
    )
    expected = dense_shares(
        dense_weights(near, weights), rows, values, alpha=0.9, hold="soft"
    )
    shares = found.masses / found.masses.sum(axis=1, keepdims=True)
    away = np.abs(shares - expected).max(axis=1)
    assert found.errors.max() <= tolerance
    assert (away <= found.errors + 1e-13).all()
    assert away.max() <= tolerance


def path(n):
    near = np.stack([np.arange(n) - 1, np.arange(n) + 1], axis=1)
    near[near == n] = -1
    return near.astype(np.int32), np.ones((n, 2))


def test_far_rows_of_a_long_path_have_the_label_of_the_nearer_end():
    n = 161
    near, weights = path(n)
    weights[near < 0] = 0
    ends = Evidence(rows=np.array([0, n - 1]), values=np.eye(2))
    found = solve(Walk.of_edges(near, weights), ends, PropagationParams(alpha=0.9))
    # The mass falls by a factor of about 0.63 a step: 1e-16 in the middle.
    assert found.masses.sum(axis=1).min() < 1e-15
    assert found.errors.max() <= 1e-4
    assert (found.masses[:80, 0] > found.masses[:80, 1]).all()
    assert (found.masses[81:, 0] < found.masses[81:, 1]).all()
    middle = found.masses[80] / found.masses[80].sum()
    assert np.allclose(middle, 0.5, atol=1e-4)


def test_rows_beyond_the_last_sweep_get_no_label():
    n = 200
    near, weights = path(n)
    weights[near < 0] = 0
    one_end = Evidence(rows=np.array([0]), values=np.array([[1.0, 0.0]]))
    params = PropagationParams(alpha=0.9, max_sweeps=40)
    found = solve(Walk.of_edges(near, weights), one_end, params)
    assert found.sweeps == 40
    assert found.reached.all()
    known = found.errors <= params.tolerance
    assert known[:5].all()
    assert not known[41:].any()


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("kernel", ["cosine", "gaussian", "uniform"])
def test_an_index_equals_the_dense_solve_from_its_vectors(metric, kernel):
    vectors, labels = blobs()
    if metric == "ip":  # so that the nearest of a row are not the longest rows
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) / 3
    index, graph = built(vectors, metric=metric)
    rows = first_of_each(labels)
    params = PropagationParams(kernel=kernel, power=2.0, alpha=0.9)
    found = propagate(
        index,
        PropagationRequest(ids=rows, labels=labels[rows], params=params),
        graph=graph,
    )
    stored = index.vectors.astype(np.float64)
    near = graph.neighbours
    unit = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    if kernel == "cosine":
        weights = np.maximum(0, np.einsum("id,ikd->ik", unit, unit[near])) ** 2
    elif kernel == "gaussian":
        squares = ((stored[:, None] - stored[near]) ** 2).sum(axis=2)
        reach = np.sqrt(squares.max(axis=1))
        weights = np.exp(-squares / (reach[:, None] * reach[near]))
    else:
        weights = np.ones(near.shape)
    expected = dense_shares(
        dense_weights(near, weights), rows, np.eye(3), alpha=0.9, hold="soft"
    )
    reached = ~np.isnan(expected[:, 0])
    assert (found.has_label == reached).all()
    assert np.abs(found.probabilities - expected)[reached].max() < 2e-4


def test_far_from_the_origin_the_answer_is_that_of_its_distances():
    vectors, labels = blobs()
    rows = first_of_each(labels)
    request = PropagationRequest(
        ids=rows, labels=labels[rows], params=PropagationParams(kernel="gaussian")
    )
    near, far = (
        propagate(*(built(vectors + shift, metric="l2")[:1]), request)
        for shift in (0, 256)
    )
    assert near.labels.tolist() == far.labels.tolist()
    assert np.abs(near.probabilities - far.probabilities).max() < 0.02


def test_duplicates_of_a_labelled_row_share_its_label():
    vectors, labels = blobs(apart=4)
    vectors = np.concatenate([vectors, vectors[:20], vectors[:1].repeat(20, axis=0)])
    labels = np.concatenate([labels, labels[:20], labels[:1].repeat(20)])
    rows = first_of_each(labels)
    for kernel in ("cosine", "gaussian", "uniform"):
        params = PropagationParams(kernel=kernel)
        found = propagate(
            built(vectors)[0],
            PropagationRequest(ids=rows, labels=labels[rows], params=params),
        )
        known = found.has_label
        assert (found.numbers[-20:] == labels[0]).all()
        assert (found.numbers[known] == labels[known]).mean() > 0.95


def test_all_rows_equal_have_one_answer():
    vectors = np.ones((30, 4), np.float32)
    index, graph = built(vectors, k=5)
    found = propagate(
        index, PropagationRequest(ids=[3, 8], labels=["a", "b"]), graph=graph
    )
    assert len(found) == 30
    assert np.isfinite(found.probabilities).all()
    assert found.labels[3] == "a"
    assert found.labels[8] == "b"


def test_one_row_is_its_own_piece():
    index = SoarIndex.build(np.ones((1, 4), np.float32), BuildParams(metric="l2"))
    request = PropagationRequest(ids=[0], labels=["b"], classes=["a", "b"])
    found = propagate(index, request)
    assert found.labels.tolist() == ["b"]
    assert found.probabilities.tolist() == [[0.0, 1.0]]


def test_a_piece_without_labels_has_none():
    vectors, labels = blobs(centres=2)
    vectors[labels == 1] *= -1  # negative cosines are no edges
    vectors[:, 0] = np.where(labels == 0, 30, -30)
    ids = [f"row {i}" for i in range(len(vectors))]
    index, graph = built(vectors, ids=ids)
    request = PropagationRequest(
        ids=["row 0", "row 1"], labels=["cat", "dog"], classes=["dog", "cat", "eel"]
    )
    found = propagate(index, request, graph=graph)
    assert found.has_label.tolist() == (labels == 0).tolist()
    assert set(found.labels[labels == 1]) == {None}
    assert not found.probabilities[labels == 1].any()
    assert found.margins[labels == 1].tolist() == [0.0] * 40
    assert found.entropies[labels == 1] == pytest.approx(np.log(3))
    assert (found.confidence[labels == 0] > 0.5).all()
    assert found.summary["unreached"] == 40
    assert found.summary["unseen_classes"] == 1
    assert found.summary["pieces"] == len(np.unique(found.pieces)) >= 2
    assert not found.probabilities[:, 2].any()
    assert found.classes == ("dog", "cat", "eel")


def test_soft_labels_can_be_outvoted_and_clamped_ones_cannot():
    vectors, labels = blobs(centres=2)
    rows = np.arange(0, len(labels), 5)
    given = labels[rows].copy()
    given[0] = 1  # wrong, amid rows of class 0
    index, graph = built(vectors)
    answers = {
        hold: propagate(
            index,
            PropagationRequest(
                ids=rows,
                labels=given,
                params=PropagationParams(hold=hold, alpha=0.99),
            ),
            graph=graph,
        )
        for hold in ("soft", "clamped")
    }
    assert answers["soft"].numbers[rows[0]] == 0
    assert answers["soft"].summary["outvoted"] == 1
    assert answers["clamped"].numbers[rows].tolist() == given.tolist()
    assert answers["clamped"].summary["outvoted"] == 0
    assert answers["clamped"].confidence[rows].tolist() == [1.0] * len(rows)


def test_distributions_and_weights_count_as_they_say():
    vectors, labels = blobs()
    rows = first_of_each(labels, 2)
    index, graph = built(vectors)

    def spread(**how):
        request = PropagationRequest(ids=rows, **how)
        return propagate(index, request, graph=graph)

    words = spread(labels=labels[rows])
    table = spread(probabilities=np.eye(3)[labels[rows]])
    assert np.array_equal(words.probabilities, table.probabilities)
    halved = spread(labels=labels[rows], weights=np.full(len(rows), 0.5))
    assert np.allclose(halved.probabilities, words.probabilities, atol=1e-9)
    heavy = spread(labels=labels[rows], weights=np.where(labels[rows] == 1, 9, 1))
    assert heavy.probabilities[:, 1].mean() > words.probabilities[:, 1].mean()
    dropped = spread(labels=labels[rows], weights=[1, 0, 1, 0, 1, 0])
    fewer = propagate(
        index, PropagationRequest(ids=rows[::2], labels=labels[rows[::2]]), graph=graph
    )
    assert np.array_equal(dropped.probabilities, fewer.probabilities)
    assert dropped.given.sum() == 3


def test_the_order_of_labels_and_rows_changes_nothing():
    vectors, labels = blobs()
    rows = first_of_each(labels, 2)
    index, graph = built(vectors)
    one = propagate(
        index, PropagationRequest(ids=rows, labels=labels[rows]), graph=graph
    )
    back = rows[::-1]
    other = propagate(
        index, PropagationRequest(ids=back, labels=labels[back]), graph=graph
    )
    assert np.array_equal(one.probabilities, other.probabilities)
    order = np.random.default_rng(1).permutation(len(vectors))
    moved, its_graph = built(vectors[order], ids=order)
    shuffled = propagate(
        moved, PropagationRequest(ids=rows, labels=labels[rows]), graph=its_graph
    )
    assert shuffled.ids.tolist() == order.tolist()
    assert np.abs(shuffled.probabilities - one.probabilities[order]).max() < 2e-4
    assert shuffled.labels.tolist() == one.labels[order].tolist()


@pytest.mark.parametrize(
    ("per_class", "nearest", "at_least"), [(1, 0.604, 0.87), (5, 0.883, 0.94)]
)
def test_digits_from_few_labels(per_class, nearest, at_least):
    vectors, labels = load_digits(return_X_y=True)
    vectors = vectors.astype(np.float32)
    index = SoarIndex.build(vectors, BuildParams(metric="cosine"))
    graph = knn_graph(index, k=10, target_recall=1.0)
    unit = index.vectors
    ours, theirs = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rows = np.concatenate(
            [rng.choice(np.where(labels == c)[0], per_class, False) for c in range(10)]
        )
        request = PropagationRequest(ids=rows, labels=labels[rows])
        found = propagate(index, request, graph=graph)
        assert found.summary["outvoted"] == 0
        assert found.has_label.all()
        ours.append(found.accuracy(labels))
        guess = labels[rows][(unit @ unit[rows].T).argmax(axis=1)]
        theirs.append((guess == labels)[~found.given].mean())
    assert np.mean(theirs) == pytest.approx(nearest, abs=0.002)
    assert np.mean(ours) > at_least
