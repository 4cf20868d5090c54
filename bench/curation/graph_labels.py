"""Labels over the graph: accuracy from few labels, active learning, a million rows."""

import argparse
from collections.abc import Callable, Iterator
from statistics import mean
from time import perf_counter, process_time
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading

from bench.curation.graph_active import active_table, measure_active
from bench.curation.part import Measured, Part, is_wanted
from bench.say import say
from bench.selection.trials.concepts import Labelled, digits, load_labelled
from bench.tables import markdown
from gleann.index import BuildParams, KnnGraph, SoarIndex, knn_graph
from gleann.index.arrays import Rows
from gleann.selection.curation.graph_labels import (
    AllocationRequest,
    PropagationParams,
    PropagationRequest,
    allocate_labels,
    propagate,
)

K = 10
PER_CLASS = (1, 5)
SEEDS = {"digits": 20, "intents-384": 5}
MILLION, DIM, BLOBS, CLASSES = 1_000_000, 32, 1000, 10

ACTIVE, LARGE = "active", "million"
"""Names of the results that are not of one data set."""

Guess = NDArray[np.int64]
"""Class (n,) of every row; -1 for none."""


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Few labels on two sets, active learning on both, and a million rows."""
    sets = [digits(), load_labelled(arguments.data / "intents-384")]
    for data in sets:
        if is_wanted(data.name, arguments):
            yield Measured(name=data.name, values=measure_few(data, arguments))
    if is_wanted(ACTIVE, arguments):
        yield Measured(name=ACTIVE, values=measure_active(sets, arguments))
    if is_wanted(LARGE, arguments):
        yield Measured(name=LARGE, values=measure_million(arguments))


def show(result: dict[str, Any]) -> str:
    """The table of one result."""
    if "trials" in result:
        return _few_table(result)
    return active_table(result) if "curves" in result else _million_table(result)


def measure_few(data: Labelled, arguments: argparse.Namespace) -> dict[str, Any]:
    """Accuracy on the rows without a label, and CPU seconds, of each method."""
    index = SoarIndex.build(data.base, BuildParams(metric="cosine"))
    graph = knn_graph(index, k=K, target_recall=0.99, threads=arguments.threads)
    seeds = 2 if arguments.quick else SEEDS[data.name]
    trials: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for per_class in PER_CLASS:
        at: dict[str, list[tuple[float, float]]] = {}
        for seed in range(seeds):
            rows = drawn(data.classes, per_class, seed=seed)
            for name, method in _methods(data, index, graph).items():
                begun = process_time()
                guess = method(rows)
                spent = process_time() - begun
                away = np.delete(np.arange(len(guess)), rows)
                right = float((guess[away] == data.classes[away]).mean())
                at.setdefault(name, []).append((right, spent))
            say(f"{data.name}, {per_class} a class, seed {seed}")
        trials[str(per_class)] = at
    return {
        "rows": len(data.base),
        "classes": len(np.unique(data.classes)),
        "k": K,
        "graph_recall": graph.estimated_recall,
        "seeds": seeds,
        "trials": trials,
    }


def drawn(classes: NDArray[np.int64], per_class: int, *, seed: int) -> Rows:
    """`per_class` rows of every class."""
    rng = np.random.default_rng(seed)
    rows = [
        rng.choice(np.flatnonzero(classes == one), per_class, replace=False)
        for one in np.unique(classes)
    ]
    return np.sort(np.concatenate(rows))


def _methods(
    data: Labelled, index: SoarIndex, graph: KnnGraph
) -> dict[str, Callable[[Rows], Guess]]:
    """The methods by name: labelled rows to a class of every row."""
    classes = data.classes

    def spread(rows: Rows, **params: Any) -> NDArray[np.float64]:
        request = PropagationRequest(
            ids=rows, labels=classes[rows], params=PropagationParams(**params)
        )
        return propagate(index, request, graph=graph).probabilities

    def named(rows: Rows, table: NDArray[np.float64]) -> Guess:
        return np.where(
            table.any(axis=1), np.unique(classes[rows])[table.argmax(axis=1)], -1
        )

    def allocated(rows: Rows) -> Guess:
        known, shares = np.unique(classes, return_counts=True)
        found = allocate_labels(
            AllocationRequest(probabilities=spread(rows), shares=shares / len(classes))
        )
        guess = np.full(len(classes), -1)
        guess[found.rows] = known[found.numbers]
        return guess

    def nearest(rows: Rows) -> Guess:
        return classes[rows][(data.base @ data.base[rows].T).argmax(axis=1)]

    return {
        "propagation": lambda rows: named(rows, spread(rows)),
        "propagation, alpha 0.98": lambda rows: named(rows, spread(rows, alpha=0.98)),
        "propagation, clamped": lambda rows: named(rows, spread(rows, hold="clamped")),
        "propagation, true shares": allocated,
        "1-NN": nearest,
        "LabelSpreading (scikit-learn)": lambda rows: _sklearn(data, rows),
        "logistic regression": lambda rows: _logistic(data, rows),
    }


def _sklearn(data: Labelled, rows: Rows) -> Guess:
    """Label spreading over as many neighbours, with our alpha."""
    given = np.full(len(data.base), -1)
    given[rows] = data.classes[rows]
    model = LabelSpreading(kernel="knn", n_neighbors=K, alpha=0.95, max_iter=100)
    with catch_warnings():
        simplefilter("ignore")
        model.fit(data.base, given)
    return model.transduction_.astype(np.int64)


def _logistic(data: Labelled, rows: Rows) -> Guess:
    with catch_warnings():
        simplefilter("ignore")
        model = LogisticRegression(C=10, max_iter=1000)
        model.fit(data.base[rows], data.classes[rows])
    return model.predict(data.base).astype(np.int64)


def _few_table(result: dict[str, Any]) -> str:
    head = ["labels a class", "method", "accuracy", "worst seed", "CPU s"]
    rows = []
    for per_class, methods in result["trials"].items():
        for name, seen in methods.items():
            rights = [right for right, _ in seen]
            spent = mean(seconds for _, seconds in seen)
            numbers = [f"{mean(rights):.3f}", f"{min(rights):.3f}", f"{spent:.2f}"]
            rows.append([per_class, name, *numbers])
    size = f"{result['rows']:,} rows, {result['classes']} classes"
    title = f"{size}, k = {result['k']}, {result['seeds']} seeds"
    return f"{title}\n\n{markdown(head, rows)}"


def measure_million(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the graph and of the propagation, ten classes."""
    n = 20_000 if arguments.quick else MILLION
    rng = np.random.default_rng(arguments.seed)
    middles = rng.normal(size=(BLOBS, DIM)).astype(np.float32)
    blob = rng.integers(BLOBS, size=n)
    vectors = middles[blob] + rng.normal(scale=0.7, size=(n, DIM)).astype(np.float32)
    labels = blob % CLASSES
    begun = perf_counter()
    index = SoarIndex.build(vectors, BuildParams(metric="l2"))
    build = perf_counter() - begun
    say(f"built in {build:.0f} s")
    rows = rng.choice(n, 1000, replace=False)
    lines = []
    for k in (10, 15):
        begun = perf_counter()
        graph = knn_graph(index, k=k, threads=arguments.threads)
        made = perf_counter() - begun
        begun, worked = perf_counter(), process_time()
        found = propagate(
            index, PropagationRequest(ids=rows, labels=labels[rows]), graph=graph
        )
        lines.append(
            {
                "k": k,
                "graph_seconds": made,
                "seconds": perf_counter() - begun,
                "cpu_seconds": process_time() - worked,
                "accuracy": found.accuracy(labels),
                **found.summary,
            }
        )
        say(f"k = {k}: graph {made:.0f} s, propagation {lines[-1]['seconds']:.1f} s")
    return {"rows": n, "dim": DIM, "build_seconds": build, "lines": lines}


def _million_table(result: dict[str, Any]) -> str:
    head = ["k", "graph", "propagation", "CPU", "sweeps", "labelled", "accuracy"]
    rows = [
        [
            str(one["k"]),
            f"{one['graph_seconds']:.0f} s",
            f"{one['seconds']:.1f} s",
            f"{one['cpu_seconds']:.1f} s",
            str(one["sweeps"]),
            f"{one['labelled']:,}",
            f"{one['accuracy']:.3f}",
        ]
        for one in result["lines"]
    ]
    size = f"{result['rows']:,} x {result['dim']}, {CLASSES} classes, 1,000 labels"
    return f"{size}; index {result['build_seconds']:.0f} s\n\n{markdown(head, rows)}"


GRAPH_LABELS = Part(
    help="labels propagated over the graph: few labels, active learning, 1M rows",
    run=run,
    show=show,
    sets=(*SEEDS, ACTIVE, LARGE),
)
