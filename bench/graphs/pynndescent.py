"""pynndescent: the build returns the graph; the first column is the row itself."""

from importlib.metadata import version as installed_version
from typing import Any

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from gleann.selection.neighbours import without_self

SEARCHES = False

METRICS = {"l2": "sqeuclidean", "cosine": "cosine", "ip": "inner_product"}

WIDTHS = (11, 13, 15, 17, 20, 25, 35, 50)
"""n_neighbors, the row itself among them; more than are wanted buy recall."""


def version() -> str:
    import pynndescent  # noqa: F401  the distribution can be there and not load

    return installed_version("pynndescent")


def sweep(shape: Shape) -> Sweep:
    widths = sorted({max(width, shape.k + 1) for width in WIDTHS})
    settings = [
        Setting(build={"n_neighbors": width, "seed": shape.seed}, efforts=(0,))
        for width in widths
    ]
    return Sweep(settings=tuple(settings), fixed=({},), effort="none")


def build(base: np.ndarray, metric: str, threads: int, params: Params) -> Any:
    from pynndescent import NNDescent

    return NNDescent(
        base,
        metric=METRICS[metric],
        n_neighbors=params["n_neighbors"],
        random_state=params["seed"],
        n_jobs=threads,
    ).neighbor_graph[0]


def neighbours(
    graph: np.ndarray, own: np.ndarray | None, k: int, _: Params
) -> np.ndarray:
    own = np.arange(len(graph)) if own is None else own
    return without_self(graph[own].astype(np.int64), own, k=k)
