"""gleann as a caller gets it: `SoarIndex.build`, then `knn_graph`."""

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.gleann import version
from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.index.build import auto_nlist

__all__ = ["build", "neighbours", "sweep", "version"]


SEARCHES = False

TARGETS = (900, 950, 960, 970, 980, 990)
"""Recall to ask for, in thousandths."""


def sweep(shape: Shape) -> Sweep:
    settings = [
        Setting(build={"nlist": nlist, "seed": shape.seed}, efforts=TARGETS)
        for nlist in (shape.nlist, auto_nlist(shape.n))
    ]
    return Sweep(settings=tuple(settings), fixed=({},), effort="target")


def build(base: np.ndarray, metric: str, threads: int, params: Params) -> SoarIndex:
    # Operating points would be measured for nothing: the graph plans for itself.
    chosen = BuildParams(metric=metric, tune_queries=0, **params)
    return SoarIndex.build(base, chosen, threads=threads)


def neighbours(
    index: SoarIndex, own: np.ndarray | None, k: int, params: Params
) -> np.ndarray:
    graph = knn_graph(index, k=k, target_recall=params["target"] / 1000)
    return graph.neighbours if own is None else graph.neighbours[own]
