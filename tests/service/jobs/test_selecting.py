"""What a selection job says of itself, against the library it calls."""

from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index.errors import InvalidParamsError
from gleann.selection import coreset
from gleann.selection.estimate import EstimateParams
from gleann.service.wire.coreset_messages import quotas_of
from gleann.v1.coreset_pb2 import GroupQuota, Quotas

IDS = np.arange(240) * 10
COSTS = np.random.default_rng(3).random(240)
GROUPS = np.array(["a", "b", "c"])[np.arange(240) % 3]


def test_provenance_is_that_of_the_library(
    built: gleann.Client, rows: np.ndarray
) -> None:
    """Defaults, locked rows and the weight as it was given are all in it."""
    made = built.coresets.weighted_k_center(
        "built",
        k=6,
        costs=(IDS, COSTS),
        cost_weight=0.5,
        cost_on="mean",
        locked_ids=[30, 50],
    ).wait(timeout=60)
    expected = coreset.weighted_k_center(
        rows, k=6, costs=COSTS, cost_weight=0.5, cost_on="mean", locked=[3, 5]
    )
    said = dict(made.provenance)
    assert len(str(said.pop("data_hash"))) == 64
    library = dict(expected.provenance)
    library.pop("data_hash")
    assert said == library
    assert said["params"]["eps"] == 0.1  # type: ignore[index]
    assert made.ids.tolist() == IDS[expected.rows].tolist()
    plain = built.coresets.uniform("built", k=5, seed=2, locked_ids=[30]).wait(
        timeout=60
    )
    assert plain.provenance["method"] == "uniform"
    assert plain.provenance["seed"] == 2
    assert plain.provenance["params"] == {"n": 240, "k": 5, "excluded": 1}


def callers(ids: np.ndarray) -> dict[str, Any]:
    """What each method needs to choose among `ids`."""
    costs = (ids, COSTS[: len(ids)])
    return {
        "uniform": {},
        "farthest_first": {},
        "weighted_k_center": {"costs": costs},
        "gist": {"costs": costs},
        "ccs": {"costs": costs},
        "margin": {"costs": costs},
    }


@pytest.mark.parametrize("method", callers(IDS))
def test_all_vectors_that_pass_may_be_chosen(built: gleann.Client, method: str) -> None:
    start = getattr(built.coresets, method)
    for ids in (IDS[:8], IDS[:1]):
        asked = callers(ids)[method]
        among = {"where": "id IN $1", "parameters": [ids]}
        made = start("built", k=len(ids), **asked, **among).wait(timeout=60)
        assert sorted(made.ids.tolist()) == ids.tolist()
        if method != "uniform":  # which measures nothing
            assert made.summary["radius"] == 0
        says = rf"1\.\.{len(ids)}, got 9: there are {len(ids)} vectors that pass"
        with pytest.raises(InvalidParamsError, match=says):
            start("built", k=9, **asked, **among).wait(timeout=60)


def test_locked_vectors_leave_less_to_choose(built: gleann.Client) -> None:
    few = {"allowed_ids": IDS[:3], "locked_ids": IDS[:2]}
    made = built.coresets.uniform("built", k=1, **few).wait(timeout=60)
    assert made.ids.tolist() == IDS[2:3].tolist()
    with pytest.raises(InvalidParamsError, match=r"1\.\.1, got 2: .* 2 are locked"):
        built.coresets.uniform("built", k=2, **few).wait(timeout=60)
    few["locked_ids"] = IDS[:3]
    with pytest.raises(InvalidParamsError, match=r"no vector can be .* 3 are locked"):
        built.coresets.uniform("built", k=1, **few).wait(timeout=60)


def test_quotas_by_group_travel(built: gleann.Client, rows: np.ndarray) -> None:
    quotas = {"a": 3, "b": 0.4}
    made = built.coresets.farthest_first(
        "built", k=10, seed=2, groups=(IDS, GROUPS), quotas=quotas
    ).wait(timeout=60)
    assert np.unique(made.why["group"], return_counts=True)[1].tolist() == [3, 4, 3]
    request = coreset.CoresetRequest(
        method="farthest_first", k=10, seed=2, groups=GROUPS, quotas=quotas
    )
    assert made.ids.tolist() == IDS[coreset.select(request, rows).chosen.rows].tolist()
    params: Any = made.provenance["params"]
    assert params["quotas"] == {"a": 3, "b": 4, "c": 3}
    assert "quota_rule" not in params
    for bad, said in (
        ({"a": 0.5, "b": 0.6}, "sum to 11, but k is 10"),
        ({"a": "many"}, "quota of 'a' must be an integer"),
        ({"a": -1}, "quota of 'a' must be at least 0"),
        ({"a": 1.5}, "quota of 'a' .* must be in"),
        ("rarely", "or a number or share by group"),
    ):
        with pytest.raises(InvalidParamsError, match=said):
            built.coresets.farthest_first(
                "built",
                k=10,
                groups=(IDS, GROUPS),
                quotas=bad,  # type: ignore[arg-type]
            ).wait(timeout=60)


@pytest.mark.parametrize(
    ("quotas", "said"),
    [
        ([GroupQuota(group="a", number=1), GroupQuota(group="a", number=2)], "twice"),
        ([GroupQuota(group="a")], "no number and no share"),
    ],
)
def test_quotas_on_the_wire_are_checked(quotas: Any, said: str) -> None:
    with pytest.raises(InvalidParamsError, match=said):
        quotas_of(Quotas(quotas=quotas))


@pytest.mark.parametrize("rule", ["equal", "proportional"])
def test_groups_are_remembered_and_weighed_as_asked(
    built: gleann.Client, rows: np.ndarray, rule: str
) -> None:
    made = built.coresets.weighted_k_center(
        "built",
        k=9,
        costs=(IDS, COSTS),
        cost_weight=0.5,
        groups=(IDS, GROUPS),
        quotas=rule,
    ).wait(timeout=60)
    params: Any = made.provenance["params"]
    assert made.provenance["method"] == "weighted_k_center_within_groups"
    assert params["quota_rule"] == rule
    assert params["quotas"] == {"a": 3, "b": 3, "c": 3}
    assert set(params["within"]) == {"a", "b", "c"}
    summary: Any = made.summary
    chosen = np.searchsorted(IDS, made.ids)
    assert summary["objective"] == pytest.approx(
        summary["radius"] + 0.5 * COSTS[chosen].sum()
    )


def test_random_rows_stand_beside_the_chosen(
    built: gleann.Client, rows: np.ndarray
) -> None:
    made = built.coresets.ccs("built", k=7, costs=(IDS, COSTS), seed=4).wait(timeout=60)
    drawn = coreset.uniform(rows, k=7, costs=COSTS, seed=4)
    assert made.summary["random_radius"] == drawn.radius
    assert made.summary["random_cost"] == drawn.cost
    grouped = built.coresets.farthest_first(
        "built", k=9, seed=4, groups=(IDS, GROUPS)
    ).wait(timeout=60)
    apart = coreset.within_groups(
        coreset.uniform,
        rows,
        groups=GROUPS,
        quotas=dict.fromkeys("abc", 3),
        seed=4,
    )
    assert grouped.summary["random_radius"] == apart.radius
    alone = built.coresets.uniform("built", k=9, groups=(IDS, GROUPS)).wait(timeout=60)
    assert "random_radius" not in alone.summary


def test_the_strongest_simple_method_stands_beside_the_chosen(
    built: gleann.Client, rows: np.ndarray
) -> None:
    made = built.coresets.gist("built", k=7, costs=(IDS, COSTS)).wait(timeout=60)
    spread = coreset.k_center(rows, k=7, costs=COSTS, seed=0)
    assert made.summary["baseline"] == "farthest_first"
    assert made.summary["baseline_radius"] == spread.radius
    assert made.summary["baseline_cost"] == spread.cost
    heavy = built.coresets.weighted_k_center(
        "built", k=7, costs=(IDS, COSTS), cost_weight=1e5, groups=(IDS, GROUPS)
    ).wait(timeout=60)
    cheap = coreset.within_groups(
        coreset.margin,
        rows,
        groups=GROUPS,
        quotas=coreset.proportional_quotas(GROUPS, k=7),
        costs=COSTS,
        cost_weight=1e5,
    )
    assert heavy.summary["baseline"] == "margin"
    assert heavy.summary["baseline_objective"] == cheap.objective
    free = built.coresets.weighted_k_center("built", k=7).wait(timeout=60)
    assert free.summary["baseline"] == "farthest_first"
    alone = built.coresets.farthest_first("built", k=7).wait(timeout=60)
    assert "baseline" not in alone.summary
    assert "random_radius" in alone.summary


def test_a_draw_needs_no_metric_within_groups_either(
    client: gleann.Client, rows: np.ndarray
) -> None:
    client.create_index("inner", dim=8, metric="ip")
    client.upsert("inner", IDS, rows)
    made = client.coresets.uniform("inner", k=9, groups=(IDS, GROUPS), seed=2).wait(
        timeout=60
    )
    drawn = coreset.draw_within_groups(GROUPS, quotas=dict.fromkeys("abc", 3), seed=2)
    assert made.ids.tolist() == IDS[drawn.rows].tolist()
    assert "radius" not in made.summary
    whole = client.coresets.uniform("inner", k=240, groups=(IDS, GROUPS)).wait(
        timeout=60
    )
    assert sorted(whole.ids.tolist()) == IDS.tolist()


def test_keywords_that_a_method_does_not_take_are_refused(
    built: gleann.Client,
) -> None:
    unknown: dict[str, Any] = {"lock_ids": [30]}
    with pytest.raises(TypeError, match="lock_ids"):
        built.coresets.uniform("built", k=3, **unknown)
    locked: dict[str, Any] = {"locked_ids": [30]}
    with pytest.raises(TypeError, match="locked_ids"):
        built.coresets.farthest_first("built", k=3, **locked)
    params = EstimateParams(target="count", budget=20)
    misspelt: dict[str, Any] = {"example": (IDS[:2], [0, 1])}
    with pytest.raises(TypeError, match="example"):
        built.estimates.start("built", params=params, **misspelt)
