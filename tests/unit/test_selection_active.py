import json

import numpy as np
import pytest
from active_world import Exact, begin, picks, rare

from gleann.index.errors import (
    CancelledError,
    CorruptDataError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    UnknownIdError,
)
from gleann.selection import ActiveParams, ActiveSession, SealsPool, run_active
from gleann.selection.active.advice import BatchOutcome, advise
from gleann.selection.active.everything import GlobalPool
from gleann.selection.active.picker import Picker
from gleann.selection.active.picking import pick_batch


def test_the_pool_grows_after_every_pick_and_late_comers_are_picked():
    # A chain 0 - 1 - 2 - 3 - 4 - 5, each next to the following; scores rise along it.
    class Chain:
        def __len__(self):
            return 6

        def neighbours(self, rows, *, k):
            return (np.asarray(rows)[:, None] + 1) % 6

    pool = SealsPool(Chain(), k=1)
    pool.close(np.array([0]))
    assert pool.grow(np.array([0])).tolist() == [1]
    rows, scores, _, joined = pick_batch(
        pool, [lambda rows: rows.astype(float)], size=4
    )
    assert rows.tolist() == [1, 2, 3, 4]
    assert scores.tolist() == [1, 2, 3, 4]
    assert joined.tolist() == [2, 3, 4, 5]
    assert pool.candidates().tolist() == [5]
    rest, _, _, _ = pick_batch(pool, [lambda rows: rows.astype(float)], size=4)
    assert rest.tolist() == [5]


def test_each_candidate_is_scored_once_a_batch():
    vectors, _, seed = rare()
    pool = SealsPool(Exact(vectors), k=6)
    pool.close(seed)
    pool.grow(seed)
    scored = []

    def score(rows):
        scored.extend(rows.tolist())
        return np.cos(rows)

    pick_batch(pool, [score], size=20)
    assert len(scored) == len(set(scored))
    assert set(scored) <= set(np.flatnonzero(pool.entered).tolist())


def test_ties_go_to_the_lower_row():
    rows, _, _, _ = pick_batch(GlobalPool(9), [lambda rows: rows // 3 * 1.0], size=4)
    assert rows.tolist() == [6, 7, 8, 3]


def test_the_first_pool_is_the_neighbours_of_positives_and_negatives():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near)
    expected = set(near.order[seed, :6].ravel().tolist()) - set(seed.tolist())
    assert session.looked_at == len(expected)
    assert set(session.state()["picker"]["pool"]["entered"]) == expected


def test_each_labelled_point_is_asked_for_neighbours_exactly_once():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near)
    for _ in range(8):
        batch = session.next_batch()
        session.next_batch()
        session.submit_labels(batch.ids, labels[batch.rows])
        labelled = session.labelled_rows.tolist()
        assert sorted(near.asked) == labelled
        entered = set(session.state()["picker"]["pool"]["entered"])
        assert not (entered - set(batch.rows.tolist())) & set(seed.tolist())
        assert session.looked_at <= 6 * len(labelled)


def test_a_batch_stays_the_same_until_labels_arrive_and_then_shrinks():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    first, again = session.next_batch(), session.next_batch()
    assert first.rows.tolist() == again.rows.tolist()
    assert first.scores.tolist() == again.scores.tolist()
    part = first.rows[[1, 3]]
    assert session.submit_labels(part, labels[part]) == 2
    assert session.next_batch().rows.tolist() == first.rows[[0, 2, 4]].tolist()
    assert session.submit_labels(part, labels[part]) == 0
    rest = first.rows[[4, 0, 2]]
    session.submit_labels(rest, labels[rest])
    assert not set(session.next_batch().rows) & set(first.rows)


def test_the_order_of_labels_within_a_batch_changes_nothing():
    vectors, labels, seed = rare()
    one = begin(vectors, labels, seed, near=Exact(vectors))
    two = begin(vectors, labels, seed[::-1], near=Exact(vectors))
    for _ in range(4):
        rows = one.next_batch().rows
        assert rows.tolist() == two.next_batch().rows.tolist()
        one.submit_labels(rows, labels[rows])
        for row in rows[::-1]:
            two.submit_labels([row], [labels[row]])


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors", "global", "random"])
@pytest.mark.parametrize("after", [0, 2])
def test_kill_and_resume_gives_the_same_sequence(pool, after):
    vectors, labels, seed = rare()
    near = Exact(vectors)
    whole = begin(vectors, labels, seed, near=near, pool=pool)
    killed = begin(vectors, labels, seed, near=near, pool=pool)
    expected = picks(whole, labels, 6)
    got = picks(killed, labels, after)
    half = killed.next_batch().rows
    killed.submit_labels(half[:2], labels[half[:2]])
    state = json.loads(json.dumps(killed.state()))
    resumed = ActiveSession.resume(state, vectors, neighbours=near)
    assert resumed.next_batch().rows.tolist() == half[2:].tolist()
    resumed.submit_labels(half[2:], labels[half[2:]])
    got += [half.tolist(), *picks(resumed, labels, 6 - after - 1)]
    assert got == expected
    assert resumed.looked_at == whole.looked_at
    assert resumed.state() == whole.state()
    assert resumed.probabilities().tolist() == whole.probabilities().tolist()


def test_ignored_rows_are_never_asked_for():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    pending = session.next_batch().rows
    session.ignore(pending[:2])
    assert session.next_batch().rows.tolist() == pending[2:].tolist()
    session.ignore(pending[2:])
    seen = set()
    for _ in range(10):
        rows = session.next_batch().rows
        seen |= set(rows.tolist())
        session.submit_labels(rows, labels[rows])
    assert not seen & set(pending.tolist())
    session.ignore(seed[:1])
    assert seed[0] in session.labelled_rows


def test_an_ignored_row_that_is_labelled_after_all_counts_again():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    pending = session.next_batch().rows
    session.ignore(pending[:2])
    assert session.available == 398
    session.submit_labels(pending[:1], labels[pending[:1]])
    assert session.available == 399


def test_string_ids_name_the_rows_throughout():
    vectors, labels, seed = rare()
    ids = np.array([f"word-{row}" for row in range(len(vectors))])
    session = begin(vectors, labels, seed, near=Exact(vectors), ids=ids)
    batch = session.next_batch()
    assert batch.ids.tolist() == ids[batch.rows].tolist()
    assert session.submit_labels(batch.ids, labels[batch.rows]) == 5
    state = session.state()
    again = ActiveSession.resume(state, vectors, ids=ids, neighbours=Exact(vectors))
    assert again.next_batch().ids.tolist() == session.next_batch().ids.tolist()


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


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors"])
def test_an_index_that_fails_within_a_batch_costs_no_candidate(pool):
    vectors, labels, seed = rare()

    class Failing(Exact):
        left = 10**9

        def neighbours(self, rows, *, k):
            self.left -= 1
            if self.left == 0:
                raise OSError("the disk is gone")
            return super().neighbours(rows, k=k)

        def open_neighbours(self, rows, *, k, allowed):
            self.left -= 2
            if self.left <= 0:
                raise OSError("the disk is gone")
            return super().open_neighbours(rows, k=k, allowed=allowed)

    near = Failing(vectors)
    whole = begin(vectors, labels, seed, near=Exact(vectors), pool=pool)
    session = begin(vectors, labels, seed, near=near, pool=pool)
    for _ in range(4):
        near.left = 2
        with pytest.raises(OSError, match="disk is gone"):
            session.next_batch()
        near.left = 10**9
        batch = session.next_batch()
        assert batch.rows.tolist() == whole.next_batch().rows.tolist()
        for one in (session, whole):
            one.submit_labels(batch.ids, labels[batch.rows])
    assert session.state() == whole.state()


def test_a_global_pool_takes_back_its_picks_when_scoring_fails():
    class Growing(GlobalPool):
        def grow(self, rows):
            if rows[0] == 1:
                raise OSError("gone")
            return super().grow(rows)

    growing = Growing(6)
    with pytest.raises(OSError, match="gone"):
        pick_batch(growing, [lambda rows: -rows.astype(float)], size=3)
    assert growing.candidates().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("pool", ["seals", "classifier"])
def test_a_batch_that_cannot_be_described_is_taken_back_whole(pool, monkeypatch):
    """Its neighbours too: else the retry could pick what only they brought in."""
    vectors, labels, seed = rare()
    near = Exact(vectors)
    whole = begin(vectors, labels, seed, near=near, pool=pool)
    session = begin(vectors, labels, seed, near=near, pool=pool)

    def failing(picker, rows, by):
        raise OSError("gone")

    for _ in range(3):
        # The classifier pool asks the index before a batch, which is no part of it.
        session._picker.prepare(session._docket.number)
        before = session.state()
        with monkeypatch.context() as patch:
            patch.setattr(Picker, "_said", failing)
            with pytest.raises(OSError, match="gone"):
                session.next_batch()
        assert session.state() == before
        rows = session.next_batch().rows
        assert rows.tolist() == whole.next_batch().rows.tolist()
        for one in (session, whole):
            one.submit_labels(rows, labels[rows])
    assert session.state() == whole.state()


def test_cancelling_from_progress_keeps_the_labels():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))

    def cancel(progress):
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        run_active(session, lambda ids: labels[ids], budget=45, progress=cancel)
    assert len(session.labelled_rows) == 20


def test_three_classes_and_one_never_seen():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 3)).astype(np.float32)
    labels = vectors.argmax(axis=1)
    seed = np.concatenate([np.flatnonzero(labels == c)[:3] for c in (0, 1)])
    session = begin(vectors, labels, seed, pool="global", classes=(0, 1, 2))
    table = session.probabilities()
    assert table.shape == (60, 3)
    assert (table[:, 2] == 0).all()
    assert table.sum(axis=1) == pytest.approx(1)
    while not (session.labels == 2).any():
        rows = session.next_batch().rows
        session.submit_labels(rows, labels[rows])
    assert (session.probabilities()[:, 2] > 0).all()
    assert (
        session.score_vectors(vectors[:4]) == session.probabilities([0, 1, 2, 3])
    ).all()


def test_not_converging_is_told_and_not_warned():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, pool="global", max_iter=1, C=1e6)
    assert session.next_batch().summary["converged"] is False


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
    assert advise(unknown, **learn).reason.startswith("nobody said")
    assert advise(wild + unknown[:1], **learn).recent_uncertainty is None
    assert advise(unknown, seeks_positives=True, pool_empty=False).stop


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"neighbours": 0}, "neighbours must be at least 1, got 0"),
        ({"batch": 2.5}, "batch must be an integer"),
        ({"C": 0.0}, "C must be a finite number > 0, got 0.0"),
        ({"C": float("nan")}, "C must be"),
        ({"class_weight": "heavy"}, "class_weight"),
        ({"strategy": "luck"}, "strategy must be one of"),
        ({"pool": "sea"}, "pool must be one of"),
        ({"classes": (1,)}, "two or more"),
        ({"classes": (1, 0)}, "ascending"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_impossible_parameters_are_refused(params, words):
    with pytest.raises(InvalidParamsError, match=words):
        ActiveParams(**params)


def test_seeds_that_cannot_train_are_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    with pytest.raises(InvalidInputError, match="12 labels has 1 class 0"):
        begin(vectors, labels, seed[3:], near=near)
    with pytest.raises(InvalidInputError, match=r"no positive \(label 2\)"):
        begin(
            vectors,
            labels,
            seed,
            near=near,
            classes=(0, 1, 2),
            strategy="most_likely_positive",
        )
    with pytest.raises(InvalidInputError, match=r"labels 1 are outside .* \[0, 3\]"):
        begin(vectors, labels, seed, near=near, classes=(0, 3))


def test_input_that_does_not_fit_is_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    with pytest.raises(InvalidParamsError, match="needs neighbours"):
        begin(vectors, labels, seed)
    with pytest.raises(DimensionMismatchError, match="400 rows, vectors of 399"):
        begin(vectors[:-1], labels, seed, near=near)
    with pytest.raises(DuplicateIdError, match="2 entries, of which 1"):
        begin(vectors, labels, np.array([3, 3]), near=near)
    with pytest.raises(InvalidInputError, match=r"0\.\.399, got 400"):
        ActiveSession.start(vectors, rows=[0, 400], labels=[0, 1], neighbours=near)
    with pytest.raises(DimensionMismatchError, match=r"\(3,\) for 2 rows"):
        ActiveSession.start(vectors, rows=[0, 1], labels=[0, 1, 1], neighbours=near)
    with pytest.raises(InvalidInputError, match="integers"):
        ActiveSession.start(vectors, rows=[0, 1], labels=[0.5, 1], neighbours=near)
    broken = vectors.copy()
    broken[7, 0] = np.nan
    with pytest.raises(NonFiniteError, match="row 7"):
        begin(broken, labels, seed, near=near)
    with pytest.raises(DimensionMismatchError, match="399 entries for 400"):
        begin(vectors, labels, seed, near=near, ids=np.arange(399))


def test_labels_that_do_not_fit_are_refused_and_change_nothing():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    with pytest.raises(InvalidInputError, match="1 of 1 labels are for ids that were"):
        session.submit_labels([399], [0])
    batch = session.next_batch()
    stranger = int(np.setdiff1d(np.arange(400), [*batch.rows, *seed])[0])
    before = session.state()
    with pytest.raises(InvalidInputError, match=f"not asked for: {stranger}"):
        session.submit_labels([batch.rows[0], stranger], [0, 0])
    with pytest.raises(InvalidInputError, match="labels 5 are outside"):
        session.submit_labels(batch.rows[:1], [5])
    with pytest.raises(UnknownIdError, match="400"):
        session.submit_labels([400], [0])
    with pytest.raises(DuplicateIdError):
        session.submit_labels(batch.rows[[0, 0]], [0, 0])
    with pytest.raises(DimensionMismatchError, match=r"\(1,\) for 2"):
        session.submit_labels(batch.rows[:2], [0])
    assert session.state() == before
    session.submit_labels(batch.rows[:1], [1])
    with pytest.raises(InvalidInputError, match="1 of 2 labels differ"):
        session.submit_labels(batch.rows[:2], [0, 0])
    assert session.next_batch().rows.tolist() == batch.rows[1:].tolist()


def test_the_classifier_finds_positives_that_no_neighbour_leads_to():
    """Two groups of positives far apart, only one of them in the seed."""
    rng = np.random.default_rng(0)
    near_group = rng.normal(size=(30, 2)) * 0.1 + [3, 1]
    far_group = rng.normal(size=(30, 2)) * 0.1 + [9, -1]
    rest = rng.normal(size=(300, 2)) * 0.5 - [1, 0]
    vectors = np.concatenate([near_group, far_group, rest]).astype(np.float32)
    labels = (np.arange(360) < 60).astype(np.int64)
    seed = np.r_[0:3, 60:75]
    found = {}
    for pool in ("seals", "classifier"):
        session = begin(
            vectors,
            labels,
            seed,
            near=Exact(vectors),
            pool=pool,
            strategy="most_likely_positive",
        )
        run_active(session, lambda ids: labels[ids], budget=80)
        found[pool] = labels[session.labelled_rows].sum()
    assert found["classifier"] == 60
    assert found["seals"] <= 30


def test_the_classifier_pool_needs_a_searcher():
    class Neighbourly:
        def __len__(self):
            return 400

        def neighbours(self, rows, *, k):
            return np.zeros((len(rows), k), np.int64)

    vectors, labels, seed = rare()
    with pytest.raises(InvalidParamsError, match=r"search along weights.*Neighbourly"):
        begin(vectors, labels, seed, near=Neighbourly(), pool="classifier")
    with pytest.raises(InvalidParamsError, match="'classifier' needs neighbours"):
        begin(vectors, labels, seed, pool="classifier")


def test_budgets_beyond_the_pool_are_refused():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    with pytest.raises(InvalidParamsError, match="budget is 401, but 400"):
        run_active(session, lambda ids: labels[ids], budget=401)
    session.ignore([399])
    with pytest.raises(InvalidParamsError, match="budget is 400, but 399"):
        run_active(session, lambda ids: labels[ids], budget=400)
    with pytest.raises(InvalidParamsError, match="at least 1, got 0"):
        run_active(session, lambda ids: labels[ids], budget=0)


def test_states_of_other_data_or_formats_are_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    state = begin(vectors, labels, seed, near=near).state()
    with pytest.raises(CorruptDataError, match="state is of ids"):
        ActiveSession.resume(state, vectors, ids=np.arange(400) + 1, neighbours=near)
    with pytest.raises(CorruptDataError, match="state is of vectors"):
        ActiveSession.resume(state, vectors + 1, neighbours=near)
    with pytest.raises(CorruptDataError, match=r"gleann\.active/2, got 'other'"):
        ActiveSession.resume({**state, "format": "other"}, vectors, neighbours=near)
