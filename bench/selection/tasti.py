"""`python -m bench selection tasti`: counts of a concept from vectors and labels alone.

A share of the rows of each data set, one concept at a time, as many labels for every
method. Where a method has a proxy, a fifth of the labels goes to representatives, whose
labels make it; `TastiSession` makes it anew before each round.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.ending import refusing_data
from bench.option_types import positive
from bench.provenance import provenance
from bench.records import default_file
from bench.say import say
from bench.selection.estimate import Told, summarise
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.tasti_table import tasti_table
from bench.selection.trials.concepts import load_labelled, rare_concepts
from bench.selection.trials.options import add_trial_options
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.selection.estimate import (
    EstimateParams,
    EstimateSession,
    Known,
    TastiSession,
    abae_estimate,
    propagate_labels,
    representatives,
    run_estimate,
    uniform_estimate,
)

MOST = 0.05
"""Share of the rows above which a concept is not counted."""
FIRST = 0.2
"""Share of the labels that goes to representatives."""
BLOCK = 20
"""Trials that are noted at a time."""

_Noted: TypeAlias = dict[str, dict[str, Any]]
"""The notes of a trial: by method, the fields of `Told` and the seconds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One count of one concept.

    Attributes:
        vectors: (n, d).
        held: bool (n,), the concept.
        first: representatives, the same for all concepts and methods.
        proxy: (n,) what they say of every row.
        params: of the estimate, the budget that of all labels.
    """

    vectors: Vectors
    held: Mask
    first: Rows
    proxy: NDArray[np.float64]
    params: EstimateParams

    @classmethod
    def of(
        cls, vectors: Vectors, held: Mask, first: Rows, params: EstimateParams
    ) -> "Trial":
        """With the proxy that the labels of `first` make."""
        proxy = propagate_labels(vectors, rows=first, labels=held[first])
        return cls(
            vectors=vectors,
            held=held,
            first=first,
            proxy=proxy.astype(np.float64),
            params=params,
        )

    def oracle(self, ids: Rows) -> tuple[Mask, None]:
        """Whether each of these rows (m,) is of the concept."""
        return self.held[ids], None

    @property
    def rest(self) -> EstimateParams:
        """Of an estimate beside the representatives."""
        return replace(self.params, budget=self.params.budget - len(self.first))


def uniform(trial: Trial) -> Told:
    """All labels drawn evenly."""
    made = uniform_estimate(np.ones(len(trial.held)), trial.oracle, trial.params)
    return Told.of(made)


def abae(trial: Trial) -> Told:
    """ABae as written over the rows that are no representatives, those beside it."""
    rows = np.delete(np.arange(len(trial.held)), trial.first)
    made = abae_estimate(trial.proxy[rows], trial.oracle, trial.rest, ids=rows)
    found = float(trial.held[trial.first].sum())
    return Told(
        value=_plus(made.value, found),
        low=_plus(made.low, found),
        high=_plus(made.high, found),
        labels_used=made.labels_used + len(trial.first),
    )


def fixed(trial: Trial) -> Told:
    """Ours, with the same proxy for all rounds."""
    known = Known(ids=trial.first, positives=trial.held[trial.first])
    session = EstimateSession.start(trial.proxy, trial.rest, known=known)
    return Told.of(run_estimate(session, trial.oracle))


def refreshed(trial: Trial) -> Told:
    """TASTI within the session: every round's labels make the proxy of the next."""
    session = TastiSession.start(trial.vectors, trial.params, first=len(trial.first))
    return Told.of(run_estimate(session, trial.oracle))


METHODS: dict[str, Callable[[Trial], Told]] = {
    "uniform": uniform,
    "ABae as written, fixed proxy": abae,
    "ours, fixed proxy": fixed,
    "TASTI in a session": refreshed,
}


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Count every concept by every method; the result that was written."""
    origin = provenance() | {"command": command_of("tasti")}
    out = args.out or default_file("selection-tasti", quick=args.quick)
    trials, concepts = (3, 1) if args.quick else (args.trials, args.concepts)
    head = {
        "mode": "selection-tasti",
        "rows": args.rows,
        "labels": args.labels,
        "representatives": round(FIRST * args.labels),
        "trials": trials,
        "seed": args.seed,
    }
    notes = Notes(out, head | {"concepts": concepts}, origin)
    tables = [_of_data(folder, args, head, concepts, notes) for folder in args.data]
    result = head | {
        "data": [data for data, _ in tables],
        "table": [row for _, rows in tables for row in rows],
        "resumed_after": notes.resumed,
    }
    write_result(result | origin, out)
    say(f"result: {out}")
    return result


def _of_data(
    folder: Path,
    args: argparse.Namespace,
    head: dict[str, Any],
    concepts: int,
    notes: Notes,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The counts of one data set, and the rows of the table."""
    data = load_labelled(folder)
    drawn = np.random.default_rng(args.seed).permutation(len(data.base))[: args.rows]
    vectors = np.ascontiguousarray(data.base[drawn])
    sample = replace(data, base=vectors, classes=data.classes[drawn])
    firsts = partial(_representatives, vectors, head, {})
    rows: list[dict[str, Any]] = []
    for concept in rare_concepts(sample, count=concepts, seed=args.seed, most=MOST):
        held = sample.classes == concept
        case = {
            "data": data.name,
            "concept": data.names[concept],
            "positives": int(held.sum()),
        }
        say(f"{data.name}, {case['concept']}: {case['positives']} of {len(held)} rows")
        trials = []
        for seed in range(args.seed, args.seed + head["trials"], BLOCK):
            make = partial(_block, vectors, held, head, firsts, seed)
            trials += notes.once((data.name, concept, seed), make)
        rows += [case | row for row in _rows(trials, float(held.sum()))]
    return {"name": data.name, "sha256": data.sha256, "of_rows": len(data.base)}, rows


def _block(
    vectors: Vectors,
    held: Mask,
    head: dict[str, Any],
    firsts: Callable[[int], Rows],
    begin: int,
) -> list[_Noted]:
    """Trials from seed `begin`."""
    end = min(begin + BLOCK, head["seed"] + head["trials"])
    trials = []
    for seed in range(begin, end):
        params = EstimateParams(
            budget=head["labels"], strata_cut="geometric", seed=seed
        )
        trial = Trial.of(vectors, held, firsts(seed), params)
        noted: _Noted = {}
        for name, count in METHODS.items():
            start = perf_counter()
            told = count(trial)
            seconds = round(perf_counter() - start, 4)
            noted[name] = {"told": asdict(told), "seconds": seconds}
        trials.append(noted)
    return trials


def _rows(trials: list[_Noted], truth: float) -> list[dict[str, Any]]:
    """A row of the table for each method."""
    rows = []
    for name in METHODS:
        made = [Told(**trial[name]["told"]) for trial in trials]
        seconds = float(np.mean([trial[name]["seconds"] for trial in trials]))
        row = {"method": name} | summarise(made, truth)
        rows.append(row | {"seconds_a_trial": round(seconds, 4)})
    return rows


def _plus(value: float | None, more: float) -> float | None:
    return None if value is None else value + more


def _representatives(
    vectors: Vectors, head: dict[str, Any], drawn: dict[int, Rows], seed: int
) -> Rows:
    """Those of a seed, which every concept shares: kept in `drawn`."""
    if seed not in drawn:
        drawn[seed] = representatives(vectors, k=head["representatives"], seed=seed)
    return drawn[seed]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    both = [root / "wordnet-384", root / "intents-384"]
    parser.add_argument("--data", type=Path, nargs="+", default=both)
    parser.add_argument(
        "--rows", type=positive, default=20_000, help="drawn of each set"
    )
    parser.add_argument("--concepts", type=positive, default=3, help="of each set")
    parser.add_argument("--labels", type=positive, default=1000)
    parser.add_argument("--trials", type=positive, default=40)
    add_trial_options(parser)


@refusing_data
def main() -> int:
    """Run by itself: `python -m bench.selection.tasti`."""
    parser = argparse.ArgumentParser(prog="python -m bench selection tasti")
    add_arguments(parser)
    with threadpool_limits(1):
        print(tasti_table(run(parser.parse_args())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
