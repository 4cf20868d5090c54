"""`python -m bench hard`: measured and claimed recall on hard data.

Each set of `bench/measures/hard_sets.py` is built by default and searched with held-out
queries, on every engine of this machine that scans the lists: what was asked, what the
index says of itself, and what a float64 oracle says. Recall and probes are counts,
which any machine repeats; the queries a second are of this one.
"""

import argparse
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from bench.measures.hard_sets import HardSet, MissingSourceError, make, names
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines import native
from gleann.index.errors import RecallWarning
from gleann.index.found import Found

K = 10
TIER = "GLEANN_NATIVE_TIER"
QUICK_ROWS = 3_000


def add_hard(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--sets", nargs="+", choices=names(), default=list(names()))
    parser.add_argument("--rows", type=positive, default=50_000, help="at most, a set")
    parser.add_argument("--queries", type=positive, default=1000, help="held out")
    parser.add_argument("--recall", type=float, nargs="+", default=[0.95, 0.99])
    parser.add_argument(
        "--data", type=Path, help="folder of the shared data sets, for `anisotropic`"
    )
    parser.add_argument("--rounds", type=positive, default=3, help="timed searches")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="default: bench/results/hard.json")
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_hard)


def run_hard(args: argparse.Namespace) -> int:
    """Measure every set; print the table and write it as JSON."""
    begun = provenance()
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): timings will be noise")
    rows, left_out = [], {}
    for name in args.sets:
        wanted = min(args.rows, QUICK_ROWS) if args.quick else args.rows
        try:
            one = make(
                name, n=wanted, queries=args.queries, data=args.data, seed=args.seed
            )
        except MissingSourceError as reason:
            left_out[name] = str(reason)
            say(f"{name} is left out: {reason}")
            continue
        rows += list(measured(one, args))
        say(f"{name}: done")
    head = {"mode": "hard", "k": K, "seed": args.seed, "threads": args.threads}
    result = head | {"rows": rows, "left_out": left_out} | begun
    print(hard_table(result))
    out = args.out or default_file("hard", quick=args.quick)
    write_json(result, out)
    say(f"result: {out}")
    return 0


def measured(one: HardSet, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One set, on every engine, at every requested recall."""
    index = SoarIndex.build(
        one.rows, BuildParams(metric=one.metric, seed=args.seed), threads=args.threads
    )
    n, dim = one.rows.shape
    about = {"set": one.name, "metric": one.metric, "n": n, "dim": dim}
    for engine in ("reference", *(f"native/{tier}" for tier in native.tiers())):
        with served_by(index, engine, threads=args.threads) as served:
            for asked in args.recall:
                params = SearchParams(k=K, target_recall=asked)
                found, warned, seconds = searched(served, one, params, args.rounds)
                yield about | {
                    "engine": engine,
                    "asked": asked,
                    "warned": warned,
                    "estimate": found.stats.estimated_recall,
                    "recall": round(one.recall(found.ids, k=K), 4),
                    "nlist": index.nlist,
                    "nprobe": found.stats.nprobe,
                    "rerank": found.stats.rerank,
                    "qps": round(len(one.queries) / seconds),
                }


@contextmanager
def served_by(index: SoarIndex, engine: str, *, threads: int) -> Iterator[SoarIndex]:
    """The index on an engine such as "reference" or "native/avx2"."""
    name, _, tier = engine.partition("/")
    before = os.environ.get(TIER)
    try:
        if tier:
            os.environ[TIER] = tier
        yield index.with_engine(name, threads=threads)
    finally:
        os.environ.pop(TIER, None)
        if before is not None:
            os.environ[TIER] = before


def searched(
    index: SoarIndex, one: HardSet, params: SearchParams, rounds: int
) -> tuple[Found, bool, float]:
    """The answer, whether it was warned of, and the median seconds of `rounds`."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = index.search(one.queries, params)
        warned = any(issubclass(each.category, RecallWarning) for each in told)
        times = []
        for _ in range(rounds):
            begun = perf_counter()
            index.search(one.queries, params)
            times.append(perf_counter() - begun)
    return found, warned, median(times)


def hard_table(result: dict[str, Any]) -> str:
    """A recorded result as markdown."""
    head = ["set", "rows", "engine", "asked", "estimate", "recall", "warned"]
    head += ["nprobe of nlist", "QPS"]
    body = [
        [
            f"{row['set']} ({row['metric']})",
            f"{row['n']:,} x {row['dim']}",
            row["engine"],
            f"{row['asked']:g}",
            "-" if row["estimate"] is None else f"{row['estimate']:.3f}",
            f"{row['recall']:.3f}",
            "yes" if row["warned"] else "",
            f"{row['nprobe']} of {row['nlist']}",
            f"{row['qps']:,}",
        ]
        for row in result["rows"]
    ]
    return markdown(head, body)
