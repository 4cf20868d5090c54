"""`python -m bench cluster --part answers`: shards beside the index they are cut of.

Nothing is timed, and no Ray is needed: answers and counts are those of any machine.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.cluster.steps import drawn
from bench.say import say
from bench.tables import markdown
from gleann.index import (
    BuildParams,
    Found,
    SearchParams,
    SoarIndex,
    exact_search,
    recall_at_k,
)
from gleann.index.arrays import Distances, Vectors
from gleann.index.shards.cut import cut
from gleann.index.shards.sharded_index import ShardedIndex

SHARDS = 1, 2, 5
LEVELS = 0.9, 0.95, 0.99
ROWS, QUICK_ROWS, DIM = 300_000, 4000, 96
QUERIES, QUICK_QUERIES = 2000, 100
K = 10
POOL = 200
"""Rows that are re-ranked where all lists are probed: none of the nearest is lost."""


def run_answers(args: argparse.Namespace) -> dict[str, Any]:
    """Search one index, and the same in shards."""
    n = QUICK_ROWS if args.quick else ROWS
    rows = drawn(n, DIM)
    count = QUICK_QUERIES if args.quick else QUERIES
    queries = drawn(count, DIM, stream="queries")
    _, truth = exact_search(queries, rows, k=K, metric="cosine")
    say("building")
    index = SoarIndex.build(rows, BuildParams())
    found = [_asked(index, 0, queries, truth, None)]
    whole = _all_lists(index, queries)
    with TemporaryDirectory(dir=args.folder) as folder:
        for shards in SHARDS:
            path = Path(folder) / str(shards)
            cut(index, path, shards=shards)
            found.append(_asked(ShardedIndex.load(path), shards, queries, truth, whole))
            say(f"{shards} shards: {found[-1]}")
    return {
        "data": {"n": n, "dim": DIM, "nlist": index.nlist, "queries": len(queries)},
        "rows": found,
    }


def _asked(
    index: SoarIndex | ShardedIndex,
    shards: int,
    queries: Vectors,
    truth: Distances,
    whole: Found | None,
) -> dict[str, Any]:
    levels = []
    for level in LEVELS:
        found = index.search(queries, SearchParams(k=K, target_recall=level))
        levels.append(
            {
                "asked": level,
                "recall": recall_at_k(found.distances, truth),
                "entries": found.stats.entries_scanned / len(queries),
            }
        )
    full = None if whole is None else same(_all_lists(index, queries), whole)
    return {"shards": shards, "same": full, "levels": levels}


def _all_lists(index: SoarIndex | ShardedIndex, queries: Vectors) -> Found:
    return index.search(queries, SearchParams(k=K, nprobe=index.nlist, rerank=POOL))


def same(found: Found, wanted: Found) -> float:
    """Share of the places with the same id, or an equal distance."""
    equal = (found.ids == wanted.ids) | (found.distances == wanted.distances)
    return float(np.mean(equal))


def answers_table(result: dict[str, Any]) -> str:
    """Recall and entries of each number of shards."""
    data = result["data"]
    head = (
        f"{data['n']:,} x {data['dim']}, {data['nlist']:,} lists, {data['queries']:,}"
        f" queries, recall@{K}"
    )
    heads = ["shards", "same with all lists"]
    for level in LEVELS:
        heads += [f"recall for {level}", "entries"]
    rows = []
    for one in result["rows"]:
        line = ["one index" if not one["shards"] else str(one["shards"])]
        line.append("" if one["same"] is None else f"{one['same']:.4%}")
        for at in one["levels"]:
            line += [f"{at['recall']:.4f}", f"{at['entries']:,.0f}"]
        rows.append(line)
    return f"{head}\n\n{markdown(heads, rows)}"
