"""gleann: `SoarIndex.build` without search-only parts, then `knn_graph`."""

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.gleann import version
from gleann.index import BuildParams, SoarIndex, knn_graph

__all__ = ["build", "neighbours", "sweep", "version"]


SEARCHES = False

TARGETS = (900, 950, 960, 970, 980, 990)
"""Requested recall, in thousandths."""

# The time of a build counts, so fewer lists, no second copies and a shorter training
# can be better than a search would want. In the order of what they cost to build.
BUILDS = (
    (0.5, "none", 4),
    (0.5, "none", 8),
    (0.5, "soar", 8),
    (1.0, "none", 4),
    (1.0, "soar", 8),
    (2.0, "soar", 8),
)
"""Share of the lists that a search would have, spilling, and iterations of k-means."""


def sweep(shape: Shape) -> Sweep:
    settings = [
        Setting(
            build={
                "nlist": max(1, round(share * shape.nlist)),
                "spill": spill,
                "kmeans_iterations": iterations,
                "seed": shape.seed,
            },
            efforts=TARGETS,
        )
        for share, spill, iterations in BUILDS
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
