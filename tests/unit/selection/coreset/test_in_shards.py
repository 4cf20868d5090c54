"""Rows in shards are chosen as the same rows on one machine are."""

import multiprocessing
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.shards.cut import cut
from gleann.index.shards.places import ShardPlaces
from gleann.selection.coreset.methods import (
    farthest_first,
    margin,
    uniform,
)
from gleann.selection.coreset.methods.stratified import stratified
from gleann.selection.coreset.parallel.asked import forget
from gleann.selection.coreset.parallel.coordinator import (
    Coordinator,
    PartInMemory,
    open_rows_of,
)
from gleann.selection.coreset.parallel.covering import ShardCovering
from gleann.selection.coreset.parallel.method import (
    parallel_weighted_k_center,
    weighted_k_center_in_shards,
)
from gleann.selection.coreset.parallel.points import problem_in_shards
from gleann.selection.coreset.problem import Problem
from gleann.selection.curation.duplicates.in_shards import near_duplicates_in_shards
from tests.support.sharded import sharded

SHARDS = [1, 2, 5, 40]


@pytest.fixture(scope="module")
def workers():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        yield pool


def same(there, here):
    assert there.rows.tolist() == here.rows.tolist()
    assert there.nearest.tolist() == here.nearest.tolist()
    assert there.distances.tobytes() == here.distances.tobytes()
    assert (there.radius, there.cost, there.objective) == (
        here.radius,
        here.cost,
        here.objective,
    )
    assert there.neighbours.tolist() == here.neighbours.tolist()
    assert there.apart.tolist() == here.apart.tolist()


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("locked", [None, [3, 120, 250]])
def test_farthest_first_is_that_of_one_machine(tmp_path, shards, metric, locked):
    world = sharded(tmp_path / "s", shards=shards, metric=metric)
    for k in (1, 30, 300):
        problem = problem_in_shards(ShardPlaces(world.folder), k=k, locked=locked)
        here = Problem.of(world.vectors, k=k, locked=locked)
        same(farthest_first(problem, seed=5), farthest_first(here, seed=5))


@pytest.mark.parametrize("keep", ["f16", "disk"])
def test_rows_kept_in_other_ways(tmp_path, keep):
    world = sharded(tmp_path / "s", shards=3, keep=keep)
    problem = problem_in_shards(ShardPlaces(world.folder), k=20)
    same(farthest_first(problem), farthest_first(Problem.of(world.vectors, k=20)))


def test_more_rows_than_candidates_of_a_batch(tmp_path):
    """Batches end by the bar of all shards, and ties at it go to the lower row."""
    rng = np.random.default_rng(2)
    world = sharded(tmp_path / "s", shards=2, n=1500, dim=3, seed=3)
    there = problem_in_shards(ShardPlaces(world.folder), k=700)
    same(farthest_first(there), farthest_first(Problem.of(world.vectors, k=700)))
    grid = rng.integers(0, 2, (1500, 9)).astype(np.float32)  # 512 distinct, all ties
    cut(
        SoarIndex.build(grid, BuildParams(nlist=4, metric="l2")),
        tmp_path / "g",
        shards=3,
    )
    places = ShardPlaces(tmp_path / "g")
    rows = np.concatenate([one.open().vectors for one in places.places])
    same(
        farthest_first(problem_in_shards(places, k=600)),
        farthest_first(Problem.of(rows, k=600)),
    )


@pytest.mark.parametrize("shards", [1, 5])
def test_baselines_are_those_of_one_machine(tmp_path, shards):
    world = sharded(tmp_path / "s", shards=shards)
    given = {"k": 12, "costs": world.payload["cost"], "cost_weight": 0.3}
    there = problem_in_shards(ShardPlaces(world.folder), **given, locked=[5])
    here = Problem.of(world.vectors, **given, locked=[5])
    same(uniform(there, seed=3), uniform(here, seed=3))
    same(stratified(there, seed=3), stratified(here, seed=3))
    same(margin(there), margin(here))


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("locked", [None, [3, 120, 250]])
@pytest.mark.parametrize("priced", [True, False])
def test_weighted_k_center_is_that_of_the_same_parts_in_memory(
    tmp_path, shards, locked, priced
):
    world = sharded(tmp_path / "s", shards=shards)
    given = {"k": 9, "cost_weight": 0.4, "locked": locked}
    given["costs"] = world.payload["cost"] if priced else None
    places = ShardPlaces(world.folder)
    there = weighted_k_center_in_shards(problem_in_shards(places, **given), places)
    problem = Problem.of(world.vectors, **given)
    parts, open_rows = [], open_rows_of(problem)
    for place in places.places:
        within = (open_rows >= place.first) & (open_rows < place.first + len(place))
        if within.any():
            parts.append(PartInMemory(rows=open_rows[within], vectors=problem.vectors))
    here = Coordinator(problem, parts=parts, runner=map).solve(0.1, None)
    assert there.rows.tolist() == here.rows.tolist()
    assert there.distances.tobytes() == here.distances.tobytes()
    assert (there.objective, there.lower_bound) == (here.objective, here.lower_bound)
    # The certificate is true of the sets that one machine finds, too.
    for other in (farthest_first(problem), uniform(problem)):
        assert there.lower_bound <= other.objective * (1 + 1e-6)
    assert there.objective <= 5 * 1.1 * farthest_first(problem).objective


def test_a_worker_that_forgets_changes_nothing(tmp_path):
    world = sharded(tmp_path / "s", shards=5, n=900)
    rng = np.random.default_rng(0)
    told = []

    def forgetting(function, tasks):
        for task in tasks:
            if rng.random() < 0.3:
                forget()
            told.append(getattr(task, "before", None))
            yield function(task)

    problem = problem_in_shards(ShardPlaces(world.folder, runner=forgetting), k=400)
    same(farthest_first(problem), farthest_first(Problem.of(world.vectors, k=400)))
    assert told.count(0) > 20  # it was told all again, many times


def test_processes_that_share_no_memory(tmp_path, workers):
    """Each task goes to either process, which holds what it saw last."""
    world = sharded(tmp_path / "s", shards=5, n=900)
    places = ShardPlaces(world.folder, runner=workers.map)
    given = {"k": 300, "costs": world.payload["cost"], "cost_weight": 0.1}
    problem = problem_in_shards(places, **given)
    same(farthest_first(problem), farthest_first(Problem.of(world.vectors, **given)))
    alone = ShardPlaces(world.folder)
    same(
        weighted_k_center_in_shards(problem, places),
        weighted_k_center_in_shards(problem_in_shards(alone, **given), alone),
    )


@pytest.mark.parametrize("n", [1, 2])
def test_one_row_and_two(tmp_path, n):
    world = sharded(tmp_path / "s", shards=5, n=n)
    there = problem_in_shards(ShardPlaces(world.folder), k=n)
    same(farthest_first(there), farthest_first(Problem.of(world.vectors, k=n)))


def test_what_is_refused(tmp_path):
    world = sharded(tmp_path / "s", shards=3)
    places = ShardPlaces(world.folder)
    with pytest.raises(InvalidParamsError, match=r"400 rows.*got 401"):
        problem_in_shards(places, k=401)
    with pytest.raises(InvalidInputError, match="costs"):
        problem_in_shards(places, k=3, costs=[1, 2])
    losing = ShardPlaces(world.folder, runner=lambda f, tasks: list(map(f, tasks))[:-1])
    with pytest.raises(InvalidInputError, match="2 results for 3 shards"):
        problem_in_shards(losing, k=3)
    inner = sharded(tmp_path / "ip", shards=2, metric="ip")
    with pytest.raises(InvalidParamsError, match="true metric"):
        problem_in_shards(ShardPlaces(inner.folder), k=3)
    problem = problem_in_shards(places, k=3)
    for parts in (1, 2):
        with pytest.raises(InvalidParamsError, match=f"shards is {parts}.*in_shards"):
            parallel_weighted_k_center(problem, shards=parts)
    for other in (Problem.of(world.vectors, k=3), problem):
        with pytest.raises(InvalidParamsError, match="problem_in_shards made of these"):
            weighted_k_center_in_shards(other, ShardPlaces(world.folder))


def test_memory_of_the_process_that_coordinates(tmp_path, workers):
    """As the docstrings say, whatever workers take."""
    n = 100_000
    rows = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    params = BuildParams(nlist=8, metric="l2", tune_queries=0, kmeans_iterations=1)
    cut(SoarIndex.build(rows, params), tmp_path / "s", shards=24)

    def one_by_one(function, tasks):
        return (workers.submit(function, task).result() for task in tasks)

    places = ShardPlaces(tmp_path / "s", runner=one_by_one)
    for solve, most in (
        (farthest_first, 54),
        (lambda problem: weighted_k_center_in_shards(problem, places), 150),
        (lambda _: near_duplicates_in_shards(places, radius=0.0), 140),
    ):
        solve(problem_in_shards(places, k=3))  # modules that it loads do not count
        tracemalloc.start()
        try:
            solve(problem_in_shards(places, k=3))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most / 2 < peak / n < most + 10


@pytest.mark.parametrize("far", [0.0, 1e4, 1e18])
def test_coverings_of_foreign_centres_are_exact(far):
    """Also where centres are far from the rows, or are the rows themselves."""
    rng = np.random.default_rng(1)
    rows = (rng.normal(size=(300, 5)) + far / 1e6).astype(np.float32)
    centres = np.concatenate(
        [rng.normal(size=(40, 5)) * 3, rows[:9], rng.normal(size=(4, 5)) + far]
    ).astype(np.float32)
    covering = ShardCovering(rows)
    covering.cover(centres[:1])
    covering.cover(centres[1:1])
    covering.cover(centres[1:])
    wide = (rows[:, None].astype(np.float64) - centres[None]) ** 2
    squares = wide.sum(axis=2)
    np.testing.assert_allclose(covering.squared, squares.min(axis=1), rtol=1e-12)
    assert covering.nearest.tolist() == squares.argmin(axis=1).tolist()
