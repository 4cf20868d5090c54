"""Latency of small batches: microseconds a query, by the size of the call.

One process and one index; the sizes are timed in turn, so that drift of the machine
affects all of them.
"""

import argparse
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.datasets import describe, load_dataset
from bench.option_types import natural, positive
from bench.provenance import load, provenance
from bench.quality import Judge
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CALLS = 64
"""Calls of a size in each round, fewer where they would be more than the queries."""


def add_single(single: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    single.add_argument("--data", type=Path, required=True, help="folder or HDF5 file")
    single.add_argument("--k", type=positive, default=10)
    single.add_argument("--levels", type=float, nargs="+", default=[0.95, 0.99])
    single.add_argument("--threads", type=positive, default=1)
    single.add_argument("--rounds", type=positive, default=15)
    single.add_argument("--seed", type=natural, default=0)
    single.add_argument(
        "--out", type=Path, help="default: bench/results/small-<data>-t<threads>.json"
    )
    single.add_argument("--quick", action="store_true", help="see that it runs")
    single.set_defaults(run=run_single)


def run_single(args: argparse.Namespace) -> int:
    """Measure one data set; print the table and write it as JSON."""
    begun = provenance()
    dataset = load_dataset(args.data, quick=args.quick)
    judge = Judge(dataset, k=args.k)
    params = BuildParams(metric=dataset.metric, seed=args.seed)
    index = SoarIndex.build(dataset.base, params, threads=args.threads)
    searches = {
        level: SearchParams(k=args.k, target_recall=level) for level in args.levels
    }
    rounds = 2 if args.quick else args.rounds
    taken = time_sizes(index, dataset.queries, searches, rounds=rounds)
    result = {
        "mode": "small",
        "data": describe(dataset),
        "rounds": rounds,
        "levels": [
            {
                "level": level,
                "recall": judge.recall(index.search_rows(dataset.queries, search)[0]),
                "sizes": [summary(size, taken[level, size]) for size in SIZES],
            }
            for level, search in searches.items()
        ],
    }
    result |= {name: getattr(args, name) for name in ("k", "threads", "seed", "quick")}
    name = f"small-{args.data.resolve().stem}-t{args.threads}"
    out = args.out or default_file(name, quick=args.quick)
    write_json(result | begun | {"load_at_end": load()}, out)
    print(single_table(result))
    say(f"result: {out}")
    return 0


def time_sizes(
    index: SoarIndex,
    queries: np.ndarray,
    searches: dict[float, SearchParams],
    *,
    rounds: int,
) -> dict[tuple[float, int], list[float]]:
    """Seconds of each call, by level and size; no round starts where another did."""
    taken: dict[tuple[float, int], list[float]] = {}
    for turn in range(rounds):
        for (level, search), size in product(searches.items(), SIZES):
            calls = min(CALLS, len(queries) // size)
            for call in range(calls):
                first = (turn * 37 + call * size) % max(len(queries) - size, 1)
                asked = queries[first : first + size]
                start = perf_counter()
                index.search(asked, search)
                taken.setdefault((level, size), []).append(perf_counter() - start)
    return taken


def summary(size: int, seconds: list[float]) -> dict[str, float]:
    """Quantiles of a call's time, and the median a query, in microseconds."""
    p25, p50, p99 = (
        float(value) * 1e6 for value in np.quantile(seconds, (0.25, 0.5, 0.99))
    )
    return {
        "queries": size,
        "calls": len(seconds),
        "p25": p25,
        "p50": p50,
        "p99": p99,
        "p50_a_query": p50 / size,
    }


def single_table(result: dict[str, Any]) -> str:
    """Microseconds by queries a call."""
    header = ["recall", "queries a call", "p50 a query", "p50 a call", "p99 a call"]
    rows = [
        [
            f"{level['recall']:.3f}",
            str(size["queries"]),
            f"{size['p50_a_query']:.1f}",
            f"{size['p50']:.0f}",
            f"{size['p99']:.0f}",
        ]
        for level in result["levels"]
        for size in level["sizes"]
    ]
    return markdown(header, rows)
