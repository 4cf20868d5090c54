"""The picker "graph_margin": margins of propagated labels."""

import numpy as np

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.selection.curation.graph_labels import PropagationRequest, propagate
from gleann.selection.rounds import RoundsParams, RoundsSession, run_rounds


def spread(seed=0, per=60):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(3, 6)) * 1.5
    labels = np.tile(np.arange(3), per)
    return (middles[labels] + rng.normal(size=(len(labels), 6))).astype(np.float32), (
        labels
    )


def started(vectors, labels, **params):
    return RoundsSession.start(
        vectors,
        RoundsParams(**{"picker": "graph_margin", "batch": 5, **params}),
        rows=np.arange(6),
        labels=labels[:6],
    )


def test_rows_are_picked_by_the_margins_of_a_propagation():
    vectors, labels = spread()
    session = started(vectors, labels, seed=3)
    picked = session.next_batch()
    index = SoarIndex.build(vectors, BuildParams(metric="l2", seed=3))
    request = PropagationRequest(ids=np.arange(6), labels=labels[:6])
    found = propagate(index, request, graph=knn_graph(index, k=10))
    assert picked.rows.tolist() == found.most_uncertain(5).rows.tolist()
    assert picked.summary["method"] == "graph_margin"


def test_rows_that_no_label_reaches_come_first():
    rng = np.random.default_rng(0)
    vectors = np.abs(rng.normal(size=(60, 4))).astype(np.float32)
    vectors[40:] = -vectors[40:] - 5  # cosines to the others are negative: no edges
    session = started(vectors, np.tile([0, 1], 30))
    assert session.next_batch().rows.tolist() == [40, 41, 42, 43, 44]


def test_ignored_rows_are_not_in_the_graph():
    vectors, labels = spread()
    session = started(vectors, labels)
    session.ignore(np.arange(90, 180))
    copy = started(vectors[:90], labels[:90])
    assert session.next_batch().rows.tolist() == copy.next_batch().rows.tolist()


def test_few_labels_classify_the_rest():
    vectors, labels = spread()
    session = started(vectors, labels)
    run_rounds(session, lambda ids: labels[ids], budget=60)
    rows = session.labelled_rows
    index = SoarIndex.build(vectors, BuildParams(metric="l2"))
    request = PropagationRequest(ids=rows, labels=labels[rows], k=10)
    assert propagate(index, request).accuracy(labels) > 0.95
