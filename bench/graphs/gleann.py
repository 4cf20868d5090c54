"""gleann: `knn_graph_of`, from rows; all its work is in `neighbours`."""

from dataclasses import dataclass

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.gleann import version
from gleann.index import knn_graph_of
from gleann.index.params import Metric

__all__ = ["build", "neighbours", "sweep", "version"]


SEARCHES = False

TARGETS = (900, 950, 955, 960, 970, 980, 990)
"""Requested recall, in thousandths."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a graph is made of."""

    base: np.ndarray
    metric: Metric
    threads: int
    seed: int


def sweep(shape: Shape) -> Sweep:
    only = Setting(build={"seed": shape.seed}, efforts=TARGETS)
    return Sweep(settings=(only,), fixed=({},), effort="target")


def build(base: np.ndarray, metric: Metric, threads: int, params: Params) -> Given:
    return Given(base, metric, threads, params["seed"])


def neighbours(
    given: Given, own: np.ndarray | None, k: int, params: Params
) -> np.ndarray:
    graph = knn_graph_of(
        given.base,
        metric=given.metric,
        k=k,
        target_recall=params["target"] / 1000,
        seed=given.seed,
        threads=given.threads,
    )
    return graph.neighbours if own is None else graph.neighbours[own]
