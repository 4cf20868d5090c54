"""Rounds among some rows: as of those rows alone."""

import json
from typing import get_args

import numpy as np
import pytest

from gleann.index.errors import CorruptDataError, InvalidParamsError
from gleann.selection.rounds import PickerName, RoundsParams, RoundsSession, run_rounds

PICKERS = get_args(PickerName)
N, M = 160, 90
RNG = np.random.default_rng(0)
LABELS = RNG.integers(4, size=N)
ROWS = (2 * RNG.normal(size=(4, 6))[LABELS] + RNG.normal(size=(N, 6))).astype("f4")
SOME = np.sort(RNG.permutation(N)[:M])
MASK = np.isin(np.arange(N), SOME)
SEED = SOME[:12]


def through(session, labels, rounds, *, resume=None):
    batches = []
    for _ in range(rounds):
        batch = session.next_batch()
        batches.append((batch.rows, batch.why["margin"]))
        if resume is not None:
            state = json.loads(json.dumps(session.state()))
            session = RoundsSession.resume(state, resume)
            np.testing.assert_array_equal(session.next_batch().rows, batch.rows)
        session.submit_labels(batch.rows, labels[batch.rows])
    return session, batches


@pytest.mark.parametrize("picker", PICKERS)
def test_picks_what_it_would_pick_from_those_rows_alone(picker):
    params = RoundsParams(picker=picker, batch=8, seed=2)
    session = RoundsSession.start(
        ROWS, params, rows=SEED, labels=LABELS[SEED], among=MASK
    )
    alone = RoundsSession.start(
        ROWS[SOME],
        params,
        rows=np.searchsorted(SOME, SEED),
        labels=LABELS[SEED],
    )
    assert session.available == alone.available == M
    session, got = through(session, LABELS, 4, resume=ROWS)
    _, want = through(alone, LABELS[SOME], 4)
    for (rows, margins), (places, others) in zip(got, want, strict=True):
        np.testing.assert_array_equal(rows, SOME[places])
        np.testing.assert_array_equal(margins, others)
    batch = session.next_batch()
    assert batch.provenance["among"] == {"rows": M, "of": N}


@pytest.mark.parametrize("picker", PICKERS)
def test_labels_of_other_rows_train_and_count_as_chosen(picker):
    outside = np.flatnonzero(~MASK)[:20]
    session = RoundsSession.start(
        ROWS,
        RoundsParams(picker=picker, batch=8, cluster_rows=5),
        rows=outside,
        labels=LABELS[outside],
        among=SOME,
    )
    session, batches = through(session, LABELS, 3, resume=ROWS)
    assert all(MASK[rows].all() for rows, _ in batches)
    assert session.available == M + 20
    assert not np.isnan(batches[0][1]).any()


def test_the_budget_ends_with_those_rows():
    params = RoundsParams(batch=40)
    session = RoundsSession.start(ROWS, params, among=MASK)
    with pytest.raises(InvalidParamsError, match="budget is 91, but 90 rows can be"):
        run_rounds(session, lambda ids: LABELS[ids], budget=91)
    run_rounds(session, lambda ids: LABELS[ids], budget=90)
    np.testing.assert_array_equal(session.labelled_rows, SOME)
    assert not len(session.next_batch())


def test_ignored_rows_stay_ignored():
    session = RoundsSession.start(ROWS, RoundsParams(batch=100), among=MASK)
    session.ignore(SOME[:30])
    np.testing.assert_array_equal(np.sort(session.next_batch().rows), SOME[30:])


def test_clusters_of_other_rows_are_refused():
    params = RoundsParams(picker="cluster_margin")
    session = RoundsSession.start(ROWS, params, among=MASK)
    state = session.state()
    del state["checksums"]
    state["clusters"] = state["clusters"][:-1]
    with pytest.raises(CorruptDataError, match="clusters must have 90 entries"):
        RoundsSession.resume(state, ROWS)
