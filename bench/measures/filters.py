"""Recall and cost of filtered searches; work is counted, or with `--peers` timed.

The filters are those of `bench.filtered.masks`; those against the queries stand for the
deletion of a season that queries still ask for.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.filtered.contenders import CONTENDERS
from bench.filtered.masks import filters_of
from bench.filtered.speed import run_speed
from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.arrays import Mask, Vectors

SHARES = (0.99, 0.9, 0.69, 0.5, 0.3, 0.16, 0.09, 0.02, 0.005)
KINDS = ("independent", "against", "along")

K = 10


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--data", type=Path, required=True, help="folder")
    parser.add_argument(
        "--rows", type=positive, default=100_000, help="drawn from the base"
    )
    parser.add_argument("--queries", type=positive, default=1000)
    parser.add_argument("--recall", type=float, nargs="+", default=[0.95, 0.99])
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/filters-<data>.json"
    )
    parser.add_argument(
        "--peers",
        nargs="+",
        choices=CONTENDERS,
        help="time these ways to search instead of counting work",
    )
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[0.5, 0.1, 0.01, 0.001]
    )
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=("independent", "along", "against"),
        default=["independent", "along", "against"],
        help="of filters, with --peers",
    )
    parser.add_argument("--rounds", type=positive, default=5, help="with --peers")
    parser.set_defaults(run=run_filters)


def run_filters(args: argparse.Namespace) -> int:
    """Measure one data folder; print the table and write it as JSON."""
    if args.peers:
        return run_speed(args)
    begun = provenance()
    rng = np.random.default_rng(args.seed)
    metric = json.loads((args.data / "meta.json").read_text())["metric"]
    base = np.load(args.data / "base.npy", mmap_mode="r")
    drawn = np.sort(rng.choice(len(base), min(args.rows, len(base)), replace=False))
    queries = np.load(args.data / "queries.npy")[: args.queries].astype(np.float32)
    index = SoarIndex.build(
        base[drawn].astype(np.float32), BuildParams(metric=metric, seed=args.seed)
    )
    name = args.data.resolve().name
    head = {"mode": "filters", "data": name, "metric": metric, "seed": args.seed}
    head |= {"n": len(index), "queries": len(queries), "k": K, "nlist": index.nlist}
    rows = [
        measure(index, asking, mask, recall) | {"filter": kind, "share": share}
        for recall in args.recall
        for kind, share, asking, mask in filters(index.vectors, queries, rng)
    ]
    result = head | {"rows": rows} | begun
    print(filters_table(result))
    out = args.out or default_file(f"filters-{name}")
    write_json(result, out)
    say(f"result: {out}")
    return 0


def filters(
    rows: Vectors, queries: Vectors, rng: np.random.Generator
) -> Iterator[tuple[str, float, Vectors, Mask | None]]:
    """Every filter: its kind, the share of allowed rows, the queries, and the mask."""
    yield "none", 1.0, queries, None
    made = list(filters_of(rows, queries, list(SHARES), list(KINDS), rng))
    yield "none, furthest queries", 1.0, made[-1].queries, None
    for one in made:
        yield one.kind, one.share, one.queries, one.mask


def measure(
    index: SoarIndex, queries: Vectors, mask: Mask | None, recall: float
) -> dict[str, Any]:
    """One search compared with the exact answer."""
    params = SearchParams(k=K, target_recall=recall, allowed=mask)
    found = index.search(queries, params)
    exact = index.search(queries, SearchParams(k=K, exact=True, allowed=mask))
    there = exact.distances[:, : int(np.isfinite(exact.distances[0]).sum())]
    stats = found.stats
    got = recall_at_k(found.distances[:, : there.shape[1]], there)
    looked_at_all = len(queries) if stats.exact else stats.completed
    return {
        "asked": recall,
        "recall": round(got, 4),
        "estimate": round(stats.estimated_recall or 0.0, 4),
        "entries": round(stats.entries_scanned / len(queries), 1),
        "exhaustive": round(looked_at_all / len(queries), 4),
    }


def filters_table(result: dict[str, Any]) -> str:
    """A recorded result as markdown."""
    head = ["asked", "filter", "rows allowed", "recall", "estimate"]
    head += ["entries a query", "queries that looked at all allowed rows"]
    body = [
        [
            f"{row['asked']:g}",
            row["filter"],
            f"{row['share']:.1%}",
            f"{row['recall']:.3f}",
            f"{row['estimate']:.3f}",
            f"{row['entries']:,.0f}",
            f"{row['exhaustive']:.0%}",
        ]
        for row in result["rows"]
    ]
    return markdown(head, body)
