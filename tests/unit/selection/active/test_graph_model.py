"""Sessions whose labels propagate over the graph: no classifier is trained."""

import json

import numpy as np
import pytest
from active_world import Exact, begin, picks

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.index.errors import DimensionMismatchError, InvalidParamsError
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    GraphNeighbours,
    IndexNeighbours,
    run_active,
)
from gleann.selection.curation.graph_labels import PropagationRequest, propagate


def world(seed=0, per=60):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(3, 6)) * 1.5
    labels = np.tile(np.arange(3), per)
    vectors = middles[labels] + rng.normal(size=(len(labels), 6))
    index = SoarIndex.build(
        vectors.astype(np.float32), BuildParams(metric="cosine", nlist=4)
    )
    return index, labels


def start(index, labels, near, /, *, among=None, rows=range(6), **params):
    rows = np.array(rows)
    return ActiveSession.start(
        index.vectors,
        ActiveParams(**{"model": "graph", "strategy": "margin", "batch": 5, **params}),
        rows=rows,
        labels=labels[rows],
        neighbours=near,
        among=among,
    )


@pytest.mark.parametrize("kind", ["graph", "index"])
def test_margins_are_those_of_the_propagation(kind):
    index, labels = world()
    graph = knn_graph(index, k=10, nprobe=4)
    near = GraphNeighbours(graph)
    if kind == "index":
        near = IndexNeighbours(index, nprobe=4)
    session = start(index, labels, near)
    request = PropagationRequest(ids=np.arange(6), labels=labels[:6])
    found = propagate(index, request, graph=graph)
    assert np.abs(session.probabilities() - found.probabilities).max() < 1e-4
    batch = session.next_batch()
    assert batch.rows.tolist() == found.most_uncertain(5).rows.tolist()
    assert batch.scores == pytest.approx(-found.margins[batch.rows], abs=1e-4)
    assert session.pool_choice.pool == "global"
    assert "propagation" in session.pool_choice.reason
    session.submit_labels(batch.ids, labels[batch.rows])
    more = np.union1d(np.arange(6), batch.rows)
    again = propagate(
        index, PropagationRequest(ids=more, labels=labels[more]), graph=graph
    )
    assert np.abs(session.probabilities() - again.probabilities).max() < 1e-4


def test_a_session_that_is_resumed_picks_the_same():
    index, labels = world()
    near = GraphNeighbours(knn_graph(index, k=10, nprobe=4))
    whole = picks(start(index, labels, near), labels, 4)
    session, found = start(index, labels, near), []
    for _ in range(4):
        rows = session.next_batch().rows
        found.append(rows.tolist())
        session.submit_labels(rows[:2], labels[rows[:2]])
        state = json.loads(json.dumps(session.state()))
        session = ActiveSession.resume(state, index.vectors, neighbours=near)
        session.submit_labels(rows[2:][::-1], labels[rows[2:][::-1]])
    assert found == whole


def test_few_labels_classify_the_rest():
    index, labels = world()
    near = GraphNeighbours(knn_graph(index, k=10, nprobe=4))
    session = start(index, labels, near)

    def right(session):
        guess = session.probabilities().argmax(axis=1)
        return {"accuracy": float((guess == labels).mean())}

    run = run_active(session, lambda ids: labels[ids], budget=60, evaluate=right)
    first, last = (run.history[at].metrics["accuracy"] for at in (0, -1))
    assert last > max(first, 0.9)


def test_rows_that_no_label_reaches_are_the_most_uncertain():
    rng = np.random.default_rng(0)
    vectors = np.abs(rng.normal(size=(40, 4))).astype(np.float32)
    vectors[20:] *= -1  # cosines between the halves are negative: no edges
    labels = np.tile([0, 1], 20)
    session = begin(
        vectors, labels, np.arange(4), near=Exact(vectors), model="graph", pool="auto"
    )
    table = session.probabilities()
    assert (table[20:] == 0.5).all()
    assert not (table[4:20] == 0.5).any()
    assert session.next_batch().rows.tolist() == [20, 21, 22, 23, 24]


def test_among_some_rows_the_graph_has_those_and_the_labelled_ones():
    index, labels = world()
    among = np.arange(len(labels)) >= 90
    near = IndexNeighbours(index, nprobe=4)
    session = start(index, labels, near, among=among)
    table = session.probabilities()
    assert (table[6:90] == 1 / 3).all()  # not in the graph
    assert not (table[90:] == 1 / 3).all(axis=1).any()
    rows = session.next_batch().rows
    assert (rows >= 90).all()
    copy = SoarIndex.build(index.vectors[among], BuildParams(metric="cosine", nlist=4))
    inner = start(index, labels, near, among=among, rows=range(90, 96))
    alone = start(copy, labels[among], IndexNeighbours(copy, nprobe=4))
    filtered = [[row - 90 for row in one] for one in picks(inner, labels, 3)]
    assert filtered == picks(alone, labels[among], 3)


def test_concepts_have_a_propagation_each():
    index, labels = world()
    near = GraphNeighbours(knn_graph(index, k=10, nprobe=4))
    answers = np.stack([labels == 0, labels == 2], axis=1).astype(np.int64)
    session = start(index, answers, near, concepts=("first", "last"))
    for concept, column in (("first", 0), ("last", 1)):
        request = PropagationRequest(ids=np.arange(6), labels=answers[:6, column])
        found = propagate(index, request, graph=knn_graph(index, k=10, nprobe=4))
        table = session.probabilities(concept=concept)
        assert np.abs(table - found.probabilities).max() < 1e-4
    rows = session.next_batch().rows
    assert len(rows) == 5
    session.submit_labels(rows, answers[rows])


def test_a_class_that_no_label_has_is_likely_nowhere():
    index, labels = world()
    near = GraphNeighbours(knn_graph(index, k=10, nprobe=4))
    session = start(index, labels, near, classes=(0, 1, 2, 9))
    assert session.probabilities().shape == (len(labels), 4)
    assert not session.probabilities()[:, 3].any()


def test_what_the_model_cannot_do_is_refused():
    index, labels = world()
    near = GraphNeighbours(knn_graph(index, k=10, nprobe=4))
    with pytest.raises(InvalidParamsError, match="'graph' needs neighbours, got None"):
        start(index, labels, None)
    few = GraphNeighbours(knn_graph(world(per=5)[0], k=4, nprobe=4))
    with pytest.raises(DimensionMismatchError, match="of 15 rows, vectors of 180"):
        start(index, labels, few)
    with pytest.raises(InvalidParamsError, match="takes neighbours, not a classifier"):
        begin(
            index.vectors,
            labels,
            np.arange(6),
            near=near,
            model="graph",
            classifier=object(),
        )
    session = start(index, labels, near)
    with pytest.raises(InvalidParamsError, match="no classifier to score"):
        session.score_vectors(index.vectors[:2])


@pytest.mark.parametrize("pool", ["global", "seals"])
def test_a_graph_of_other_rows_is_refused_at_the_start(pool):
    index, labels = world()
    among = np.arange(len(labels)) >= 90
    whole = GraphNeighbours(knn_graph(index, k=10, nprobe=4))
    with pytest.raises(InvalidParamsError, match="graph is of 180 rows, not of the 90"):
        start(index, labels, whole, among=among, pool=pool)
    with pytest.raises(InvalidParamsError, match="can be limited to them"):
        start(index, labels, Exact(index.vectors), among=among, pool=pool)
    own = GraphNeighbours(knn_graph(index, k=10, nprobe=4, among=among))
    session = start(index, labels, own, among=among, rows=range(90, 96), pool=pool)
    near = IndexNeighbours(index, nprobe=4)
    other = start(index, labels, near, among=among, rows=range(90, 96), pool=pool)
    assert picks(session, labels, 3) == picks(other, labels, 3)


def test_a_graph_with_too_few_neighbours_is_refused_at_the_start():
    index, labels = world()
    few = GraphNeighbours(knn_graph(index, k=4, nprobe=4))
    with pytest.raises(InvalidParamsError, match="holds 4 neighbours a row, but k is"):
        start(index, labels, few)
    session = start(index, labels, few, neighbours=4)
    assert len(session.next_batch().rows) == 5
