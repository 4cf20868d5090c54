"""Which candidate set of weighted k-center won, in the result and its note."""

import numpy as np
import pytest

from gleann.selection.coreset import (
    Problem,
    methods,
    parallel_weighted_k_center,
    weighted_k_center,
)
from gleann.selection.coreset.quotas import within_groups


def test_a_large_weight_is_named_margin_sampling():
    points = np.array([[0.0], [1], [2], [3], [10]], np.float32)
    costs = np.array([0.9, 0.0, 0.1, 0.9, 0.9])
    got = weighted_k_center(points, k=2, costs=costs, cost_weight=100.0)
    assert got.rows.tolist() == [1, 2]
    assert got.winners == {"margin": 1} == got.provenance["winners"]
    assert got.note.startswith("your weight makes this margin sampling")
    assert got.to_selection().summary["note"] == got.note


def test_no_weight_is_named_farthest_first():
    """From 24, the cheapest, the farthest are 1 and 17: a radius of 6, from 7."""
    points = np.array([[24.0], [2], [5], [7], [5], [24], [26], [17], [1]], np.float32)
    costs = np.array([0.1, 0.3, 0.4, 0.5, 0.4, 0.3, 0.2, 0.6, 0.6])
    got = weighted_k_center(points, k=3, costs=costs, cost_weight=0.0)
    assert got.rows.tolist() == [0, 8, 7]
    assert got.radius == 6
    assert got.winners == {"farthest_first": 1}
    assert got.note.startswith("your weight makes this farthest-first")


def test_a_set_of_a_radius_guess_has_no_note():
    rng = np.random.default_rng(0)
    points, costs = rng.normal(size=(200, 2)), rng.random(200)
    found = {}
    for weight in (0.1, 0.3, 1.0, 3.0):
        got = weighted_k_center(points, k=6, costs=costs, cost_weight=weight)
        found |= dict.fromkeys(got.winners, got)
    assert "weighted_k_center" in found
    assert found["weighted_k_center"].note == ""
    assert "note" not in found["weighted_k_center"].to_selection().summary


def test_shards_say_it_too():
    rng = np.random.default_rng(3)
    points, costs = rng.normal(size=(60, 3)), rng.random(60)
    got = parallel_weighted_k_center(
        points, k=5, costs=costs, cost_weight=1e6, shards=3
    )
    assert got.winners == {"margin": 1}
    assert got.note.startswith("your weight makes this margin sampling")


@pytest.mark.parametrize("weight", [1e6, 0.0])
def test_groups_count_their_winners(weight):
    rng = np.random.default_rng(4)
    points, costs = rng.normal(size=(60, 3)), rng.random(60)
    problem = Problem.of(points, k=9, costs=costs, cost_weight=weight)
    groups = np.arange(60) % 3
    quotas = {0: 3, 1: 3, 2: 3}
    got = within_groups(
        methods.weighted_k_center, problem, groups=groups, quotas=quotas
    )
    alone = [
        methods.weighted_k_center(problem.within(np.flatnonzero(groups == g), k=3))
        for g in range(3)
    ]
    assert sum(got.winners.values()) == 3
    for name, count in got.winners.items():
        assert count == sum(one.method == name for one in alone)
    if weight:
        assert got.note.startswith(
            "in 3 of 3 groups your weight makes this margin sampling"
        )


def test_other_methods_have_no_winner():
    rng = np.random.default_rng(5)
    problem = Problem.of(rng.normal(size=(20, 2)), k=3, costs=rng.random(20))
    for method in (methods.margin, methods.farthest_first, methods.uniform):
        got = method(problem)
        assert got.winners == {}
        assert got.note == ""
        assert "winners" not in got.provenance
