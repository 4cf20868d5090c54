"""`python -m bench.selection.growth`: cost of a batch as the pool doubles.

The pool is a quarter, a half and all of a data set's rows, each with an index of as
many lists, so that the lists double too. Seconds are CPU seconds with one thread for
BLAS and for the index, of choosing alone: what the classifier's training took is taken
off. Pools are timed in turn.
"""

import argparse
import os
import sys
from collections import defaultdict
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from bench.ending import refusing_data
from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.drawing import plot_growth
from bench.selection.trials.concepts import (
    Labelled,
    draw_seed,
    load_labelled,
    rare_concepts,
)
from bench.selection.trials.labelling import NPROBE
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.selection import ActiveParams, ActiveSession, IndexNeighbours

POOLS = {"seals": 20, "classifier": 20, "anchors": 50, "global": 1}


@refusing_data
def main() -> int:
    """Run, print the table, write the result file and its plot."""
    args = add_arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    out = args.out or RESULTS / f"selection-growth-{args.data.name}.json"
    with threadpool_limits(1):
        result = run(args, out)
    print(table(result))
    if plot_growth(result, out.with_suffix(".svg")):
        say(f"plot: {out.with_suffix('.svg')}")
    say(f"result: {out}")
    return 0


def blas_threads() -> int:
    """The most threads that a BLAS library may use now."""
    return max(
        one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"
    )


def add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give a command its options."""
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=root / "wordnet-384")
    parser.add_argument("--nlist", type=positive, default=663)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--budget", type=positive, default=500)
    parser.add_argument("--batch", type=positive, default=25)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="default: bench/results/")
    return parser


def run(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Time every pool at every size, in turn; the result goes to `out`."""
    origin = provenance() | {"command": command_of("growth")}
    data = load_labelled(args.data)
    concept = rare_concepts(data, count=1, seed=args.seed)[0]
    # The seed must be in the smallest pool, so that all start alike.
    order = _seed_first(data, concept, seed=args.seed)
    sizes = [len(order) // 4, len(order) // 2, len(order)]
    indexes = {size: _build(data, order[:size], args) for size in sizes}
    plan = {name: getattr(args, name) for name in ("nlist", "budget", "batch", "seed")}
    notes = Notes(out, {"mode": "growth", **plan}, origin)
    labels = (data.classes[order] == concept).astype(np.int64)
    rows = _timed(indexes, labels, data.sha256, args, notes)
    result = {
        "mode": "selection-growth",
        "data": data.name,
        "sha256": data.sha256,
        "concept": data.names[concept],
        "nlist": args.nlist,
        "nprobe": NPROBE,
        "budget": args.budget,
        "batch": args.batch,
        "seed": args.seed,
        "blas_threads": blas_threads(),
        "rows": rows,
        "resumed_after": notes.resumed,
    } | origin
    write_result(result, out)
    return result


def _timed(
    indexes: dict[int, SoarIndex],
    labels: np.ndarray,
    sha256: str,
    args: argparse.Namespace,
    notes: Notes,
) -> list[dict[str, Any]]:
    """A row for every pool and size: the seconds of all rounds, and the work."""
    times: dict[tuple[str, int], list[float]] = defaultdict(list)
    work: dict[tuple[str, int], dict[str, float]] = {}
    for number in range(args.rounds):
        for pool, size in product(POOLS, indexes):
            seconds, counts = notes.once(
                (sha256, number, pool, size),
                partial(choose_batches, indexes[size], labels[:size], pool, args),
            )
            times[pool, size].append(seconds)
            work[pool, size] = counts
        say(f"round {number + 1} of {args.rounds}")
    return [
        {
            "pool": pool,
            "n": size,
            "seconds": times[pool, size],
            "median_seconds": median(times[pool, size]),
            **work[pool, size],
        }
        for pool, size in times
    ]


def _seed_first(data: Labelled, concept: int, *, seed: int) -> np.ndarray:
    """All rows in random order, behind those the session begins from."""
    first = draw_seed(data.classes == concept, seed=seed)
    others = np.setdiff1d(np.arange(len(data.base)), first)
    return np.concatenate([first, np.random.default_rng(seed).permutation(others)])


def _build(data: Labelled, rows: np.ndarray, args: argparse.Namespace) -> SoarIndex:
    params = BuildParams(metric="cosine", nlist=args.nlist, seed=0, tune_queries=0)
    return SoarIndex.build(data.base[rows], params, threads=1)


def choose_batches(
    index: SoarIndex, labels: np.ndarray, pool: Any, args: argparse.Namespace
) -> tuple[float, dict[str, float]]:
    """CPU seconds of choosing a batch, on average, and the work behind it."""
    params = ActiveParams(
        pool=pool,
        batch=args.batch,
        neighbours=POOLS[pool],
        seed=args.seed,
    )
    session = ActiveSession.start(
        index.vectors,
        params,
        rows=np.arange(100),
        labels=labels[:100],
        neighbours=IndexNeighbours(index, nprobe=NPROBE),
    )
    seconds, batches = 0.0, 0
    while len(session.labelled_rows) < args.budget:
        session.probabilities([0])  # trains the model, outside of what is timed
        start = process_time()
        batch = session.next_batch()
        seconds += process_time() - start
        batches += 1
        session.submit_labels(batch.ids, labels[batch.rows])
    found = index.search(
        index.vectors[session.labelled_rows], SearchParams(k=20, nprobe=NPROBE)
    )
    return seconds / batches, {
        "looked_at": session.looked_at,
        "positives": int(session.labels.sum()),
        "entries_a_lookup": found.stats.entries_scanned / len(session.labelled_rows),
    }


def table(result: dict[str, Any]) -> str:
    """One line a pool and size; ratios to half the size."""
    at = {(row["pool"], row["n"]): row for row in result["rows"]}
    lines = []
    for (pool, n), row in at.items():
        half = at.get((pool, n // 2))
        ratio = row["median_seconds"] / half["median_seconds"] if half else None
        lines.append(
            [
                pool,
                f"{n:,}",
                f"{1e3 * row['median_seconds']:.1f}",
                "-" if ratio is None else f"{ratio:.2f}",
                f"{row['looked_at']:,}",
                f"{row['entries_a_lookup']:,.0f}",
            ]
        )
    head = (
        "pool",
        "rows",
        "ms a batch",
        "to half the rows",
        "looked at",
        "entries a lookup",
    )
    return markdown(head, lines)


if __name__ == "__main__":
    sys.exit(main())
