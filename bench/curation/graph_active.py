"""Active learning by margins of the propagation, at equal numbers of labels."""

import argparse
from functools import partial
from statistics import mean
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.say import say
from bench.selection.trials.concepts import Labelled, drawn_rows
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    GraphNeighbours,
    Neighbours,
    run_active,
)

SEEDS = 5
MOST_ROWS = 8000
"""Rows of a larger set that are drawn: a round scores all of them, twice."""
BATCHES = 8

STRATEGIES: dict[str, dict[str, Any]] = {
    "margin of the propagation": {"model": "graph", "strategy": "margin"},
    "margin of a logistic regression": {"strategy": "margin", "C": 10.0},
    "random": {"pool": "random"},
}
JUDGES = ("propagation", "logistic regression")


def measure_active(
    sets: list[Labelled], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Accuracy on the rows without a label after each batch, by two judges.

    Every strategy starts from one label a class.
    """
    seeds = 1 if arguments.quick else SEEDS
    return {
        "seeds": seeds,
        "curves": [_curves(_at_most(data), seeds) for data in sets],
    }


def active_table(result: dict[str, Any]) -> str:
    """A line a strategy: accuracies by both judges, early and late."""
    parts = []
    for curves in result["curves"]:
        labels = curves["labels"]
        shown = [len(labels) // 4, len(labels) // 2, len(labels) - 1]
        head = ["picked by", "judged by", *(f"{labels[at]} labels" for at in shown)]
        rows = []
        for name, judged in curves["accuracies"].items():
            for judge in JUDGES:
                means = [mean(one[at] for one in judged[judge]) for at in shown]
                rows.append([name, judge, *(f"{value:.3f}" for value in means)])
        size = f"{curves['name']}: {curves['rows']:,} rows, {curves['classes']} classes"
        title = f"{size}, {result['seeds']} seeds, batches of {curves['batch']}"
        parts.append(f"{title}\n\n{markdown(head, rows)}")
    return "\n\n".join(parts)


def _at_most(data: Labelled) -> Labelled:
    return data if len(data.base) <= MOST_ROWS else drawn_rows(data, MOST_ROWS)


def _curves(data: Labelled, seeds: int) -> dict[str, Any]:
    index = SoarIndex.build(data.base, BuildParams(metric="cosine"))
    near = GraphNeighbours(knn_graph(index, k=10, target_recall=0.99))
    classes = np.unique(data.classes)
    batch = max(10, len(classes) // 2)
    accuracies: dict[str, Any] = {}
    labels: list[int] = []
    for name, params in STRATEGIES.items():
        judged: dict[str, list[list[float]]] = {judge: [] for judge in JUDGES}
        for seed in range(seeds):
            session = _session(data, near, seed=seed, batch=batch, params=params)
            run = run_active(
                session,
                lambda ids: data.classes[ids],
                budget=len(classes) + BATCHES * batch,
                evaluate=partial(_judged, data=data, near=near),
            )
            labels = [record.labelled for record in run.history]
            for judge, curve in judged.items():
                curve.append([record.metrics[judge] for record in run.history])
            say(f"{data.name}: {name}, seed {seed}")
        accuracies[name] = judged
    return {
        "name": data.name,
        "rows": len(data.base),
        "classes": len(classes),
        "batch": batch,
        "labels": labels,
        "accuracies": accuracies,
    }


def _session(
    data: Labelled, near: Neighbours, *, seed: int, batch: int, params: dict[str, Any]
) -> ActiveSession:
    rng = np.random.default_rng(seed)
    rows = [
        rng.choice(np.flatnonzero(data.classes == one))
        for one in np.unique(data.classes)
    ]
    return ActiveSession.start(
        data.base,
        ActiveParams(**{"pool": "global", "batch": batch, "seed": seed, **params}),
        rows=rows,
        labels=data.classes[rows],
        neighbours=near,
    )


def _judged(
    session: ActiveSession, *, data: Labelled, near: Neighbours
) -> dict[str, float]:
    """Accuracy on the other rows of both judges, given the session's labels."""
    rows = session.labelled_rows
    away = np.delete(np.arange(len(data.base)), rows)
    judge = ActiveSession.start(
        data.base,
        ActiveParams(model="graph"),
        rows=rows,
        labels=session.labels,
        neighbours=near,
    )
    likeliest = judge.probabilities(away).argmax(axis=1)
    guess = np.array(judge.classes)[likeliest]
    with catch_warnings():
        simplefilter("ignore")
        model = LogisticRegression(C=10, max_iter=1000)
        model.fit(data.base[rows], data.classes[rows])
    return {
        "propagation": float((guess == data.classes[away]).mean()),
        "logistic regression": float(model.score(data.base[away], data.classes[away])),
    }
