"""`python -m bench selection coverage`: coverage of every interval on the same draws.

Real labels with values and proxies that strain an average. Each trial is drawn once,
and every method is asked about the same labels. Cells are noted as they are measured: a
run that is killed goes on where it was.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.trials.coverage_populations import (
    HEAVY,
    MISSING,
    MISSING_RANGE,
    PLAIN,
    PROXIES,
    VALUES,
    load_strained,
)
from bench.selection.trials.simulate import Plan
from bench.tables import markdown
from gleann.selection import EstimateParams
from gleann.selection.estimate.result import INTERVALS
from gleann.selection.estimate.stratified.estimators import Design, Totals, totals
from gleann.selection.estimate.stratified.intervals import (
    point_estimate,
    within_possible,
)
from gleann.selection.estimate.stratified.merging import merged
from gleann.selection.estimate.stratified.tally import Evidence
from gleann.selection.estimate.stratified.validity import value_doubts

BUDGETS = (1000, 500, 2000, 100)
TARGETS = ("count", "avg", "sum")
TRIALS, FRESH = 400, 2000
FRESH_SEED = 1_000_000
RESAMPLED = 10
"""Every so many trials is asked by resamples too, which take most time."""

LEAST_POSITIVES = 20
LEAST_COVERED, DOUBTED, LEAST_FLAGGED = 0.93, 0.94, 0.95
NORMAL, CONFIDENCE = 1.959963984540054, 0.95
METHODS = ("auto", "delta", "bootstrap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one measurement is of."""

    data: str
    budget: int
    proxy: str
    target: str
    values: str

    @property
    def key(self) -> tuple[str | int, ...]:
        return (self.data, self.budget, self.proxy, self.target, self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One method's interval for one trial."""

    low: float
    high: float
    valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One draw: its estimate, and every method's interval."""

    positives: int
    value: float | None
    replies: dict[str, Reply]


def cells(data: Sequence[str]) -> list[Cell]:
    """All cells, the tightest budget last; a count is the same for all values."""
    return [
        Cell(data=name, budget=budget, proxy=proxy, target=target, values=values)
        for name in data
        for budget in BUDGETS
        for proxy in PROXIES
        for target in TARGETS
        for values in (VALUES if target != "count" else VALUES[:1])
    ]


def measure(folder: Path, cell: Cell, *, trials: int, seed: int) -> dict[str, Any]:
    """The cell's row: one part for all answers, one for those of 20 positives."""
    people = load_strained(folder, cell.data, values=cell.values, proxy=cell.proxy)
    params = EstimateParams(target=cell.target, budget=cell.budget)
    ranged = cell.values == MISSING and cell.target != "count"
    plan = Plan.of(people, params)
    tried = [_trial(plan, seed + number, ranged=ranged) for number in range(trials)]
    truth = people.truth(cell.target)
    enough = [one for one in tried if one.positives >= LEAST_POSITIVES]
    return {
        "trials": trials,
        "positives": _number(np.mean([one.positives for one in tried])),
        "all": _part(tried, truth),
        "enough": _part(enough, truth),
    }


def _trial(plan: Plan, seed: int, *, ranged: bool) -> Trial:
    design, evidence = plan.evidence(seed)
    positives = int(evidence.total.positives.sum())
    if positives < (1 if design.target == "count" else 2):
        return Trial(positives=positives, value=None, replies={})
    found = totals(design, evidence.rounds)
    asked = METHODS if seed % RESAMPLED == 0 else METHODS[:-1]
    replies = {name: _reply(name, design, found, evidence, seed) for name in asked}
    if ranged:
        wide = replace(design, value_range=MISSING_RANGE)
        replies["ranged"] = _reply("polya", wide, found, evidence, seed)
    value = point_estimate(found, target=design.target)
    return Trial(positives=positives, value=value, replies=replies)


def _reply(
    name: str, design: Design, found: Totals, evidence: Evidence, seed: int
) -> Reply:
    """The interval that `conclude` would give."""
    if design.allocation == "adaptive":
        design, found, evidence = merged(design, found, evidence)
    rng = np.random.default_rng([seed, len(evidence.rounds)])
    made = INTERVALS[name](design, found, evidence, CONFIDENCE, rng)
    if design.target == "count":
        seen = evidence.total
        made = within_possible(
            made,
            positives=float(seen.positives.sum()),
            unlabelled=float((design.sizes - seen.labelled).sum()),
        )
    doubts = (*made.doubts, *value_doubts(design, evidence))
    return Reply(low=made.low, high=made.high, valid=not doubts)


def _part(tried: Sequence[Trial], truth: float) -> dict[str, Any]:
    """Numbers of some trials; widths over the ideal and over those of "delta"."""
    values = np.array([one.value for one in tried if one.value is not None])
    rmse = float(np.sqrt(((values - truth) ** 2).mean())) if len(values) else np.nan
    names = dict.fromkeys(name for one in tried for name in one.replies)
    return {"answers": len(tried)} | {
        name: _method(
            [
                (one.replies[name], one.replies["delta"])
                for one in tried
                if name in one.replies
            ],
            truth,
            rmse,
        )
        for name in names
    }


def _method(
    replies: Sequence[tuple[Reply, Reply]], truth: float, rmse: float
) -> dict[str, Any]:
    own = [one for one, _ in replies]
    held = np.array([one.low <= truth <= one.high for one in own], bool)
    valid = np.array([one.valid for one in own], bool)
    width = np.mean([one.high - one.low for one in own]) if own else np.nan
    before = np.mean([one.high - one.low for _, one in replies]) if own else np.nan
    misses = int((~held).sum())
    return {
        "intervals": len(own),
        "coverage": _number(held.mean()) if own else None,
        "coverage_unflagged": _number(held[valid].mean()) if valid.any() else None,
        "flagged": _number(1 - valid.mean()) if own else None,
        "misses": misses,
        "misses_flagged": int((~held & ~valid).sum()),
        "width_over_ideal": _number(width / (2 * NORMAL * rmse)) if rmse else None,
        "width_over_delta": _number(width / before) if before else None,
    }


def verdict(cell: Cell, row: dict[str, Any]) -> bool | None:
    """Whether the cell reaches what is asked of it; None if nothing is."""
    if cell.values == MISSING:
        found = row["enough"].get("ranged") or {}
        covered = found.get("coverage")
        return None if covered is None else covered >= LEAST_FLAGGED
    part = row["all"] if cell.target == "count" else row["enough"]
    found = part.get("auto") or {}
    covered = found.get("coverage")
    if covered is None:
        return None
    if cell.target == "count" or cell.values in PLAIN:
        return covered >= LEAST_COVERED
    flagged = found["misses_flagged"] >= LEAST_FLAGGED * found["misses"]
    return covered >= LEAST_COVERED or flagged


def is_doubted(cell: Cell, row: dict[str, Any]) -> bool:
    """Whether the cell is measured again with more trials, and another seed."""
    part = row["all"] if cell.target == "count" else row["enough"]
    covered = (part.get("auto") or {}).get("coverage")
    if covered is None or cell.values == MISSING:
        return False
    if part["answers"] < row["trials"] // 4:
        return False
    return covered < DOUBTED and not (cell.values in HEAVY and verdict(cell, row))


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure every cell, and the doubted ones again; the result that was written."""
    origin = provenance() | {"command": command_of("coverage")}
    trials, fresh = (20, 40) if args.quick else (args.trials, args.fresh)
    head = {"mode": "selection-coverage", "trials": trials, "seed": args.seed}
    notes = Notes(args.out, head | {"fresh": fresh}, origin)
    rows = []
    asked = [cell for cell in cells(args.sets) if notes.has(cell.key) or not args.noted]
    for cell in asked:
        row = notes.once(
            cell.key,
            lambda cell=cell: measure(  # type: ignore[misc]
                args.data, cell, trials=trials, seed=args.seed
            ),
        )
        rows.append({**_named(cell), **row, "reached": verdict(cell, row)})
        say(f"{cell.key}: {row['all'].get('auto', {}).get('coverage')}")
    again = []
    for cell, row in zip(asked, rows, strict=True):
        fresh_key = ("fresh", *cell.key)
        if is_doubted(cell, row) and (notes.has(fresh_key) or not args.noted):
            more = notes.once(
                fresh_key,
                lambda cell=cell: measure(  # type: ignore[misc]
                    args.data, cell, trials=fresh, seed=args.seed + FRESH_SEED
                ),
            )
            again.append({**_named(cell), **more, "reached": verdict(cell, more)})
    result = head | {"summary": summary(rows), "rows": rows, "fresh": again} | origin
    write_result(result, args.out)
    print(tables(result))
    return result


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Flags over all answers of a kind, of 20 positives or more."""
    kinds = {"plain": PLAIN, "heavy": HEAVY}
    made = {}
    for kind, values in kinds.items():
        parts = [
            row["enough"]["auto"]
            for row in rows
            if row["values"] in values
            and row["target"] != "count"
            and row["enough"].get("auto", {}).get("intervals")
        ]
        answers = sum(part["intervals"] for part in parts)
        misses = sum(part["misses"] for part in parts)
        flagged = sum(part["flagged"] * part["intervals"] for part in parts)
        told = sum(part["misses_flagged"] for part in parts)
        made[kind] = {
            "answers": answers,
            "covered": _number(1 - misses / max(answers, 1)),
            "flagged": _number(flagged / max(answers, 1)),
            "misses": misses,
            "misses_flagged": told,
        }
    return made


def tables(result: dict[str, Any]) -> str:
    """The cells of 20 positives or more, as Markdown."""
    head = ["data", "labels", "proxy", "target", "values", "positives", "answers"]
    head += ["auto", "delta", "bootstrap", "flagged", "misses flagged", "width"]
    lines = []
    for row in [*result["rows"], *result["fresh"]]:
        part = row["all"] if row["target"] == "count" else row["enough"]
        auto = part.get("ranged") or part.get("auto")
        if not auto or auto["coverage"] is None:
            continue
        lines.append(
            [
                *(str(row[key]) for key in ("data", "budget", "proxy", "target")),
                row["values"],
                f"{row['positives']:.0f}",
                str(part["answers"]),
                *(_shown((part.get(name) or {}).get("coverage")) for name in METHODS),
                _shown(auto["flagged"]),
                f"{auto['misses_flagged']}/{auto['misses']}",
                _shown(auto["width_over_ideal"]),
            ]
        )
    return markdown(head, lines)


def _named(cell: Cell) -> dict[str, Any]:
    return dict(
        zip(("data", "budget", "proxy", "target", "values"), cell.key, strict=True)
    )


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def main() -> int:
    """Run by itself: `python -m bench.selection.coverage`."""
    parser = argparse.ArgumentParser(prog="python -m bench selection coverage")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with supg.npz (supg-proxies)"
    )
    parser.add_argument("--sets", nargs="+", default=["tacred", "onto", "imagenet"])
    parser.add_argument("--trials", type=positive, default=TRIALS)
    parser.add_argument("--fresh", type=natural, default=FRESH, help="of doubted cells")
    parser.add_argument("--seed", type=natural, default=0, help="of the first trial")
    parser.add_argument("--out", type=Path, default=RESULTS / "selection-coverage.json")
    parser.add_argument(
        "--noted", action="store_true", help="only the cells that are measured already"
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    run(parser.parse_args())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
