"""One call for a coreset request: methods by name, with their baselines."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from gleann.index.errors import CancelledError, InvalidInputError, InvalidParamsError
from gleann.selection import coreset
from gleann.selection.coreset import (
    CoresetRequest,
    Problem,
    draw,
    draw_within_groups,
    methods,
    select,
)
from gleann.selection.coreset import problem as problems
from gleann.selection.coreset.methods import defaults
from gleann.selection.uniform import uniform_rows

N, K = 80, 9
RNG = np.random.default_rng(4)
ROWS = RNG.normal(size=(N, 5)).astype(np.float32)
COSTS = RNG.random(N)
GROUPS = np.arange(N) % 3
LOCKED = [0, 7]
CALLS = {
    "weighted_k_center": partial(coreset.weighted_k_center, cost_weight=1.0),
    "farthest_first": partial(coreset.k_center, seed=3),
    "gist": partial(coreset.gist, diversity=1.0),
    "ccs": partial(coreset.ccs, seed=3),
    "margin": coreset.margin,
    "random": partial(coreset.uniform, seed=3),
}
"""The functions that a request by each name stands for, with all defaults."""


def asked(method, **more):
    return CoresetRequest(
        method=method, k=K, costs=COSTS, locked=LOCKED, seed=3, **more
    )


@pytest.mark.parametrize("method", CALLS)
def test_a_request_is_the_function_of_its_name(method):
    answer = select(asked(method), ROWS)
    want = CALLS[method](ROWS, k=K, costs=COSTS, locked=LOCKED)
    assert answer.chosen.rows.tolist() == want.rows.tolist()
    assert answer.chosen.objective == want.objective
    assert answer.chosen.provenance == want.provenance


@pytest.mark.parametrize("method", set(CALLS) - {"random"})
def test_it_has_the_baselines_of_the_same_problem(method):
    answer = select(asked(method, cost_weight=0.7), ROWS)
    shared = {"k": K, "costs": COSTS, "locked": LOCKED, "cost_weight": 0.7}
    drawn = coreset.uniform(ROWS, seed=3, **shared)
    simple = {
        "farthest_first": coreset.k_center(ROWS, seed=3, **shared),
        "margin": coreset.margin(ROWS, **shared),
    }
    simple.pop(method, None)
    name = min(simple, key=lambda each: simple[each].objective)
    assert answer.baselines.drawn.rows.tolist() == drawn.rows.tolist()
    assert answer.baselines.name == name
    assert answer.baselines.strongest.objective == simple[name].objective
    summary = answer.to_selection().summary
    assert summary["baseline_objective"] == simple[name].objective
    assert summary["random_objective"] == drawn.objective


EVERY = {
    "plain": (N, {}),
    "one row": (1, {"among": [5]}),
    "some rows": (30, {"among": np.arange(N) < 30}),
    "the unlocked": (N - 2, {"locked": LOCKED}),
    "groups": (N, {"groups": GROUPS}),
    "weighed": (N, {"cost_weight": 0.5, "cost_on": "mean"}),
}


@pytest.mark.parametrize("case", EVERY)
@pytest.mark.parametrize("method", CALLS)
def test_every_method_may_choose_all_candidates(method, case):
    k, more = EVERY[case]
    request = CoresetRequest(method=method, k=k, costs=COSTS, seed=3, **more)
    answer = select(request, ROWS)
    among = np.flatnonzero(more["among"]) if case == "some rows" else np.arange(N)
    expected = [5] if case == "one row" else np.setdiff1d(among, more.get("locked", []))
    assert sorted(answer.chosen.rows.tolist()) == list(expected)
    assert answer.chosen.radius == 0
    weight = 0.5 / k if "cost_weight" in more else request.cost_weight
    if weight is None:
        weight = defaults.COST_WEIGHT if method == "weighted_k_center" else 0
    assert answer.chosen.objective == pytest.approx(weight * COSTS[expected].sum())
    json.dumps(dict(answer.to_selection().summary), allow_nan=False)
    with pytest.raises(InvalidParamsError, match=rf"{k + 1}"):
        select(replace(request, k=k + 1), ROWS)


def test_shards_and_facility_location_may_choose_all_candidates():
    sharded = coreset.parallel_weighted_k_center(
        ROWS, k=N, costs=COSTS, cost_weight=0.5, shards=3
    )
    assert sorted(sharded.rows.tolist()) == list(range(N))
    assert sharded.radius == 0
    located = coreset.facility_location(ROWS, k=N)
    assert sorted(located.rows.tolist()) == list(range(N))


def test_random_rows_are_a_baseline_and_have_none():
    answer = select(asked("random"), ROWS)
    assert answer.baselines is None
    assert "random_radius" not in answer.to_selection().summary


@pytest.mark.parametrize("rule", ["proportional", "equal"])
@pytest.mark.parametrize("method", ["gist", "ccs"])
def test_quotas_by_rule_are_quotas_by_number_of_the_open_rows(rule, method):
    shares = {
        "proportional": coreset.proportional_quotas,
        "equal": coreset.equal_quotas,
    }[rule](np.delete(GROUPS, LOCKED), k=K)
    by_rule = select(asked(method, groups=GROUPS, quotas=rule), ROWS)
    by_number = select(asked(method, groups=GROUPS, quotas=shares), ROWS)
    assert by_rule.chosen.rows.tolist() == by_number.chosen.rows.tolist()
    taken = np.bincount(GROUPS[by_rule.chosen.rows], minlength=3)
    assert dict(enumerate(taken.tolist())) == shares
    of_baseline = np.bincount(GROUPS[by_rule.baselines.drawn.rows], minlength=3)
    assert of_baseline.tolist() == taken.tolist()


def test_options_reach_the_method():
    answer = select(asked("ccs", options={"strata": 4, "hardest_share": 0.3}), ROWS)
    params = answer.chosen.provenance["params"]
    assert (params["strata"], params["hardest_share"]) == (4, 0.3)
    shards = select(asked("weighted_k_center", options={"shards": 3}), ROWS)
    assert shards.chosen.provenance["method"] == "parallel_weighted_k_center"


def test_defaults_are_those_of_one_place():
    params = select(asked("gist"), ROWS).chosen.provenance["params"]
    assert params["diversity"] == defaults.DIVERSITY
    assert params["eps"] == defaults.THRESHOLD_STEP
    assert params["cost_weight"] == 0.0
    weighed = select(asked("weighted_k_center"), ROWS).chosen.provenance["params"]
    assert weighed["cost_weight"] == defaults.COST_WEIGHT
    assert weighed["eps"] == defaults.RADIUS_STEP


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"method": "k_center"}, InvalidParamsError, "weighted_k_center"),
        ({"quotas": "even"}, InvalidParamsError, "proportional"),
        ({"options": {"eps": 0.1}}, InvalidParamsError, "ccs has no option 'eps'"),
        ({"costs": None}, InvalidInputError, "ccs needs costs"),
    ],
)
def test_an_impossible_request_is_refused_when_it_is_made(change, error, said):
    with pytest.raises(error, match=said):
        replace(asked("ccs"), **change)


def test_quotas_that_are_not_k_are_refused():
    request = asked("gist", groups=GROUPS, quotas={0: 5, 1: 5})
    with pytest.raises(InvalidParamsError, match="the quotas sum to 10, but k is 9"):
        select(request, ROWS)


def test_rows_are_prepared_once_for_the_choice_and_its_baselines(monkeypatch):
    made = []

    def counted(vectors, *, device):
        made.append(len(vectors))
        return make_points(vectors, device=device)

    make_points = problems.make_points
    monkeypatch.setattr(problems, "make_points", counted)
    select(asked("weighted_k_center"), ROWS)
    assert made == [N]


def test_it_tells_when_it_begins_to_compare_and_can_be_stopped():
    heard = []
    select(asked("weighted_k_center"), ROWS, progress=heard.append)
    phases = [one.phase for one in heard]
    assert phases.count("compare") == 1
    assert "traverse" in phases[: phases.index("compare")]
    assert "traverse" in phases[phases.index("compare") :]

    def stop(progress):
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        select(asked("farthest_first"), ROWS, progress=stop)


def test_a_draw_needs_no_vectors():
    request = CoresetRequest(method="random", k=K, locked=LOCKED, seed=3)
    names = [f"r{row}" for row in range(N)]
    plain = draw(request, n=N, ids=names)
    want = uniform_rows(N, k=K, seed=3, excluded=LOCKED)
    assert plain.ids.tolist() == [names[row] for row in want]
    grouped = draw(replace(request, groups=GROUPS, quotas="equal"), n=N)
    shares = coreset.equal_quotas(np.delete(GROUPS, LOCKED), k=K)
    same = draw_within_groups(GROUPS, quotas=shares, locked=LOCKED, seed=3)
    assert grouped.rows.tolist() == same.rows.tolist()
    every = CoresetRequest(method="random", k=N)
    assert sorted(draw(every, n=N).rows.tolist()) == list(range(N))
    assert sorted(select(every, ROWS).chosen.rows.tolist()) == list(range(N))


def test_a_problem_is_checked_once_and_solved_by_any_method():
    problem = Problem.of(ROWS, k=K, costs=COSTS, cost_weight=0.5, locked=LOCKED)
    for solve, function in (
        (methods.margin, coreset.margin),
        (
            partial(methods.ccs, strata=5, seed=7),
            partial(coreset.ccs, strata=5, seed=7),
        ),
        (
            partial(methods.gist, diversity=2.0),
            partial(coreset.gist, diversity=2.0),
        ),
        (methods.weighted_k_center, coreset.weighted_k_center),
    ):
        want = function(ROWS, k=K, costs=COSTS, cost_weight=0.5, locked=LOCKED)
        got = solve(problem)
        assert got.rows.tolist() == want.rows.tolist()
        assert got.provenance == want.provenance
    with pytest.raises(InvalidParamsError, match=r"k must be in 1\.\.78"):
        Problem.of(ROWS, k=N, locked=LOCKED)
