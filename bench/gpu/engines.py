"""Our engines in `bench.gpu`: selection, recall and nprobe."""

from collections.abc import Callable

import numpy as np

from bench.gpu.data import TUNED, Workload, index_of
from bench.gpu.run import Run
from gleann.index import recall_at_k
from gleann.index.arrays import Distances
from gleann.index.engines.contract import IndexData
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.torch import torch_engine
from gleann.index.engines.triton import triton_engine


def kinds_of(run: Run) -> tuple[str, ...]:
    """The requested kinds; a CPU uses torch, with float32 for bf16."""
    if run.device.type == "cuda":
        return run.options.kinds
    return tuple("fp32" if kind == "bf16" else kind for kind in run.options.kinds)


def engine_of(run: Run, name: str, kind: str) -> DeviceEngine:
    """The engine over the index of a data set, kept for later stages."""
    key = f"engine {name} {kind}"
    if key not in run.kept:
        run.kept[key] = new_engine(run, index_of(run, name).data, kind)
    return run.kept[key]


def new_engine(run: Run, data: IndexData, kind: str) -> DeviceEngine:
    """Triton's kernels on CUDA, torch elsewhere."""
    if run.device.type == "cuda":
        return triton_engine(data, device=str(run.device), kind=kind)
    return torch_engine(data, device=str(run.device), kind=kind)


def recall_of(found: Workload, distances: Distances, *, first: int = 0) -> float:
    """Recall of answers (m, k) to the queries from `first` on."""
    k = distances.shape[1]
    exact = found.distances[first : first + len(distances), :k]
    return float(recall_at_k(distances, exact))


def tuned_queries(found: Workload) -> int:
    """Number of leading queries used for tuning."""
    return min(TUNED, len(found.queries) // 2)


def least_nprobe(
    recall_at: Callable[[int], float], level: float, *, nlist: int
) -> int | None:
    """The least nprobe that reaches recall `level`, None if none does.

    By doubling and halving: recall grows with nprobe.
    """
    high = 1
    while recall_at(high) < level:
        if high == nlist:
            return None
        high = min(2 * high, nlist)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if recall_at(middle) < level:
            low = middle
        else:
            high = middle
    return high


def answer_share(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Share of positions at which two engines return the same row."""
    return float((ours == theirs).mean())
