"""Near-duplicates in shards are those of one machine, however rows are divided."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    LimitError,
    ZeroVectorError,
)
from gleann.index.ids.held import to_numpy
from gleann.index.shards.places import ShardPlaces
from gleann.selection.curation.duplicates import (
    near_duplicates,
    rethreshold,
    shard_tasks,
)
from gleann.selection.curation.duplicates.in_shards import near_duplicates_in_shards
from tests.support.sharded import sharded

SHARDS = [1, 2, 5, 40]


def answer(found):
    """By id, without the order of rows."""
    columns = found.to_dict()["columns"]
    lines = zip(
        *(columns[name] for name in ("id", "kept", "duplicate_of", "group_size")),
        strict=True,
    )
    return sorted(lines), found.kept_ids.tolist(), found.summary()


def same(there, here):
    for name in ("kept", "duplicate_of", "distances", "first", "ranks", "hashes"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    for name in ("rows", "others", "distances"):
        np.testing.assert_array_equal(
            getattr(there.pairs, name), getattr(here.pairs, name)
        )
    assert there.summary() == here.summary()
    assert there.provenance["params"] == here.provenance["params"]


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize(
    ("metric", "radii"), [("l2", (0.0, 1.5, 4.0)), ("cosine", (0.0, 0.01, 0.05))]
)
def test_the_answer_is_that_of_the_same_rows_in_one_process(
    tmp_path, shards, metric, radii
):
    world = sharded(tmp_path / "s", shards=shards, metric=metric)
    places = ShardPlaces(world.folder)
    found = []
    for radius in radii:
        for by in ({}, {"keep_by": "score", "scores": world.payload["score"]}):
            there = near_duplicates_in_shards(places, radius=radius, **by)
            same(there, near_duplicates(world.index, radius=radius, **by))
            several = near_duplicates(world.parts, radius=radius, **by)
            same(there, several)
            assert there.provenance == several.provenance
            found.append(there)
    assert found[-1].summary()["dropped"] > found[0].summary()["dropped"] > 20
    same(rethreshold(found[-2], radius=radii[1]), found[2])


def test_the_answer_does_not_depend_on_the_number_of_shards(tmp_path):
    answers = []
    for shards in SHARDS:
        world = sharded(tmp_path / str(shards), shards=shards, ids="strings")
        found = near_duplicates_in_shards(ShardPlaces(world.folder), radius=2.0)
        answers.append(answer(found))
    assert all(one == answers[0] for one in answers)


@pytest.mark.parametrize("shards", [1, 5])
def test_some_rows_take_part(tmp_path, shards):
    world = sharded(tmp_path / "s", shards=shards)
    places = ShardPlaces(world.folder)
    mask = places.where("even")
    there = near_duplicates_in_shards(places, radius=2.0, among=mask)
    same(there, near_duplicates(world.index, radius=2.0, among=mask))
    few = np.zeros(len(places), np.bool_)
    few[[1, 390]] = True  # of most shards none
    there = near_duplicates_in_shards(places, radius=1e6, among=few)
    same(there, near_duplicates(world.parts, radius=1e6, among=few))
    assert there.summary()["kept"] == 1


def outside_same(there, here):
    same(there, here)
    np.testing.assert_array_equal(there.from_outside, here.from_outside)
    np.testing.assert_array_equal(there.outside.rows, here.outside.rows)
    np.testing.assert_array_equal(there.outside.distances, here.outside.distances)
    assert to_numpy(there.outside_held).tolist() == to_numpy(here.outside_held).tolist()
    assert there.summary()["dropped_for_outside"] > 0


@pytest.mark.parametrize("shards", [1, 5, 40])
@pytest.mark.parametrize(("metric", "radius"), [("l2", 1.5), ("cosine", 0.01)])
def test_rows_near_another_index_in_shards(tmp_path, shards, metric, radius):
    """Equal rows there are in several shards: the lowest row is named."""
    world = sharded(tmp_path / "s", shards=shards, metric=metric)
    other = sharded(tmp_path / "o", shards=3, metric=metric, ids="strings")
    places = ShardPlaces(world.folder)
    for among in (None, places.where("even")):
        there = near_duplicates_in_shards(
            places, radius=radius, among=among, against=ShardPlaces(other.folder)
        )
        here = near_duplicates(
            world.index, radius=radius, among=among, against=other.index
        )
        outside_same(there, here)
        same(
            rethreshold(there, radius=radius / 4), rethreshold(here, radius=radius / 4)
        )


@pytest.mark.parametrize("shards", [1, 5])
@pytest.mark.parametrize(("metric", "radius"), [("l2", 1.5), ("cosine", 0.01)])
def test_rows_near_vectors(tmp_path, shards, metric, radius):
    world = sharded(tmp_path / "s", shards=shards, metric=metric)
    rng = np.random.default_rng(8)
    near = world.vectors[::5] + rng.normal(scale=0.02, size=(80, 6)).astype(np.float32)
    for rows in (near, near[:1]):
        outside_same(
            near_duplicates_in_shards(
                ShardPlaces(world.folder), radius=radius, against=rows
            ),
            near_duplicates(world.index, radius=radius, against=rows),
        )


@pytest.mark.parametrize("shards", [1, 5])
def test_what_is_known_is_not_joined_again(tmp_path, shards):
    """Of other shards, or of one index, with some rows that are new."""
    world = sharded(tmp_path / "s", shards=shards)
    places = ShardPlaces(world.folder)
    before = sharded(tmp_path / "before", shards=3)
    found = near_duplicates_in_shards(places, radius=2.0)
    most = np.arange(400) % 5 > 0
    for known in (
        near_duplicates_in_shards(ShardPlaces(before.folder), radius=3.0),
        near_duplicates(before.index, radius=3.0, among=most),
        near_duplicates(before.index, radius=2.0),
    ):
        asked = []

        def counted(function, tasks):
            tasks = list(tasks)
            if function is shard_tasks.pairs_of:
                asked.extend(tasks)  # noqa: B023  called in this round
            return map(function, tasks)

        counting = ShardPlaces(world.folder, runner=counted)
        there = near_duplicates_in_shards(counting, radius=2.0, known=known)
        same(there, found)
        assert bool(asked) == (len(known.rows) < 400)
    with pytest.raises(InvalidParamsError, match="below the radius"):
        near_duplicates_in_shards(places, radius=4.0, known=found)
    with pytest.raises(LimitError, match="more than 5 pairs"):
        near_duplicates_in_shards(places, radius=2.0, known=found, max_pairs=5)


def test_another_collection_that_does_not_fit(tmp_path):
    places = ShardPlaces(sharded(tmp_path / "s", shards=2).folder)
    wide = ShardPlaces(sharded(tmp_path / "w", shards=2, dim=7).folder)
    with pytest.raises(DimensionMismatchError, match=r"has 7 dimensions, .* 6"):
        near_duplicates_in_shards(places, radius=1.0, against=wide)
    round_ = ShardPlaces(sharded(tmp_path / "c", shards=2, metric="cosine").folder)
    with pytest.raises(InvalidParamsError, match=r"has the metric cosine, .* l2"):
        near_duplicates_in_shards(places, radius=1.0, against=round_)
    with pytest.raises(DimensionMismatchError, match="5"):
        near_duplicates_in_shards(places, radius=1.0, against=np.ones((3, 5)))
    with pytest.raises(ZeroVectorError, match="3 of 3 rows are zero"):
        near_duplicates_in_shards(round_, radius=0.1, against=np.zeros((3, 6)))


def test_too_many_pairs_do_not_name_what_shards_lack(tmp_path):
    world = sharded(tmp_path / "s", shards=2)
    with pytest.raises(LimitError, match="raise max_pairs") as caught:
        near_duplicates_in_shards(ShardPlaces(world.folder), radius=9.0, max_pairs=1)
    assert "join()" not in str(caught.value)
    with pytest.raises(LimitError, match=r"join\(\) streams them"):
        near_duplicates(world.index, radius=9.0, max_pairs=1)


@pytest.mark.parametrize("keep", ["f16", "disk"])
def test_rows_kept_in_other_ways(tmp_path, keep):
    world = sharded(tmp_path / "s", shards=3, keep=keep)
    there = near_duplicates_in_shards(ShardPlaces(world.folder), radius=1.5)
    same(there, near_duplicates(world.parts, radius=1.5))


def test_processes_that_share_no_memory(tmp_path):
    world = sharded(tmp_path / "s", shards=3)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        places = ShardPlaces(world.folder, runner=pool.map)
        same(
            near_duplicates_in_shards(places, radius=2.0),
            near_duplicates(world.parts, radius=2.0),
        )


def test_what_is_refused(tmp_path):
    world = sharded(tmp_path / "s", shards=3)
    places = ShardPlaces(world.folder)
    with pytest.raises(InvalidParamsError, match="for one machine"):
        near_duplicates_in_shards(places, radius=1.0, keep_by="near_centroid")
    with pytest.raises(InvalidParamsError, match="3 indexes"):
        near_duplicates_in_shards(places, radius=1.0, keep_by="newest")
    with pytest.raises(LimitError, match="more than 50 pairs"):
        near_duplicates_in_shards(places, radius=100.0, max_pairs=50)
    within = len(near_duplicates_in_shards(places, radius=2.0).pairs)
    with pytest.raises(LimitError, match="of 6 pairs of shards"):
        near_duplicates_in_shards(places, radius=2.0, max_pairs=within - 1)
    with pytest.raises(InvalidInputError, match=r"\(400,\) of bool"):
        near_duplicates_in_shards(places, radius=1.0, among=np.arange(3))
    inner = sharded(tmp_path / "ip", shards=2, metric="ip")
    with pytest.raises(InvalidParamsError, match="need a distance"):
        near_duplicates_in_shards(ShardPlaces(inner.folder), radius=1.0)
