"""`python -m bench kmeans`: our k-means and faiss' on the same sample, in turn."""

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from bench.datasets import describe, load_dataset
from bench.peers.contract import Shape
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index.arrays import Vectors
from gleann.index.build.assign import nearest_lists
from gleann.index.build.kmeans import TRAIN_ROWS_PER_LIST, train_centroids
from gleann.index.params import Metric


def run_kmeans(arguments: argparse.Namespace) -> int:
    """Train both in turn, `rounds` times, and print seconds and objective."""
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    n, dim = dataset.base.shape
    shape = Shape(
        n=n, dim=dim, metric=dataset.metric, k=1, mode="build", seed=arguments.seed
    )
    nlist = arguments.nlist or shape.nlist
    sample = draw_sample(dataset.base, nlist=nlist, seed=arguments.seed)
    say(f"{dataset.name}: {nlist} lists from {len(sample)} rows")
    rows = compare_trainers(
        {
            "gleann": lambda: _ours(sample, dataset.metric, nlist, arguments),
            "faiss": _faiss(sample, dataset.metric, nlist, arguments),
        },
        sample,
        metric=dataset.metric,
        rounds=arguments.rounds,
        threads=arguments.threads,
    )
    result = {
        "mode": "kmeans",
        "data": describe(dataset),
        "nlist": nlist,
        "sample": len(sample),
        "iterations": arguments.iterations,
        "threads": arguments.threads,
        "seed": arguments.seed,
        "trainers": rows,
    } | provenance()
    name = f"kmeans-{arguments.data.resolve().stem}"
    out = arguments.out or default_file(name, quick=arguments.quick)
    write_json(result, out)
    print(kmeans_table(result))
    say(f"result: {out}")
    return 0


def draw_sample(base: Vectors, *, nlist: int, seed: int) -> Vectors:
    """The rows that both train on: as many as gleann would draw."""
    wanted = min(len(base), TRAIN_ROWS_PER_LIST * nlist)
    rows = np.random.default_rng(seed).choice(len(base), wanted, replace=False)
    return np.ascontiguousarray(base[np.sort(rows)])


def objective(sample: Vectors, centroids: Vectors, metric: Metric) -> float:
    """Mean cosine (higher is better) or squared L2 (lower) to the nearest centroid."""
    near = centroids[nearest_lists(sample, centroids)]
    if metric == "cosine":
        return float(np.einsum("ij,ij->i", sample, near, dtype=np.float64).mean())
    return float(np.square(sample - near, dtype=np.float64).sum(axis=1).mean())


def compare_trainers(
    trainers: dict[str, Callable[[], Vectors] | None],
    sample: Vectors,
    *,
    metric: Metric,
    rounds: int,
    threads: int,
) -> dict[str, dict[str, Any]]:
    """Time each trainer once a round, in turn; all repeats are kept."""
    from threadpoolctl import threadpool_limits

    usable = {name: train for name, train in trainers.items() if train is not None}
    found: dict[str, dict[str, Any]] = {
        name: {"seconds": [], "objective": []} for name in usable
    }
    with threadpool_limits(threads):
        for _ in range(rounds):
            for name, train in usable.items():
                start = perf_counter()
                centroids = train()
                found[name]["seconds"].append(perf_counter() - start)
                found[name]["objective"].append(objective(sample, centroids, metric))
    return found


def _ours(
    sample: Vectors, metric: Metric, nlist: int, arguments: argparse.Namespace
) -> Vectors:
    return train_centroids(
        sample,
        nlist=nlist,
        metric=metric,
        iterations=arguments.iterations,
        seed=arguments.seed,
    )


def _faiss(
    sample: Vectors, metric: Metric, nlist: int, arguments: argparse.Namespace
) -> Callable[[], Vectors] | None:
    try:
        import faiss
    except ImportError as error:
        say(f"faiss SKIPPED: {error}")
        return None
    faiss.omp_set_num_threads(arguments.threads)

    def train() -> Vectors:
        trainer = faiss.Kmeans(
            sample.shape[1],
            nlist,
            niter=arguments.iterations,
            seed=arguments.seed,
            spherical=metric == "cosine",
            min_points_per_centroid=1,
            max_points_per_centroid=len(sample),
        )
        trainer.train(sample)
        return trainer.centroids

    return train


def kmeans_table(result: dict[str, Any]) -> str:
    """Seconds of both trainers, in turn, and the objective of each."""
    metric = result["data"].get("metric", "cosine")  # files before it was recorded
    good = "mean cosine" if metric == "cosine" else "mean squared L2"
    ours = result["trainers"]["gleann"]["seconds"]
    rows = []
    for name, found in result["trainers"].items():
        ratios = [b / a for a, b in zip(ours, found["seconds"], strict=True)]
        rows.append(
            [
                name,
                f"{np.median(found['seconds']):.2f}",
                f"{np.median(ratios):.2f}x ({min(ratios):.2f}..{max(ratios):.2f})",
                f"{np.median(found['objective']):.6g}",
            ]
        )
    head = ["trainer", "seconds", "times gleann's", good]
    return f"{result['data']['name']}, nlist {result['nlist']}\n\n" + markdown(
        head, rows
    )
