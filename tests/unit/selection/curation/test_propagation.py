"""Labels over the neighbour graph, beside the dense solve."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gleann.index import BuildParams, SoarIndex, knn_graph, knn_graph_of
from gleann.index.errors import (
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    UnknownIdError,
)
from gleann.selection.curation.graph_labels import (
    PropagationParams,
    PropagationRequest,
    propagate,
    propagate_vectors,
)
from gleann.selection.curation.graph_labels.solver import Evidence, solve
from gleann.selection.curation.graph_labels.walk import Walk


def dense_weights(near, weights):
    """The mean of both directions' weights (n, n)."""
    matrix = np.zeros((len(near), len(near)))
    for row, (others, values) in enumerate(zip(near, weights, strict=True)):
        for other, value in zip(others, values, strict=True):
            if other >= 0:
                matrix[row, other] = value
    return (matrix + matrix.T) / 2


def dense_shares(weights, rows, values, *, alpha, hold):
    """Class probabilities (n, c) by a dense solve; NaN where no mass arrives."""
    n = len(weights)
    degrees = weights.sum(axis=1)
    given = np.zeros((n, values.shape[1]))
    given[rows] = values
    if hold == "soft":
        roots = np.where(degrees > 0, degrees, 1) ** -0.5
        smoothed = roots[:, None] * weights * roots
        masses = np.linalg.solve(np.eye(n) - alpha * smoothed, (1 - alpha) * given)
    else:
        steps = weights / np.where(degrees > 0, degrees, 1)[:, None]
        steps[rows] = 0
        masses = np.linalg.solve(np.eye(n) - alpha * steps, given)
    masses[np.abs(masses) < 1e-30] = 0
    with np.errstate(invalid="ignore"):
        return masses / masses.sum(axis=1, keepdims=True)


def some_graph(n=120, k=5, seed=0):
    rng = np.random.default_rng(seed)
    near = np.array(
        [rng.choice(np.delete(np.arange(n), i), k, False) for i in range(n)]
    )
    return near.astype(np.int32), rng.random((n, k))


def blobs(seed=0, per=40, dim=8, centres=3, apart=1.5):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(centres, dim)) * apart
    labels = np.repeat(np.arange(centres), per)
    vectors = middles[labels] + rng.normal(size=(len(labels), dim))
    return vectors.astype(np.float32), labels


def built(vectors, *, metric="cosine", ids=None, k=6):
    index = SoarIndex.build(vectors, BuildParams(metric=metric, nlist=4), ids=ids)
    return index, knn_graph(index, k=k, nprobe=4)


def first_of_each(labels, count=1):
    return np.sort(
        [r for c in np.unique(labels) for r in np.where(labels == c)[0][:count]]
    )


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


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_among_some_rows_is_the_answer_of_the_filtered_copy(share):
    vectors, labels = blobs(per=100)
    chosen = np.random.default_rng(0).random(len(labels)) < share
    rows = first_of_each(np.where(chosen, labels, -1))[1:]
    index = SoarIndex.build(vectors, BuildParams(metric="cosine", nlist=4))
    kept = np.flatnonzero(chosen)
    copy = SoarIndex.build(
        vectors[kept], BuildParams(metric="cosine", nlist=4), ids=kept
    )
    few = propagate(
        index,
        PropagationRequest(ids=rows, labels=labels[rows], among=chosen),
        graph=knn_graph(index, k=6, nprobe=4, among=chosen),
    )
    alone = propagate(
        copy,
        PropagationRequest(ids=rows, labels=labels[rows]),
        graph=knn_graph(copy, k=6, nprobe=4),
    )
    assert few.rows.tolist() == few.ids.tolist() == alone.ids.tolist() == kept.tolist()
    assert few.labels.tolist() == alone.labels.tolist()
    assert np.abs(few.probabilities - alone.probabilities).max() < 1e-5
    assert few.provenance["among"] == {"rows": len(kept), "of": len(labels)}
    made = propagate(
        index, PropagationRequest(ids=rows, labels=labels[rows], among=kept, k=6)
    )
    assert made.rows.tolist() == kept.tolist()


def test_the_most_uncertain_rows_come_by_margin_then_by_id():
    vectors, labels = blobs()
    vectors = np.concatenate([vectors, vectors[-1:].repeat(12, axis=0)])
    ids = np.random.default_rng(0).permutation(len(vectors))
    index, graph = built(vectors, ids=ids)
    rows = first_of_each(labels)
    found = propagate(
        index, PropagationRequest(ids=ids[rows], labels=labels[rows]), graph=graph
    )
    k = len(vectors) - len(rows)
    picked = found.most_uncertain(k)
    margins = found.margins[picked.rows]
    assert sorted([*picked.rows, *rows]) == list(range(len(vectors)))
    assert list(zip(margins, picked.ids, strict=True)) == sorted(
        zip(margins, picked.ids, strict=True)
    )
    assert picked.ids.tolist() == ids[picked.rows].tolist()
    with pytest.raises(InvalidParamsError, match=f"k is {k + 1}, but {k} rows"):
        found.most_uncertain(k + 1)


def test_the_answer_is_a_table_and_json():
    vectors, labels = blobs()
    rows = first_of_each(labels)
    index, graph = built(vectors)
    found = propagate(
        index, PropagationRequest(ids=rows, labels=["a", "b", "c"]), graph=graph
    )
    table = json.loads(json.dumps(found.to_dict()))
    assert table["columns"]["label"][rows[1]] == "b"
    assert table["columns"]["given"].count(True) == 3
    assert table["classes"] == ["a", "b", "c"]
    assert table["provenance"]["params"]["alpha"] == 0.95
    assert table["provenance"]["data_hash"] == index.data_hash
    truth = np.array(["a", "b", "c"])[labels]
    right = found.labels == truth
    assert found.accuracy(truth) == right[~found.given].mean()


def test_progress_is_reported_and_can_stop_the_work():
    vectors, labels = blobs()
    rows = first_of_each(labels)
    request = PropagationRequest(ids=rows, labels=labels[rows], k=6)
    seen = []
    propagate(built(vectors)[0], request, progress=seen.append)
    assert {"plan", "join", "propagate"} <= {one.phase for one in seen}

    def stop(progress):
        if progress.phase == "propagate" and progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        propagate(built(vectors)[0], request, progress=stop)


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"ids": []}, InvalidInputError, "0 class"),
        ({"ids": [0, 1]}, DimensionMismatchError, "3 entries for 2 rows"),
        ({"ids": [0, 40, 500]}, UnknownIdError, "500"),
        ({"ids": [0, 40, 40]}, DuplicateIdError, "40"),
        ({"labels": [0, 0, 0]}, InvalidInputError, r"1 class \[0\].* needs 2"),
        ({"labels": [0.5, 1, 2]}, InvalidInputError, "float64"),
        ({"labels": ["a", None, "b"]}, InvalidInputError, "row 1 is None"),
        ({"labels": None}, InvalidInputError, "got neither"),
        ({"probabilities": np.eye(3)}, InvalidInputError, "got both"),
        ({"classes": [0, 1]}, InvalidInputError, r"labels 2 are outside .*\[0, 1\]"),
        ({"classes": [0, 1, 2, 2]}, InvalidInputError, "4 entries, of which 3"),
        ({"weights": [1, 1]}, DimensionMismatchError, "2 entries for 3"),
        ({"weights": [1, -1, 1]}, InvalidInputError, "at least 0, got -1"),
        ({"weights": [0, 0, 0]}, InvalidInputError, "0 of 3 rows"),
        ({"weights": [1, np.nan, 0]}, NonFiniteError, "NaN"),
        (
            {"labels": None, "probabilities": [[0.5, 0.6]] * 3},
            InvalidInputError,
            "sum to 1.1",
        ),
        (
            {"labels": None, "probabilities": np.eye(3), "classes": ["a", "b"]},
            DimensionMismatchError,
            "3 columns for 2 classes",
        ),
        (
            {"labels": None, "probabilities": np.eye(4)},
            DimensionMismatchError,
            "4 lines for 3 rows",
        ),
        ({"among": np.arange(100)}, InvalidInputError, "100 of 120"),
        ({"among": [0]}, InvalidInputError, "not of the 1 of 120"),
        ({"k": 0}, InvalidParamsError, "k must be at least 1"),
    ],
)
def test_what_cannot_be_used_is_refused(how, error, says):
    index, graph = built(blobs()[0])
    if "ids" in how and not how["ids"]:
        how = {**how, "labels": []}
    with pytest.raises(error, match=says):
        propagate(
            index,
            PropagationRequest(**{"ids": [0, 40, 80], "labels": [0, 1, 2], **how}),
            graph=graph,
        )


def test_a_labelled_row_outside_among_and_a_graph_of_others_are_refused():
    vectors, labels = blobs()
    index, _ = built(vectors)
    among = labels < 2
    request = PropagationRequest(ids=[0, 90], labels=[0, 2], among=among)
    with pytest.raises(InvalidInputError, match="1 of 2 that are not among the 80 of"):
        propagate(index, request)
    _, graph = built(vectors[:50])
    with pytest.raises(DimensionMismatchError, match="50 rows, the index of 120"):
        propagate(index, request, graph=graph)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"kernel": "rbf"}, "kernel"),
        ({"hold": "hard"}, "hold"),
        ({"alpha": 1.0}, "alpha must be in 0..0.9999, got 1.0"),
        ({"alpha": -0.1}, "alpha"),
        ({"power": -1}, "power"),
        ({"tolerance": 0}, "tolerance"),
        ({"max_sweeps": 0}, "max_sweeps"),
    ],
)
def test_parameters_out_of_range_are_refused(params, says):
    with pytest.raises(InvalidParamsError, match=says):
        PropagationParams(**params)


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


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_vectors_without_an_index_get_the_labels_of_one(metric):
    vectors, labels = blobs(seed=3)
    names = np.array([f"n{row:03d}" for row in range(len(vectors))])
    few = first_of_each(labels, 2)
    request = PropagationRequest(ids=names[few], labels=labels[few], k=5)
    index = SoarIndex.build(vectors, BuildParams(metric=metric, nlist=4), ids=names)
    graph = knn_graph_of(vectors, metric=metric, k=5, ids=names)
    expected = propagate(index, request, graph=graph)
    found = propagate_vectors(vectors, request, metric=metric, ids=names)
    assert found.ids.tolist() == names.tolist()
    assert found.numbers.tolist() == expected.numbers.tolist()
    assert np.abs(found.probabilities - expected.probabilities).max() < 1e-5
    assert found.pieces.tolist() == expected.pieces.tolist()

    some = np.flatnonzero(np.isin(np.arange(len(names)) % 5, (0, 1, 3)))
    some = np.union1d(some, few)
    within = PropagationRequest(
        ids=names[few], labels=labels[few], k=5, among=names[some]
    )
    limited = propagate_vectors(vectors, within, metric=metric, ids=names)
    alone = propagate_vectors(vectors[some], request, metric=metric, ids=names[some])
    assert limited.rows.tolist() == some.tolist()
    assert limited.ids.tolist() == names[some].tolist()
    assert (limited.probabilities == alone.probabilities).all()
    assert limited.provenance["among"] == {"rows": len(some), "of": len(names)}


def test_labels_are_checked_before_the_graph_is_made():
    vectors, labels = blobs()
    index, _ = built(vectors)
    phases = []
    request = PropagationRequest(ids=[0, 1], labels=labels[:3])
    for call in (
        lambda: propagate(index, request, progress=phases.append),
        lambda: propagate_vectors(vectors, request, progress=phases.append),
    ):
        with pytest.raises(DimensionMismatchError, match="3 entries for 2 rows"):
            call()
    assert phases == []
