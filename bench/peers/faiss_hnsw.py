"""faiss HNSW on full vectors."""

from typing import Any

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.contract import geometric as steps

LINKS = ((24, 200), (16, 200), (32, 300))
"""(M, efConstruction)."""


def version() -> str:
    import faiss

    return f"{faiss.__version__} ({faiss.get_compile_options().strip()})"


def sweep(shape: Shape) -> Sweep:
    settings = [
        Setting(
            build={"M": links, "ef_construction": effort},
            efforts=steps(shape.k, 3000),
        )
        for links, effort in LINKS
    ]
    return Sweep(settings=tuple(settings), fixed=({},), effort="ef")


def build(base: np.ndarray, metric: str, threads: int, params: Params) -> Any:
    import faiss

    faiss.omp_set_num_threads(threads)
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWFlat(base.shape[1], params["M"], kind)
    index.hnsw.efConstruction = params["ef_construction"]
    index.add(base)
    return index


def search(index: Any, queries: np.ndarray, k: int, params: Params) -> np.ndarray:
    import faiss

    chosen = faiss.SearchParametersHNSW(efSearch=params["ef"])
    return index.search(queries, k, params=chosen)[1]
