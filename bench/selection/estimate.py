"""`python -m bench selection estimate`: bias, error and coverage of estimates.

Simulated draws on real proxies and labels, each trial from its own seed. The file holds
what `selection/DECISIONS.md` quotes; the same seeds give the same tables.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir
from time import perf_counter
from typing import Any

import numpy as np

from bench.ending import refusing_data
from bench.option_types import positive
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.plots import plot_estimates
from bench.selection.trials.choices import choice_rows, group_rows
from bench.selection.trials.options import add_trial_options
from bench.selection.trials.populations import (
    NAMES,
    VALUES,
    Population,
    load_population,
)
from bench.selection.trials.simulate import Trial, abae, ours, uniform
from bench.tables import markdown
from gleann.selection.estimate import Estimate, EstimateParams

BUDGET = 1000
BUDGETS = (250, 500, 1000, 2000, 4000)
CURVE_TRIALS = 200
CURVE_METHODS = (
    "uniform",
    "ABae as written",
    "sqrt_mass, 5",
    "sqrt_mass, 5, bootstrap",
)
STOP_WIDTHS = (1.0, 0.5, 0.25)
BEFORE = {"allocation": "even", "interval": "delta"}
"""The defaults when cuts were compared; all but the method "default" has them."""
STOP_PLAN = {"rounds": 10, "pilot_share": 0.1}
NORMAL = 1.959963984540054

# A method: its name, the parameters that differ, and how it is tried.
METHODS: dict[str, tuple[Callable[[Population, EstimateParams], Trial], dict]] = {
    "uniform": (uniform, BEFORE),
    "ABae as written": (abae, BEFORE),
    "equal_size, 5": (ours, BEFORE | {"strata_cut": "equal_size"}),
    "sqrt_mass, 5": (ours, BEFORE),
    "sqrt_mass, 5, bootstrap": (ours, BEFORE | {"interval": "bootstrap"}),
    "sqrt_mass, 10": (ours, BEFORE | {"strata": 10}),
    "geometric, 8": (ours, BEFORE | {"strata_cut": "geometric", "strata": 8}),
    "default": (ours, {}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The summarised fields of an estimate; see `Estimate`."""

    value: float | None
    low: float | None
    high: float | None
    labels_used: float | None

    @classmethod
    def of(cls, made: Estimate) -> "Told":
        """The fields of an estimate."""
        return cls(
            value=made.value,
            low=made.low,
            high=made.high,
            labels_used=made.labels_used,
        )


def summarise(
    made: Sequence[Estimate | Told], truth: float
) -> dict[str, float | int | None]:
    """Error, bias, coverage and width of estimates of one number.

    RMSE and widths are relative to the truth; the ideal width is 2 * 1.96 RMSE.
    """
    values = np.array([one.value for one in made if one.value is not None])
    ends = np.array([(one.low, one.high) for one in made if one.low is not None])
    error = values - truth
    rmse = float(np.sqrt((error**2).mean())) if len(values) else np.nan
    width = float((ends[:, 1] - ends[:, 0]).mean()) if len(ends) else np.nan
    held = (ends[:, 0] <= truth) & (truth <= ends[:, 1]) if len(ends) else np.zeros(0)
    return {
        "trials": len(made),
        "undefined": len(made) - len(values),
        "without_interval": len(made) - len(ends),
        "rmse": _number(rmse / abs(truth)),
        "bias_over_rmse": _number(error.mean() / rmse if rmse else 0.0),
        "coverage": _number(held.mean() if len(ends) else np.nan),
        "width": _number(width / abs(truth)),
        "width_over_ideal": _number(width / (2 * NORMAL * rmse) if rmse else np.nan),
        "labels": _number(np.mean([one.labels_used for one in made])),
    }


def table_rows(
    folder: Path, *, methods: Sequence[str], trials: int, seed: int
) -> list[dict[str, Any]]:
    """Methods on every data set, target and value."""
    rows = []
    for name in NAMES:
        for values in VALUES:
            people = load_population(folder, name, values=values)
            # A count does not look at values.
            targets = ("count", "avg", "sum")[values != VALUES[0] :]
            for target in targets:
                say(f"{name}, {target}, values {values}")
                params = EstimateParams(target=target, budget=BUDGET)
                case = {
                    "data": name,
                    "target": target,
                    "values": "" if target == "count" else values,
                }
                for method in methods:
                    make, changes = METHODS[method]
                    trial = make(people, replace(params, **changes))
                    start = perf_counter()
                    made = [trial(seed + number) for number in range(trials)]
                    found = summarise(made, people.truth(target))
                    seconds = round((perf_counter() - start) / trials, 5)
                    rows.append(case | {"method": method} | found)
                    rows[-1]["seconds_a_trial"] = seconds
    return rows


def curve_rows(folder: Path, *, trials: int, seed: int) -> list[dict[str, Any]]:
    """Error and coverage of a count as the budget grows."""
    rows = []
    for name in NAMES:
        people = load_population(folder, name, values=VALUES[0])
        for budget in BUDGETS:
            for method in CURVE_METHODS:
                make, changes = METHODS[method]
                trial = make(people, EstimateParams(budget=budget, **changes))
                made = [trial(seed + number) for number in range(trials)]
                case = {"data": name, "budget": budget, "method": method}
                rows.append(case | summarise(made, people.truth("count")))
    return rows


def stopping_rows(folder: Path, *, trials: int, seed: int) -> list[dict[str, Any]]:
    """Coverage and labels where labelling stops at the first narrow interval."""
    rows = []
    for name in NAMES:
        people = load_population(folder, name, values=VALUES[0])
        for target in ("count", "avg"):
            for width in STOP_WIDTHS:
                relative = width if target == "count" else width / 10
                params = EstimateParams(
                    target=target,
                    budget=4000,
                    stop_at_relative_width=relative,
                    **STOP_PLAN,
                )
                trial = ours(people, params)
                made = [trial(seed + number) for number in range(trials)]
                case = {"data": name, "target": target, "stop_at": relative}
                found = summarise(made, people.truth(target))
                early = np.mean([one.labels_used < params.budget for one in made])
                rows.append(case | found | {"stopped_early": _number(early)})
    return rows


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Make every table and the plots; the result that was written."""
    origin = provenance() | {"command": command_of("estimate")}
    trials, seed = (20 if args.quick else args.trials), args.seed
    few = min(trials, CURVE_TRIALS)
    folder, fewer = args.data, min(trials, 100)
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "table": lambda: table_rows(
            folder, methods=args.methods, trials=trials, seed=seed
        ),
        "stopping": lambda: stopping_rows(folder, trials=few, seed=seed),
        "budgets": lambda: curve_rows(folder, trials=few, seed=seed),
        "choosing": lambda: choice_rows(folder, trials=fewer, seed=seed),
        "groups": lambda: group_rows(trials=fewer, seed=seed),
    }
    if set(args.methods) != set(METHODS):
        parts = {"table": parts["table"]}
    out = args.out or default_out(quick=args.quick)
    head = {
        "mode": "selection-estimate",
        "budget": BUDGET,
        "trials": trials,
        "seed": seed,
        "methods": list(args.methods),
    }
    notes = Notes(out, head | {"data": folder.name}, origin)
    made = {name: notes.once((name,), make) for name, make in parts.items()}
    result = head | made | {"resumed_after": notes.resumed} | origin
    write_result(result, out)
    say(f"result: {out}")
    plot = out.with_suffix(".svg")
    if len(parts) > 1:
        drawn = plot_estimates(result, plot)
        say(f"plot: {plot}" if drawn else "no plot: no matplotlib")
    print(tables(result))
    return result


def default_out(*, quick: bool) -> Path:
    """Where a result goes; a quick one is not to be taken for the recorded one."""
    folder = Path(gettempdir()) / "gleann-bench" if quick else RESULTS
    return folder / "selection-estimate.json"


def tables(result: dict[str, Any]) -> str:
    """All tables of a result, as Markdown."""
    return "\n\n".join(
        f"### {part}\n\n{_table(result[part])}"
        for part in ("table", "stopping", "budgets", "choosing", "groups")
        if part in result
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with supg.npz (supg-proxies)"
    )
    parser.add_argument("--trials", type=positive, default=1000)
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=list(METHODS),
        help="of the first table; without some, the other tables are left out",
    )
    add_trial_options(parser)


@refusing_data
def main() -> int:
    """Run by itself: `python -m bench.selection.estimate`."""
    parser = argparse.ArgumentParser(prog="python -m bench selection estimate")
    add_arguments(parser)
    run(parser.parse_args())
    return 0


def _table(rows: list[dict[str, Any]]) -> str:
    head = list(dict.fromkeys(key for row in rows for key in row))
    return markdown(head, [[_shown(row.get(key)) for key in head] for row in rows])


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


if __name__ == "__main__":
    raise SystemExit(main())
