"""`python -m bench estimators`: `GleannNeighbors` in a pipeline, beside its peers.

The pipeline is one that users write: a transformer makes the graph of the rows, and a
classifier of scikit-learn votes by it. Each peer runs in a fresh process, in turn with
gleann, from the same float32 rows on the same threads, after a run on a few rows: what
is compiled or loaded then (pynndescent's numba, for one) is not counted.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from bench.datasets import Dataset, DatasetError, describe, load_dataset
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, allowed_cores, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import exact_search
from gleann.selection.neighbours import without_self

CLASSES = 50
"""A row's class is the nearest of so many rows that are drawn."""
SAMPLE_ROWS = 1000
FIRST_ROWS = 1000
"""Of the run that is not counted."""
METRICS = {"cosine": "cosine", "l2": "euclidean"}
PEERS = ("gleann", "brute", "pynndescent")
VERSIONS = {"pynndescent": "pynndescent"}
"""Modules that peers need beyond scikit-learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of one peer.

    Attributes:
        data: the data set.
        rows: of it, the first ones; 0 takes all.
        quick: see `load_dataset`.
        peer: one of `PEERS`.
        k: neighbours of a row, beside itself.
        recall: that is asked of gleann.
        threads: of each peer.
        seed: of the sample, the classes and the peers.
    """

    data: Path
    rows: int
    quick: bool
    peer: str
    k: int
    recall: float
    threads: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One run of a pipeline.

    Attributes:
        fit: seconds, of the graph of all rows and the classifier.
        predict: seconds, of the classes of all queries. gleann makes the index that new
            rows are searched in when they first come, which is among these.
        graph_recall: of a sample of the graph's rows, without the rows themselves.
        query_recall: of the neighbours of the first queries.
        right: share of the queries of which the class is that of their place.
    """

    fit: float
    predict: float
    graph_recall: float
    query_recall: float
    right: float


def add_estimators(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("--data", type=Path, required=True, help="folder or HDF5 file")
    command.add_argument(
        "--rows", type=positive, default=0, help="the first ones; 0: all"
    )
    command.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    command.add_argument("--k", type=positive, default=15)
    command.add_argument("--recall", type=float, default=0.95)
    command.add_argument("--rounds", type=positive, default=3)
    command.add_argument("--threads", type=positive, default=len(allowed_cores()))
    command.add_argument("--seed", type=natural, default=0)
    command.add_argument("--quick", action="store_true", help="see that it runs")
    command.add_argument(
        "--out", type=Path, help="default: bench/results/estimators-<data>.json"
    )
    command.set_defaults(run=run_estimators)


def run_estimators(args: argparse.Namespace) -> int:
    """Run the pipelines, write the result and print its table."""
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): timings will be noise")
    begun = provenance()
    dataset = cut(load_dataset(args.data, quick=args.quick), args.rows)
    rounds: dict[str, list[Done]] = {name: [] for name in wanted(args.peers)}
    for number in range(args.rounds):
        for name, runs in rounds.items():
            runs.append(in_own_process(_asked(args, name)))
            say(f"round {number + 1}: {name} {runs[-1]}")
    names = ("k", "recall", "threads", "rounds", "seed", "quick")
    result = {
        "mode": "estimators",
        "data": describe(dataset),
        **{name: getattr(args, name) for name in names},
        "peers": {name: [asdict(one) for one in runs] for name, runs in rounds.items()},
        **begun,
        "load_at_end": load(),
    }
    name = f"estimators-{args.data.resolve().stem}"
    out = args.out or default_file(name, quick=args.quick)
    write_json(result, out)
    print(estimators_table(result))
    say(f"result: {out}")
    return 0


def estimators_table(result: dict[str, Any]) -> str:
    """Medians of each peer, and how many times gleann's seconds it takes."""
    data = result["data"]
    ours = _medians(result["peers"]["gleann"])
    rows = []
    for name, runs in result["peers"].items():
        found = _medians(runs)
        rows.append(
            [
                name,
                f"{found['fit']:.2f}",
                f"{found['fit'] / ours['fit']:.2f}x",
                f"{found['predict']:.2f}",
                f"{found['graph_recall']:.4f}",
                f"{found['query_recall']:.4f}",
                f"{found['right']:.4f}",
            ]
        )
    heading = [
        "transformer",
        "fit, s",
        "times gleann's",
        f"{data['queries']:,} queries, s",
        "recall of the graph",
        "recall of queries",
        "right",
    ]
    about = (
        f"{data['name']} ({data['n']:,} x {data['dim']}, {data['metric']}),"
        f" {result['k']} neighbours, {result['threads']} threads; the seconds of"
        " gleann's queries have the build of its index"
    )
    return f"{about}\n\n{markdown(heading, rows)}"


def wanted(peers: list[str]) -> list[str]:
    """gleann and the peers that are installed, each once."""
    names = list(dict.fromkeys(["gleann", *peers]))
    missing = [n for n in names if n in VERSIONS and find_spec(VERSIONS[n]) is None]
    for name in missing:
        say(f"{name}: skipped, not installed")
    return [name for name in names if name not in missing]


def cut(dataset: Dataset, rows: int) -> Dataset:
    """The first rows; all for 0.

    Raises:
        DatasetError: a metric that scikit-learn has no name for, or too few rows for
            the classes.
    """
    if dataset.metric not in METRICS:
        raise DatasetError(
            f"{dataset.name} has the metric {dataset.metric!r}, not one of"
            f" {', '.join(METRICS)}"
        )
    base = dataset.base[: rows or None]
    if len(base) < CLASSES:
        raise DatasetError(
            f"{dataset.name} has {len(base)} rows, of which {CLASSES} are classes"
        )
    return Dataset(
        name=dataset.name,
        metric=dataset.metric,
        base=base,
        queries=dataset.queries,
        truth=None,
        file=dataset.file,
    )


def in_own_process(asked: Asked) -> Done:
    """`measured` in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, asked).result()


def measured(asked: Asked) -> Done:
    """Fit the pipeline of a peer, and let it predict."""
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits

    dataset = cut(load_dataset(asked.data, quick=asked.quick), asked.rows)
    rng = np.random.default_rng(asked.seed)
    centres = dataset.base[rng.choice(len(dataset.base), CLASSES, replace=False)]
    classes = exact_search(dataset.base, centres, metric=dataset.metric, k=1)[0][:, 0]
    truth = exact_search(dataset.queries, centres, metric=dataset.metric, k=1)[0][:, 0]
    transformer = transformer_of(asked, METRICS[dataset.metric])
    vote = KNeighborsClassifier(n_neighbors=asked.k, metric="precomputed")
    pipeline = make_pipeline(transformer, vote)
    with threadpool_limits(asked.threads):
        first = slice(0, FIRST_ROWS)
        pipeline.fit(dataset.base[first], classes[first])
        pipeline.predict(dataset.queries[first])
        begun = perf_counter()
        pipeline.fit(dataset.base, classes)
        fitted = perf_counter()
        found = pipeline.predict(dataset.queries)
        ended = perf_counter()
        graph = vote._fit_X  # the graph that the transformer made
        near = transformer.transform(dataset.queries[:SAMPLE_ROWS])
    own = np.sort(
        rng.choice(len(dataset.base), min(SAMPLE_ROWS, graph.shape[0]), False)
    )
    return Done(
        fit=fitted - begun,
        predict=ended - fitted,
        graph_recall=_graph_recall(graph, own, dataset, k=asked.k),
        query_recall=_query_recall(near, dataset, k=asked.k),
        right=float((found == truth).mean()),
    )


def transformer_of(asked: Asked, metric: str) -> Any:
    if asked.peer == "gleann":
        from gleann.sklearn import GleannNeighbors

        return GleannNeighbors(
            n_neighbors=asked.k,
            metric=metric,
            target_recall=asked.recall,
            random_state=asked.seed,
            n_jobs=asked.threads,
        )
    if asked.peer == "brute":
        from sklearn.neighbors import KNeighborsTransformer

        return KNeighborsTransformer(
            n_neighbors=asked.k, metric=metric, algorithm="brute", n_jobs=asked.threads
        )
    from pynndescent import PyNNDescentTransformer

    return PyNNDescentTransformer(
        n_neighbors=asked.k + 1,  # a row counts among its own
        metric=metric,
        random_state=asked.seed,
        n_jobs=asked.threads,
    )


def _graph_recall(graph: Any, own: np.ndarray, dataset: Dataset, *, k: int) -> float:
    queries = dataset.base[own]
    rows, _ = exact_search(queries, dataset.base, metric=dataset.metric, k=k + 1)
    found = without_self(nearest_columns(graph[own], k=k + 1), own, k=k)
    return shared(found, without_self(rows, own, k=k))


def _query_recall(near: Any, dataset: Dataset, *, k: int) -> float:
    queries = dataset.queries[: near.shape[0]]
    truth, _ = exact_search(queries, dataset.base, metric=dataset.metric, k=k)
    return shared(nearest_columns(near, k=k), truth)


def nearest_columns(graph: Any, *, k: int) -> np.ndarray:
    """Columns (m, k) of a sparse graph by distance; -1 where a row has fewer."""
    graph = graph.tocsr()
    found = np.full((graph.shape[0], k), -1, np.int64)
    for row in range(graph.shape[0]):
        span = slice(graph.indptr[row], graph.indptr[row + 1])
        order = np.argsort(graph.data[span], kind="stable")[:k]
        found[row, : len(order)] = graph.indices[span][order]
    return found


def shared(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true rows (m, k) that are among those found (m, k)."""
    pairs = zip(found.tolist(), truth.tolist(), strict=True)
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in pairs]))


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(run[name] for run in runs) for name in runs[0]}


def _asked(args: argparse.Namespace, peer: str) -> Asked:
    return Asked(
        data=args.data,
        rows=args.rows,
        quick=args.quick,
        peer=peer,
        k=args.k,
        recall=args.recall,
        threads=args.threads,
        seed=args.seed,
    )
