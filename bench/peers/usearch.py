"""usearch, with full and with bfloat16 vectors."""

from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.contract import geometric as steps

LINKS = ((24, 200, "f32"), (24, 200, "bf16"), (16, 200, "f32"))
"""(connectivity, expansion_add, dtype)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An index and the threads its searches take."""

    index: Any
    threads: int


def version() -> str:
    import usearch.index  # noqa: F401  the distribution can be there and not load

    return installed_version("usearch")


def sweep(shape: Shape) -> Sweep:
    settings = [
        Setting(
            build={"M": links, "ef_construction": effort, "dtype": dtype},
            efforts=steps(shape.k, 3000),
        )
        for links, effort, dtype in LINKS
    ]
    return Sweep(settings=tuple(settings), fixed=({},), effort="ef")


def build(base: np.ndarray, metric: str, threads: int, params: Params) -> Built:
    from usearch.index import Index

    index = Index(
        ndim=base.shape[1],
        metric="l2sq" if metric == "l2" else "ip",
        dtype=params["dtype"],
        connectivity=params["M"],
        expansion_add=params["ef_construction"],
    )
    index.add(np.arange(len(base), dtype=np.uint64), base, threads=threads)
    return Built(index=index, threads=threads)


def search(built: Built, queries: np.ndarray, k: int, params: Params) -> np.ndarray:
    built.index.expansion_search = params["ef"]
    found = built.index.search(queries, k, threads=built.threads)
    return np.atleast_2d(found.keys)
