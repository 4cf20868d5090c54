"""Queries flagged by a first pass on real data: `python -m bench.gpu.flagged DIR`.

The torch pipeline as it is shipped, on a CPU in float32: what is flagged follows
from scores and buckets alone, so a GPU flags the same but for rounding. Prints one line
for each choice of segments, probes and buckets.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.datasets import Dataset, load_dataset
from bench.option_types import positive
from gleann.index import BuildParams, SoarIndex, exact_search
from gleann.index.engines.contract import IndexData, ScanRequest
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.layout.view import ListView, view_for
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.plan.planner import Sizes, span_for
from gleann.index.engines.device.steps import keys, merge, scan
from gleann.index.engines.device.steps.bitmap import bitmap_of
from gleann.index.engines.device.steps.certificate import violations
from gleann.index.engines.device.steps.queries import code_queries
from gleann.index.engines.reference import ReferenceEngine

K = 10
RERANK = 4 * K
BUCKETS = (32, 64)
PROGRAMS = 132
"""Multiprocessors of the GPU for which spans are planned."""


def main() -> None:
    """Build, measure each choice, print."""
    args = _arguments()
    found = load_dataset(args.data)
    rows, queries = found.base[: args.rows], found.queries[: args.queries]
    truth, _ = exact_search(queries, rows, metric=found.metric, k=K)
    data = _built(found, rows, nlist=args.nlist)
    lists = lay_out(data, kind="fp32", device=torch.device("cpu"))
    asked = torch.from_numpy(np.ascontiguousarray(queries))
    ranked = ReferenceEngine(data).rank_lists(queries, nprobe=max(args.probes))
    print("segments nprobe buckets recall flagged_queries flagged_pairs")
    for segments, nprobe in zip(("both", "primary"), args.probes, strict=True):
        request = ScanRequest(k=K, rerank=RERANK, segments=segments)
        list_nos = torch.from_numpy(ranked[:, :nprobe].astype(np.int64))
        view = view_for(lists, request)
        for buckets in BUCKETS:
            recall, flagged = first_pass(asked, list_nos, view, truth, buckets=buckets)
            print(
                f"{segments} {nprobe} {buckets} {recall:.4f}"
                f" {flagged.any(dim=1).float().mean():.4f}"
                f" {flagged.float().mean():.5f}",
                flush=True,
            )


def first_pass(
    asked: Tensor, list_nos: Tensor, view: ListView, truth: np.ndarray, *, buckets: int
) -> tuple[float, Tensor]:
    """Recall@K without a second pass, and the flagged pairs bool (nq, nprobe)."""
    sizes = Sizes(
        queries=len(asked),
        nprobe=list_nos.shape[1],
        longest=view.longest,
        k=K,
        rerank=RERANK,
        nlist=view.lists.nlist,
    )
    bucketing = Bucketing(buckets=buckets, span=span_for(sizes, programs=PROGRAMS))
    kept = scan.bucketed(code_queries(asked, view.lists), list_nos, view, bucketing)
    probed = bitmap_of(list_nos, nlist=view.lists.nlist)
    flat = kept.keys.reshape(len(asked), -1)
    kept_keys = merge.merge(flat, view.lists, probed, keep=RERANK)
    # Re-ranking sorts the pool by exact distances: what it holds of the K nearest is
    # what is found of them.
    rows = torch.where(kept_keys == keys.NONE, -1, keys.key_numbers(kept_keys)).numpy()
    hits = (truth[:, :, None] == rows[:, None, :]).any(axis=2)
    return float(hits.mean()), violations(kept.bounds, kept_keys, k=K)


def _built(found: Dataset, rows: np.ndarray, *, nlist: int) -> IndexData:
    params = BuildParams(metric=found.metric, spill="soar", nlist=nlist, seed=1)
    return SoarIndex.build(rows, params).data


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder that load_dataset reads")
    parser.add_argument("--rows", type=positive, default=200_000)
    parser.add_argument("--queries", type=positive, default=2500)
    parser.add_argument("--nlist", type=positive, default=820)
    parser.add_argument(
        "--probes",
        type=positive,
        nargs=2,
        default=(15, 30),
        help="with second copies, and without",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
