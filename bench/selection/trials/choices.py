"""Choice among proxies and budgets shared over groups, against simpler methods."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.selection.trials.populations import NAMES, load_population
from gleann.selection.estimate import (
    Estimate,
    EstimateParams,
    estimate,
    estimate_choosing,
    estimate_disjoint_groups,
    estimate_overlapping_groups,
    uniform_estimate,
)

BUDGET = 1000
GROUP_ROWS = 10_000
GROUP_BUDGET = 1500
POPULATION_SEED = 1


def choice_rows(folder: Path, *, trials: int, seed: int) -> list[dict[str, Any]]:
    """Counts by the real proxy, a noisy one, a shuffled one, and the chosen one."""
    rows = []
    for name in NAMES:
        people = load_population(folder, name, values="independent")
        rng = np.random.default_rng(POPULATION_SEED)
        noise = np.exp(rng.normal(0, 2, size=len(people.proxy)))
        proxies = {
            "shuffled": rng.permutation(people.proxy),
            "noisy": np.clip(people.proxy * noise, 0, 1),
            "real": people.proxy,
        }

        def oracle(ids: Any, held: Any = people.held) -> Any:
            return held[ids], None

        params = [
            EstimateParams(budget=BUDGET, seed=seed + number)
            for number in range(trials)
        ]
        chosen = [estimate_choosing(proxies, oracle, one) for one in params]
        picked = Counter(made.provenance["choice"]["name"] for made in chosen)
        truth = people.truth("count")
        rows.append(
            {"data": name, "proxy": "chosen", "picked": dict(picked)}
            | errors(chosen, truth)
        )
        for proxy, scores in proxies.items():
            made = [estimate(scores, oracle, one) for one in params]
            rows.append(
                {"data": name, "proxy": proxy, "picked": ""} | errors(made, truth)
            )
    return rows


def group_rows(*, trials: int, seed: int) -> list[dict[str, Any]]:
    """Averages of three synthetic groups, one predicate each and then disjoint."""
    people = _grouped_people()
    rows = []
    for method, (call, held) in _group_methods(people).items():
        made = [
            call(EstimateParams(target="avg", budget=GROUP_BUDGET, seed=seed + number))
            for number in range(trials)
        ]
        for name in people.proxies:
            truth = float(people.values[held[name]].mean())
            rows.append(
                {"method": method, "group": name, "rows": int(held[name].sum())}
                | errors([one[name] for one in made], truth)
            )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grouped:
    """Synthetic rows in three groups.

    Attributes:
        proxies: (n,) of each group.
        values: (n,).
        apart: the members of each group, each by a separate predicate.
        group: (n,) number of the one group of each row, -1 for none.
    """

    proxies: dict[str, np.ndarray]
    values: np.ndarray
    apart: dict[str, np.ndarray]
    group: np.ndarray


def _grouped_people() -> _Grouped:
    rng = np.random.default_rng(POPULATION_SEED)
    n = GROUP_ROWS
    proxies = {
        "common": rng.beta(0.1, 0.5, size=n),
        "rare": rng.beta(0.1, 2, size=n) / 2,
        "middling": rng.beta(0.2, 4, size=n) * 0.6,
    }
    values = rng.normal(10, 3, size=n)
    apart = {name: rng.random(n) < proxy for name, proxy in proxies.items()}
    chances = np.stack(list(proxies.values()))
    chances = chances / np.maximum(chances.sum(axis=0), 1)
    group = (rng.random(n) > np.cumsum(chances, axis=0)).sum(axis=0)
    group[group == len(proxies)] = -1
    return _Grouped(proxies=proxies, values=values, apart=apart, group=group)


def _group_methods(people: _Grouped) -> dict[str, tuple[Callable[..., Any], Any]]:
    """The function that runs a method, and the members of each group there."""
    proxies, values, apart, group = (
        people.proxies,
        people.values,
        people.apart,
        people.group,
    )
    disjoint = {name: group == number for number, name in enumerate(proxies)}

    def shared(params: EstimateParams) -> dict[str, Estimate]:
        oracles = {name: _answers(held, values) for name, held in apart.items()}
        return estimate_overlapping_groups(proxies, oracles, params)

    def classes(params: EstimateParams) -> dict[str, Estimate]:
        return estimate_disjoint_groups(
            proxies, lambda ids: (group[ids], values[ids]), params
        )

    def each(run: Callable[..., Estimate], held: Any, budget: int) -> Any:
        def call(params: EstimateParams) -> dict[str, Estimate]:
            own = EstimateParams(target="avg", budget=budget, seed=params.seed)
            return {
                name: run(proxies[name], _answers(held[name], values), own)
                for name in proxies
            }

        return call

    third, whole = GROUP_BUDGET // 3, GROUP_BUDGET
    return {
        "one oracle a group, shared": (shared, apart),
        "one oracle a group, even": (each(estimate, apart, third), apart),
        "one oracle a group, uniform": (each(uniform_estimate, apart, third), apart),
        "one oracle, linear program": (classes, disjoint),
        "one oracle, uniform": (each(uniform_estimate, disjoint, whole), disjoint),
    }


def errors(made: list[Estimate], truth: float) -> dict[str, Any]:
    """RMSE relative to the truth, bias in RMSE, coverage, labels."""
    values = np.array([one.value for one in made if one.value is not None])
    ends = [(one.low, one.high) for one in made if one.low is not None]
    rmse = float(np.sqrt(((values - truth) ** 2).mean()))
    return {
        "trials": len(made),
        "rmse": round(rmse / abs(truth), 5),
        "bias_over_rmse": round(float((values.mean() - truth) / rmse), 3),
        "coverage": round(
            float(np.mean([low <= truth <= high for low, high in ends])), 3
        ),
        "labels": round(float(np.mean([one.labels_used for one in made])), 1),
    }


def _answers(held: Any, values: Any) -> Callable[[Any], tuple[Any, Any]]:
    return lambda ids: (held[ids], values[ids])
