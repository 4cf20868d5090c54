"""`python -m bench.selection.active`: SEALS and our pools beside the global method.

For each data set: rare concepts, three seeds, 5 + 95 labels to begin with, 500 in the
end. Every method starts from the same seeds, and differences from the global method are
paired by concept and seed.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets import DatasetError
from bench.provenance import provenance
from bench.say import say
from bench.selection.concepts import Labelled, load_labelled, rare_concepts
from bench.selection.drawing import plot_active
from bench.selection.gaps import paired_gap
from bench.selection.labelling import NPROBE, Ending, run_concept
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.selection import ActiveParams

RESULTS = Path(__file__).parent.parent / "results"
AP_GAP, RECALL_GAP = 0.02, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A pool to compare.

    Attributes:
        name: in the tables.
        pool: of `ActiveParams`.
        neighbours: of each labelled row, or anchor.
    """

    name: str
    pool: Any
    neighbours: int


METHODS = (
    Method(name="SEALS, 15", pool="seals", neighbours=15),
    Method(name="SEALS, 20", pool="seals", neighbours=20),
    Method(name="classifier, 15", pool="classifier", neighbours=15),
    Method(name="AnchorAL, 50", pool="anchors", neighbours=50),
    Method(name="global", pool="global", neighbours=1),
    Method(name="random", pool="random", neighbours=1),
)
METRICS = ("ap_pool", "ap_held_out", "recall", "looked_at", "seconds")


def main() -> int:
    """Run, print the tables, write the result file and its plot."""
    args = add_arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    try:
        result = run(args)
    except DatasetError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(tables(result))
    out = args.out or RESULTS / "selection-active.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    if plot_active(result, out.with_suffix(".svg")):
        say(f"plot: {out.with_suffix('.svg')}")
    say(f"result: {out}")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give a command its options."""
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[root / "wordnet-384", root / "intents-384"],
        help="folders with labels (default: two of $GLEANN_DATA)",
    )
    parser.add_argument("--concepts", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument(
        "--strategies", nargs="+", default=["entropy"], help="of ActiveParams"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the concepts")
    parser.add_argument("--out", type=Path, help="default: bench/results/")
    return parser


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Every data set, strategy, method, concept and seed."""
    command = ["python", "-m", "bench.selection.active", *sys.argv[1:]]
    origin = provenance() | {"command": command}
    return {
        "mode": "selection-active",
        "params": {
            name: getattr(args, name)
            for name in ("concepts", "seeds", "budget", "batch", "seed")
        }
        | {"nprobe": NPROBE, "methods": [asdict(method) for method in METHODS]},
        "sets": [_run_set(load_labelled(folder), args) for folder in args.data],
    } | origin


def _run_set(data: Labelled, args: argparse.Namespace) -> dict[str, Any]:
    index = SoarIndex.build(data.base, BuildParams(metric="cosine", seed=0), threads=1)
    concepts = rare_concepts(data, count=args.concepts, seed=args.seed)
    say(f"{data.name}: {index}")
    runs = {
        f"{strategy}/{method.name}": _runs_of(
            data, index, concepts, args, method=method, strategy=strategy
        )
        for strategy, method in product(args.strategies, METHODS)
    }
    return {
        "name": data.name,
        "sha256": data.sha256,
        "n": len(data.base),
        "nlist": index.nlist,
        "concepts": [data.names[concept] for concept in concepts],
        "positives": [int((data.classes == concept).sum()) for concept in concepts],
        "runs": runs,
        "summary": list(_summaries(runs, args.strategies)),
    }


def _runs_of(
    data: Labelled,
    index: SoarIndex,
    concepts: list[int],
    args: argparse.Namespace,
    *,
    method: Method,
    strategy: Any,
) -> list[list[dict[str, float]]]:
    """(concepts, seeds) endings of one method."""
    endings: list[list[Ending]] = []
    for concept in concepts:
        params = (
            ActiveParams(
                strategy=strategy,
                pool=method.pool,
                batch=args.batch,
                neighbours=method.neighbours,
                seed=seed,
            )
            for seed in range(args.seeds)
        )
        endings.append(
            [
                run_concept(
                    data,
                    concept,
                    one,
                    index,
                    budget=args.budget,
                    # It costs a look at the whole pool: once a concept will do.
                    coverage=one.seed == 0 and one.pool != "random",
                )
                for one in params
            ]
        )
    say(f"{data.name}, {strategy}, {method.name}: done")
    return [[asdict(ending) for ending in row] for row in endings]


def column(runs: list[list[dict[str, float]]], metric: str) -> NDArray[np.float64]:
    """(concepts, seeds) of one metric."""
    return np.array([[ending[metric] for ending in row] for row in runs])


def _mean_measured(runs: list[list[dict[str, float]]]) -> float | None:
    shares = [
        one["in_pool"] for row in runs for one in row if one["in_pool"] is not None
    ]
    return float(np.mean(shares)) if shares else None


def _summaries(
    runs: dict[str, list[list[dict[str, float]]]], strategies: list[str]
) -> Iterator[dict[str, Any]]:
    for strategy, method in product(strategies, METHODS):
        ours = runs[f"{strategy}/{method.name}"]
        best = runs[f"{strategy}/global"]
        gaps = {
            metric: asdict(paired_gap(column(ours, metric), column(best, metric)))
            for metric in METRICS[:3]
        }
        yield {
            "strategy": strategy,
            "method": method.name,
            "mean": {metric: float(column(ours, metric).mean()) for metric in METRICS},
            "in_pool": _mean_measured(ours),
            "below_global": gaps,
            "reached": all(
                gaps[metric]["mean"] <= limit
                for metric, limit in zip(
                    METRICS[:3], (AP_GAP, AP_GAP, RECALL_GAP), strict=True
                )
            ),
        }


def tables(result: dict[str, Any]) -> str:
    """One table a data set: means, and what is lost against the global method."""
    parts = []
    for one in result["sets"]:
        rows = [_row(summary) for summary in one["summary"]]
        head = (
            "strategy", "pool", "AP pool", "AP held out", "recall", "looked at",
            "global top in pool", "AP pool gap", "AP held out gap", "recall gap",
            "reached", "s a run",
        )  # fmt: skip
        parts += [f"### {one['name']}", "", markdown(head, rows), ""]
    return "\n".join(parts)


def _row(summary: dict[str, Any]) -> list[str]:
    mean, gaps = summary["mean"], summary["below_global"]
    shown = [
        f"{gap['mean']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
        for gap in gaps.values()
    ]
    return [
        summary["strategy"],
        summary["method"],
        f"{mean['ap_pool']:.3f}",
        f"{mean['ap_held_out']:.3f}",
        f"{mean['recall']:.3f}",
        f"{mean['looked_at']:.1%}",
        "-" if summary["in_pool"] is None else f"{summary['in_pool']:.2f}",
        *shown,
        "yes" if summary["reached"] else "no",
        f"{mean['seconds']:.2f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
