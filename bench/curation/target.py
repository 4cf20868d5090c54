"""Selection for targets: speed against the full matrix, filters, and quality."""

import argparse
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from bench.curation.part import Measured, Part
from bench.datasets import Dataset, load_dataset
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.parallel.blocks import block_slices
from gleann.selection.curation.target import (
    BestRankRequest,
    Distilled,
    DistilRequest,
    Limits,
    Nearness,
    ResampleRequest,
    RoundRobinRequest,
    Targets,
    best_rank,
    compare,
    distil,
    resample,
    round_robin,
)

TARGETS, BUDGET, TURNS = 1000, 10_000, 3
RECALLS = (0.95, 0.99)
SHARES = (1.0, 0.5, 0.01)
SETS = ("wordnet-384", "glove-100")
CLASSES = {"wordnet-384": (8, 13), "digits": (3, 8)}
"""Of WordNet noun.body and noun.food, of digits 3 and 8."""
SEEDS = 10
MATRIX_ROWS = 100
"""Targets whose scores of all rows are in memory at once."""


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Digits, then the sets of vectors."""
    pixels, labels = load_digits(return_X_y=True)
    seeds = 2 if arguments.quick else SEEDS
    chosen = _qualities(np.float32(pixels), labels, "digits", 200, seeds=seeds)
    yield Measured(name="digits", values={"chosen": chosen, "seeds": seeds})
    for name in SETS:
        folder = arguments.data / name
        data = load_dataset(folder, quick=arguments.quick)
        begun = perf_counter()
        index = SoarIndex.build(
            data.base, BuildParams(metric=data.metric), threads=arguments.threads
        )
        values: dict[str, Any] = {"build_seconds": perf_counter() - begun}
        values |= _speeds(index, data, quick=arguments.quick)
        values["filters"] = _filters(index, data)
        if name in CLASSES and not arguments.quick:  # cut, it lacks some classes
            base = np.load(folder / "base_labels.npy")[: len(data.base)]
            values["seeds"] = max(2, seeds // 3)
            values["chosen"] = _qualities(
                data.base, base, name, 2000, seeds=values["seeds"], index=index
            )
        yield Measured(name=name, values=values)


def _speeds(index: SoarIndex, data: Dataset, *, quick: bool) -> dict[str, Any]:
    """Seconds of both, in turns; the overlap with the answer of exhaustive lists."""
    targets = data.queries[:TARGETS]
    budget = BUDGET // (10 if quick else 1)
    ways: dict[str, Callable[[], Rows]] = {
        "full matrix, sorted": lambda: matrix_round_robin(
            index.vectors, targets, budget
        ),
        "full matrix, heads only": lambda: matrix_round_robin(
            index.vectors, targets, budget, head=max(40, 4 * -(-budget // len(targets)))
        ),
    }
    for recall in RECALLS:
        request = RoundRobinRequest(
            targets=targets, budget=budget, target_recall=recall
        )
        ways[f"gleann {recall}"] = lambda request=request: (
            round_robin(index, request).rows
        )
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rows: dict[str, Rows] = {}
    for turn in range(1 if quick else TURNS):
        for name, way in ways.items():
            begun = perf_counter()
            rows[name] = way()
            seconds[name].append(perf_counter() - begun)
        say(f"{data.name}: turn {turn + 1}")
    exact = rows["full matrix, sorted"]
    return {
        "n": len(index),
        "targets": len(targets),
        "budget": budget,
        "speeds": [
            {
                "way": name,
                "seconds": seconds[name],
                "overlap": float(np.isin(rows[name], exact).mean()),
            }
            for name in ways
        ],
    }


def matrix_round_robin(
    vectors: Vectors, targets: Vectors, budget: int, *, head: int | None = None
) -> Rows:
    """Turns over the sorted scores of all rows for all targets, as RDS+ publishes it.

    Args:
        vectors: (n, d), of unit length.
        targets: (m, d), of unit length.
        budget: rows to choose.
        head: rows of each target that are selected before they are sorted; None sorts
            all.
    """
    orders = []
    for block in block_slices(len(targets), MATRIX_ROWS):
        scores = targets[block] @ vectors.T
        if head is None:
            orders.append(np.argsort(-scores, axis=1)[:, :budget])
            continue
        near = np.argpartition(-scores, head, axis=1)[:, :head]
        order = np.argsort(-np.take_along_axis(scores, near, axis=1), axis=1)
        orders.append(np.take_along_axis(near, order, axis=1))
    lists = [order.tolist() for order in np.concatenate(orders)]
    taken = np.zeros(len(vectors), bool)
    following = [0] * len(lists)
    picks: list[int] = []
    while len(picks) < budget:
        for target, rows in enumerate(lists):
            while taken[rows[following[target]]]:
                following[target] += 1
            row = rows[following[target]]
            taken[row] = True
            picks.append(row)
    return np.array(picks[:budget])


def _filters(index: SoarIndex, data: Dataset) -> list[dict[str, float]]:
    """Overlap with exhaustive lists, among some rows, for a tenth of the targets."""
    targets = data.queries[: TARGETS // 10]
    budget = 5 * len(targets)
    found = []
    for share in SHARES:
        mask = np.random.default_rng(0).random(len(index)) < share
        among: Mask | None = None if share == 1 else mask
        rows = [
            round_robin(
                index,
                RoundRobinRequest(
                    targets=targets,
                    budget=budget,
                    limits=Limits(among=among),
                    target_recall=recall,
                ),
            ).rows
            for recall in (0.99, 1.0)
        ]
        found.append(
            {"share": share, "overlap": float(np.isin(rows[0], rows[1]).mean())}
        )
    return found


def _qualities(
    vectors: Vectors,
    labels: np.ndarray,
    name: str,
    budget: int,
    *,
    seeds: int,
    index: SoarIndex | None = None,
) -> list[dict[str, Any]]:
    """What each way chooses for 20 rows of two classes, mean over draws of them."""
    runs = [
        _quality(vectors, labels, name, budget, seed, index) for seed in range(seeds)
    ]
    return [
        {"way": way}
        | {
            number: float(np.mean([one[way][number] for one in runs]))
            for number in runs[0][way]
        }
        for way in runs[0]
    ]


def _quality(
    vectors: Vectors,
    labels: np.ndarray,
    name: str,
    budget: int,
    seed: int,
    index: SoarIndex | None,
) -> dict[str, dict[str, float]]:
    """What each way chooses for one draw of targets, as B.5 to B.7 measure it."""
    rng = np.random.default_rng(seed)
    kept_out = np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == one), 30, replace=False)
            for one in CLASSES[name]
        ]
    )
    if index is None:
        params = BuildParams(metric="cosine", nlist=40, spill="soar", seed=seed)
        index = SoarIndex.build(vectors, params)
    few = Targets(ids=rng.choice(kept_out, 20, replace=False))
    many = Targets(ids=kept_out)
    limits = Limits(excluded=kept_out)
    shared = {"budget": budget, "limits": limits}
    distilled = distil(index, DistilRequest(targets=few, seed=seed, **shared))
    ways = {
        "round robin": round_robin(index, RoundRobinRequest(targets=few, **shared)),
        "best rank": best_rank(index, BestRankRequest(targets=few, **shared)),
        "resample": resample(index, ResampleRequest(targets=many, seed=seed, **shared)),
        "distilled best rank": distilled.chosen,
    }
    compared = {
        way: compare(index, found, many, limits=limits, seed=seed)
        for way, found in ways.items()
    }
    wanted = np.isin(labels, CLASSES[name])
    numbers = {
        way: _numbers(compared[way].chosen, wanted[found.rows])
        for way, found in ways.items()
    }
    others = np.delete(wanted, kept_out)
    plain = compared["round robin"]
    numbers["random"] = _numbers(plain.random, others)
    numbers["stratified"] = _numbers(plain.stratified, others)
    both = np.isin(ways["round robin"].rows, ways["best rank"].rows)
    numbers["best rank"]["overlap"] = float(both.mean())
    area = _area(distilled, wanted, kept_out)
    numbers["distilled best rank"]["auc"] = area
    return numbers


def _numbers(near: Nearness, wanted: Mask) -> dict[str, float]:
    return {
        "hits": float(wanted.mean()),
        "divergence": near.divergence,
        "distance": near.mean_distance,
    }


def _area(distilled: Distilled, wanted: Mask, kept_out: Rows) -> float:
    """Area under the curve of the probe for the classes, off its sample if it can."""
    rest = np.delete(np.arange(len(wanted)), kept_out)
    unseen = np.setdiff1d(rest, distilled.sample)
    if len(unseen):
        rest = unseen
    return float(roc_auc_score(wanted[rest], distilled.scores[rest]))


def show(result: dict[str, Any]) -> str:
    """The tables of one data set."""
    parts = [_speed_table(result)] if "speeds" in result else []
    if "filters" in result:
        parts.append(
            markdown(
                ["rows to choose among", "overlap with exhaustive lists, recall 0.99"],
                [
                    [f"{one['share']:.0%}", f"{one['overlap']:.4f}"]
                    for one in result["filters"]
                ],
            )
        )
    if "chosen" in result:
        parts.append(_chosen_table(result))
    return "\n\n".join(parts)


def _speed_table(result: dict[str, Any]) -> str:
    full = median(result["speeds"][0]["seconds"])
    rows = [
        [
            one["way"],
            f"{median(one['seconds']):.3f}",
            f"{full / median(one['seconds']):.1f}x",
            f"{one['overlap']:.4f}",
        ]
        for one in result["speeds"]
    ]
    head = ["round robin", "seconds (median)", "speed", "overlap with the full matrix"]
    words = (
        f"{result['budget']:,} of {result['n']:,} rows for {result['targets']:,}"
        f" targets; the index was built in {result['build_seconds']:.1f} s"
    )
    return f"{words}\n\n{markdown(head, rows)}"


def _chosen_table(result: dict[str, Any]) -> str:
    head = [
        "chosen by",
        "of the two classes",
        "divergence from the targets (nats)",
        "mean distance to the nearest",
        "other",
    ]
    rows = [
        [
            one["way"],
            f"{one['hits']:.3f}",
            f"{one['divergence']:.3f}",
            f"{one['distance']:.3f}",
            _other(one),
        ]
        for one in result["chosen"]
    ]
    words = f"means of {result['seeds']} draws of targets"
    return f"{words}\n\n{markdown(head, rows)}"


def _other(one: dict[str, Any]) -> str:
    if "overlap" in one:
        return f"overlap with round robin {one['overlap']:.3f}"
    if "auc" in one:
        return f"AUC of the classes {one['auc']:.3f}"
    return ""


TARGET = Part(
    help="selection for targets, against the full matrix and plain draws",
    run=run,
    show=show,
)
