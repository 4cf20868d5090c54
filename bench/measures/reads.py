"""Entries read per query at each recall: the effect of lists and spilling.

This counts work, not time, so it can run on a busy machine. The decisions on `nlist`,
`spill_lambda` and the size of the training sample rest on it.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.option_types import positive
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from gleann.index import BuildParams
from gleann.index.arrays import ListNos, Rows, Vectors
from gleann.index.build.arrange import auto_nlist
from gleann.index.build.assign import assign_blocks
from gleann.index.build.kmeans import train_centroids
from gleann.index.build.spill import scale_of
from gleann.index.codes import Encoding
from gleann.index.metric import list_scores, prepare

TARGETS = (0.90, 0.95, 0.99, 0.995)
SEED = 0


def assign_all(
    rows: Vectors, centroids: Vectors, params: BuildParams
) -> tuple[ListNos, ListNos]:
    """First and second list of every row, block by block."""
    blocks = assign_blocks(rows, centroids, params=params, scale=scale_of(rows))
    _, primary, second = zip(*blocks, strict=True)
    return np.concatenate(primary), np.concatenate(second)


def reads_at(
    order: Rows, primary: ListNos, second: ListNos, truth: Rows
) -> list[dict[str, float]]:
    """Probes and entries a query needs until the lists hold each share of the truth."""
    nlist = order.shape[1]
    rank = np.argsort(order, axis=1)
    sizes = np.bincount(primary, minlength=nlist)
    sizes += np.bincount(second[second >= 0], minlength=nlist)
    best = np.take_along_axis(rank, primary[truth], axis=1)
    copy = second[truth]
    of_copy = np.take_along_axis(rank, np.maximum(copy, 0), axis=1)
    best = np.where(copy >= 0, np.minimum(best, of_copy), best)
    read = np.cumsum(sizes[order], axis=1).mean(axis=0)
    last = [int(np.quantile(best, target, method="higher")) for target in TARGETS]
    return [
        {"recall": target, "nprobe": at + 1, "entries": round(float(read[at]), 1)}
        for target, at in zip(TARGETS, last, strict=True)
    ]


def cases(nlists: list[int], lambdas: list[float]) -> Iterator[tuple[int, str, float]]:
    """Every (nlist, spill, lambda) to measure."""
    for nlist in nlists:
        yield nlist, "none", 0.0
        yield nlist, "naive", 0.0
        for weight in lambdas:
            yield nlist, "soar", weight


def add_reads(reads: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    reads.add_argument("--data", type=Path, required=True, help="folder")
    reads.add_argument(
        "--nlist", type=positive, nargs="*", help="default: the index's own"
    )
    reads.add_argument("--spill-lambda", type=float, nargs="*", default=[0.5, 1, 2])
    reads.add_argument("--queries", type=positive, default=2000)
    reads.add_argument(
        "--out", type=Path, help="default: bench/results/reads-<data>.json"
    )
    reads.set_defaults(run=run_reads)


def run_reads(args: argparse.Namespace) -> int:
    """Measure one data folder; print the rows and write them as JSON."""
    begun = provenance()
    metric = json.loads((args.data / "meta.json").read_text())["metric"]
    rows = prepare(np.load(args.data / "base.npy").astype(np.float32), metric)
    queries = np.load(args.data / "queries.npy")[: args.queries].astype(np.float32)
    queries = prepare(queries, metric)
    truth = np.load(args.data / "gt100.npy")[: len(queries), :10]
    nlists = args.nlist or [auto_nlist(len(rows))]
    table, trained = [], {}
    for nlist, spill, weight in cases(nlists, args.spill_lambda):
        if nlist not in trained:
            trained[nlist] = train_centroids(
                rows, nlist=nlist, metric=metric, iterations=8, seed=SEED
            )
        params = BuildParams(metric=metric, spill=spill, spill_lambda=weight)
        case = {"nlist": nlist, "spill": spill, "lambda": weight}
        for row in measure(rows, queries, trained[nlist], params, truth):
            table.append(case | row)
            print(" ".join(f"{key}={value}" for key, value in table[-1].items()))
    name = args.data.resolve().name
    head = {"mode": "reads", "data": name, "metric": metric, "seed": SEED}
    head |= {"n": len(rows), "queries": len(queries)}
    out = args.out or default_file(f"reads-{name}")
    write_json(head | {"rows": table} | begun, out)
    say(f"result: {out}")
    return 0


def measure(
    rows: Vectors,
    queries: Vectors,
    centroids: Vectors,
    params: BuildParams,
    truth: Rows,
) -> list[dict[str, float]]:
    """Assign the rows by `params` and count what the queries read."""
    primary, second = assign_all(rows, centroids, params)
    plain = Encoding.uncentred(params.metric, rows.shape[1])
    order = np.argsort(-list_scores(queries, centroids, plain), axis=1)
    spilled = {"spilled": round(float((second >= 0).mean()), 3)}
    return [spilled | row for row in reads_at(order, primary, second, truth)]
