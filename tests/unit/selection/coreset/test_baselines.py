"""What stands beside a choice, and draws that nothing can be measured of."""

import numpy as np
import pytest

from gleann.index.errors import (
    CancelledError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection.coreset import (
    Problem,
    choose_baselines,
    draw_within_groups,
    k_center,
    margin,
    uniform,
    within_groups,
)
from gleann.selection.coreset.methods import stratified

N = 60


@pytest.fixture
def world():
    rng = np.random.default_rng(2)
    return rng.normal(size=(N, 3)).astype(np.float32), rng.random(N)


def chooser(points, costs, **weighing):
    def choose(method, *, seed):
        drawing = {} if seed is None else {"seed": seed}
        problem = Problem.of(points, k=7, costs=costs, locked=[4], **weighing)
        return method(problem, **drawing)

    return choose


@pytest.mark.parametrize("weight", [0.0, 0.3, 50.0])
def test_the_strongest_is_the_simple_method_of_lower_objective(world, weight):
    points, costs = world
    given = {"k": 7, "costs": costs, "cost_weight": weight, "locked": [4]}
    spread, cheap = k_center(points, seed=3, **given), margin(points, **given)
    beside = choose_baselines(
        chooser(points, costs, cost_weight=weight), method="gist", priced=True, seed=3
    )
    best = min((spread, cheap), key=lambda one: one.objective)
    assert beside.name == best.method
    assert beside.strongest.rows.tolist() == best.rows.tolist()
    drawn = uniform(points, seed=3, **given)
    spread_out = stratified(Problem.of(points, **given), seed=3)
    assert beside.summary() == {
        "random_radius": drawn.radius,
        "random_cost": pytest.approx(costs[drawn.rows].sum()),
        "random_objective": drawn.objective,
        # 59 open rows, 7 at a time.
        "random_epochs": 9,
        "stratified_radius": spread_out.radius,
        "stratified_cost": pytest.approx(costs[spread_out.rows].sum()),
        "stratified_objective": spread_out.objective,
        "baseline": best.method,
        "baseline_radius": best.radius,
        "baseline_cost": best.cost,
        "baseline_objective": best.objective,
    }


def test_distances_decide_where_costs_weigh_nothing_and_costs_where_much(world):
    points, costs = world
    names = [
        choose_baselines(
            chooser(points, costs, cost_weight=weight),
            method="ccs",
            priced=True,
            seed=0,
        ).name
        for weight in (0.0, 1e6)
    ]
    assert names == ["farthest_first", "margin"]


def test_of_equals_farthest_first_is_named(world):
    _, costs = world
    same = chooser(np.ones((N, 3), np.float32), costs)
    beside = choose_baselines(same, method="gist", priced=True, seed=0)
    assert (beside.name, beside.strongest.objective) == ("farthest_first", 0.0)


@pytest.mark.parametrize(
    ("method", "priced", "left"),
    [
        ("farthest_first", False, ""),
        ("farthest_first", True, "margin"),
        ("margin", True, "farthest_first"),
        ("weighted_k_center", False, "farthest_first"),
    ],
)
def test_a_method_is_no_baseline_of_its_own(method, priced, left, world):
    beside = choose_baselines(chooser(*world), method=method, priced=priced, seed=0)
    assert beside.name == left
    assert (beside.strongest is None) == (left == "")
    assert ("baseline" in beside.summary()) == (left != "")


def test_stratified_rows_keep_the_shares_of_clusters():
    rng = np.random.default_rng(1)
    sizes = [600, 300, 100]
    centres = np.array([[0, 0], [100, 0], [0, 100]])
    points = np.repeat(centres, sizes, axis=0) + rng.normal(size=(1000, 2))
    clusters = np.repeat(np.arange(3), sizes)
    by_chance, by_cells = [], []
    for seed in range(30):
        problem = Problem.of(np.float32(points), k=50, locked=[0, 999])
        found = stratified(problem, seed=seed)
        assert len(set(found.rows.tolist())) == 50
        assert not np.isin([0, 999], found.rows).any()
        assert found.provenance["method"] == "stratified"
        by_cells.append(np.bincount(clusters[found.rows], minlength=3))
        drawn = uniform(np.float32(points), k=50, seed=seed)
        by_chance.append(np.bincount(clusters[drawn.rows], minlength=3))
    assert np.mean(by_cells, axis=0) == pytest.approx([30, 15, 5], abs=0.7)
    assert (np.std(by_cells, axis=0) < np.std(by_chance, axis=0)).all()


def test_every_row_is_as_likely_in_a_stratified_draw():
    points = np.float32(np.random.default_rng(5).normal(size=(40, 2)))
    counts = np.zeros(40)
    for seed in range(600):
        found = stratified(Problem.of(points, k=8, locked=[3]), seed=seed)
        counts[found.rows] += 1
    share = 8 / 39
    expected = 600 * share
    slack = 4.5 * np.sqrt(expected * (1 - share))
    assert counts[3] == 0
    assert np.abs(np.delete(counts, 3) - expected).max() < slack


def test_comparing_can_be_cancelled(world):
    def cancel(progress):
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        choose_baselines(
            chooser(*world), method="gist", priced=True, seed=0, progress=cancel
        )


@pytest.mark.parametrize("locked", [[], [3, 11, 30]])
@pytest.mark.parametrize("names", [[0, 1, 2], ["c", "a", "b"]])
def test_draws_within_groups_are_those_that_are_measured(world, names, locked):
    points, _ = world
    groups = np.array(names)[np.arange(N) % 3]
    quotas = dict(zip(names, (5, 0, 20 if not locked else 19), strict=True))
    measured = within_groups(
        uniform, points, groups=groups, quotas=quotas, locked=locked, seed=9
    )
    drawn = draw_within_groups(groups, quotas=quotas, locked=locked, seed=9)
    assert drawn.rows.tolist() == measured.rows.tolist()
    assert drawn.why["group"].tolist() == groups[drawn.rows].tolist()
    assert drawn.provenance["seed"] == 9
    assert drawn.provenance["params"]["excluded"] == len(locked)


def test_draws_that_cannot_be_are_refused():
    groups = np.arange(12) % 2
    for quotas, words in (
        ({0: 7}, "quota of group 0 is 7, but it has 6"),
        ({2: 1}, "quota of group 2 is 1, but it has 0"),
        ({0: -1}, "at least 0, got -1"),
        ({0: 0}, "at least 1, got 0"),
    ):
        with pytest.raises(InvalidParamsError, match=words):
            draw_within_groups(groups, quotas=quotas)
    with pytest.raises(InvalidParamsError, match="is 6, but it has 5"):
        draw_within_groups(groups, quotas={0: 6}, locked=[4])
    with pytest.raises(DuplicateIdError, match="2 entries, of which 1"):
        draw_within_groups(groups, quotas={0: 1}, locked=[4, 4])
    with pytest.raises(InvalidInputError, match="one-dimensional"):
        draw_within_groups(np.ones((3, 2)), quotas={1: 1})
    with pytest.raises(InvalidParamsError, match="seed must be at least 0"):
        draw_within_groups(groups, quotas={0: 1}, seed=-1)
