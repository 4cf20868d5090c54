"""`python -m bench.selection.defaults`: measurements behind the default parameters.

`tune` labels with every batch size, number of neighbours and pool of a grid, on six
classes of each set. `confirm` labels with `ActiveParams()`, on classes that neither the
grid nor an earlier table used, beside the global pool with batches as large, SEALS as
published and the former defaults. Every run has 500 labels, 5 positives and 95
negatives to begin with, and searches neighbours as the command line does.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.ending import refusing_data
from bench.option_types import positive
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.defaults_table import defaults_table, summarised
from bench.selection.trials.concepts import (
    Labelled,
    drawn_rows,
    load_labelled,
    tuned_concepts,
    unseen_concepts,
)
from bench.selection.trials.labelling import run_concept
from gleann.index import BuildParams, SoarIndex
from gleann.selection import ActiveParams

BUDGET = 500
BATCHES = (10, 25, 100)
NEIGHBOURS = {"classifier": (5, 10, 15, 25, 100), "seals": (15, 100)}
RIVAL_SEEDS = 2
"""Seeds of what is neither the default nor the global pool with its batch size."""
SUBSETS = {"wordnet-384": 75_000}
"""Rows of a set from which the share looked at is promised: confirmed on too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One cell of a grid.

    Attributes:
        pool: of `ActiveParams`.
        batch: rows a batch.
        neighbours: of each labelled row.
    """

    pool: Any
    batch: int
    neighbours: int

    @classmethod
    def named(cls, name: str) -> "Setting":
        """The setting of that `name`."""
        pool, _, sizes = name.partition(" ")
        batch, _, neighbours = sizes.partition("/")
        return cls(pool=pool, batch=int(batch), neighbours=int(neighbours or 1))

    @property
    def name(self) -> str:
        """Such as "classifier 25/15": pool, batch, neighbours."""
        free = self.pool in ("global", "random")
        return f"{self.pool} {self.batch}{'' if free else f'/{self.neighbours}'}"

    @property
    def judged(self) -> bool:
        """Whether it is the default, or the global pool that it is compared with."""
        ours = ActiveParams()
        default = (ours.batch, ours.neighbours)
        if self.pool == "global":
            return self.batch == ours.batch
        return (self.batch, self.neighbours) == default and self.pool != "seals"


def grid() -> list[Setting]:
    """The settings that are tuned over; global with each batch size."""
    cells = [
        Setting(pool=pool, batch=batch, neighbours=neighbours)
        for batch in BATCHES
        for pool, counts in NEIGHBOURS.items()
        for neighbours in counts
    ]
    return [Setting(pool="global", batch=b, neighbours=1) for b in BATCHES] + cells


def rivals() -> list[Setting]:
    """The defaults, the global pool, SEALS as published and the former defaults."""
    ours = ActiveParams()
    return [
        Setting(pool="global", batch=ours.batch, neighbours=1),
        Setting(pool="classifier", batch=ours.batch, neighbours=ours.neighbours),
        Setting(pool="seals", batch=ours.batch, neighbours=ours.neighbours),
        Setting(pool="seals", batch=100, neighbours=100),
        Setting(pool="classifier", batch=100, neighbours=100),
        Setting(pool="global", batch=100, neighbours=1),
        Setting(pool="random", batch=ours.batch, neighbours=1),
    ]


@refusing_data
def main() -> int:
    """Run, print the table, write the result file."""
    args = add_arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    out = args.out or RESULTS / f"selection-defaults-{args.phase}.json"
    result = run(args, out)
    print(defaults_table(result))
    say(f"result: {out}")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give a command its options."""
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    parser.add_argument("phase", choices=("tune", "confirm"))
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[root / "wordnet-384", root / "intents-384", Path("digits")],
        help="folders with labels, and digits (default: two of $GLEANN_DATA, digits)",
    )
    parser.add_argument(
        "--seeds", type=positive, help="default: 1 to tune, 5 to confirm"
    )
    parser.add_argument(
        "--concepts", type=positive, help="default: 6 to tune, 14 to confirm"
    )
    parser.add_argument(
        "--settings", nargs="+", help='such as "classifier 25/15"; default: all'
    )
    parser.add_argument("--out", type=Path, help="default: bench/results/")
    return parser


def run(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Every set, setting, concept and seed; the result goes to `out`."""
    origin = provenance() | {"command": command_of("defaults")}
    tuning = args.phase == "tune"
    settings = grid() if tuning else rivals()
    if args.settings:
        settings = [Setting.named(name) for name in args.settings]
    seeds = args.seeds or (1 if tuning else 5)
    params = {"phase": args.phase, "budget": BUDGET, "seeds": seeds}
    notes = Notes(out, params, origin)
    sets = []
    count = args.concepts or (6 if tuning else 14)
    for data, concepts in _worlds(args.data, tuning=tuning, count=count):
        world = _World(data, concepts, notes=notes)
        # Rivals are run on whole sets only.
        mine = [one for one in settings if one.judged or "/" not in data.sha256]
        runs = {
            one.name: world.runs(
                one, seeds=seeds if one.judged else min(seeds, RIVAL_SEEDS)
            )
            for one in mine
        }
        sets.append(world.described() | {"summary": summarised(runs, mine)})
    result = {
        "mode": "selection-defaults",
        "params": params,
        "sets": sets,
        "resumed_after": notes.resumed,
    } | origin
    write_result(result, out)
    return result


def _worlds(
    folders: list[Path], *, tuning: bool, count: int
) -> Iterator[tuple[Labelled, list[int]]]:
    """Each set and its concepts; to confirm, a part of the largest set too."""
    for folder in folders:
        data = load_labelled(folder)
        tuned = tuned_concepts(data)
        if tuning:
            yield data, tuned[:count]
            continue
        parts = [data]
        if (rows := SUBSETS.get(folder.name)) is not None:
            parts.append(drawn_rows(data, rows))
        for part in parts:
            yield part, unseen_concepts(data, count=count, tuned=tuned)


class _World:
    """The runs over one data set."""

    def __init__(self, data: Labelled, concepts: list[int], *, notes: Notes) -> None:
        self._data = data
        self._concepts = concepts
        self._notes = notes
        params = BuildParams(metric="cosine", seed=0)
        self._index = SoarIndex.build(data.base, params, threads=1)
        say(f"{data.name}: {self._index}, {len(concepts)} concepts")

    def described(self) -> dict[str, Any]:
        """The data and its concepts."""
        data = self._data
        return {
            "name": data.name,
            "sha256": data.sha256,
            "n": len(data.base),
            "dim": data.base.shape[1],
            "nlist": self._index.nlist,
            "concepts": [data.names[concept] for concept in self._concepts],
            "positives": [int((data.classes == c).sum()) for c in self._concepts],
        }

    def runs(self, setting: Setting, *, seeds: int) -> list[list[dict[str, Any]]]:
        """(concepts, seeds) endings of one setting."""
        found = [
            [
                self._notes.once(
                    (self._data.sha256, setting.name, concept, seed),
                    partial(self._ending, setting, concept, seed),
                )
                for seed in range(seeds)
            ]
            for concept in self._concepts
        ]
        say(f"{self._data.name}, {setting.name}: done")
        return found

    def _ending(self, setting: Setting, concept: int, seed: int) -> dict[str, Any]:
        params = ActiveParams(**asdict(setting), seed=seed)
        return asdict(
            run_concept(
                self._data,
                concept,
                params,
                self._index,
                budget=BUDGET,
                coverage=False,
                nprobe=None,
            )
        )


if __name__ == "__main__":
    sys.exit(main())
