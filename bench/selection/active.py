"""`python -m bench.selection.active`: SEALS and our pools against the global method.

For each data set: rare concepts, three seeds, 5 + 95 labels to begin with, 500 in the
end. Every method starts from the same seeds, and differences from the global method are
paired by concept and seed.
"""

import argparse
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.ending import refusing_data
from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.active_tables import Runs, summaries, tables
from bench.selection.tables.drawing import plot_active
from bench.selection.trials.concepts import Labelled, load_labelled, rare_concepts
from bench.selection.trials.labelling import NPROBE, Ending, run_concept
from bench.selection.trials.nearest import run_nearest
from gleann.index import BuildParams, SoarIndex
from gleann.selection import ActiveParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A pool to compare.

    Attributes:
        name: in the tables.
        pool: of `ActiveParams`, or "nearest" (`run_nearest`).
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
    Method(name="nearest", pool="nearest", neighbours=1),
    Method(name="random", pool="random", neighbours=1),
)
FREE = ("nearest", "random")
"""Methods that follow no strategy."""


@refusing_data
def main() -> int:
    """Run, print the tables, write the result file and its plot."""
    args = add_arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    out = args.out or RESULTS / "selection-active.json"
    result = run(args, out)
    print(tables(result))
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
    parser.add_argument("--concepts", type=positive, default=12)
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--budget", type=positive, default=500)
    parser.add_argument("--batch", type=positive, default=25)
    parser.add_argument(
        "--strategies", nargs="+", default=["entropy"], help="of ActiveParams"
    )
    names = [method.name for method in METHODS]
    parser.add_argument(
        "--methods", nargs="+", choices=names, default=names, help="global always is"
    )
    parser.add_argument("--seed", type=natural, default=0, help="draws the concepts")
    parser.add_argument("--out", type=Path, help="default: bench/results/")
    return parser


def run(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Every data set, strategy, method, concept and seed; written to `out`."""
    origin = provenance() | {"command": command_of("active")}
    # Global is the reference of the comparisons.
    methods = [m for m in METHODS if m.name in {*args.methods, "global"}]
    params = {
        name: getattr(args, name)
        for name in ("concepts", "seeds", "budget", "batch", "seed", "strategies")
    } | {"nprobe": NPROBE, "methods": [asdict(method) for method in methods]}
    notes = Notes(out, params, origin)
    result = {
        "mode": "selection-active",
        "params": params,
        "sets": [
            _Stage(load_labelled(folder), args, notes).result(methods)
            for folder in args.data
        ],
        "resumed_after": notes.resumed,
    } | origin
    write_result(result, out)
    return result


class _Stage:
    """The runs over one data set."""

    def __init__(self, data: Labelled, args: argparse.Namespace, notes: Notes) -> None:
        params = BuildParams(metric="cosine", seed=0)
        self._data = data
        self._args = args
        self._notes = notes
        self._index = SoarIndex.build(data.base, params, threads=1)
        self._concepts = rare_concepts(data, count=args.concepts, seed=args.seed)
        say(f"{data.name}: {self._index}")

    def result(self, methods: list[Method]) -> dict[str, Any]:
        """All runs, and their summary."""
        data, strategies = self._data, self._args.strategies
        runs = {
            f"{strategy}/{method.name}": self._runs(method, strategy)
            for method in methods
            for strategy in (["any"] if method.pool in FREE else strategies)
        }
        return {
            "name": data.name,
            "sha256": data.sha256,
            "n": len(data.base),
            "nlist": self._index.nlist,
            "concepts": [data.names[concept] for concept in self._concepts],
            "positives": [int((data.classes == c).sum()) for c in self._concepts],
            "runs": runs,
            "summary": list(summaries(runs, strategies)),
        }

    def _runs(self, method: Method, strategy: str) -> Runs:
        """(concepts, seeds) endings of one method."""
        found = [
            [
                self._notes.once(
                    (self._data.sha256, strategy, method.name, concept, seed),
                    lambda c=concept, s=seed: asdict(  # type: ignore[misc]
                        self._ending(method, strategy, concept=c, seed=s)
                    ),
                )
                for seed in range(self._args.seeds)
            ]
            for concept in self._concepts
        ]
        say(f"{self._data.name}, {strategy}, {method.name}: done")
        return found

    def _ending(
        self, method: Method, strategy: Any, *, concept: int, seed: int
    ) -> Ending:
        args = self._args
        if method.pool == "nearest":
            return run_nearest(
                self._data, concept, seed=seed, budget=args.budget, batch=args.batch
            )
        params = ActiveParams(
            strategy="entropy" if strategy == "any" else strategy,
            pool=method.pool,
            batch=args.batch,
            neighbours=method.neighbours,
            seed=seed,
        )
        return run_concept(
            self._data,
            concept,
            params,
            self._index,
            budget=args.budget,
            # It costs a look at the whole pool: once a concept will do.
            coverage=seed == 0 and method.pool != "random",
        )


if __name__ == "__main__":
    sys.exit(main())
