"""`python -m bench promise`: whether the recall that is asked for is reached.

Every seed is another build by default of the same rows: it draws other sample queries
and trains other lists. Queries that are not in the index are then searched for each
target, and the fewest lists that reach it with the same number of re-ranked rows are
found by bisection. Recalls and entries are counts: a busy machine does not change them.

A build that is in the result file already is not made again, so a run can be resumed.
"""

import argparse
import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import mean, median
from tempfile import gettempdir
from typing import Any

import numpy as np

from bench.datasets import Dataset, describe, load_dataset
from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search
from gleann.index.arrays import Distances, Vectors
from gleann.index.evaluate import recall_at_k

K = 10
WITHIN = 0.002
"""A recall counts as reached up to so far below the target."""


def add_promise(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--data", type=Path, required=True, help="folder or HDF5 file")
    parser.add_argument("--seeds", type=positive, default=20, help="builds, one a seed")
    parser.add_argument("--recall", type=float, nargs="+", default=[0.90, 0.95, 0.99])
    parser.add_argument(
        "--given",
        type=natural,
        default=0,
        help="held-out queries that every build gets as sample queries (default: none)",
    )
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/promise-<data>.json"
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_promise)


def run_promise(args: argparse.Namespace) -> int:
    """Measure every build; print the table and write it as JSON after each."""
    dataset = load_dataset(args.data, quick=args.quick)
    asked = _asked(dataset, given=args.given)
    suffix = "-given" if args.given else ""
    name = f"promise-{dataset.name}{suffix}"
    out = args.out or default_file(name, quick=args.quick)
    head = {
        "mode": "promise",
        "k": K,
        "within": WITHIN,
        "given": args.given,
        "queries": len(asked.queries),
        "data": describe(dataset),
    }
    builds: dict[str, Any] = {}
    if out.is_file():
        before = json.loads(out.read_text())
        if all(before.get(key) == value for key, value in head.items()):
            builds = before["builds"]
    begun = provenance()
    for seed in range(2 if args.quick else args.seeds):
        if str(seed) in builds:
            continue
        builds[str(seed)] = measured(dataset, asked, seed=seed, targets=args.recall)
        write_json(head | {"builds": builds} | begun, out)
        say(f"{dataset.name}, seed {seed}: {_line(builds[str(seed)])}")
    print(promise_table(head | {"builds": builds}))
    say(f"result: {out}")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """The queries of a set.

    Attributes:
        given: float32 (m, d), sample queries of the build; None for none.
        queries: float32 (nq, d), the others.
        truth: float32 (nq, K), distances of their true neighbours.
    """

    given: Vectors | None
    queries: Vectors
    truth: Distances


def _asked(dataset: Dataset, *, given: int) -> Asked:
    """Divide the queries at random; the truth of all is kept in a temporary file."""
    order = np.random.default_rng(20).permutation(len(dataset.queries))
    key = sha256(f"{dataset.sha256}{len(dataset.base)}{len(order)}".encode())
    kept = Path(gettempdir()) / f"gleann-promise-{key.hexdigest()[:16]}.npy"
    if kept.is_file():
        truth = np.load(kept)
    else:
        say(f"{dataset.name}: the true neighbours of {len(order):,} queries")
        metric = dataset.metric
        truth = exact_search(dataset.queries, dataset.base, metric=metric, k=K)[1]
        np.save(kept, truth)
    others = np.sort(order[given:])
    return Asked(
        given=dataset.queries[np.sort(order[:given])] if given else None,
        queries=dataset.queries[others],
        truth=truth[others],
    )


def measured(
    dataset: Dataset, asked: Asked, *, seed: int, targets: list[float]
) -> list[dict[str, Any]]:
    """What one build gives for each target."""
    params = BuildParams(metric=dataset.metric, seed=seed)
    index = SoarIndex.build(dataset.base, params, queries=asked.given)
    return [_at_target(index, asked, target) for target in targets]


def _at_target(index: SoarIndex, asked: Asked, target: float) -> dict[str, Any]:
    found = index.find_rows(asked.queries, SearchParams(k=K, target_recall=target))
    stats = found.stats
    count = len(asked.queries)
    least, entries, recall = _cheapest(
        index, asked, target, nprobe=stats.nprobe, rerank=stats.rerank
    )
    return {
        "asked": target,
        "recall": round(recall_at_k(found.distances, asked.truth), 5),
        "estimate": stats.estimated_recall,
        "low": stats.recall_low,
        "high": stats.recall_high,
        "nprobe": stats.nprobe,
        "rerank": stats.rerank,
        "entries": stats.entries_scanned / count,
        "least_nprobe": least,
        "least_entries": entries,
        "least_recall": round(recall, 5),
    }


def _cheapest(
    index: SoarIndex, asked: Asked, target: float, *, nprobe: int, rerank: int
) -> tuple[int, float, float]:
    """The fewest lists that reach a target, their entries a query, and their recall."""
    low, high = 0, nprobe
    tried: dict[int, tuple[float, float]] = {}

    def recall_at(lists: int) -> float:
        if lists not in tried:
            params = SearchParams(k=K, nprobe=lists, rerank=rerank)
            found = index.find_rows(asked.queries, params)
            recall = recall_at_k(found.distances, asked.truth)
            tried[lists] = recall, found.stats.entries_scanned / len(asked.queries)
        return tried[lists][0]

    while recall_at(high) < target and high < index.nlist:
        low, high = high, min(index.nlist, high + max(1, high // 4))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if recall_at(middle) >= target else (middle, high)
    recall, entries = tried[high]
    return high, entries, recall


def _line(build: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{one['recall']:.4f} of {one['asked']:g}"
        f" with {one['entries'] / one['least_entries']:.2f} x the least entries"
        for one in build
    )


def promise_table(result: dict[str, Any]) -> str:
    """A recorded result as markdown."""
    head = ["asked", "builds", "reached", "least recall", "mean recall"]
    head += ["mean estimate", "entries / least, median", "most"]
    builds = list(result["builds"].values())
    body = []
    for at, first in enumerate(builds[0]):
        rows = [build[at] for build in builds]
        reached = [row["recall"] >= row["asked"] - WITHIN for row in rows]
        ratios = [row["entries"] / row["least_entries"] for row in rows]
        body.append(
            [
                f"{first['asked']:g}",
                f"{len(rows)}",
                f"{mean(reached):.0%}",
                f"{min(row['recall'] for row in rows):.4f}",
                f"{mean(row['recall'] for row in rows):.4f}",
                f"{mean(row['estimate'] for row in rows):.4f}",
                f"{median(ratios):.3f}",
                f"{max(ratios):.3f}",
            ]
        )
    return markdown(head, body)
