"""Several concepts in one session: one pool, one ledger, turns in picking."""

import json

import numpy as np
import pytest
from active_world import Exact, begin, picks

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection import ActiveParams, ActiveSession, entropy, run_active


def two_concepts(n=400):
    """A labelled pool with two spots, and a seed with both answers to both."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(n, 2)).astype(np.float32)
    spots = np.array([[1.2, 0.8], [-1.0, 1.0]])
    labels = np.stack(
        [np.linalg.norm(vectors - spot, axis=1) < 0.5 for spot in spots], axis=1
    ).astype(np.int64)
    first, second = (np.flatnonzero(labels[:, j])[:3] for j in range(2))
    rest = np.flatnonzero(labels.sum(axis=1) == 0)[:12]
    return vectors, labels, np.concatenate([first, second, rest])


def test_concepts_share_the_batch_fairly_and_the_labels():
    vectors, labels, seed = two_concepts()
    near = Exact(vectors)
    session = begin(
        vectors, labels, seed, near=near, concepts=("east", "west"), batch=5
    )
    asked = []
    for _ in range(4):
        batch = session.next_batch()
        by = batch.why["concept"]
        asked.append([int((by == name).sum()) for name in ("east", "west")])
        for column, name in enumerate(("east", "west")):
            p = session.probabilities(batch.rows[by == name], concept=name)
            assert batch.why["probability"][by == name] == pytest.approx(p[:, 1])
            alone = ActiveSession.start(
                vectors,
                session.params.__class__(pool="global"),
                rows=session.labelled_rows,
                labels=session.labels[:, column],
            )
            # Every answer teaches its concept, whichever concept asked.
            assert alone.probabilities(batch.rows[by == name]) == pytest.approx(p)
        session.submit_labels(batch.ids, labels[batch.rows])
    assert asked == [[3, 2], [2, 3], [3, 2], [2, 3]]
    assert sorted(near.asked) == session.labelled_rows.tolist()
    assert session.labels.tolist() == labels[session.labelled_rows].tolist()


def test_a_concept_picks_its_best_of_the_shared_pool():
    vectors, labels, seed = two_concepts()
    session = begin(
        vectors, labels, seed, pool="global", concepts=("east", "west"), batch=6
    )
    batch = session.next_batch()
    left = np.setdiff1d(np.arange(400), seed).tolist()
    score = {
        name: dict(
            zip(left, entropy(session.probabilities(left, concept=name)), strict=True)
        )
        for name in ("east", "west")
    }
    for turn, row in enumerate(batch.rows.tolist()):
        name = ("east", "west")[turn % 2]
        assert batch.why["concept"][turn] == name
        assert score[name][row] == pytest.approx(max(score[name][r] for r in left))
        left.remove(row)


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors", "global", "random"])
def test_concepts_resume_where_they_were(pool):
    vectors, labels, seed = two_concepts()
    near = Exact(vectors)
    concepts = {"concepts": ("east", "west"), "near": near, "pool": pool, "batch": 5}
    whole, half = (begin(vectors, labels, seed, **concepts) for _ in range(2))
    expected = picks(whole, labels, 5)
    got = picks(half, labels, 2)
    state = json.loads(json.dumps(half.state()))
    again = ActiveSession.resume(state, vectors, neighbours=near)
    assert got + picks(again, labels, 3) == expected
    assert again.state() == whole.state()


def test_a_run_answers_all_concepts_at_once():
    vectors, labels, seed = two_concepts()
    session = begin(
        vectors,
        labels,
        seed,
        near=Exact(vectors),
        concepts=("east", "west"),
        strategy="most_likely_positive",
    )
    run = run_active(session, lambda ids: labels[ids], budget=120)
    assert run.history[-1].positives == labels[session.labelled_rows].sum()
    share = labels[session.labelled_rows].sum(axis=0) / labels.sum(axis=0)
    assert (share > 0.6).all()  # a random draw of 120 would find 0.3


def test_labels_and_names_of_concepts_are_checked():
    vectors, labels, seed = two_concepts()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near, concepts=("east", "west"))
    with pytest.raises(InvalidParamsError, match=r"no concept 'north'.* east, west"):
        session.probabilities([0], concept="north")
    with pytest.raises(InvalidParamsError, match="no concept None"):
        session.probabilities([0])
    batch = session.next_batch()
    with pytest.raises(DimensionMismatchError, match=r"\(5,\) for 5 rows of 2 conc"):
        session.submit_labels(batch.ids, labels[batch.rows, 0])
    with pytest.raises(InvalidInputError, match=r"labels 2 are outside .*\[0, 1\]"):
        session.submit_labels(batch.ids, labels[batch.rows] + 1)
    session.submit_labels(batch.ids, labels[batch.rows])
    with pytest.raises(InvalidInputError, match="1 of 1 labels differ"):
        session.submit_labels(batch.ids[:1], 1 - labels[batch.rows[:1]])
    assert session.submit_labels(batch.ids[:1], labels[batch.rows[:1]]) == 0
    with pytest.raises(InvalidInputError, match="of concept 'west' has 1 class 0"):
        begin(
            vectors,
            labels,
            np.r_[seed[:3], seed[6:]],
            near=near,
            concepts=("east", "west"),
        )
    with pytest.raises(InvalidParamsError, match="distinct names"):
        ActiveParams(concepts=("east", "east"))
    with pytest.raises(InvalidParamsError, match="answered by 0 or 1"):
        ActiveParams(concepts=("east",), classes=(0, 2))
    single = begin(vectors, labels[:, 0], seed, near=near)
    with pytest.raises(InvalidParamsError, match=r"no concept 'east'.* none"):
        single.probabilities([0], concept="east")
