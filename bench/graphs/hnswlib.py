"""hnswlib: build, then search all rows and drop each from its own answer."""

from typing import Any

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.contract import geometric as steps
from bench.peers.hnswlib import build, version
from gleann.selection.neighbours import without_self

__all__ = ["build", "neighbours", "sweep", "version"]

SEARCHES = True

LINKS = ((12, 60), (16, 100), (24, 200))
"""(M, ef_construction): a graph is made once, so builds cheaper than for search."""


def sweep(shape: Shape) -> Sweep:
    settings = [
        Setting(
            build={"M": links, "ef_construction": effort, "seed": shape.seed},
            efforts=steps(shape.k + 1, 1500, 1.3),
        )
        for links, effort in LINKS
    ]
    return Sweep(settings=tuple(settings), fixed=({},), effort="ef")


def neighbours(
    index: Any, own: np.ndarray | None, k: int, params: Params
) -> np.ndarray:
    own = np.arange(index.get_current_count()) if own is None else own
    base = np.asarray(index.get_items(own), np.float32)
    index.set_ef(params["ef"])
    found = index.knn_query(base, k=k + 1)[0]
    return without_self(found.astype(np.int64), own, k=k)
