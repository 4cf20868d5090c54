"""Shards worked on by real processes, as a caller would have it."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from gleann.index.errors import CancelledError, InvalidParamsError
from gleann.selection.coreset import parallel_weighted_k_center, weighted_k_center


@pytest.fixture(scope="module")
def workers():
    # Spawned, not forked: a fork of a process that has threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        yield pool


def problem(n=400):
    rng = np.random.default_rng(4)
    points = rng.normal(size=(n, 6)).astype(np.float32)
    points[100:130] = points[7]  # duplicates that lie in several shards
    return points, {"k": 9, "costs": rng.random(n), "cost_weight": 0.4}


@pytest.mark.parametrize("locked", [None, [3, 120, 399]])
@pytest.mark.parametrize("shards", [2, 5])
def test_processes_choose_what_one_process_chooses(workers, shards, locked):
    points, given = problem()
    given = {**given, "shards": shards, "locked": locked}
    there = parallel_weighted_k_center(points, **given, runner=workers.map)
    here = parallel_weighted_k_center(points, **given)
    assert there.rows.tolist() == here.rows.tolist()
    assert there.nearest.tolist() == here.nearest.tolist()
    assert there.distances.tobytes() == here.distances.tobytes()
    assert (there.objective, there.lower_bound) == (here.objective, here.lower_bound)
    assert there.provenance == here.provenance
    serial = weighted_k_center(
        points,
        **{name: given[name] for name in ("k", "costs", "cost_weight", "locked")},
    )
    # Both bounds are true of the same optimum, and both sets are sets of k rows.
    assert max(there.lower_bound, serial.lower_bound) <= min(
        there.objective, serial.objective
    )


def test_a_runner_that_loses_a_shard_is_found_out():
    points, given = problem(120)

    def losing(function, tasks):
        return [function(task) for task in list(tasks)[:-1]]

    with pytest.raises(InvalidParamsError, match="2 results for 3 shards"):
        parallel_weighted_k_center(points, **given, shards=3, runner=losing)


def test_cancelling_between_rounds_leaves_the_workers_usable(workers):
    points, given = problem(120)

    def cancel(progress):
        if progress.done == 2:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        parallel_weighted_k_center(
            points, **given, shards=2, runner=workers.map, progress=cancel
        )
    again = parallel_weighted_k_center(points, **given, shards=2, runner=workers.map)
    assert len(set(again.rows.tolist())) == 9
