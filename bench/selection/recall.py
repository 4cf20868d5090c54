"""`python -m bench.selection.recall`: effect of missed neighbours on labelling.

One index, searched with fewer and fewer lists: the share of the true neighbours that
SEALS and the classifier's pool are given falls, and with it, perhaps, the average
precision and the positives found. The global pool, which asks for no neighbours, stands
beside them. All start from the same labels; differences are paired by concept and seed.
"""

import argparse
import os
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.ending import refusing_data
from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.gaps import paired_gap
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.active_tables import Runs, column
from bench.selection.tables.drawing import plot_recall_curve
from bench.selection.trials.concepts import Labelled, load_labelled, rare_concepts
from bench.selection.trials.labelling import run_concept
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex, exact_search, recall_at_k
from gleann.index.arrays import Distances, Rows
from gleann.selection import ActiveParams, IndexNeighbours
from gleann.selection.neighbours import without_self

TARGETS = (0.5, 0.8, 0.9, 0.99, 1.0)
SAMPLE = 1_000
"""Rows whose neighbours measure the recall."""
METRICS = ("ap_pool", "ap_held_out", "recall")


@refusing_data
def main() -> int:
    """Run, print the table, write the result file and its plot."""
    args = add_arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    out = args.out or RESULTS / f"selection-recall-{args.data.name}.json"
    result = run(args, out)
    print(table(result))
    if plot_recall_curve(result, out.with_suffix(".svg")):
        say(f"plot: {out.with_suffix('.svg')}")
    say(f"result: {out}")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give a command its options."""
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=root / "wordnet-384")
    parser.add_argument("--targets", type=float, nargs="+", default=list(TARGETS))
    parser.add_argument("--pools", nargs="+", default=["seals", "classifier"])
    parser.add_argument("--neighbours", type=positive, default=15)
    parser.add_argument("--concepts", type=positive, default=12)
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--budget", type=positive, default=500)
    parser.add_argument("--batch", type=positive, default=25)
    parser.add_argument("--strategy", default="entropy", help="of ActiveParams")
    parser.add_argument("--seed", type=natural, default=0, help="draws the concepts")
    parser.add_argument("--out", type=Path, help="default: bench/results/")
    return parser


def run(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Every level of recall, pool, concept and seed; the result goes to `out`."""
    origin = provenance() | {"command": command_of("recall")}
    data = load_labelled(args.data)
    index = SoarIndex.build(data.base, BuildParams(metric="cosine", seed=0), threads=1)
    concepts = rare_concepts(data, count=args.concepts, seed=args.seed)
    levels = levels_of(index, args.targets, k=args.neighbours)
    say(f"{data.name}: {index}; {levels}")
    names = (
        "targets", "pools", "neighbours", "concepts", "seeds", "budget", "batch",
        "strategy", "seed",
    )  # fmt: skip
    params = {name: getattr(args, name) for name in names}
    notes = Notes(out, {"mode": "recall", **params}, origin)

    world = _World(data=data, index=index, concepts=concepts, args=args)
    runs = partial(_runs, world, notes)
    best = runs("global", 1)
    rows = [_row("global", None, best, best)]
    for pool in args.pools:
        for level in levels:
            rows.append(_row(pool, level, runs(pool, level["nprobe"]), best))
            say(f"{pool}, nprobe {level['nprobe']}: done")
    result = {
        "mode": "selection-recall",
        "data": data.name,
        "sha256": data.sha256,
        "n": len(data.base),
        "nlist": index.nlist,
        "concept_names": [data.names[concept] for concept in concepts],
        "params": params,
        "rows": rows,
        "resumed_after": notes.resumed,
    } | origin
    write_result(result, out)
    return result


def levels_of(
    index: SoarIndex, targets: list[float], *, k: int
) -> list[dict[str, float]]:
    """For each target the fewest lists, of powers of two, that reach it.

    Args:
        index: its rows' neighbours are looked for.
        targets: recall at k of neighbours, ascending; what none but all lists reach is
            all lists.
        k: neighbours of a row.

    Returns:
        nprobe and the recall measured, each nprobe once.
    """
    rng = np.random.default_rng(0)
    n = len(index)
    rows = np.sort(rng.permutation(n)[:SAMPLE])
    found, _ = exact_search(
        index.vectors[rows], index.vectors, metric=index.metric, k=k + 1
    )
    exact = _distances(index, rows, without_self(found, rows, k=k))
    measured: list[dict[str, float]] = []
    nprobe = 1
    for target in targets:
        while True:
            near = IndexNeighbours(index, nprobe=nprobe).neighbours(rows, k=k)
            recall = recall_at_k(np.sort(_distances(index, rows, near)), exact)
            if recall >= target or nprobe >= index.nlist:
                break
            nprobe = min(2 * nprobe, index.nlist)
        if not measured or measured[-1]["nprobe"] != nprobe:
            measured.append({"nprobe": nprobe, "recall": recall})
    return measured


def _distances(index: SoarIndex, rows: Rows, near: Rows) -> Distances:
    """Squared L2 distances (m, k) of unit rows; inf for no neighbour."""
    differences = index.vectors[rows, None] - index.vectors[near]
    squared = np.einsum("ijk,ijk->ij", differences, differences)
    return np.where(near < 0, np.float32(np.inf), squared)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _World:
    """Data, index and options of the labelling runs."""

    data: Labelled
    index: SoarIndex
    concepts: list[int]
    args: argparse.Namespace

    def ending(self, pool: Any, nprobe: int, concept: int, seed: int) -> dict[str, Any]:
        """One run, to its end."""
        args = self.args
        params = ActiveParams(
            strategy=args.strategy,
            pool=pool,
            batch=args.batch,
            neighbours=args.neighbours,
            seed=seed,
        )
        made = run_concept(
            self.data,
            concept,
            params,
            self.index,
            budget=args.budget,
            coverage=False,
            nprobe=nprobe,
        )
        return asdict(made)


def _runs(world: _World, notes: Notes, pool: str, nprobe: int) -> Runs:
    """(concepts, seeds) endings of one pool with so many lists a look-up."""
    return [
        [
            notes.once(
                (world.data.sha256, pool, nprobe, concept, seed),
                partial(world.ending, pool, nprobe, concept, seed),
            )
            for seed in range(world.args.seeds)
        ]
        for concept in world.concepts
    ]


def _row(
    pool: str, level: dict[str, float] | None, runs: Runs, best: Runs
) -> dict[str, Any]:
    """Means of one line, and losses against the global pool."""
    names = (*METRICS, "looked_at", "seconds")
    return {
        "pool": pool,
        "nprobe": None if level is None else level["nprobe"],
        "neighbour_recall": None if level is None else level["recall"],
        "mean": {name: float(column(runs, name).mean()) for name in names},
        "below_global": {
            name: asdict(paired_gap(column(runs, name), column(best, name)))
            for name in METRICS
        },
        "runs": runs,
    }


def table(result: dict[str, Any]) -> str:
    """One line a pool and level of recall."""
    head = (
        "pool", "lists a look-up", "recall of neighbours", "AP pool", "AP held out",
        "recall", "AP pool gap", "AP held out gap", "recall gap",
    )  # fmt: skip
    lines = []
    for row in result["rows"]:
        mean, gaps = row["mean"], row["below_global"].values()
        searched = row["nprobe"] is not None
        lines.append(
            [
                row["pool"],
                str(row["nprobe"]) if searched else "-",
                f"{row['neighbour_recall']:.3f}" if searched else "-",
                *(f"{mean[name]:.3f}" for name in METRICS),
                *(
                    f"{gap['mean']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
                    for gap in gaps
                ),
            ]
        )
    return markdown(head, lines)


if __name__ == "__main__":
    sys.exit(main())
