"""hnswlib. Unit vectors are searched by inner product, which orders as cosine does."""

from importlib.metadata import version as installed_version
from typing import Any

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.contract import geometric as steps

LINKS = ((24, 200), (16, 200), (32, 300))
"""(M, ef_construction)."""


def version() -> str:
    import hnswlib  # noqa: F401  the distribution can be there and not load

    return installed_version("hnswlib")


def sweep(shape: Shape) -> Sweep:
    settings = [
        Setting(
            build={"M": links, "ef_construction": effort, "seed": shape.seed},
            efforts=steps(shape.k, 3000),
        )
        for links, effort in LINKS
    ]
    return Sweep(settings=tuple(settings), fixed=({},), effort="ef")


def build(base: np.ndarray, metric: str, threads: int, params: Params) -> Any:
    import hnswlib

    index = hnswlib.Index(space="l2" if metric == "l2" else "ip", dim=base.shape[1])
    index.init_index(
        max_elements=len(base),
        M=params["M"],
        ef_construction=params["ef_construction"],
        random_seed=params["seed"],
    )
    index.set_num_threads(threads)
    index.add_items(base, num_threads=threads)
    return index


def search(index: Any, queries: np.ndarray, k: int, params: Params) -> np.ndarray:
    index.set_ef(params["ef"])
    return index.knn_query(queries, k=k)[0]
