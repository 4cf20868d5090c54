"""Neighbours in shards are those of one index, and sessions go on with them alike."""

import numpy as np
import pytest

from gleann.index.errors import InvalidInputError
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.selection import ActiveParams, ActiveSession, IndexNeighbours
from gleann.selection.among import Among
from gleann.selection.shard_neighbours import ShardNeighbours
from tests.support.sharded import sharded


@pytest.mark.parametrize("shards", [1, 2, 5])
@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
def test_neighbours_are_those_of_one_index(tmp_path, shards, metric):
    world = sharded(
        tmp_path / "s", shards=shards, metric=metric, dim=12, codes="float32"
    )
    rows = np.setdiff1d(np.arange(400), np.flatnonzero(_repeated(world.vectors)))[::7]
    for nprobe in (2, 9):
        there = ShardNeighbours(ShardedIndex.load(world.folder), nprobe=nprobe)
        here = IndexNeighbours(world.index, nprobe=nprobe)
        assert len(there) == 400
        near = there.neighbours(rows, k=4)
        _same(world, rows, near, here.neighbours(rows, k=4))
        assert not (near == rows[:, None]).any()
        allowed = np.arange(400) % 3 > 0
        _same(
            world,
            rows,
            there.open_neighbours(rows, k=4, allowed=allowed),
            here.open_neighbours(rows, k=4, allowed=allowed),
        )
        among = Among(rows=np.arange(0, 400, 2), n=400)
        _same(
            world,
            rows,
            there.limited_to(among).neighbours(rows, k=4),
            here.limited_to(among).neighbours(rows, k=4),
        )
    assert there.neighbours(rows[:0], k=3).shape == (0, 3)


def _repeated(vectors):
    _, inverse, counts = np.unique(
        vectors, axis=0, return_inverse=True, return_counts=True
    )
    return counts[inverse.ravel()] > 1


def _same(world, rows, near, expected):
    """The same rows, or others as near: equal rows are in another order."""
    differ = near != expected
    assert (near < 0).tolist() == (expected < 0).tolist()
    assert differ.mean() < 0.2
    np.testing.assert_array_equal(world.vectors[near], world.vectors[expected])


@pytest.mark.parametrize("pool", ["seals", "global"])
def test_a_session_picks_what_it_picks_with_one_index(tmp_path, pool):
    world = sharded(tmp_path / "s", shards=5, dim=12, n=300, codes="float32")
    labels = (world.vectors[:, 0] > 3).astype(np.int64)
    seed = np.concatenate([np.flatnonzero(labels == one)[:4] for one in (0, 1)])
    params = ActiveParams(strategy="margin", batch=6, pool=pool, seed=2)

    def batches(near):
        session = ActiveSession.start(
            world.vectors,
            params,
            ids=world.ids,
            rows=seed,
            labels=labels[seed],
            neighbours=near,
        )
        picked = []
        for _ in range(4):
            batch = session.next_batch()
            picked.append(batch.ids.tolist())
            session.submit_labels(batch.ids, labels[batch.rows])
        return picked

    there = batches(ShardNeighbours(ShardedIndex.load(world.folder), nprobe=9))
    assert there == batches(IndexNeighbours(world.index, nprobe=9))
    assert len({one for batch in there for one in batch}) == 24


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
@pytest.mark.parametrize("limited", [False, True])
def test_along_directions_and_near_planes(tmp_path, shards, metric, limited):
    """As one index, but for rows that are equal; w = 0 is a direction too."""
    world = sharded(
        tmp_path / "s", shards=shards, metric=metric, dim=12, codes="float32"
    )
    there = ShardNeighbours(ShardedIndex.load(world.folder))
    here = IndexNeighbours(world.index)
    if limited:
        among = Among(rows=np.arange(1, 400, 3), n=400)
        there, here = there.limited_to(among), here.limited_to(among)
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(4, 12)).astype(np.float32)
    directions[2] = 0
    offsets = rng.normal(size=4)
    for share, k in ((0.9, 5), (0.1, 5), (0.02, 30)):
        allowed = rng.random(400) < share
        _least(
            world,
            there.along(directions, k=k, allowed=allowed),
            here.along(directions, k=k, allowed=allowed),
        )
        _least(
            world,
            there.near_planes(directions, offsets, k=k, allowed=allowed),
            here.near_planes(directions, offsets, k=k, allowed=allowed),
        )


def _least(world, found, expected):
    """The same rows, or others that are equal; of w = 0 all rows are equally far."""
    assert (found < 0).tolist() == (expected < 0).tolist()
    assert (found >= 0).any()
    for ours in found:
        own = ours[ours >= 0]
        assert len(set(own.tolist())) == len(own)
    told = [0, 1, 3]
    np.testing.assert_array_equal(
        world.vectors[found[told]], world.vectors[expected[told]]
    )


@pytest.mark.parametrize("row", [-1, 400])
def test_rows_that_are_not_there_are_refused(tmp_path, row):
    world = sharded(tmp_path / "s", shards=3)
    near = ShardNeighbours(ShardedIndex.load(world.folder))
    said = f"row {row} is not one of 400 rows"
    with pytest.raises(InvalidInputError, match=said):
        near.neighbours(np.array([0, row]), k=2)
    with pytest.raises(InvalidInputError, match=said):
        near.open_neighbours(np.array([row]), k=2, allowed=np.ones(400, np.bool_))
