"""Runs to a budget, pools that run dry, and when to stop."""

import json

import numpy as np
import pytest
from active_world import Exact, begin, rare

from gleann.index.errors import (
    CancelledError,
)
from gleann.selection import ActiveSession, run_active
from gleann.selection.active.stopping import BatchOutcome, advise


def test_a_pool_that_runs_dry_gives_a_short_batch_and_says_so():
    vectors, labels, seed = rare(n=40)
    session = begin(vectors, labels, seed, pool="global", batch=20)
    first = session.next_batch()
    assert not first.summary["short"]
    session.submit_labels(first.ids, labels[first.rows])
    last = session.next_batch()
    assert len(last) == 40 - len(seed) - 20
    assert last.summary["short"]
    session.submit_labels(last.ids, labels[last.rows])
    assert len(session.next_batch()) == 0
    assert session.stop_advice().stop
    assert session.stop_advice().reason == "no candidate is left"


def test_a_run_stops_at_its_budget_and_records_the_way():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    told = []
    run = run_active(
        session,
        lambda ids: labels[ids],
        budget=27,
        evaluate=lambda s: {"sum": float(s.probabilities()[:, 1].sum())},
        progress=lambda p: told.append((p.done, p.total)),
    )
    assert [record.labelled for record in run.history] == [15, 20, 25, 27]
    assert told == [(20, 27), (25, 27), (27, 27)]
    assert run.note == ""
    assert run.history[-1].positives == labels[session.labelled_rows].sum()
    assert all(record.metrics["sum"] > 0 for record in run.history)


def test_a_run_says_when_the_pool_ran_dry():
    rng = np.random.default_rng(0)
    far = np.concatenate([rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 100])
    labels = (np.arange(40) % 2).astype(np.int64)
    near = Exact(far)
    session = begin(far, labels, np.arange(4), near=near, neighbours=3)
    run = run_active(session, lambda ids: labels[ids], budget=40)
    reached = set(range(4))
    for _ in range(20):
        reached |= set(near.order[list(reached), :3].ravel().tolist())
    assert set(session.labelled_rows.tolist()) == reached <= set(range(20))
    assert run.note == f"the pool ran dry at {len(reached)} of 40 labels"


def test_an_oracle_that_raises_half_way_loses_nothing():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    whole = begin(vectors, labels, seed, near=near)
    run_active(whole, lambda ids: labels[ids], budget=45)
    session = begin(vectors, labels, seed, near=near)
    calls = []

    def failing(ids):
        calls.append(len(ids))
        if len(calls) == 4:
            raise ConnectionError("the labeller went home")
        return labels[ids]

    with pytest.raises(ConnectionError):
        run_active(session, failing, budget=45)
    assert len(session.labelled_rows) == 30
    run_active(session, failing, budget=45)
    assert session.state() == whole.state()


def test_cancelling_from_progress_keeps_the_labels():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))

    def cancel(progress):
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        run_active(session, lambda ids: labels[ids], budget=45, progress=cancel)
    assert len(session.labelled_rows) == 20


def test_advice_by_hand():
    calm = [BatchOutcome(uncertainty=0.01, positives=0)] * 3
    wild = [BatchOutcome(uncertainty=0.9, positives=2)] * 3
    learn = {"seeks_positives": False, "pool_empty": False}
    assert not advise(calm[:2], **learn).stop
    assert advise(calm[:2], **learn).reason == "2 of 3 batches needed for advice"
    assert advise(wild + calm, **learn).stop
    assert not advise(calm + wild, **learn).stop
    assert advise(calm + wild, **learn).recent_positives == 6
    assert advise(calm, seeks_positives=True, pool_empty=False).stop
    assert not advise(wild, seeks_positives=True, pool_empty=False).stop
    assert advise(wild, seeks_positives=False, pool_empty=True).stop
    unknown = [BatchOutcome(uncertainty=None, positives=0)] * 3
    assert not advise(unknown, **learn).stop
    assert advise(unknown, **learn).reason.endswith("is unknown")
    assert advise(wild + unknown[:1], **learn).recent_uncertainty is None
    assert advise(unknown, seeks_positives=True, pool_empty=False).stop


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors", "global", "random"])
def test_nothing_left_to_ask_is_an_empty_batch(pool):
    vectors, labels, seed = rare(n=60)
    near = Exact(vectors)
    labelled = begin(vectors, labels, np.arange(60), near=near, pool=pool)
    ignored = begin(vectors, labels, seed, near=near, pool=pool)
    ignored.ignore(np.arange(60))
    for session in (labelled, ignored):
        batch = session.next_batch()
        assert len(batch) == 0
        assert batch.summary["short"]
        assert session.stop_advice().reason == "no candidate is left"
        assert session.submit_labels([], []) == 0
        again = ActiveSession.resume(
            json.loads(json.dumps(session.state())), vectors, neighbours=near
        )
        assert len(again.next_batch()) == 0
