"""`python -m bench.selection.pools`: CPU time of a round by pool, rows and dimensions.

For every size a concept (the 0.5 % of the rows nearest to a drawn one) is labelled for
twenty rounds by the global pool and by those of neighbours, in turn; training is left
out. The constants of `gleann.selection.active.pools.cost` are fitted to these seconds,
and the choice of the pool "auto" is compared with them.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.datasets import load_dataset
from bench.ending import refusing_data
from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import RESULTS, write_json
from bench.say import say
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.pools_table import fitted, pools_table
from bench.selection.trials.concepts import draw_seed
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Vectors
from gleann.selection import ActiveParams, ActiveSession, IndexNeighbours
from gleann.selection.active.pools.cost import ROUNDS

SIZES = {
    ("sift-128", 64): (10_000, 150_000),
    ("glove-100", 100): (10_000, 30_000, 60_000, 100_000, 150_000, 300_000),
    ("sift-128", 128): (30_000, 150_000),
    ("wordnet-384", 384): (10_000, 30_000, 60_000, 100_000, 150_000),
    ("wordnet-384", 768): (10_000, 30_000, 100_000),
}
"""Rows by set and dimensions. Fewer dimensions are the first ones; twice as many are
the rows beside a rotation of them; more rows than there are, copies with noise."""
SHARE = 0.005
REPEATS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a round is measured of.

    Attributes:
        pool: of `ActiveParams`.
        batch: rows a batch.
        neighbours: of each labelled row.
        concepts: questions.
    """

    pool: Any
    batch: int = 25
    neighbours: int = 15
    concepts: int = 1


CELLS = (
    Cell(pool="global"),
    Cell(pool="classifier"),
    Cell(pool="seals"),
    Cell(pool="classifier", neighbours=5),
    Cell(pool="classifier", neighbours=50),
    Cell(pool="classifier", batch=100),
    Cell(pool="global", concepts=3),
    Cell(pool="classifier", concepts=3),
)


@refusing_data
def main() -> int:
    """Run, print the tables, write the result file."""
    args = add_arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    out = args.out or RESULTS / "selection-pools.json"
    with threadpool_limits(1):
        result = refitted(out) if args.refit else run(args, out)
    print(pools_table(result))
    say(f"result: {out}")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give a command its options."""
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    parser.add_argument("--root", type=Path, default=root, help="folder of the sets")
    parser.add_argument("--most", type=positive, default=300_000, help="rows at most")
    parser.add_argument("--repeats", type=positive, default=REPEATS)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--refit", action="store_true", help="the recorded points, measuring nothing"
    )
    parser.add_argument("--out", type=Path, help="default: bench/results/")
    return parser


def run(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Time every cell at every size, in turn; the result goes to `out`."""
    origin = provenance() | {"command": command_of("pools")}
    params = {"repeats": args.repeats, "seed": args.seed, "rounds": ROUNDS}
    notes = Notes(out, {"mode": "pools", **params}, origin)
    points = [
        point
        for name, vectors in worlds(args.root, most=args.most)
        for point in _points(name, vectors, notes, args)
    ]
    result = {
        "mode": "selection-pools",
        "params": params,
        "points": points,
        "fit": fitted(points),
        "resumed_after": notes.resumed,
    } | origin
    write_result(result, out)
    return result


def refitted(out: Path) -> dict[str, Any]:
    """The recorded result with the model of today fitted to its points."""
    result: dict[str, Any] = json.loads(out.read_text())
    result["fit"] = fitted(result["points"])
    write_json(result, out)
    return result


def worlds(root: Path, *, most: int) -> Iterator[tuple[str, Vectors]]:
    """Name and unit rows (n, d) of every size up to `most` rows."""
    for (name, dim), sizes in SIZES.items():
        base = load_dataset(root / name).base
        rng = np.random.default_rng(0)
        for count in sizes:
            if count <= most:
                yield name, _sized(base, count, dim, rng)


def _sized(
    base: Vectors, count: int, dim: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    rows = rng.permutation(len(base))[:count]
    if (lacking := count - len(rows)) > 0:
        rows = np.concatenate([rows, rng.integers(len(base), size=lacking)])
    vectors = base[rows]
    noise = rng.normal(size=(max(0, lacking), vectors.shape[1]))
    vectors[len(rows) - max(0, lacking) :] += 0.02 * noise
    if dim > vectors.shape[1]:
        turn, _ = np.linalg.qr(rng.normal(size=(vectors.shape[1],) * 2))
        vectors = np.hstack([vectors, vectors @ turn.astype(np.float32)])
    vectors = vectors[:, :dim]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-30)).astype(
        np.float32
    )
    return unit


def _points(
    name: str, vectors: Vectors, notes: Notes, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """One point a cell; the cells take turns, the least of the repeats counts."""
    n, dim = vectors.shape
    key = (name, n, dim)
    params = BuildParams(metric="cosine", seed=0, tune_queries=200)
    if all(notes.has((*key, r, str(c))) for r in range(args.repeats) for c in CELLS):
        index = None
    else:
        index = SoarIndex.build(vectors, params, threads=1)
    labels = concepts_of(vectors, count=3, seed=args.seed)
    times = [
        [
            notes.once(
                (*key, repeat, str(cell)), partial(measure, index, labels, cell, args)
            )
            for repeat in range(args.repeats)
        ]
        for cell in CELLS
    ]
    say(f"{name}, {n:,} x {dim}: done")
    return [
        {"data": name, "rows": n, "dim": dim, **asdict(cell)}
        | min(found, key=lambda one: one["cpu_ms_a_round"])
        for cell, found in zip(CELLS, times, strict=True)
    ]


def concepts_of(vectors: Vectors, *, count: int, seed: int) -> NDArray[np.int64]:
    """(n, count) of 0 and 1: whether a row is near the drawn row of each concept."""
    rng = np.random.default_rng([seed, 11])
    drawn = rng.choice(len(vectors), count, replace=False)
    near = vectors @ vectors[drawn].T
    size = max(10, round(SHARE * len(vectors)))
    least = -np.partition(-near, size - 1, axis=0)[size - 1]
    return (near >= least).astype(np.int64)


def measure(
    index: SoarIndex, labels: NDArray[np.int64], cell: Cell, args: argparse.Namespace
) -> dict[str, float]:
    """CPU time of a round without training, and what the pool came to hold."""
    session = _session(index, labels, cell, seed=args.seed)
    seconds, sizes = 0.0, []
    for _ in range(ROUNDS):
        # To ask for a probability trains the models, outside of what is timed.
        for name in session.params.concepts or (None,):
            session.probabilities([0], concept=name)
        start = process_time()
        batch = session.next_batch()
        seconds += process_time() - start
        sizes.append(session.looked_at)
        given = labels[batch.rows]
        session.submit_labels(batch.ids, given if cell.concepts > 1 else given[:, 0])
    return {
        "cpu_ms_a_round": 1e3 * seconds / ROUNDS,
        "looked_at": session.looked_at,
        "mean_looked_at": float(np.mean(sizes)),
        "labelled": len(session.labelled_rows),
    }


def _session(
    index: SoarIndex, labels: NDArray[np.int64], cell: Cell, *, seed: int
) -> ActiveSession:
    first = [draw_seed(labels[:, c] == 1, seed=seed) for c in range(cell.concepts)]
    rows = np.unique(np.concatenate(first))
    several = cell.concepts > 1
    names = tuple(f"c{number}" for number in range(cell.concepts)) if several else ()
    params = ActiveParams(
        pool=cell.pool,
        batch=cell.batch,
        neighbours=cell.neighbours,
        concepts=names,
        seed=seed,
    )
    return ActiveSession.start(
        index.vectors,
        params,
        rows=rows,
        labels=labels[rows] if several else labels[rows, 0],
        neighbours=IndexNeighbours(index),
    )


if __name__ == "__main__":
    sys.exit(main())
