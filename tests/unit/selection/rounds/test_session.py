"""Rounds sessions: pickers by hand, resuming, locked rows, few rows, one class."""

import json
from typing import get_args

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
    UnknownIdError,
)
from gleann.selection.coreset import methods
from gleann.selection.rounds import PickerName, RoundsParams, RoundsSession, run_rounds
from gleann.selection.rounds.weighting import mean_distance
from gleann.selection.uncertainty import margin_costs

PICKERS = get_args(PickerName)


def blobs(n=120, classes=4, d=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centres = 2 * rng.normal(size=(classes, d))
    rows = centres[labels] + rng.normal(size=(n, d))
    return rows.astype(np.float32), labels + 10


def started(picker, *, batch=8, first=12, **rest):
    rows, labels = blobs()
    seed_rows = np.arange(first)
    params = RoundsParams(picker=picker, batch=batch, **rest)
    session = RoundsSession.start(
        rows, params, rows=seed_rows, labels=labels[seed_rows]
    )
    return session, rows, labels


def through(session, labels, rounds):
    """The batches of some rounds."""
    batches = []
    for _ in range(rounds):
        rows = session.next_batch().rows
        batches.append(rows.tolist())
        session.submit_labels(rows, labels[rows])
    return batches


@pytest.mark.parametrize("picker", PICKERS)
def test_a_killed_session_resumes_with_the_same_picks(picker):
    whole, rows, labels = started(picker)
    batches = through(whole, labels, 4)
    session, _, _ = started(picker)
    resumed = []
    for _ in range(4):
        picked = session.next_batch().rows
        resumed.append(picked.tolist())
        # Killed with half of the labels submitted, twice.
        session.submit_labels(picked[:3], labels[picked[:3]])
        session = RoundsSession.resume(json.loads(json.dumps(session.state())), rows)
        assert session.next_batch().rows.tolist() == picked[3:].tolist()
        session = RoundsSession.resume(json.loads(json.dumps(session.state())), rows)
        session.submit_labels(picked[3:], labels[picked[3:]])
    assert resumed == batches


@pytest.mark.parametrize("picker", PICKERS)
def test_labelled_and_ignored_rows_are_never_picked(picker):
    session, rows, labels = started(picker)
    ignored = np.arange(100, 110)
    session.ignore(ignored)
    seen = set(range(12)) | set(ignored.tolist())
    for _ in range(5):
        picked = session.next_batch().rows
        assert len(picked) == 8
        assert not seen & set(picked.tolist())
        seen |= set(picked.tolist())
        session.submit_labels(picked, labels[picked])
    assert session.available == len(rows) - 10


@pytest.mark.parametrize("picker", PICKERS)
def test_the_last_rows_are_a_short_batch_and_then_none(picker):
    session, rows, labels = started(picker, batch=50)
    sizes = [len(batch) for batch in through(session, labels, 4)]
    assert sizes == [50, 50, 8, 0]
    assert np.array_equal(session.labelled_rows, np.arange(len(rows)))
    assert session.round == 3


def test_a_short_batch_says_so():
    session, _, labels = started("badge", batch=110)
    picked = session.next_batch()
    assert picked.summary["short"]
    assert picked.summary["note"] == "these are all rows left"
    assert picked.rows.tolist() == list(range(12, 120))
    session.submit_labels(picked.ids, labels[picked.rows])
    assert not len(session.next_batch())


@pytest.mark.parametrize("picker", PICKERS)
def test_with_one_class_only_there_is_no_model_yet(picker):
    rows, labels = blobs()
    one = np.flatnonzero(labels == 10)[:5]
    session = RoundsSession.start(
        rows, RoundsParams(picker=picker, batch=30), rows=one, labels=labels[one]
    )
    picked = session.next_batch()
    assert np.isnan(picked.why["margin"]).all()
    drawn = picker not in ("random", "farthest_first")
    assert ("fewer than two classes" in picked.summary["note"]) == drawn
    with pytest.raises(NotReadyError, match="5 labels have 1 class"):
        session.probabilities()
    session.submit_labels(picked.rows, labels[picked.rows])
    assert np.isfinite(session.next_batch().why["margin"]).all()


@pytest.mark.parametrize("picker", PICKERS)
def test_a_session_begins_without_labels(picker):
    rows, labels = blobs()
    session = RoundsSession.start(rows, RoundsParams(picker=picker, batch=9))
    batches = through(session, labels, 3)
    assert len(set(np.concatenate(batches).tolist())) == 27


def test_margins_are_those_of_the_model_of_all_labels():
    session, _rows, labels = started("margin")
    through(session, labels, 1)
    table = session.probabilities()
    margins = margin_costs(table)
    margins[session.labelled_rows] = np.inf
    picked = session.next_batch()
    assert picked.rows.tolist() == np.argsort(margins, kind="stable")[:8].tolist()
    np.testing.assert_allclose(picked.why["margin"], margins[picked.rows])


def test_farthest_first_begins_at_the_labelled_rows():
    rows = np.array([[0.0], [1], [2], [10], [11], [30]], np.float32)
    params = RoundsParams(picker="farthest_first", batch=2)
    session = RoundsSession.start(rows, params, rows=[0, 1], labels=[0, 1])
    # 30 is the farthest from 0 and 1, then 11.
    assert session.next_batch().rows.tolist() == [5, 4]


def test_gist_is_the_method_on_the_models_margins():
    session, _, labels = started("gist", diversity=0.5, eps=0.2)
    problem_of = _problem(session, labels)
    chosen = methods.gist(problem_of(0.0), diversity=0.5 * 8, eps=0.2)
    assert session.next_batch().rows.tolist() == chosen.rows.tolist()


@pytest.mark.parametrize("weight", [0.0, 0.2, 5.0])
def test_weighted_k_center_weighs_in_mean_distances(weight):
    session, rows, labels = started("weighted_k_center", weights=(weight,))
    scale = mean_distance(rows, seed=0)
    chosen = methods.weighted_k_center(_problem(session, labels)(weight * scale))
    picked = session.next_batch()
    assert picked.rows.tolist() == chosen.rows.tolist()
    assert picked.summary["weight"] == weight
    assert picked.summary["method"] == chosen.method


def test_a_large_weight_is_reported_as_margin_sampling():
    session, _, _ = started("weighted_k_center", weights=(1000.0,))
    summary = session.next_batch().summary
    assert summary["method"] == "margin"
    assert summary["note"] == "weight 1000 makes this round margin sampling"


def test_badge_leaves_no_row_out_where_gradients_are_equal():
    """Twenty distinct rows, each five times: a batch of 40 is filled up by margin."""
    rows, labels = blobs(20)
    rows, labels = np.repeat(rows, 5, axis=0), np.repeat(labels, 5)
    params = RoundsParams(picker="badge", batch=40)
    session = RoundsSession.start(
        rows, params, rows=np.arange(0, 100, 5), labels=labels[::5]
    )
    picked = session.next_batch().rows
    assert len(set(picked.tolist())) == 40
    assert len(set((picked[:20] // 5).tolist())) == 20


def test_cluster_margin_takes_from_the_smallest_margins():
    session, _, _labels = started("cluster_margin", oversampling=1.0)
    margins = margin_costs(session.probabilities())
    margins[session.labelled_rows] = np.inf
    picked = session.next_batch().rows
    assert set(picked.tolist()) == set(np.argsort(margins, kind="stable")[:8].tolist())


def test_labels_may_be_new_classes_in_any_round():
    session, _, labels = started("margin", first=4)
    before = session.classes
    through(session, labels, 3)
    assert set(before) < set(session.classes) == {10, 11, 12, 13}
    assert session.probabilities().shape == (120, 4)
    assert session.score_vectors(np.zeros((2, 6))).sum() == pytest.approx(2)


def test_what_labels_are_refused():
    session, _rows, labels = started("random")
    picked = session.next_batch().rows
    assert session.submit_labels(picked[:2], labels[picked[:2]]) == 2
    assert session.submit_labels(picked[:2], labels[picked[:2]]) == 0
    with pytest.raises(InvalidInputError, match=f"1 of 1 .*: {picked[0]}$"):
        session.submit_labels(picked[:1], labels[picked[:1]] + 1)
    with pytest.raises(DimensionMismatchError, match="for 2 rows"):
        session.submit_labels(picked[2:4], labels[:1])
    with pytest.raises(UnknownIdError, match="120"):
        session.submit_labels([120], [10])
    with pytest.raises(InvalidInputError, match="integers"):
        session.submit_labels(picked[2:3], [0.5])


def test_ids_name_the_rows():
    rows, labels = blobs()
    ids = np.array([f"item-{at}" for at in range(120)])
    session = RoundsSession.start(
        rows, RoundsParams(picker="margin"), ids=ids, rows=[0, 1, 2], labels=labels[:3]
    )
    picked = session.next_batch()
    assert picked.ids.tolist() == ids[picked.rows].tolist()
    assert session.submit_labels(picked.ids, labels[picked.rows]) == 100


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("format", "gleann.rounds/0", "expected a state of format"),
        ("round", 0, "does not fit"),
        ("clusters", [0], "not of the picker"),
        ("data_hash", "0" * 64, "the state is of vectors"),
    ],
)
def test_a_damaged_state_is_refused(part, value, message):
    session, rows, _ = started("margin")
    session.next_batch()
    state = {**session.state(), part: value}
    with pytest.raises(CorruptDataError, match=r"checksum|format|of vectors"):
        RoundsSession.resume(state, rows)
    del state["checksums"]
    with pytest.raises(CorruptDataError, match=message):
        RoundsSession.resume(state, rows)


def test_params_that_cannot_be():
    for wrong in (
        {"picker": "best"},
        {"batch": 0},
        {"weights": ()},
        {"weights": (1.0, 0.5)},
        {"weights": (-1.0,)},
        {"eps": 0.0},
        {"oversampling": 0.5},
        {"C": 0.0},
    ):
        with pytest.raises(InvalidParamsError, match=next(iter(wrong))):
            RoundsParams(**wrong)


def test_a_run_labels_to_its_budget_and_goes_on():
    session, _, labels = started("margin")
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return labels[ids]

    def evaluate(session):
        return {"classes": len(session.classes)}

    run = run_rounds(session, oracle, budget=25, evaluate=evaluate)
    assert [one.labelled for one in run.history] == [12, 20, 25]
    assert run.history[-1].metrics == {"classes": 4}
    assert run.history[0].method == ""
    assert run.history[-1].method == "margin"
    table = run.to_dict()
    assert table["columns"]["labelled"] == [12, 20, 25]
    assert table["columns"]["method"] == ["", "margin", "margin"]
    assert table["columns"]["weight"] == [None, None, None]
    assert table["columns"]["classes"] == [one.classes for one in run.history]
    run_rounds(session, oracle, budget=30)
    assert len(asked) == len(set(asked)) == 18
    with pytest.raises(InvalidParamsError, match="budget is 121, but 120 rows"):
        run_rounds(session, oracle, budget=121)


def _problem(session, labels):
    """The problem of the next round, by weight, from the session's public parts."""
    from gleann.selection.coreset import Problem

    rows, _ = blobs()
    costs = np.minimum(margin_costs(session.probabilities()), 1)
    return lambda weight: Problem.of(
        rows,
        k=8,
        costs=costs,
        cost_weight=weight,
        cost_on="mean",
        locked=session.labelled_rows,
    )
