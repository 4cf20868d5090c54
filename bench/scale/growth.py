"""`python -m bench growth`: entries, speed, build time and memory as rows grow.

Each set is measured at several sizes, the smaller ones being the first rows of the
largest. Every cell (a set at a size) has the parts `truth`, `build` and `search`, each
written to the result file as soon as it is known; a rerun goes on with what is not in
the file. Entries are counts, which a busy machine does not change; seconds and QPS are
measured once, with the load beside them.

    python -m bench growth --folder /big --intrinsic 15 --rows 100000 1000000
"""

import argparse
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.scale.cell import build, search
from bench.scale.dimension import levina_bickel, metric_distances, two_nn
from bench.scale.fresh import in_fresh_process
from bench.scale.growth_table import growth_table
from bench.scale.manifold import Manifold
from bench.scale.sets import RowSet, manifold_set, real_set
from gleann.index import BuildParams, exact_search
from gleann.index.params import Spill

PARTS = ("truth", "build", "search")
LATENT_ROWS = 300_000
"""Sizes up to which the dimension is also estimated before the rows are embedded."""


def add_growth(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--intrinsic",
        type=positive,
        nargs="*",
        default=[5, 10, 15, 20, 40],
        help="dimensions of the surfaces that rows are drawn on",
    )
    parser.add_argument(
        "--clusters",
        type=positive,
        nargs="+",
        default=[Manifold.clusters],
        help="of each",
    )
    parser.add_argument(
        "--dim", type=positive, default=Manifold.dim, help="of the rows"
    )
    parser.add_argument(
        "--data", type=Path, nargs="*", default=[], help="folders of real sets as well"
    )
    sizes = [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000]
    parser.add_argument("--rows", type=positive, nargs="+", default=sizes)
    parser.add_argument("--queries", type=positive, default=2000, help="held out")
    parser.add_argument("--recall", type=float, nargs="+", default=[0.95, 0.99])
    parser.add_argument("--rounds", type=positive, default=5, help="timed batches")
    parser.add_argument("--spill", choices=get_args(Spill), default="auto")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--folder",
        type=Path,
        required=True,
        help="for rows and indexes: 10 bytes a dimension of the most rows",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave rows and indexes in the folder"
    )
    parser.add_argument("--out", type=Path, help="default: bench/results/growth.json")
    parser.set_defaults(run=run_growth)


def run_growth(args: argparse.Namespace) -> int:
    """Measure what the result file does not have yet; print its table."""
    out = args.out or default_file("growth")
    result = _begun(args, out)
    for source in _sources(args):
        cells = source.missing(result, args)
        for cell in cells:
            cell.fill(result, out)
        if cells and not args.keep:
            shutil.rmtree(cells[0].rows.folder)
    print(growth_table(result))
    say(f"result: {out}")
    return 0


def _begun(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """The result so far, or a new one where the file is of something else."""
    head = {"mode": "growth", "dim": args.dim, "seed": args.seed}
    head |= {"queries": args.queries, "levels": args.recall, "spill": args.spill}
    if out.is_file():
        before = json.loads(out.read_text())
        if all(before.get(key) == value for key, value in head.items()):
            result: dict[str, Any] = before
            return result
    return {**head, **provenance(), "cells": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A set at a size.

    Attributes:
        rows: the set.
        n: rows of it.
        manifold: where they are drawn from; None of real data.
        args: of the command.
    """

    rows: RowSet
    n: int
    manifold: Manifold | None
    args: argparse.Namespace

    @property
    def key(self) -> str:
        return f"{self.rows.name}/{self.n}"

    def fill(self, result: dict[str, Any], out: Path) -> None:
        """Measure the missing parts, and write the result after each."""
        cell = result["cells"].setdefault(self.key, {})
        parts = {"truth": self.truth, "build": self.build, "search": self.search}
        for part in missing(result, self.key, self.args):
            cell[part] = parts[part]()
            write_json(result, out)
            say(f"{self.key}: {part} {_line(cell[part])}")
        if not self.args.keep and "search" in cell:
            shutil.rmtree(self.path, ignore_errors=True)

    @property
    def path(self) -> Path:
        """Where the index is."""
        return self.rows.folder / f"index-{self.n}"

    @property
    def described(self) -> Path:
        """Where it is said what the index is built of, and how."""
        return self.rows.folder / f"index-{self.n}.json"

    @property
    def params(self) -> BuildParams:
        """How the index is built."""
        return BuildParams(
            metric=self.rows.metric, spill=self.args.spill, seed=self.args.seed
        )

    @property
    def is_built(self) -> bool:
        """Whether the index is there, of the same rows and built in the same way."""
        if not self.path.is_dir() or not self.described.is_file():
            return False
        there: dict[str, Any] = json.loads(self.described.read_text())
        return there == self._description()

    def _description(self) -> dict[str, Any]:
        return {"set": self.rows.described, "params": asdict(self.params)}

    def truth(self) -> dict[str, Any]:
        """Scan for the true neighbours, and estimate the dimension by them."""
        _, distances = self.rows.truth(self.n)
        near = metric_distances(distances, self.rows.metric)
        estimate, error = two_nn(near)
        found = {
            "two_nn": estimate,
            "two_nn_error": error,
            "levina_bickel": levina_bickel(near),
        }
        if self.manifold is not None and self.n <= LATENT_ROWS:
            found["two_nn_before"] = self._before_embedding(self.manifold)
        return found

    def _before_embedding(self, manifold: Manifold) -> float:
        """TwoNN of the same queries among the same rows before they are embedded."""
        queries = manifold.latent(self.args.queries, stream="queries")
        latent = manifold.latent(self.n)
        _, near = exact_search(queries, latent, metric="l2", k=2)
        return two_nn(metric_distances(near, "l2"))[0]

    def build(self) -> dict[str, Any]:
        """Build in a fresh process."""
        self.described.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)
        built, peak = in_fresh_process(build, self.rows, self.n, self.params, self.path)
        self.described.write_text(json.dumps(self._description()))
        return {**built, "peak_anonymous_bytes": peak}

    def search(self) -> dict[str, Any]:
        """Search in a fresh process.

        The index is built again where it is not there, or is one of other settings.
        """
        if not self.is_built:
            self.build()
        self.rows.truth(self.n)
        levels, rounds = tuple(self.args.recall), self.args.rounds
        found, peak = in_fresh_process(
            search, self.rows, self.n, self.path, levels, rounds
        )
        return {**found, "peak_anonymous_bytes": peak}


def _line(part: dict[str, Any]) -> str:
    if "two_nn" in part:
        return f"{part['two_nn']:.1f} dimensions"
    if "nlist" in part:
        return f"{part['seconds']:.0f} s, {part['nlist']:,} lists, {part['spill']}"
    levels = part["levels"]
    return ", ".join(f"{at['entries']:,.0f} entries at {at['asked']}" for at in levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the rows of a set come from.

    Attributes:
        name: of the set.
        sizes: numbers of rows to measure, ascending.
        make: the set with so many rows, and what it is drawn from, if it is.
    """

    name: str
    sizes: list[int]
    make: Callable[[int], tuple[RowSet, Manifold | None]]

    def missing(self, result: dict[str, Any], args: argparse.Namespace) -> list[Cell]:
        """The cells that are not whole; rows are drawn only where there are some."""
        sizes = [n for n in self.sizes if missing(result, f"{self.name}/{n}", args)]
        if not sizes:
            return []
        rows, manifold = self.make(max(sizes))
        return [Cell(rows=rows, n=n, manifold=manifold, args=args) for n in sizes]


def missing(result: dict[str, Any], key: str, args: argparse.Namespace) -> list[str]:
    """The parts of a cell that were asked for and are not in the result."""
    there = result["cells"].get(key, {})
    return [part for part in PARTS if part in args.parts and part not in there]


def _sources(args: argparse.Namespace) -> Iterator[Source]:
    for intrinsic in args.intrinsic:
        for clusters in args.clusters:
            manifold = Manifold(
                intrinsic=intrinsic, dim=args.dim, clusters=clusters, seed=args.seed
            )
            yield _drawn(manifold, args)
    for data in args.data:
        yield _real(data, args)


def _drawn(manifold: Manifold, args: argparse.Namespace) -> Source:
    def make(most: int) -> tuple[RowSet, Manifold]:
        folder = args.folder / manifold.name
        made = manifold_set(manifold, folder, most=most, queries=args.queries)
        return made, manifold

    return Source(name=manifold.name, sizes=sorted(args.rows), make=make)


def _real(data: Path, args: argparse.Namespace) -> Source:
    name = data.resolve().name

    def make(_: int) -> tuple[RowSet, None]:
        folder = args.folder / name
        return real_set(data, folder, seed=args.seed, queries=args.queries), None

    n = len(np.load(data / "base.npy", mmap_mode="r"))
    sizes = {size for size in args.rows if size < n} | {n}
    return Source(name=name, sizes=sorted(sizes), make=make)
