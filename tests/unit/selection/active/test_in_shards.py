"""Sessions over items in shards are those over one index in the order of the ids."""

import json
import pickle

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import CorruptDataError, InvalidInputError, LimitError
from gleann.index.shards.cut import cut
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.selection import ActiveParams, ActiveSession, IndexNeighbours
from gleann.selection.active import in_shards
from gleann.selection.active.in_shards import ItemsInShards
from gleann.selection.active.models import trained
from gleann.selection.active.models.classifier import (
    FittedClassifier,
    make_classifier,
)

N, DIM = 500, 6


def built(kind="integers", metric="l2", seed=3):
    """One index with its rows in the order of their ids, some of them equal."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(N, DIM)).astype(np.float32) + 1
    rows[40:46] = rows[300]
    numbers = np.sort(rng.permutation(10 * N)[:N])
    ids = numbers if kind == "integers" else [f"ï{one:05}" for one in numbers]
    params = BuildParams(nlist=11, metric=metric, codes="float32", tune_queries=16)
    payload = {"split": np.arange(N) % 3}
    return SoarIndex.build(rows, params, ids=ids, payload=payload)


def in_parts(one, folder, *, shards):
    cut(one, folder, shards=shards)
    return ItemsInShards.of(ShardedIndex.load(folder))


def truth_of(one):
    vectors = np.asarray(one.stored_rows[:])
    return (vectors[:, 0] > np.median(vectors[:, 0])).astype(np.int64)


def seed_of(truth):
    return np.concatenate([np.flatnonzero(truth == label)[:4] for label in (0, 1)])


def played(vectors, near, one, params, *, among=None, rounds=3):
    """The batches of some rounds, each after a resumption, and the last state."""
    truth = truth_of(one)
    seed = seed_of(truth)
    session = ActiveSession.start(
        vectors, params, ids=one.ids, rows=seed, labels=truth[seed],
        neighbours=near, among=among,
    )  # fmt: skip
    picked = []
    for _ in range(rounds):
        batch = session.next_batch()
        compared = session.coverage() if params.pool != "random" else None
        picked.append((batch.ids.tolist(), batch.scores.tolist(), compared))
        session.submit_labels(batch.ids, truth[batch.rows])
        state = json.loads(json.dumps(session.state()))
        session = ActiveSession.resume(state, vectors, ids=one.ids, neighbours=near)
    return picked, state


def without_data(state):
    return {name: part for name, part in state.items() if name != "data_hash"}


POOLS = ["auto", "seals", "classifier", "anchors", "global", "random"]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
@pytest.mark.parametrize("kind", ["integers", "strings"])
def test_batches_are_those_of_one_index(tmp_path, pool, metric, kind):
    one = built(kind, metric)
    params = ActiveParams(pool=pool, batch=7, neighbours=6, seed=5)
    batches, state = played(one.vectors, IndexNeighbours(one), one, params)
    for shards in (1, 3):
        items = in_parts(one, tmp_path / str(shards), shards=shards)
        there, kept = played(items.vectors, items.neighbours, one, params)
        assert there == batches
        assert without_data(kept) == without_data(state)
    assert len({name for batch, _, _ in batches for name in batch}) == 21


@pytest.mark.parametrize("pool", POOLS[1:])
def test_among_some_items(tmp_path, pool):
    one = built("strings")
    params = ActiveParams(pool=pool, batch=7, neighbours=6)
    may = one.where("split > 0")
    here, state = played(one.vectors, IndexNeighbours(one), one, params, among=may)
    items = in_parts(one, tmp_path / "cut", shards=3)
    np.testing.assert_array_equal(items.where("split > 0"), may)
    there, kept = played(items.vectors, items.neighbours, one, params, among=may)
    assert there == here
    assert without_data(kept) == without_data(state)
    picked = [name for batch, _, _ in here for name in batch]
    assert set(picked) <= set(one.ids[may].tolist())


def test_several_questions_with_density(tmp_path):
    one = built()
    params = ActiveParams(
        pool="classifier", strategy="information_density", concepts=("a", "b"), batch=6
    )
    vectors = np.asarray(one.stored_rows[:])
    labels = (vectors[:, :2] > np.median(vectors[:, :2], axis=0)).astype(np.int64)
    items = in_parts(one, tmp_path / "cut", shards=2)
    picked = [
        ActiveSession.start(
            points, params, ids=one.ids, rows=np.arange(9), labels=labels[:9],
            neighbours=near,
        ).next_batch().ids.tolist()
        for points, near in (
            (one.vectors, IndexNeighbours(one)), (items.vectors, items.neighbours)
        )
    ]  # fmt: skip
    assert picked[0] == picked[1]


def test_many_items_are_scored_where_they_are(tmp_path, monkeypatch):
    """None of their vectors is fetched then, and of few only theirs."""
    one = built()
    params = ActiveParams(pool="global", batch=7)
    here, _ = played(one.vectors, None, one, params)
    items = in_parts(one, tmp_path / "cut", shards=3)
    monkeypatch.setattr(trained, "FETCHED", 60)
    monkeypatch.setattr(in_shards, "ASKED", 150)
    fetched = []
    vectors_at = ShardedIndex.vectors_at

    def counted(self, rows):
        fetched.append(len(rows))
        return vectors_at(self, rows)

    monkeypatch.setattr(ShardedIndex, "vectors_at", counted)
    there, _ = played(items.vectors, items.neighbours, one, params)
    assert max(fetched) <= 60
    for (ids, scores, _), (ours, theirs, _) in zip(here, there, strict=True):
        assert ours == ids
        np.testing.assert_allclose(theirs, scores, rtol=1e-6)


def test_functions_go_to_the_vectors(tmp_path):
    one = built("strings")
    items = in_parts(one, tmp_path / "cut", shards=4)
    rows = np.random.default_rng(0).permutation(N)[:77]
    vectors = np.asarray(one.stored_rows[:])
    np.testing.assert_array_equal(items.vectors[rows], vectors[rows])
    np.testing.assert_array_equal(
        items.vectors.apply(np.square, rows), vectors[rows] ** 2
    )
    np.testing.assert_array_equal(
        items.vectors.apply(_sums, rows), _sums(vectors[rows])
    )
    with pytest.raises(ZeroDivisionError):
        items.vectors.apply(_refused, rows)


def _sums(vectors):
    return vectors.sum(axis=1)


def _refused(vectors):
    raise ZeroDivisionError(len(vectors))


@pytest.mark.parametrize("classes", [(0, 1), (0, 1, 2)])
def test_a_trained_classifier_can_be_sent(classes):
    vectors = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    labels = np.arange(60) % len(classes)
    model = FittedClassifier(
        make_classifier(ActiveParams(), None), vectors, labels, classes=classes
    )
    there = pickle.loads(pickle.dumps(model.probabilities))
    np.testing.assert_array_equal(there(vectors), model.probabilities(vectors))


def test_too_many_vectors_at_once_are_refused(tmp_path, monkeypatch):
    one = built()
    items = in_parts(one, tmp_path / "cut", shards=2)
    monkeypatch.setattr(in_shards, "MOST_BYTES", 100 * 4 * DIM)
    assert items.vectors[np.arange(100)].shape == (100, DIM)
    said = f"101 of {N} vectors of {DIM} dimensions are {404 * DIM} bytes, and at most"
    with pytest.raises(LimitError, match=said):
        items.vectors[np.arange(101)]


def test_a_state_of_another_build_is_refused(tmp_path):
    one = built()
    params = ActiveParams(pool="seals", batch=4)
    items = in_parts(one, tmp_path / "cut", shards=2)
    _, state = played(items.vectors, items.neighbours, one, params, rounds=1)
    other = in_parts(built(seed=4), tmp_path / "other", shards=2)
    with pytest.raises(CorruptDataError, match="the state is of vectors"):
        ActiveSession.resume(
            state, other.vectors, ids=one.ids, neighbours=other.neighbours
        )
    again = ItemsInShards.of(ShardedIndex.load(tmp_path / "cut"))
    ActiveSession.resume(state, again.vectors, ids=one.ids, neighbours=again.neighbours)


def test_rows_that_are_not_there_are_named(tmp_path):
    items = in_parts(built(), tmp_path / "cut", shards=2)
    for row in (-1, N):
        with pytest.raises(
            InvalidInputError, match=f"row {row} is not one of {N} rows"
        ):
            items.index.vectors_at(np.array([3, row]))
