"""faiss IVF-PQ with 4-bit FastScan codes, refined on the full vectors."""

from typing import Any

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.contract import geometric as steps

CODES = (("fs", 2, 1.0), ("fsr", 2, 1.0), ("fs", 2, 2.0), ("fs", 4, 1.0))
"""(suffix, dimensions a sub-quantizer, share of the lists); "r" encodes residuals."""


def version() -> str:
    import faiss

    return f"{faiss.__version__} ({faiss.get_compile_options().strip()})"


def sweep(shape: Shape) -> Sweep:
    settings = []
    for suffix, sub_dim, share in CODES:
        nlist = max(1, round(share * shape.nlist))
        parts = sub_quantizers(shape.dim, sub_dim)
        factory = f"IVF{nlist},PQ{parts}x4{suffix},RFlat"
        settings.append(Setting(build={"factory": factory}, efforts=steps(1, nlist)))
    return Sweep(
        settings=tuple(settings),
        fixed=tuple({"k_factor": factor} for factor in (12, 6, 24, 3, 48)),
        effort="nprobe",
    )


def build(base: np.ndarray, metric: str, threads: int, params: Params) -> Any:
    import faiss

    faiss.omp_set_num_threads(threads)
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    index = faiss.index_factory(base.shape[1], params["factory"], kind)
    index.train(base)
    index.add(base)
    return index


def search(index: Any, queries: np.ndarray, k: int, params: Params) -> np.ndarray:
    import faiss

    chosen = faiss.IndexRefineSearchParameters(
        k_factor=float(params["k_factor"]),
        base_index_params=faiss.SearchParametersIVF(nprobe=params["nprobe"]),
    )
    return index.search(queries, k, params=chosen)[1]


def sub_quantizers(dim: int, sub_dim: int) -> int:
    """The most sub-quantizers that divide `dim` into parts of at least `sub_dim`."""
    divisors = (m for m in range(1, dim + 1) if dim % m == 0)
    return max((m for m in divisors if m * sub_dim <= dim), default=1)
