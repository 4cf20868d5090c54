"""`python -m bench selection proxy_choices`: one of three proxies, chosen by a pilot.

The real proxy of a SUPG score file, one with noise of two log units and a shuffled one:
error and coverage of the estimate after the choice, beside those of each proxy alone
with the whole budget (the best of them is the choice of an oracle).
"""

import argparse
import os
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from bench.ending import refusing_data
from bench.option_types import positive
from bench.provenance import provenance
from bench.records import default_file
from bench.say import say
from bench.selection.estimate import summarise
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.trials.choices import BUDGET, POPULATION_SEED
from bench.selection.trials.options import add_trial_options
from bench.selection.trials.populations import NAMES, Population, load_population
from bench.selection.trials.simulate import ours
from bench.tables import markdown
from gleann.index.arrays import Rows
from gleann.selection.estimate import EstimateParams, estimate_choosing

CASES = (("count", "independent"), ("avg", "independent"), ("avg", "correlated"))
"""What is estimated, and its values."""


def proxies_of(people: Population) -> dict[str, np.ndarray]:
    """The proxies to choose from, the worst first."""
    rng = np.random.default_rng(POPULATION_SEED)
    noise = np.exp(rng.normal(0, 2, size=len(people.proxy)))
    return {
        "shuffled": rng.permutation(people.proxy),
        "noisy": np.clip(people.proxy * noise, 0, 1),
        "real": people.proxy,
    }


def chosen_row(
    people: Population, target: str, *, trials: int, seed: int
) -> dict[str, Any]:
    """The estimate after the choice."""

    def oracle(ids: Rows) -> Any:
        return people.held[ids], people.values[ids]

    proxies = proxies_of(people)
    params = EstimateParams(target=target, budget=BUDGET)
    made = [
        estimate_choosing(proxies, oracle, replace(params, seed=seed + number))
        for number in range(trials)
    ]
    picked = Counter(one.provenance["choice"]["name"] for one in made)
    return {"picked": dict(picked)} | summarise(made, people.truth(target))


def single_row(
    people: Population, target: str, proxy: str, *, trials: int, seed: int
) -> dict[str, Any]:
    """The estimate by one proxy alone."""
    params = EstimateParams(target=target, budget=BUDGET)
    trial = ours(replace(people, proxy=proxies_of(people)[proxy]), params)
    made = [trial(seed + number) for number in range(trials)]
    return {"picked": ""} | summarise(made, people.truth(target))


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Make every row; the result that was written."""
    origin = provenance() | {"command": command_of("proxy_choices")}
    out = args.out or default_file("selection-choices", quick=args.quick)
    trials = 4 if args.quick else args.trials
    head = {"mode": "selection-choices", "trials": trials, "seed": args.seed}
    notes = Notes(out, head | {"data": args.data.name}, origin)
    rows = []
    for name in NAMES:
        for target, values in CASES:
            people = load_population(args.data, name, values=values)
            say(f"{name}, {target}, values {values}")
            case = {"data": name, "target": target, "values": values}
            of = {"trials": trials, "seed": args.seed}
            makes = {"chosen": partial(chosen_row, people, target, **of)} | {
                proxy: partial(single_row, people, target, proxy, **of)
                for proxy in ("real", "noisy", "shuffled")
            }
            for proxy, make in makes.items():
                found = notes.once((name, target, values, proxy), make)
                rows.append(case | {"proxy": proxy} | found)
    result = head | {"budget": BUDGET, "table": rows, "resumed_after": notes.resumed}
    write_result(result | origin, out)
    say(f"result: {out}")
    return result


def choices_table(result: dict[str, Any]) -> str:
    """Error, coverage and width after the choice and by each proxy alone."""
    said = (
        f"{result['budget']} labels, {result['trials']} trials, seeds from"
        f" {result['seed']}"
    )
    columns = ("rmse", "bias_over_rmse", "coverage", "width")
    rows = [
        [
            f"{row['data']}, {row['target']}, {row['values']}",
            row["proxy"],
            ", ".join(f"{name} {n}" for name, n in dict(row["picked"] or {}).items()),
            *("-" if row[key] is None else f"{row[key]:.3f}" for key in columns),
        ]
        for row in result["table"]
    ]
    head = ["data", "proxy", "picked", "RMSE / truth", "bias / RMSE", "coverage"]
    return f"{said}\n\n{markdown([*head, 'width / truth'], rows)}"


@refusing_data
def main() -> int:
    """Run by itself: `python -m bench.selection.proxy_choices`."""
    parser = argparse.ArgumentParser(prog="python -m bench selection proxy_choices")
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=root / "supg-proxies")
    parser.add_argument("--trials", type=positive, default=100)
    add_trial_options(parser)
    with threadpool_limits(1):
        print(choices_table(run(parser.parse_args())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
