"""Near-duplicates in shards are those of one machine, however rows are divided."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from gleann.index.errors import InvalidInputError, InvalidParamsError, LimitError
from gleann.index.shards.places import ShardPlaces
from gleann.selection.curation.duplicates import near_duplicates, rethreshold
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
