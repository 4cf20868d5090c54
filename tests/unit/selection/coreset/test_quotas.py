"""Quotas around every method, and the rivals that draw or rank."""

from functools import partial

import numpy as np
import pytest

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection import entropy_costs
from gleann.selection.coreset import (
    ccs,
    entropy,
    equal_quotas,
    gist,
    k_center,
    margin,
    parallel_weighted_k_center,
    proportional_quotas,
    uniform,
    weighted_k_center,
    within_groups,
)

METHODS = {
    "weighted": partial(weighted_k_center, cost_weight=0.1),
    "parallel": partial(parallel_weighted_k_center, cost_weight=0.1, shards=2),
    "k_center": partial(k_center, seed=1),
    "gist": partial(gist, diversity=1.0),
    "margin": margin,
    "ccs": partial(ccs, seed=1),
    "uniform": partial(uniform, seed=1),
}


def table(seed=0, n=120):
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b", "c", "rare"], p=[0.5, 0.3, 0.17, 0.03], size=n)
    return rng.normal(size=(n, 3)), rng.random(n), groups


@pytest.mark.parametrize("name", METHODS)
def test_every_method_fills_every_quota(name):
    points, costs, groups = table()
    rare = int((groups == "rare").sum())
    quotas = {"a": 9, "b": 1, "c": 0, "rare": rare}
    locked = np.flatnonzero(groups == "a")[:2]
    got = within_groups(
        METHODS[name], points, groups=groups, quotas=quotas, costs=costs, locked=locked
    )
    chosen, counts = np.unique(groups[got.rows], return_counts=True)
    assert dict(zip(chosen, counts, strict=True)) == {"a": 9, "b": 1, "rare": rare}
    assert not set(got.rows.tolist()) & set(locked.tolist())
    assert got.why["group"].tolist() == groups[got.rows].tolist()
    assert got.lower_bound is None
    centres = points[np.concatenate([got.rows, locked])]
    apart = np.linalg.norm(points[:, None] - centres, axis=2).min(axis=1)
    assert got.radius == pytest.approx(apart.max(), rel=1e-5)
    # Within a group the rows are what the method alone chooses there.
    rows = np.flatnonzero(groups == "a")
    alone = METHODS[name](points[rows], k=9, costs=costs[rows], locked=[0, 1])
    assert got.rows[got.why["group"] == "a"].tolist() == rows[alone.rows].tolist()


def test_beginnings_are_balanced_too():
    points, costs, groups = table(n=200)
    quotas = {"a": 20, "b": 10, "c": 10}
    got = within_groups(margin, points, groups=groups, quotas=quotas, costs=costs)
    for end in range(4, 41):
        share = (groups[got.rows[:end]] == "a").mean()
        assert abs(share - 0.5) <= 2 / end
    cheapest = np.flatnonzero(groups == "a")
    cheapest = cheapest[np.argsort(costs[cheapest])][:20]
    assert got.rows[groups[got.rows] == "a"].tolist() == cheapest.tolist()


def test_quotas_say_each_groups_guess():
    """Where rows led by a guess win: those of a greedy or plain walk have none."""
    told = 0
    for seed in range(6):
        points, costs, groups = table(seed)
        method = partial(weighted_k_center, cost_weight=0.3)
        got = within_groups(
            method, points, groups=groups, quotas={"a": 5, "b": 5}, costs=costs
        )
        for label in ("a", "b"):
            rows = np.flatnonzero(groups == label)
            guess = method(points[rows], k=5, costs=costs[rows]).radius_guess
            found = got.why.get("radius_guess", np.full(10, np.nan))[
                got.why["group"] == label
            ]
            np.testing.assert_array_equal(
                found, np.full(5, np.nan if guess is None else guess)
            )
            told += guess is not None
    assert told


def test_groups_of_equal_size_draw_apart():
    """One stream for all would take the same places of every group."""
    points = np.random.default_rng(0).normal(size=(80, 3))
    costs = np.random.default_rng(1).random(80)
    groups = np.arange(80) % 4
    quotas = dict.fromkeys(range(4), 6)
    for method in (uniform, k_center, ccs):
        shared = {"groups": groups, "quotas": quotas, "costs": costs, "seed": 3}
        got = within_groups(method, points, **shared)
        places = [
            sorted((got.rows[got.why["group"] == group] // 4).tolist())
            for group in range(4)
        ]
        assert len({tuple(one) for one in places}) > 1
        again = within_groups(method, points, **shared | {"quotas": quotas})
        assert again.rows.tolist() == got.rows.tolist()
        turned = dict(reversed(quotas.items()))
        other_order = within_groups(method, points, **shared | {"quotas": turned})
        assert set(other_order.rows.tolist()) == set(got.rows.tolist())
        assert got.provenance["seed"] == 3
        seeds = [one["seed"] for one in got.provenance["params"]["within"].values()]
        assert len(set(seeds)) == 4
    with pytest.raises(InvalidParamsError, match="seed must be at least 0, got -1"):
        within_groups(uniform, points, **shared | {"seed": -1})


def test_within_groups_says_what_was_asked_of_whom():
    points, costs, groups = table()
    quotas = {"a": 9, "b": 4}
    method = partial(weighted_k_center, cost_weight=0.5, cost_on="mean")
    got = within_groups(
        method,
        points,
        groups=groups,
        quotas=quotas,
        costs=costs,
        cost_weight=0.5,
        cost_on="mean",
    )
    assert got.cost == pytest.approx(costs[got.rows].sum())
    assert got.objective == pytest.approx(got.radius + 0.5 * got.cost / 13)
    said = got.provenance
    assert said["method"] == got.method == "weighted_k_center_within_groups"
    assert (said["params"]["cost_weight"], said["params"]["cost_on"]) == (0.5, "mean")
    assert {g: one["k"] for g, one in said["params"]["within"].items()} == quotas
    assert [one["cost_weight"] for one in said["params"]["within"].values()] == [
        0.5,
        0.5,
    ]


def test_quotas_by_hand():
    groups = ["x"] * 7 + ["y"] * 2 + ["z"] * 1
    assert equal_quotas(groups, k=6) == {"x": 3, "y": 2, "z": 1}
    assert equal_quotas(groups, k=5) == {"x": 2, "y": 2, "z": 1}
    assert equal_quotas(groups, k=2) == {"x": 1, "y": 1, "z": 0}
    assert equal_quotas(groups, k=10) == {"x": 7, "y": 2, "z": 1}
    assert proportional_quotas(groups, k=5) == {"x": 4, "y": 1, "z": 0}
    assert proportional_quotas([1, 1, 1, 2], k=2) == {1: 2, 2: 0}


@pytest.mark.parametrize("seed", range(30))
def test_quotas_add_up_and_fit(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 6, size=50)
    k = int(rng.integers(1, 51))
    names, sizes = np.unique(groups, return_counts=True)
    room = dict(zip(names.tolist(), sizes.tolist(), strict=True))
    equal, proportional = equal_quotas(groups, k=k), proportional_quotas(groups, k=k)
    for quotas in (equal, proportional):
        assert sum(quotas.values()) == k
        assert all(0 <= quotas[label] <= room[label] for label in room)
    short = [equal[label] for label in room if equal[label] < room[label]]
    assert not short or max(equal.values()) - min(short) <= 1
    assert all(abs(proportional[x] - k * room[x] / 50) < 1 for x in room)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"quotas": {"a": 2, "nobody": 1}}, InvalidParamsError, "'nobody' is 1, .* 0"),
        ({"quotas": {"a": 90}}, InvalidParamsError, "'a' is 90, but it has"),
        ({"quotas": {"a": -1}}, InvalidParamsError, "quota of 'a' must be at least 0"),
        ({"quotas": {"a": 0.5}}, InvalidParamsError, "quota of 'a' must be an integer"),
        ({"quotas": {}}, InvalidParamsError, "k must be in"),
        ({"groups": ["a", "b"]}, DimensionMismatchError, "2 entries for 120 rows"),
        ({"groups": np.zeros(120)}, InvalidInputError, "integers or strings"),
        ({"groups": np.zeros((120, 1), int)}, InvalidInputError, "one-dimensional"),
    ],
)
def test_quotas_that_do_not_fit_are_refused(change, error, words):
    points, costs, groups = table()
    good = {"groups": groups, "quotas": {"a": 2}, "costs": costs}
    with pytest.raises(error, match=words):
        within_groups(margin, points, **{**good, **change})


def test_locked_rows_leave_no_room_in_a_full_group():
    points, costs, groups = table()
    locked = np.flatnonzero(groups == "rare")
    with pytest.raises(InvalidParamsError, match="'rare' is 1, but it has 0 open rows"):
        within_groups(
            margin,
            points,
            groups=groups,
            quotas={"rare": 1},
            costs=costs,
            locked=locked,
        )


def test_ccs_by_hand():
    # Two of ten dropped; costs 2..9 fall into four strata of two.
    costs = np.arange(10.0)
    points = costs[:, None]
    for seed in range(20):
        got = ccs(points, k=4, costs=costs, hardest_share=0.2, strata=4, seed=seed)
        assert sorted((got.rows // 2).tolist()) == [1, 2, 3, 4]
        assert got.why["stratum"].tolist() == (got.rows // 2 - 1).tolist()
    drawn = {
        int(ccs(points, k=1, costs=costs, strata=1, seed=s).rows[0]) for s in range(60)
    }
    assert drawn == set(range(1, 10))


def test_ccs_takes_any_number_of_strata():
    """Found by fuzzing: two billion of them kept the worker for ever."""
    costs = np.arange(10.0)
    got = ccs(costs[:, None], k=3, costs=costs, hardest_share=0, strata=2**31 - 1)
    assert len(set(got.rows.tolist())) == 3
    assert got.why["stratum"].max() < 2**31 - 1


def test_ccs_shares_what_small_strata_cannot_give():
    costs = np.r_[np.zeros(30), 10.0, 20.0, np.full(30, 30.0)]
    points = np.random.default_rng(0).normal(size=(62, 2))
    got = ccs(points, k=22, costs=costs, hardest_share=0, strata=3)
    assert np.bincount(got.why["stratum"]).tolist() == [10, 1, 11]
    assert np.isin([30], got.rows).all()
    # With all but k rows to drop, as many as may be are dropped.
    rest = ccs(points, k=31, costs=costs, hardest_share=1.0)
    assert sorted(rest.rows.tolist()) == list(range(31, 62))
    level = ccs(points, k=5, costs=np.ones(62), locked=[0, 1])
    assert len(set(level.rows.tolist()) - {0, 1}) == 5


def test_entropy_ranks_by_entropy_where_margin_would_not():
    # Row 0: two classes tie. Row 1: three are nearly alike, the highest entropy.
    probabilities = np.array([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]])
    points = np.arange(3.0)[:, None]
    assert entropy(points, k=1, probabilities=probabilities).rows.tolist() == [1]
    assert margin(points, k=1, costs=np.array([0.0, 0.1, 1.0])).rows.tolist() == [0]
    expected = 1 - np.array([np.log(2), 1.0889, 0.0]) / np.log(3)
    assert entropy_costs(probabilities) == pytest.approx(expected, abs=1e-4)
    assert (entropy_costs(np.full((1, 7), 1 / 7)) >= 0).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda x, c: ccs(x, k=2, costs=c, hardest_share=2),
            InvalidParamsError,
            "hardest",
        ),
        (lambda x, c: ccs(x, k=2, costs=c, strata=0), InvalidParamsError, "strata"),
        (
            lambda x, c: gist(x, k=2, costs=c + 1, diversity=1),
            InvalidInputError,
            r"0\.\.1",
        ),
        (
            lambda x, c: parallel_weighted_k_center(
                x, k=2, costs=c, cost_weight=1, shards=0
            ),
            InvalidParamsError,
            "shards must be at least 1",
        ),
        (lambda x, c: uniform(x, k=121), InvalidParamsError, r"1\.\.120 .* got 121"),
        (lambda x, c: margin(x, k=121, costs=c), InvalidParamsError, r"got 121"),
        (lambda x, c: k_center(x, k=121), InvalidParamsError, r"got 121"),
        (
            lambda x, c: entropy(x, k=1, probabilities=np.full((120, 2), 0.4)),
            InvalidInputError,
            "sum to 0.8",
        ),
    ],
)
def test_rivals_refuse_what_they_cannot_use(call, error, words):
    points, costs, _ = table()
    with pytest.raises(error, match=words):
        call(points, costs)


def test_a_draw_may_take_every_row():
    points, costs, _ = table(n=30)
    got = uniform(points, k=30, costs=costs, cost_weight=2.0, cost_on="mean", seed=1)
    assert sorted(got.rows.tolist()) == list(range(30))
    assert (got.radius, got.objective) == (0.0, pytest.approx(2 * costs.mean()))
    assert uniform(points, k=28, locked=[3, 4]).radius == 0
    with pytest.raises(InvalidParamsError, match=r"1\.\.28 .*2 locked.* got 29"):
        uniform(points, k=29, locked=[3, 4])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_weighs_costs_as_it_was_asked(name):
    points, costs, _ = table()
    weights = {"cost_weight": 0.6, "cost_on": "mean"}
    got = METHODS[name](points, k=12, costs=costs, **weights)
    assert got.objective == pytest.approx(got.radius + 0.6 * got.cost / 12)
    said = got.provenance["params"]
    assert {key: said[key] for key in weights} == weights
    again = METHODS[name](points, k=12, costs=costs, **{w: said[w] for w in weights})
    assert again.rows.tolist() == got.rows.tolist()
    assert again.objective == got.objective


def test_the_diversity_of_gist_is_no_weight_of_costs():
    points, costs, _ = table()
    got = gist(points, k=6, costs=costs, diversity=50.0)
    assert got.objective == got.radius
    assert got.provenance["params"]["cost_weight"] == 0.0
    assert got.provenance["params"]["diversity"] == 50.0
    with pytest.raises(InvalidParamsError, match="diversity must be in"):
        gist(points, k=6, costs=costs, diversity=-1.0)
