"""Weighted k-center against exhaustive search, over random instances."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gleann.selection import farthest_first, weighted_k_center
from gleann.selection.coreset import (
    gist,
    k_center,
    margin,
    measure,
    parallel_weighted_k_center,
)

EPS = 0.1
WEIGHTS = [0.0, 0.1, 1.0, 10.0, 1e6]


def instance(seed):
    """At most 12 points: spread, on a lattice (ties), or in triples (duplicates)."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 13))
    k = int(rng.integers(1, min(5, n - 1)))
    kind = seed % 4
    if kind == 0:
        points = rng.normal(size=(n, 2))
    elif kind == 1:
        points = rng.integers(0, 3, size=(n, 2)).astype(float)
    elif kind == 2:
        points = rng.normal(size=(n, 5))
    else:
        points = np.repeat(rng.normal(size=(n // 3 + 1, 3)), 3, axis=0)[:n]
    costs = rng.integers(0, 3, size=n) / 2 if seed % 3 == 0 else rng.random(n)
    locked = rng.choice(
        n, size=int(rng.integers(0, 3)) if n - k > 4 else 0, replace=False
    )
    return points.astype(np.float32), k, costs, WEIGHTS[seed % 5], locked


def distances_between(points):
    points = points.astype(float)
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))


def best_of_all(points, k, costs, weight, locked):
    """Least objective and least radius over every set of k unlocked rows."""
    apart = distances_between(points)
    free = np.setdiff1d(np.arange(len(points)), locked)
    sets = np.array(list(itertools.combinations(free, k)))
    to_locked = apart[:, locked].min(axis=1, initial=np.inf)
    reach = np.minimum(apart[:, sets].min(axis=2), to_locked[:, None])
    radii = reach.max(axis=0)
    return (radii + weight * costs[sets].sum(axis=1)).min(), radii.min()


@pytest.mark.parametrize("start", range(0, 1200, 100))
def test_within_the_factors_of_the_best_and_above_the_bound(start):
    for seed in range(start, start + 100):
        points, k, costs, weight, locked = instance(seed)
        best, radius = best_of_all(points, k, costs, weight, locked)
        shared = {"k": k, "costs": costs, "cost_weight": weight, "locked": locked}
        serial = weighted_k_center(points, **shared, eps=EPS)
        shards = 2 + seed // 4 % 4
        parallel = parallel_weighted_k_center(points, **shared, eps=EPS, shards=shards)
        for got, factor in ((serial, 3 * (1 + EPS)), (parallel, 5 * (1 + EPS))):
            assert len(set(got.rows.tolist())) == k
            assert not set(got.rows.tolist()) & set(locked.tolist())
            assert got.objective <= factor * best + 1e-9, seed
            assert got.lower_bound <= best * (1 + 1e-9), seed
            assert got.objective >= best * (1 - 1e-6), seed
            if weight == 0:
                assert got.radius <= factor * radius + 1e-9, seed
            again = measure(
                points, got.rows, costs=costs, cost_weight=weight, locked=locked
            )
            assert again.objective == got.objective


@pytest.mark.parametrize("seed", range(40))
def test_farthest_first_is_within_two_of_the_best_radius(seed):
    points, k, _, _, locked = instance(seed)
    _, radius = best_of_all(points, k, np.zeros(len(points)), 0.0, locked)
    walk = farthest_first(points, k=k, covered=locked, seed=seed)
    assert walk.distances.max() <= 2 * radius * (1 + 1e-5)
    assert (np.diff(walk.insertion_distances) <= 1e-5).all()


@pytest.mark.parametrize("seed", range(10))
def test_farthest_first_picks_what_the_plain_algorithm_picks(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(200, 5)).astype(np.float32)
    covered = rng.choice(200, size=3, replace=False)
    apart = np.sqrt(((points[:, None] - points[None]).astype(float) ** 2).sum(-1))
    reach, expected = apart[:, covered].min(axis=1), []
    for _ in range(20):
        expected.append(int(reach.argmax()))
        reach = np.minimum(reach, apart[:, expected[-1]])
    walk = farthest_first(points, k=20, covered=covered)
    assert walk.rows.tolist() == expected
    assert walk.distances == pytest.approx(reach, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_shards_find_nearly_as_good_a_set_and_bound_as_one_machine(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(900, 3)).astype(np.float32)
    shared = {"k": 15, "costs": rng.random(900), "cost_weight": 0.05}
    serial = weighted_k_center(points, **shared)
    alone = parallel_weighted_k_center(points, **shared, shards=1)
    assert alone.rows.tolist() == serial.rows.tolist()
    for shards in (2, 5):
        with ThreadPoolExecutor(2) as pool:
            got = parallel_weighted_k_center(
                points, **shared, shards=shards, runner=pool.map
            )
        same = parallel_weighted_k_center(points, **shared, shards=shards)
        assert got.rows.tolist() == same.rows.tolist()
        assert got.lower_bound <= serial.objective
        assert got.objective <= 1.5 * serial.objective
        assert got.lower_bound >= 0.6 * serial.lower_bound


@pytest.mark.parametrize("seed", range(6))
def test_no_rival_is_better_and_the_extremes_are_the_rivals(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(500, 4)).astype(np.float32)
    costs = rng.random(500)
    for weight in (0.0, 0.02, 0.2, 1e7):
        shared = {"k": 12, "costs": costs, "cost_weight": weight}
        got = weighted_k_center(points, **shared)
        rivals = [
            margin(points, **shared),
            k_center(points, **shared, seed=seed),
            measure(
                points,
                rng.choice(500, size=12, replace=False),
                costs=costs,
                cost_weight=weight,
            ),
        ]
        # A traversal from another start may be luckier where only the radius counts.
        for rival in rivals if weight else rivals[:1]:
            assert got.objective <= rival.objective * (1.06 if weight < 1 else 1)
        assert 1 <= got.ratio <= 3 * (1 + EPS) * (1 + 1e-3)
        if weight == 0:
            assert got.radius <= 2 * rivals[1].radius
        if weight == 1e7:
            assert set(got.rows) == set(rivals[0].rows)


def test_halfway_the_weighted_set_beats_margin_and_k_center_clearly():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 3)).astype(np.float32)
    costs = rng.random(2000)
    shared = {"k": 40, "costs": costs, "cost_weight": 0.05}
    got = weighted_k_center(points, **shared)
    assert got.objective < 0.8 * margin(points, **shared).objective
    assert got.objective < 0.8 * k_center(points, **shared).objective


def least_distance(apart, sets, locked):
    """Least distance between two rows of each set, locked rows included."""
    joined = np.concatenate(
        [sets, np.broadcast_to(locked, (len(sets), len(locked)))], axis=1
    ).astype(int)
    pairs = np.array(
        [
            (i, j)
            for i, j in itertools.combinations(range(joined.shape[1]), 2)
            if i < sets.shape[1]
        ]
    )
    return apart[joined[:, pairs[:, 0]], joined[:, pairs[:, 1]]].min(axis=1)


@pytest.mark.parametrize("seed", range(60))
def test_gist_spreads_within_two_of_the_best_and_never_below_pure_utility(seed):
    points, k, costs, _, locked = instance(seed)
    if k + len(locked) < 2:
        k = 2
    apart = distances_between(points)
    free = np.setdiff1d(np.arange(len(points)), locked)
    sets = np.array(list(itertools.combinations(free, k)))
    widest = least_distance(apart, sets, locked).max()
    far = gist(points, k=k, costs=costs, diversity=1e6, locked=locked)
    got = least_distance(apart, far.rows[None], locked)[0]
    assert got >= widest / (2 * (1 + EPS)) * (1 - 1e-5)
    plain = gist(points, k=k, costs=costs, diversity=0.0, locked=locked)
    assert plain.cost == pytest.approx(np.sort(costs[free])[:k].sum())
    some = gist(points, k=k, costs=costs, diversity=0.5, locked=locked)
    value = k - some.cost + 0.5 * least_distance(apart, some.rows[None], locked)[0]
    least = least_distance(apart, plain.rows[None], locked)[0]
    assert value >= k - plain.cost + 0.5 * least - 1e-5
    assert len(set(some.rows.tolist())) == k
    assert not set(some.rows.tolist()) & set(locked.tolist())
