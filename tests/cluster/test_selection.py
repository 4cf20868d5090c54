"""Selections on a cluster are those of one process, whatever becomes of the workers."""

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gleann.index.errors import InvalidParamsError, LimitError
from gleann.index.ids.held import to_numpy
from gleann.index.shards.places import ShardPlaces
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    EstimateParams,
    EstimateSession,
)
from gleann.selection.coreset.methods import farthest_first, uniform
from gleann.selection.coreset.parallel.method import weighted_k_center_in_shards
from gleann.selection.coreset.parallel.points import problem_in_shards
from gleann.selection.coreset.problem import Problem
from gleann.selection.curation.duplicates import near_duplicates
from gleann.selection.curation.duplicates.in_shards import near_duplicates_in_shards
from gleann.selection.estimate.in_shards import proxy_in_shards
from gleann.selection.estimate.run import run_estimate
from gleann.selection.shard_neighbours import ShardNeighbours
from tests.support.sharded import sharded

pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")

from gleann.service.cluster.pinned import pinned
from gleann.service.cluster.search.opened import held
from gleann.service.cluster.search.replicas import Holding

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster

ROUNDS = int(os.environ.get("GLEANN_KILL_ROUNDS", "2"))
"""Rounds of kills; the lane has few, a release 20."""


@pytest.fixture(scope="module", params=["integers", "strings"])
def world(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "s"
    return sharded(folder, shards=5, n=3000, dim=8, ids=request.param)


@pytest.fixture(scope="module")
def runner(cluster: "Cluster"):
    with pinned(cluster) as started:
        yield started


def require_same(there, here):
    np.testing.assert_array_equal(there.rows, here.rows)
    np.testing.assert_array_equal(there.nearest, here.nearest)
    np.testing.assert_array_equal(there.distances, here.distances)
    assert there.objective == here.objective


def require_same_duplicates(there, here):
    for name in ("kept", "duplicate_of", "distances", "first", "ranks", "hashes"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    for name in ("rows", "others", "distances"):
        np.testing.assert_array_equal(
            getattr(there.pairs, name), getattr(here.pairs, name)
        )


def test_coresets(world, runner):
    places, alone = ShardPlaces(world.folder, runner=runner), ShardPlaces(world.folder)
    given = {"k": 500, "costs": world.payload["cost"], "cost_weight": 0.2}
    there, here = problem_in_shards(places, **given), Problem.of(world.vectors, **given)
    require_same(farthest_first(there), farthest_first(here))
    require_same(uniform(there), uniform(here))
    given["k"] = 40
    ours = weighted_k_center_in_shards(problem_in_shards(places, **given), places)
    theirs = weighted_k_center_in_shards(problem_in_shards(alone, **given), alone)
    require_same(ours, theirs)
    assert ours.lower_bound == theirs.lower_bound


def test_near_duplicates(world, runner):
    places = ShardPlaces(world.folder, runner=runner)
    require_same_duplicates(
        near_duplicates_in_shards(places, radius=2.0, threads=1),
        near_duplicates(world.index, radius=2.0),
    )


def test_estimates(world, runner):
    read = proxy_in_shards(ShardPlaces(world.folder, runner=runner), "score")
    params = EstimateParams(budget=150)
    order = np.argsort(world.ids, kind="stable")

    def oracle(ids):
        return np.array([hash(str(one)) % 3 == 0 for one in ids.tolist()]), None

    there = EstimateSession.start(read.proxy, params, ids=to_numpy(read.ids))
    here = EstimateSession.start(
        world.payload["score"][order], params, ids=world.ids[order]
    )
    assert run_estimate(there, oracle) == run_estimate(here, oracle)


def test_a_labelling_session_with_neighbours_of_the_cluster(
    tmp_path, cluster: "Cluster"
):
    world = sharded(tmp_path / "s", shards=2, n=3000, dim=8)
    labels = (world.vectors[:, 0] > 3).astype(np.int64)
    seed = np.concatenate([np.flatnonzero(labels == one)[:5] for one in (0, 1)])
    params = ActiveParams(strategy="margin", batch=8, pool="seals", seed=1)

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
        for _ in range(3):
            batch = session.next_batch()
            picked.append(batch.ids.tolist())
            session.submit_labels(batch.ids, labels[batch.rows])
        return picked

    alone = ShardedIndex.load(world.folder)
    with held(cluster, world.folder, holding=Holding(threads=1)) as index:
        there = batches(ShardNeighbours(index, nprobe=9))
    assert there == batches(ShardNeighbours(alone, nprobe=9))


def test_errors_of_tasks_come_out_as_they_are(world, runner):
    places = ShardPlaces(world.folder, runner=runner)
    with pytest.raises(LimitError, match="more than 10 pairs"):
        near_duplicates_in_shards(places, radius=1e6, max_pairs=10)
    with pytest.raises(InvalidParamsError, match="got 3001"):
        problem_in_shards(places, k=3001)
    assert len(places.held_ids()) == 3000  # the workers go on


class Killing:
    """Kills one worker at a random moment while a piece of work goes on."""

    def __init__(self, runner, seed):
        self._runner = runner
        self._rng = np.random.default_rng(seed)
        self._done = threading.Event()
        self.killed = 0
        self._thread = threading.Thread(target=self._kill)

    def _kill(self):
        processes = self._runner.process_ids()
        if not self._done.wait(float(self._rng.uniform(0, 0.4))):
            os.kill(int(self._rng.choice(processes)), signal.SIGKILL)
            self.killed += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def test_workers_killed_at_random_moments(runner, tmp_path):
    world = sharded(tmp_path / "s", shards=5, n=4000, dim=16)
    here = farthest_first(Problem.of(world.vectors, k=800))
    joined = near_duplicates(world.index, radius=3.0)
    alone = ShardPlaces(world.folder)
    cover = weighted_k_center_in_shards(problem_in_shards(alone, k=30), alone)
    killed, ends = 0, time.monotonic() + 60 * ROUNDS
    places = ShardPlaces(world.folder, runner=runner)
    for round_ in range(ROUNDS):
        with Killing(runner, seed=round_) as killing:
            while not killing.killed and time.monotonic() < ends:
                require_same(farthest_first(problem_in_shards(places, k=800)), here)
                require_same_duplicates(
                    near_duplicates_in_shards(places, radius=3.0, threads=1), joined
                )
                require_same(
                    weighted_k_center_in_shards(
                        problem_in_shards(places, k=30), places
                    ),
                    cover,
                )
        killed += killing.killed
    assert killed >= ROUNDS
