"""Answers of a propagation: order, tables, progress, sources, and what is refused."""

import json

import numpy as np
import pytest
from label_graphs import blobs, built, first_of_each

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
