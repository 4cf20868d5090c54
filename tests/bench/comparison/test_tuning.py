"""Tuning finds the least effort at each level, on a peer whose behaviour is known."""

from itertools import pairwise
from math import inf

import numpy as np
import pytest

from bench.comparison import tuning
from bench.comparison.curves import Point, best_at, bracket, cost_at, front, stalled
from bench.comparison.pairing import Side, compare
from bench.comparison.process import PeerFailedError
from bench.comparison.tuning import Task, Tuner
from bench.comparison.worker import Timed
from bench.peers.contract import Setting, Sweep, geometric

LEVELS = (0.9, 0.95, 0.99)
QUERIES = 100
TASK = Task(mode="batch", k=10, queries=QUERIES, levels=LEVELS, minutes=1.0)


def recall_of(build, effort):
    """1 - miss, where misses halve every `half` steps of effort."""
    return min(build.get("most", 1.0), 1.0 - 0.5 ** (1 + effort / build["half"]))


class Known:
    """A peer process with a recall and a cost one can compute."""

    def __init__(self, *, failing=()):
        self.failing = failing
        self.built = []
        self.restarts = 0
        self.searched = []

    def ask(self, method, argument=None, *, seconds):
        if method == "build":
            if argument in self.failing:
                raise PeerFailedError("its process ended with code -11")
            self.built.append(argument)
            return 0.5, 1.0
        if method == "search":
            self.searched.append(argument)
            recall = recall_of(argument.build, argument.search["effort"])
            seconds = argument.build["price"] * argument.search["effort"]
            rows = np.full((argument.queries, 1), round(1e6 * recall))
            return Timed(rows=rows, seconds=seconds, cores=1.0, latencies=np.empty(0))
        return None

    def restart(self):
        self.restarts += 1


class RowsAreRecall:
    """A judge that reads the recall off the rows of `Known`."""

    queries = QUERIES // 2

    def recall(self, rows):
        return rows[0, 0] / 1e6


def sweep_of(*builds, top=2000):
    settings = [Setting(build=build, efforts=geometric(1, top)) for build in builds]
    return Sweep(settings=tuple(settings), fixed=({},), effort="effort")


def tune(process, sweep, task=TASK):
    return Tuner(process, sweep, task, RowsAreRecall()).run()


def least_effort(build, level):
    return next(e for e in range(1, 5000) if recall_of(build, e) >= level - 1e-6)


def test_the_least_effort_that_reaches_a_level_is_found():
    build = {"half": 40, "price": 1e-4}
    found = tune(Known(), sweep_of(build))
    for level in LEVELS:
        effort = best_at(found.points, level).effort
        least = least_effort(build, level)
        assert least <= effort <= least + max(1, least // 32)


def test_the_cheaper_build_wins_each_level():
    cheap = {"half": 10, "price": 1e-4, "most": 0.96}
    good = {"half": 10, "price": 3e-4}
    found = tune(Known(), sweep_of(good, cheap))
    assert best_at(found.points, 0.95).build == cheap
    assert best_at(found.points, 0.99).build == good


def test_a_sweep_stops_at_the_ceiling_and_where_recall_stalls():
    rising = tune(Known(), sweep_of({"half": 3, "price": 1e-4})).points
    assert sum(p.recall >= tuning.CEILING for p in rising) == 1
    process = Known()
    flat = tune(process, sweep_of({"half": 3, "price": 1e-4, "most": 0.93})).points
    assert max(p.effort for p in flat) < 50
    assert best_at(flat, 0.95) is None


def test_a_curve_that_cannot_win_is_left():
    good = {"half": 10, "price": 1e-4}
    poor = {"half": 10, "price": 1e-2}
    points = tune(Known(), sweep_of(good, poor)).points
    assert max(p.effort for p in points if p.build == poor) <= 2


def test_a_build_that_fails_is_dropped_and_the_rest_goes_on():
    bad, good = {"half": 10, "price": 1e-4, "bad": 1}, {"half": 10, "price": 1e-4}
    process = Known(failing=[bad])
    found = tune(process, sweep_of(bad, good))
    assert process.restarts == 1
    assert any("code -11" in what for what in found.dropped)
    assert best_at(found.points, 0.99).build == good


def test_out_of_time_one_whole_curve_is_measured_and_the_rest_named():
    builds = [{"half": 40, "price": 1e-4, "number": i} for i in range(3)]
    task = Task(mode="batch", k=10, queries=QUERIES, levels=LEVELS, minutes=0.0)
    found = tune(Known(), sweep_of(*builds), task)
    assert best_at(found.points, 0.99).build == builds[0]
    for build in builds[1:]:
        assert any(str(build) in what for what in found.dropped)


def test_slow_passes_are_estimated_from_fewer_queries():
    fast = tune(Known(), sweep_of({"half": 3, "price": 1e-4})).points
    slow = tune(Known(), sweep_of({"half": 3, "price": 10.0})).points
    assert {p.queries for p in fast} == {QUERIES}
    assert {p.queries for p in slow} == {RowsAreRecall.queries}


def points_at(*recalls_and_costs):
    return [
        Point(
            build={},
            search={},
            effort=i,
            recall=recall,
            queries=1,
            seconds=cost,
            cost=cost,
            cores=1.0,
        )
        for i, (recall, cost) in enumerate(recalls_and_costs, start=1)
    ]


def test_cost_at_a_level_is_interpolated():
    curve = points_at((0.8, 1.0), (1.0, 4.0))
    assert cost_at(curve, 0.9) == pytest.approx(2.0)
    assert cost_at(curve, 0.7) == 1.0
    assert cost_at(curve[:1], 0.9) == inf
    assert cost_at([], 0.9) == inf


def test_bracket_has_the_last_miss_and_the_first_hit():
    curve = points_at((0.8, 1.0), (0.85, 2.0), (0.95, 3.0))
    assert bracket(curve, 0.9) == (2, curve[2])
    assert bracket(curve, 0.99) == (0, None)
    assert bracket(curve, 0.5) == (0, curve[0])


def test_stalled_needs_a_worthwhile_recall():
    assert not stalled(points_at((0.1, 1), (0.1, 1), (0.1, 1)))
    assert stalled(points_at((0.9, 1), (0.9, 1), (0.9, 1)))
    assert not stalled(points_at((0.9, 1), (0.9, 1)))


def test_front_ascends_in_cost_and_recall():
    rng = np.random.default_rng(0)
    points = points_at(*rng.random((50, 2)).tolist())
    kept = list(front(points))
    assert all(a.cost <= b.cost and a.recall < b.recall for a, b in pairwise(kept))
    for point in points:
        assert any(p.cost <= point.cost and p.recall >= point.recall for p in kept)


def side(name, costs):
    return Side(
        name=name,
        build={},
        search={},
        recall=0.95,
        seconds=costs,
        costs=costs,
        qps=1.0,
        p50_seconds=None,
        p99_seconds=None,
        cores=[1.0],
        work=None,
    )


def test_ratios_are_taken_round_by_round():
    """The machine halves its speed midway: the ratio does not notice."""
    ours, theirs = [1.0, 1.0, 2.0], [3.0, 3.0, 6.0]
    found = compare(side("ours", ours), side("theirs", theirs), level=0.95)
    assert (found.ratio, found.low, found.high) == (3.0, 3.0, 3.0)
    drifting = compare(side("ours", ours), side("theirs", [2.0, 3.0, 8.0]), level=0.95)
    assert (drifting.ratio, drifting.low, drifting.high) == (3.0, 2.0, 4.0)


def test_geometric_covers_both_ends_without_repeats():
    for low, high in ((1, 1), (1, 2), (3, 100), (10, 3000)):
        values = geometric(low, high)
        assert (values[0], values[-1]) == (low, high)
        assert all(a < b for a, b in pairwise(values))
