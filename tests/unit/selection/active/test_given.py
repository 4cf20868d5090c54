"""Probabilities from outside: asked for, checked, remembered, forgotten."""

import json

import numpy as np
import pytest
from active_world import Exact, begin, outside, rare
from sklearn.naive_bayes import GaussianNB

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    NotReadyError,
)
from gleann.selection import ActiveSession, entropy


def test_probabilities_from_outside_are_asked_for_and_decide():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near, model="given", batch=4)
    table = outside(session)
    for _ in range(3):
        wanted = session.wanted()
        pool = set(session.state()["picker"]["pool"]["entered"])
        assert set(wanted.tolist()) == pool - set(session.labelled_rows.tolist())
        with pytest.raises(NotReadyError, match=f"{len(wanted)} of {len(wanted)} cand"):
            session.next_batch()
        session.submit_probabilities(wanted, table(vectors[wanted]))
        assert not len(session.wanted())
        batch = session.next_batch()
        best = entropy(table(vectors[wanted]))
        assert batch.scores == pytest.approx(np.sort(best)[::-1][:4])
        # What joined within the batch had no probabilities, so it was not picked.
        assert set(batch.rows.tolist()) <= set(wanted.tolist())
        assert not len(session.wanted())
        session.submit_labels(batch.ids, labels[batch.rows])


def test_with_probabilities_of_all_rows_late_comers_are_picked_too():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    model = GaussianNB()
    trained = begin(vectors, labels, seed, near=near, model="own", classifier=model)
    given = begin(vectors, labels, seed, near=near, model="given")
    for _ in range(4):
        given.submit_probabilities(np.arange(400), trained.probabilities())
        batch = given.next_batch()
        assert batch.rows.tolist() == trained.next_batch().rows.tolist()
        for session in (trained, given):
            session.submit_labels(batch.ids, labels[batch.rows])


def test_a_killed_session_remembers_what_it_was_given():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near, model="given")
    wanted = session.wanted()
    table = outside(session)
    session.submit_probabilities(wanted[:9], table(vectors[wanted[:9]]))
    state = json.loads(json.dumps(session.state()))
    again = ActiveSession.resume(state, vectors, neighbours=near)
    assert again.wanted().tolist() == wanted[9:].tolist()
    for one in (session, again):
        one.submit_probabilities(wanted[9:], table(vectors[wanted[9:]]))
    assert again.next_batch().rows.tolist() == session.next_batch().rows.tolist()
    assert again.probabilities(wanted).tolist() == table(vectors[wanted]).tolist()


def test_probabilities_that_do_not_fit_are_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near, model="given")
    ids = session.wanted()[:2]
    with pytest.raises(InvalidInputError, match=r"sum to 1.2"):
        session.submit_probabilities(ids, [[0.6, 0.6], [0.5, 0.5]])
    with pytest.raises(NonFiniteError, match="NaN"):
        session.submit_probabilities(ids, [[0.5, np.nan], [0.5, 0.5]])
    with pytest.raises(DimensionMismatchError, match=r"\(1, 2\), expected \(2, 2\)"):
        session.submit_probabilities(ids, [[0.5, 0.5]])
    with pytest.raises(DimensionMismatchError, match=r"\(2, 3\), expected \(2, 2\)"):
        session.submit_probabilities(ids, [[0.5, 0.25, 0.25]] * 2)
    with pytest.raises(NotReadyError, match="1 of 1 rows have no probabilities"):
        session.probabilities([5])
    with pytest.raises(InvalidParamsError, match="no classifier to score"):
        session.score_vectors(vectors[:2])
    trained = begin(vectors, labels, seed, near=near)
    with pytest.raises(InvalidParamsError, match="only 'given' takes probabilities"):
        trained.submit_probabilities(ids, [[0.5, 0.5]] * 2)
    assert not len(trained.wanted())


def test_probabilities_from_outside_need_no_positive_in_the_seed():
    vectors, labels, seed = rare()
    session = begin(
        vectors,
        labels,
        seed[3:],
        near=Exact(vectors),
        model="given",
        classes=(0, 1),
        strategy="most_likely_positive",
    )
    wanted = session.wanted()
    session.submit_probabilities(wanted, outside(session)(vectors[wanted]))
    assert len(session.next_batch()) == 5


def test_a_random_draw_needs_no_probabilities():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, pool="random", model="given")
    drawn = begin(vectors, labels, seed, pool="random")
    for number in range(4):
        assert not len(session.wanted())
        if number == 3:
            session.submit_probabilities([0], [[0.5, 0.5]])
        batch = session.next_batch()
        assert batch.rows.tolist() == drawn.next_batch().rows.tolist()
        assert np.isnan(batch.why["probability"]).all()
        assert np.isnan(batch.why["uncertainty"]).all()
        state = json.loads(json.dumps(session.state(), allow_nan=False))
        session = ActiveSession.resume(state, vectors)
        again = session.next_batch()
        assert np.isnan(again.why["probability"]).all()
        for one in (session, drawn):
            one.submit_labels(batch.rows, labels[batch.rows])
    assert session.stop_advice().recent_uncertainty is None
    assert "is unknown" in session.stop_advice().reason
