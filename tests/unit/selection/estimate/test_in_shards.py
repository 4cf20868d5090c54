"""An estimate over shards is that of one machine, for any number of shards."""

import numpy as np
import pytest

from gleann.index.errors import InvalidInputError, UnknownColumnError
from gleann.index.ids.held import to_numpy
from gleann.index.shards.places import ShardPlaces
from gleann.selection import EstimateParams, EstimateSession
from gleann.selection.estimate.in_shards import proxy_in_shards
from gleann.selection.estimate.run import run_estimate
from gleann.selection.estimate.stratified.strata import STRATA_CUTS
from tests.support.sharded import sharded


def truth(ids):
    """A predicate and a value of each id, whatever its form."""
    numbers = [int(str(one).removeprefix("ïd ")) for one in ids.tolist()]
    return np.array([one % 3 == 0 for one in numbers]), np.abs(numbers) / 7.0


def estimated(proxy, ids, params, among=None):
    session = EstimateSession.start(proxy, params, ids=ids, among=among)
    return run_estimate(session, truth)


def numbers(made):
    return (made.value, made.low, made.high, made.labels_used, made.positives)


@pytest.mark.parametrize("kind", ["integers", "strings"])
@pytest.mark.parametrize("cut", sorted(STRATA_CUTS))
@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_the_number_of_shards_changes_nothing(tmp_path, kind, cut, target):
    params = EstimateParams(target=target, budget=90, strata=4, strata_cut=cut, seed=3)
    made = []
    for shards in (1, 2, 5):
        world = sharded(tmp_path / str(shards), shards=shards, ids=kind)
        read = proxy_in_shards(ShardPlaces(world.folder), "score")
        # The same rows in one process, in the order of their ids.
        order = np.argsort(world.ids, kind="stable")
        np.testing.assert_array_equal(to_numpy(read.ids), world.ids[order])
        np.testing.assert_array_equal(read.proxy, world.payload["score"][order])
        np.testing.assert_array_equal(read.rows, order)
        here = estimated(world.payload["score"][order], world.ids[order], params)
        there = estimated(read.proxy, read.ids, params)
        assert there == here
        made.append(numbers(there))
    assert made[0] == made[1] == made[2]
    assert made[0][3] == 90


def test_some_rows_are_the_population(tmp_path):
    params = EstimateParams(budget=40, strata=3)
    made = []
    for shards in (1, 4):
        world = sharded(tmp_path / str(shards), shards=shards)
        places = ShardPlaces(world.folder)
        read = proxy_in_shards(places, "score")
        among = read.placed(places.where("even"))
        even = dict(zip(world.ids.tolist(), world.payload["even"], strict=True))
        assert among.tolist() == [even[one] for one in to_numpy(read.ids).tolist()]
        made.append(numbers(estimated(read.proxy, read.ids, params, among)))
    assert made[0] == made[1]


def test_what_is_refused(tmp_path):
    places = ShardPlaces(sharded(tmp_path / "s", shards=2).folder)
    with pytest.raises(UnknownColumnError, match="colour"):
        proxy_in_shards(places, "colour")
    assert issubclass(UnknownColumnError, InvalidInputError)
