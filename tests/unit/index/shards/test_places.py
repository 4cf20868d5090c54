"""What is asked of all shards is what one machine has of their rows, in their order."""

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import (
    CorruptDataError,
    DuplicateIdError,
    InvalidInputError,
    MissingFileError,
    UnknownColumnError,
    UnknownIdError,
)
from gleann.index.ids.held import to_numpy
from gleann.index.shards.cut import cut
from gleann.index.shards.places import ShardPlaces, close_all
from tests.support.sharded import sharded


@pytest.fixture(
    scope="module", params=[(1, "integers"), (5, "strings"), (40, "integers")]
)
def world(request, tmp_path_factory):
    shards, ids = request.param
    folder = tmp_path_factory.mktemp("world") / "s"
    return sharded(folder, shards=shards, n=60, ids=ids)


def test_rows_and_ids(world):
    places = ShardPlaces(world.folder)
    assert len(places) == len(world.vectors) == len(places.rows)
    assert places.rows.shape == world.vectors.shape
    rng = np.random.default_rng(0)
    for rows in (np.arange(60), rng.integers(0, 60, 25), np.array([], np.int64)):
        np.testing.assert_array_equal(places.rows[rows], world.vectors[rows])
        np.testing.assert_array_equal(places.ids_at(rows), world.ids[rows])
        # Those of the call before are kept, and others asked for.
        np.testing.assert_array_equal(places.rows[rows[:3]], world.vectors[rows[:3]])
    np.testing.assert_array_equal(np.asarray(places.rows), world.vectors)
    np.testing.assert_array_equal(to_numpy(places.held_ids()), world.ids)
    rows = rng.permutation(60)[:20]
    np.testing.assert_array_equal(places.rows_of(world.ids[rows]), rows)
    assert places.rows_of(world.ids[:0]).tolist() == []


def test_payload(world):
    places = ShardPlaces(world.folder)
    for name in ("cost", "score", "even"):
        np.testing.assert_array_equal(places.numbers(name), world.payload[name])
    np.testing.assert_array_equal(
        places.where("score > $1 AND even", [4]),
        (world.payload["score"] > 4) & world.payload["even"],
    )


def test_hash(world):
    places = ShardPlaces(world.folder)
    hashes = [part.data_hash for part in world.parts]
    assert (places.data_hash() == hashes[0]) == (len(hashes) == 1)
    assert places.data_hash() == ShardPlaces(world.folder).data_hash()


def test_rows_of_the_last_call_are_not_asked_for_again(world):
    calls = []

    def counting(function, tasks):
        calls.append(function.__name__)
        return map(function, tasks)

    places = ShardPlaces(world.folder, runner=counting)
    places.rows[np.arange(10)]
    places.rows[np.array([3, 3, 9])]
    assert calls == ["read_rows"]
    places.rows[np.array([3, 10])]
    assert calls == ["read_rows"] * 2


def test_what_is_refused(tmp_path):
    world = sharded(tmp_path / "s", shards=3, n=60)
    places = ShardPlaces(world.folder)
    with pytest.raises(UnknownIdError, match="1 of 1 are not there"):
        places.rows_of([10**9])
    with pytest.raises(UnknownIdError, match=r"strings.*integers"):
        places.rows_of(["a"])
    with pytest.raises(DuplicateIdError):
        places.rows_of([int(world.ids[0])] * 2)
    with pytest.raises(UnknownColumnError, match="colour"):
        places.numbers("colour")
    with pytest.raises(MissingFileError, match="no index in shards"):
        ShardPlaces(tmp_path)
    losing = ShardPlaces(world.folder, runner=lambda f, tasks: list(map(f, tasks))[:-1])
    with pytest.raises(InvalidInputError, match="2 results for 3 shards"):
        losing.held_ids()


def test_columns_without_numbers(tmp_path):
    payload = {"word": ["a", "b", "c"], "gap": [1, None, 3]}
    index = SoarIndex.build(
        np.eye(3, dtype=np.float32), BuildParams(nlist=1), payload=payload
    )
    cut(index, tmp_path / "s", shards=2)
    places = ShardPlaces(tmp_path / "s")
    with pytest.raises(InvalidInputError, match="'word' is of type string"):
        places.numbers("word")
    with pytest.raises(InvalidInputError, match=r"no value for 1 of .* id 1"):
        places.numbers("gap")


def test_shards_that_are_missing_or_of_another_build(tmp_path):
    world = sharded(tmp_path / "s", shards=3, n=60)
    other = sharded(tmp_path / "t", shards=3, n=60, seed=5)
    moved = tmp_path / "moved"
    (world.folder / "shard-00001").rename(moved)
    with pytest.raises(MissingFileError, match="shard-00001"):
        _fresh(world.folder).held_ids()
    (other.folder / "shard-00001").rename(world.folder / "shard-00001")
    with pytest.raises(CorruptDataError, match="another build"):
        _fresh(world.folder).held_ids()


def _fresh(folder):
    """As a worker would see it that has no shard open yet."""
    close_all()
    return ShardPlaces(folder)


def test_rows_that_the_runner_lost_are_no_others(tmp_path):
    """Neither at once nor from those that are kept for the next call."""
    folder = sharded(tmp_path / "s", shards=3, n=60).folder
    losing = ShardPlaces(folder, runner=lambda f, tasks: list(map(f, tasks))[:-1])
    for rows in (np.arange(60), np.array([3])):
        with pytest.raises(InvalidInputError, match="2 results for 3 shards"):
            losing.rows[rows]
