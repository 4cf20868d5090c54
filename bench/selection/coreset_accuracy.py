"""Accuracy of a classifier trained on each rival's subset."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from bench.datasets import Dataset, DatasetError, describe, load_dataset
from bench.say import say
from bench.selection.notes import Notes
from bench.selection.rivals import RIVALS, Situation
from bench.selection.tables.drawing import draw
from bench.tables import markdown
from gleann.index.arrays import Rows, Vectors
from gleann.selection.coreset import measure

BASELINE = "random"
SIMPLE = ("margin", "entropy", "k-center")
"""What is simple, but for a random draw."""
SCORER_ROWS = 0.1
"""Share of the rows that the scoring model is trained on, as in GIST's experiments."""
MOST_SCORER_ROWS = 5_000
T_975 = {3: 4.303, 5: 2.776, 10: 2.262}
"""Student's 97.5 % quantile for the mean of so many differences."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _World:
    """The settings of a run over one data set.

    Attributes:
        dataset: rows to choose from, and queries to be judged on.
        labels: (n,) of the rows.
        wanted: (m,) of the queries.
        c: of the classifier.
    """

    dataset: Dataset
    labels: Rows
    wanted: Rows
    c: float


def measure_accuracy(
    arguments: argparse.Namespace, out: Path, origin: dict[str, Any]
) -> dict[str, Any]:
    """Train a classifier on each rival's subset, seed by seed."""
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    labels, wanted = _labels(arguments.data, dataset)
    if arguments.rows and arguments.rows < len(labels):
        part = np.random.default_rng(0).permutation(len(labels))[: arguments.rows]
        dataset, labels = replace(dataset, base=dataset.base[part]), labels[part]
    params = {
        name: getattr(arguments, name)
        for name in ("shares", "rows", "seeds", "c", "quick")
    }
    notes = Notes(out, {"mode": "accuracy", **params}, origin)
    world = _World(dataset=dataset, labels=labels, wanted=wanted, c=arguments.c)
    found: list[dict[str, Any]] = []
    for seed in range(arguments.seeds):
        # Trained when the first subset without a note needs it.
        scored = cache(partial(_scored, world, seed))
        for share in arguments.shares:
            for name in arguments.rivals:
                one = notes.once(
                    (dataset.sha256, seed, share, name),
                    partial(judge, world, name, share, seed, scored),
                )
                found.append({"seed": seed, "share": share, "rival": name, **one})
            say(f"seed {seed}, {share:.1%} of the rows: {len(found)} subsets")
    return {
        "mode": "accuracy",
        "data": describe(dataset),
        "classes": len(np.unique(labels)),
        "test_rows": len(wanted),
        "classifier": {"kind": "LogisticRegression", "C": arguments.c},
        "shares": arguments.shares,
        "seeds": arguments.seeds,
        "found": found,
        "resumed_after": notes.resumed,
    }


def _labels(path: Path, dataset: Dataset) -> tuple[Rows, Rows]:
    files = [path / "base_labels.npy", path / "query_labels.npy"]
    if not all(file.is_file() for file in files):
        raise DatasetError(f"{path} has no base_labels.npy and query_labels.npy")
    base, queries = (np.load(file).astype(np.int64) for file in files)
    return base[: len(dataset.base)], queries[: len(dataset.queries)]


def _classifier(vectors: Vectors, labels: Rows, c: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # The looser tolerance costs no accuracy that the table shows.
    return LogisticRegression(C=c, max_iter=200, tol=1e-3).fit(vectors, labels)


def _scored(world: _World, seed: int) -> tuple[Any, Rows]:
    """Class probabilities of all rows by a model of some random ones."""
    vectors, labels = world.dataset.base, world.labels
    rng = np.random.default_rng(seed)
    m = min(MOST_SCORER_ROWS, round(SCORER_ROWS * len(labels)))
    rows = rng.choice(len(labels), m, replace=False)
    model = _classifier(vectors[rows], labels[rows], world.c)
    return model.predict_proba(vectors).astype(np.float64), model.classes_


def judge(
    world: _World,
    name: str,
    share: float,
    seed: int,
    scored: Callable[[], tuple[Any, Rows]],
) -> dict[str, Any]:
    """Accuracy on the queries, and statistics of the subset."""
    probabilities, columns = scored()
    wanted = world.wanted
    at = Situation(
        vectors=world.dataset.base,
        labels=world.labels,
        probabilities=probabilities,
        columns=columns,
        k=max(2, round(share * len(world.labels))),
        seed=seed,
    )
    start = process_time()
    chosen = RIVALS[name](at)
    seconds = process_time() - start
    rows = chosen.rows
    model = _classifier(at.vectors[rows], at.labels[rows], world.c)
    right = model.predict(world.dataset.queries) == wanted
    per_class = [right[wanted == label].mean() for label in np.unique(wanted)]
    costs = at.margins
    weighed = measure(at.vectors, rows, costs=costs)
    return {
        "k": at.k,
        "accuracy": float(right.mean()),
        "macro_accuracy": float(np.mean(per_class)),
        "radius": weighed.radius,
        "mean_cost": weighed.cost / at.k,
        "ratio": chosen.ratio,
        "cpu_seconds": seconds,
    }


def summarise(result: dict[str, Any], share: float) -> list[dict[str, Any]]:
    """One line a rival: means, and the paired interval of its gain over random."""
    lines = []
    for name in dict.fromkeys(one["rival"] for one in result["found"]):
        mine = _values(result, share, name)
        gains = mine["accuracy"] - _values(result, share, BASELINE)["accuracy"]
        half = T_975[len(gains)] * gains.std(ddof=1) / np.sqrt(len(gains))
        means = {key: float(values.mean()) for key, values in mine.items()}
        gain = {"gain": float(gains.mean()), "gain_half": float(half)}
        lines.append({"rival": name, **means, **gain})
    return lines


def _values(result: dict[str, Any], share: float, name: str) -> dict[str, Any]:
    keys = ("accuracy", "macro_accuracy", "radius", "mean_cost")
    mine = [
        one for one in result["found"] if one["rival"] == name and one["share"] == share
    ]
    return {key: np.array([one[key] for one in mine]) for key in keys}


def strongest_simple(lines: list[dict[str, Any]]) -> str:
    """Of the methods in `SIMPLE`, that of the highest mean accuracy; "" of none."""
    simple = [line for line in lines if line["rival"] in SIMPLE]
    return max(simple, key=lambda line: line["accuracy"])["rival"] if simple else ""


def accuracy_table(result: dict[str, Any]) -> str:
    """One table a share: means, and the gain over random."""
    parts = []
    for share in result["shares"]:
        lines = summarise(result, share)
        rows = [
            [
                line["rival"],
                f"{100 * line['accuracy']:.2f}",
                f"{100 * line['gain']:+.2f} +- {100 * line['gain_half']:.2f}",
                f"{100 * line['macro_accuracy']:.2f}",
                f"{line['radius']:.3f}",
                f"{line['mean_cost']:.3f}",
            ]
            for line in lines
        ]
        head = [
            "method",
            "accuracy, %",
            "over random, points",
            "macro, %",
            "radius",
            "mean margin",
        ]
        title = f"{result['data']['name']}, {share:.1%} of {result['data']['n']:,} rows"
        best = strongest_simple(lines)
        parts.append(f"{title}, {result['seeds']} seeds\n\n" + markdown(head, rows))
        if best:
            parts.append(f"Strongest simple method that sees no labels: {best}.")
    return "\n\n".join(parts)


def plot_accuracy(result: dict[str, Any], path: Path) -> bool:
    """Draw each rival's gain over random with its interval; False: no matplotlib."""
    shares = result["shares"]

    def fill(panels: list[Any]) -> None:
        for axes, share in zip(panels, shares, strict=True):
            lines = summarise(result, share)[::-1]
            names = [line["rival"] for line in lines]
            gains = [100 * line["gain"] for line in lines]
            halves = [100 * line["gain_half"] for line in lines]
            axes.errorbar(gains, names, xerr=halves, fmt="o", capsize=3)
            axes.axvline(0, color="grey", linewidth=1)
            axes.set_xlabel("accuracy over random, points (95 %, paired)")
            axes.set_title(f"{result['data']['name']}, {share:.1%} of the rows")
            axes.grid(visible=True, axis="x", alpha=0.25)

    size = (4.2 * len(shares) + 2, 4.5)
    return draw(path, fill, panels=len(shares), size=size, sharey=True)
