"""Promised sets beside SUPG and the ideal, and acceptance bounds: do they hold?"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.stats import binomtest

from bench.curation.part import Measured, Part
from bench.curation.supg import supg_precision, supg_recall
from bench.say import say
from bench.selection.trials.populations import NAMES, Population, load_population
from bench.tables import markdown
from gleann.index.arrays import Rows
from gleann.selection.promises import (
    AuditParams,
    BatchAudit,
    PromiseParams,
    PromiseSession,
    run_promise,
)

TARGET, CONFIDENCE = 0.9, 0.95
BUDGETS = (100, 1000, 3000, 10_000)
TRIALS = 1000
LEVEL = 0.01

Make = Callable[[Population, str, int, int], Rows]
"""Population, promise, budget and seed to the rows of the set."""


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Sets on the three SUPG files, then audits of batches from them."""
    trials = 10 if arguments.quick else TRIALS
    folder = arguments.data / "supg-proxies"
    everyone = [load_population(folder, name, values="independent") for name in NAMES]
    for people in everyone:
        rows = [
            _measured(people, promise, budget, trials, arguments.seed)
            for promise in ("recall", "precision")
            for budget in BUDGETS
        ]
        values = {"trials": trials, "sets": [row for some in rows for row in some]}
        yield Measured(name=people.name, values=values)
    audits = [
        _audited(people, size, trials, arguments.seed)
        for people in everyone
        for size in BUDGETS
    ]
    yield Measured(name="audits", values={"trials": trials, "audits": audits})


def show(result: dict[str, Any]) -> str:
    """The table of one data set, or that of the audits."""
    trials = f"{result['trials']} trials, promised with confidence {CONFIDENCE}"
    if "audits" in result:
        head = ["batch", "rows", "audited", "failing", "holds", "bound on the rest"]
        rows = [
            [
                row["data"],
                str(row["batch"]),
                str(row["size"]),
                str(row["failing"]),
                _share(row),
                f"{row['mean_at_most']:.0f} (true: {row['mean_rest']:.0f})",
            ]
            for row in result["audits"]
        ]
        return f"{trials}\n\n{markdown(head, rows)}"
    head = ["promise", "labels", "set", "holds", "rows", "recall", "precision"]
    rows = [
        [
            f"{row['promise']} {TARGET}",
            str(row["budget"]),
            row["method"],
            "-" if row["method"] == "ideal" else _share(row),
            f"{row['mean_rows']:.0f}",
            f"{row['mean_recall']:.3f}",
            f"{row['mean_precision']:.3f}",
        ]
        for row in result["sets"]
    ]
    return f"{trials}\n\n{markdown(head, rows)}"


def _share(row: dict[str, Any]) -> str:
    mark = " **no**" if row["p_value"] < LEVEL else ""
    return f"{row['held']:.3f}{mark}"


def _ours(people: Population, promise: str, budget: int, seed: int) -> Rows:
    params = PromiseParams(
        promise="recall" if promise == "recall" else "precision",
        target=TARGET,
        budget=budget,
        confidence=CONFIDENCE,
        seed=seed,
    )
    session = PromiseSession.start(people.proxy, params)
    return run_promise(session, lambda ids: people.held[ids], chunk=budget).rows


def _supg(people: Population, promise: str, budget: int, seed: int) -> Rows:
    make = supg_recall if promise == "recall" else supg_precision
    alpha = 1 - CONFIDENCE
    return make(
        people.proxy,
        people.held,
        target=TARGET,
        alpha=alpha,
        budget=budget,
        seed=seed,
    )


def _ideal(people: Population, promise: str, *_unused: int) -> Rows:
    """The best set above a threshold, by all labels."""
    order = np.argsort(-people.proxy, kind="stable")
    found = np.cumsum(people.held[order])
    if promise == "recall":
        return order[: int(np.searchsorted(found, TARGET * found[-1])) + 1]
    good = np.flatnonzero(found >= TARGET * np.arange(1, len(order) + 1))
    return order[: int(good[-1]) + 1 if good.size else 0]


METHODS: dict[str, tuple[Make, bool]] = {
    "gleann": (_ours, True),
    "SUPG": (_supg, True),
    "ideal": (_ideal, False),
}
"""Each way to choose a set, and whether it draws."""


def _measured(
    people: Population, promise: str, budget: int, trials: int, seed: int
) -> list[dict[str, Any]]:
    rows = []
    for method, (make, draws) in METHODS.items():
        made = [
            _quality(people, make(people, promise, budget, seed + number))
            for number in range(trials if draws else 1)
        ]
        sizes, recalls, precisions = np.array(made).T
        kept = recalls if promise == "recall" else precisions
        # A hair more: 0.9 of 50 positives are 45.
        held = int((kept >= TARGET - 1e-12).sum())
        test = binomtest(held, len(made), CONFIDENCE, alternative="less")
        rows.append(
            {
                "promise": promise,
                "budget": budget,
                "method": method,
                "held": held / len(made),
                "p_value": float(test.pvalue),
                "mean_rows": float(sizes.mean()),
                "median_rows": float(np.median(sizes)),
                "mean_recall": float(recalls.mean()),
                "mean_precision": float(precisions.mean()),
            }
        )
    say(f"{people.name}, {promise}, {budget} labels: {rows[0]['held']:.3f}")
    return rows


def _quality(people: Population, rows: Rows) -> tuple[float, float, float]:
    """Rows, recall and precision of a set."""
    found = float(people.held[rows].sum())
    precision = found / len(rows) if len(rows) else 1.0
    return float(len(rows)), found / float(people.held.sum()), precision


def _audited(people: Population, size: int, trials: int, seed: int) -> dict[str, Any]:
    """Audits of the best rows by proxy, twice the positives or more."""
    batch = max(2 * int(people.held.sum()), size + 1000)
    ids = np.argsort(-people.proxy, kind="stable")[:batch]
    failing = ~people.held[ids]
    fails = dict(zip(ids.tolist(), failing.tolist(), strict=True))
    bounds, truths = [], []
    for number in range(trials):
        audit = BatchAudit(ids, AuditParams(size=size, seed=seed + number))
        found = np.array([fails[one] for one in audit.ids.tolist()])
        audit.submit(audit.ids, found)
        bounds.append(audit.bound().at_most)
        truths.append(int(failing.sum() - found.sum()))
    held = int((np.array(truths) <= np.array(bounds)).sum())
    test = binomtest(held, trials, CONFIDENCE, alternative="less")
    return {
        "data": people.name,
        "batch": batch,
        "size": size,
        "failing": int(failing.sum()),
        "held": held / trials,
        "p_value": float(test.pvalue),
        "mean_at_most": float(np.mean(bounds)),
        "mean_rest": float(np.mean(truths)),
    }


PROMISES = Part(
    help="recall and precision promised from few labels, beside SUPG; audits",
    run=run,
    show=show,
)
