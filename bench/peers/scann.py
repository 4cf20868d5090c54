"""ScaNN: plain, with anisotropic centroids (AVQ), and with AVQ and SOAR.

The anisotropic threshold grows with a row's length and shrinks with the dimension, so
that the ratio of parallel to perpendicular error weight is the one asked for. AVQ and
SOAR exist for inner products only; L2 data is searched plainly and through the exact
lift to inner products: x' = [x, (c - |x|^2) / 2s], q' = [q, s].
"""

from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np

from bench.peers.contract import Params, Setting, Shape, Sweep
from bench.peers.contract import geometric as steps

LIFT = 0.4
"""The lifted coordinate of a query, as a share of the rows' RMS length."""

MOST_BLOCKS = 192
BATCHES = (256, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A searcher and the preparation of its queries."""

    searcher: Any
    threads: int
    lift: float | None


def version() -> str:
    import scann  # noqa: F401  the distribution can be there and not load

    return installed_version("scann")


def sweep(shape: Shape) -> Sweep:
    settings = [
        Setting(build=params, efforts=steps(1, params["leaves"]))
        for params in _builds(shape)
    ]
    batches = BATCHES if shape.mode == "batch" else BATCHES[:1]
    fixed = [
        {"reorder": factor * shape.k, "batch": batch}
        for batch in batches
        for factor in (12, 6, 24, 3)
    ]
    return Sweep(settings=tuple(settings), fixed=tuple(fixed), effort="leaves_searched")


def build(base: np.ndarray, metric: str, threads: int, params: Params) -> Built:
    import scann

    rows, lift = lifted_rows(base) if params["lift"] else (base, None)
    by_product = metric != "l2" or params["lift"]
    dim = rows.shape[1]
    trained = min(len(rows), max(100_000, 100 * params["leaves"]))
    dtype = scann.ReorderType[params["reorder_dtype"]]
    searcher = (
        scann.scann_ops_pybind.builder(
            rows, 10, "dot_product" if by_product else "squared_l2"
        )
        .set_n_training_threads(threads)
        .tree(
            params["leaves"],
            1,
            training_sample_size=trained,
            avq=params["avq"],
            soar_lambda=params["soar"],
        )
        .score_ah(
            max(2, -(-dim // MOST_BLOCKS)),
            anisotropic_quantization_threshold=threshold(rows, params["ratio"]),
        )
        .reorder(10, quantize=dtype)
        .build()
    )
    searcher.set_num_threads(threads)
    return Built(searcher=searcher, threads=threads, lift=lift)


def search(built: Built, queries: np.ndarray, k: int, params: Params) -> np.ndarray:
    leaves, reorder = params["leaves_searched"], params["reorder"]
    if built.lift is not None:
        queries = lifted_queries(queries, built.lift)
    if len(queries) == 1:
        return built.searcher.search(queries[0], k, reorder, leaves)[0][None]
    if built.threads == 1:
        return built.searcher.search_batched(queries, k, reorder, leaves)[0]
    return built.searcher.search_batched_parallel(
        queries, k, reorder, leaves, batch_size=params["batch"]
    )[0]


def threshold(rows: np.ndarray, ratio: float | None) -> float:
    """T = |x| sqrt(ratio / (d - 1 + ratio)); NaN, which turns it off, for None."""
    if ratio is None:
        return float("nan")
    return _rms_length(rows) * (ratio / (rows.shape[1] - 1 + ratio)) ** 0.5


def lifted_rows(base: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows (n, d + 1) whose inner product orders as L2 does, and the query's s."""
    squares = np.einsum("ij,ij->i", base, base, dtype=np.float64)
    s = LIFT * _rms_length(base)
    extra = (squares.mean() - squares) / (2 * s)
    return np.column_stack([base, extra.astype(np.float32)]), s


def lifted_queries(queries: np.ndarray, s: float) -> np.ndarray:
    """Queries (nq, d + 1) for `lifted_rows`."""
    return np.column_stack([queries, np.full(len(queries), s, np.float32)])


def _rms_length(rows: np.ndarray) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64).mean()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    share: float = 1.0
    avq: float | None = 2.5
    soar: float | None = 1.0
    ratio: float | None = 4.0
    reorder_dtype: str = "BFLOAT16"
    lift: bool = False

    def params(self, nlist: int) -> Params:
        return {
            "leaves": max(1, round(self.share * nlist)),
            "avq": self.avq,
            "soar": self.soar,
            "ratio": self.ratio,
            "reorder_dtype": self.reorder_dtype,
            "lift": self.lift,
        }


def _builds(shape: Shape) -> list[Params]:
    spilled = _Recipe(lift=shape.metric == "l2")
    unspilled = replace(spilled, avq=None, soar=None)
    recipes = [
        spilled,
        unspilled,
        replace(spilled, soar=None),
        replace(spilled, share=2.0),
        replace(spilled, share=0.5),
        replace(unspilled, share=2.0),
        replace(spilled, ratio=2.0),
        replace(spilled, soar=1.5),
        replace(spilled, reorder_dtype="FLOAT32"),
    ]
    if shape.metric == "l2":
        plain = _Recipe(avq=None, soar=None, ratio=None)
        recipes[1:2] = [plain, replace(plain, share=2.0), unspilled]
    return [recipe.params(shape.nlist) for recipe in recipes]
