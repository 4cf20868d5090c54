"""`python -m bench selection widths`: labels to a width, and stopping at one.

Proxies that help and proxies that do not, on real labels: how many labels an interval
of some width takes in all, beside the textbook formula of a uniform sample; how many
where labelling stops by itself, and how often that interval holds; how often all
intervals of all rounds hold where `anytime` says so. Draws are simulated
(`bench/selection/trials/simulate.py`), each trial from its own seed.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.ending import refusing_data
from bench.option_types import positive
from bench.provenance import provenance
from bench.records import default_file
from bench.say import say
from bench.selection.estimate import NORMAL, summarise
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.widths_table import widths_table
from bench.selection.trials.concepts import load_labelled, rare_concepts
from bench.selection.trials.options import add_trial_options
from bench.selection.trials.populations import NAMES, Population, load_population
from bench.selection.trials.simulate import all_looks, ours
from gleann.selection.estimate import EstimateParams
from gleann.selection.estimate.planning import plan_labels

POSITIVES = (12, 40)
"""Expected in the uniform samples whose widths are aimed at."""
MOST_LABELS = 0.5
"""Share of the rows above which a uniform sample is left out."""
KINDS = ("real", "noisy", "random", "constant", "anti")
FAIR = ("real", "noisy")
EXAMPLES = 20
"""Positives whose mean vector makes the proxy of a concept."""
STEPS = 4
MOST = 0.05


def populations(folder: Path, args: argparse.Namespace) -> Iterator[Population]:
    """The SUPG score files, or concepts of a labelled set by their examples."""
    if (folder / "supg.npz").is_file():
        for name in NAMES:
            yield load_population(folder, name, values="independent")
        return
    data = load_labelled(folder)
    drawn = np.random.default_rng(args.seed).permutation(len(data.base))[: args.rows]
    sample = replace(data, base=data.base[drawn], classes=data.classes[drawn])
    chosen = rare_concepts(sample, count=args.concepts, seed=args.seed, most=MOST)
    for concept in chosen:
        held = sample.classes == concept
        rng = np.random.default_rng([args.seed, concept])
        examples = rng.choice(np.flatnonzero(held), EXAMPLES, replace=False)
        cosine = sample.base @ sample.base[examples].mean(axis=0)
        yield Population(
            name=f"{data.name}, {data.names[concept]}",
            proxy=(1 + cosine.astype(np.float64)) / 2,
            held=held,
            values=np.ones(len(held)),
        )


def proxy_of(people: Population, kind: str, *, seed: int) -> NDArray[np.float64]:
    """The proxy of that kind."""
    proxy, rng = people.proxy, np.random.default_rng(seed)
    made: dict[str, Callable[[], NDArray[np.float64]]] = {
        "real": lambda: proxy,
        "noisy": lambda: np.clip(proxy * np.exp(rng.normal(0, 2, len(proxy))), 0, 1),
        "random": lambda: rng.permutation(proxy),
        "constant": lambda: np.full(len(proxy), proxy.mean()),
        "anti": lambda: proxy.max() + proxy.min() - proxy,
    }
    return made[kind]()


def uniform_width(people: Population, labels: int) -> float:
    """Width of the textbook interval of a count from a uniform sample, as expected."""
    rows, rate = len(people.held), float(people.held.mean())
    error = (rate * (1 - rate) * (1 / labels - 1 / rows)) ** 0.5
    return 2 * NORMAL * error * rows


def need(
    people: Population, params: EstimateParams, width: float, *, trials: int, seed: int
) -> float:
    """Fixed budget whose mean width is `width`, by repeated scaling."""
    labels = float(params.budget)
    for _ in range(STEPS):
        trial = ours(people, replace(params, budget=max(round(labels), params.strata)))
        found = summarise([trial(seed + k) for k in range(trials)], 1.0)
        ratio = (found["width"] or np.inf) / width
        if abs(ratio - 1) < 0.005:
            break
        # Width falls faster than the root where top strata are labelled whole.
        labels *= min(max(ratio, 0.6), 1.6) ** (1.5 if ratio < 1 else 2)
        labels = min(labels, len(people.held))
    return labels


def case_rows(
    people: Population, kind: str, labels: int, args: argparse.Namespace
) -> dict[str, Any]:
    """One population, proxy and width: labels needed, at the stop, and planned."""
    proxy = proxy_of(people, kind, seed=args.seed + 1)
    people = replace(people, proxy=proxy)
    truth, width = float(people.held.sum()), uniform_width(people, labels)
    cut = "sqrt_mass" if people.name in NAMES else "geometric"
    base = EstimateParams(budget=labels, strata_cut=cut)
    fixed = need(people, base, width, trials=args.trials // 4 or 1, seed=args.seed)
    row = {
        "data": people.name,
        "proxy": kind,
        "uniform_labels": labels,
        "width_over_truth": round(width / truth, 4),
        "fixed_labels": round(fixed),
        "over_uniform": round(fixed / labels, 3),
        "planned": _planned(people, base, width),
    }
    budget = min(len(people.held), 4 * max(labels, round(fixed)))
    stops = {"width": width} if labels > 2 * POSITIVES[0] / people.held.mean() else {}
    for name, stop in {"relative": width / truth, **stops}.items():
        field = "stop_at_width" if name == "width" else "stop_at_relative_width"
        trial = ours(people, replace(base, budget=budget, **{field: stop}))
        made = [trial(args.seed + k) for k in range(args.trials)]
        found = summarise(made, truth)
        row[f"{name}_stop"] = {
            "coverage": found["coverage"],
            "labels_over_fixed": round(found["labels"] / fixed, 3),
            "labels_over_uniform": round(found["labels"] / labels, 3),
            "bias_over_rmse": found["bias_over_rmse"],
        }
    return row


def anytime_row(people: Population, args: argparse.Namespace) -> dict[str, Any]:
    """How often the intervals of all rounds hold, with and without `anytime`."""
    truth, row = float(people.held.sum()), {"data": people.name}
    cut = "sqrt_mass" if people.name in NAMES else "geometric"
    for anytime in (False, True):
        params = EstimateParams(
            budget=2000, rounds=8, pilot_share=0.1, anytime=anytime, strata_cut=cut
        )
        trial = all_looks(people, params)
        looks = [trial(args.seed + k) for k in range(args.trials)]
        held = [
            all(
                one.low is None or one.high is None or one.low <= truth <= one.high
                for one in made
            )
            for made in looks
        ]
        ends = [made[-1] for made in looks]
        name = "anytime" if anytime else "plain"
        row[f"{name}_all_hold"] = round(float(np.mean(held)), 4)
        row[f"{name}_width"] = summarise(ends, truth)["width"]
    return row


def _planned(people: Population, params: EstimateParams, width: float) -> list[int]:
    """The plan before the first label, with the prevalence known: low, labels, high."""
    plan = plan_labels(
        people.proxy, params, width=width, prevalence=float(people.held.mean())
    )
    return [plan.low, plan.labels, plan.high]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Make every row; the result that was written."""
    origin = provenance() | {"command": command_of("widths")}
    out = args.out or default_file("selection-widths", quick=args.quick)
    if args.quick:
        args.trials, args.concepts = 4, 1
    head = {
        "mode": "selection-widths",
        "trials": args.trials,
        "seed": args.seed,
        "rows": args.rows,
    }
    notes = Notes(out, head | {"concepts": args.concepts}, origin)
    table, looks = [], []
    for folder in args.data:
        for people in populations(folder, args):
            say(f"{people.name}: {int(people.held.sum())} of {len(people.held)} rows")
            key = ("anytime", people.name)
            looks.append(notes.once(key, partial(anytime_row, people, args)))
            for kind in KINDS:
                if kind == "noisy" and people.name not in NAMES:
                    continue
                for positives in POSITIVES:
                    labels = round(positives / people.held.mean())
                    if labels > MOST_LABELS * len(people.held):
                        continue
                    make = partial(case_rows, people, kind, labels, args)
                    table.append(notes.once((people.name, kind, labels), make))
    result = head | {"table": table, "looks": looks, "resumed_after": notes.resumed}
    write_result(result | origin, out)
    say(f"result: {out}")
    return result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    names = ("supg-proxies", "wordnet-384", "intents-384")
    parser.add_argument(
        "--data", type=Path, nargs="+", default=[root / name for name in names]
    )
    parser.add_argument(
        "--rows", type=positive, default=20_000, help="drawn of each set"
    )
    parser.add_argument("--concepts", type=positive, default=2, help="of each set")
    parser.add_argument("--trials", type=positive, default=200)
    add_trial_options(parser)


@refusing_data
def main() -> int:
    """Run by itself: `python -m bench.selection.widths`."""
    parser = argparse.ArgumentParser(prog="python -m bench selection widths")
    add_arguments(parser)
    with threadpool_limits(1):
        print(widths_table(run(parser.parse_args())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
