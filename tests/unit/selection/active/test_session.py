"""Sessions of SEALS: what is picked, labelled, ignored and resumed."""

import json

import numpy as np
import pytest
from active_world import Exact, begin, picks, rare

from gleann.selection import ActiveSession, SealsPool, run_active
from gleann.selection.active.models.classifier import FittedClassifier
from gleann.selection.active.pools.global_pool import GlobalPool
from gleann.selection.active.query import strategy
from gleann.selection.active.query.greedy import pick_batch


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

    def failing(*_, **__):
        raise OSError("gone")

    def refused(patch):
        def picked(*pool, **how):
            found = pick_batch(*pool, **how)
            patch.setattr(FittedClassifier, "probabilities", failing)
            return found

        patch.setattr(strategy, "pick_batch", picked)
        with pytest.raises(OSError, match="gone"):
            session.next_batch()
        return session.state()

    for _ in range(3):
        # The classifier pool asks the index before a batch, which is no part of it:
        # so the states after two refusals are compared.
        states = []
        for _ in range(2):
            with monkeypatch.context() as patch:
                states.append(refused(patch))
        assert states[0] == states[1]
        rows = session.next_batch().rows
        assert rows.tolist() == whole.next_batch().rows.tolist()
        for one in (session, whole):
            one.submit_labels(rows, labels[rows])
    assert session.state() == whole.state()


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
