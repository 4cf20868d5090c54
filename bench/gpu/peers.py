"""Others' indexes on the same data and device, where they are installed.

Each peer is built once and searched with growing effort; queries and answers stay on
the device where the peer allows it. Under cosine, rows are of unit length, and squared
L2 orders them the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.gpu.data import Workload, available, index_of, workload
from bench.gpu.engines import recall_of, tuned_queries
from bench.gpu.run import Run, seconds_of, wait
from gleann.index.build import auto_nlist
from gleann.index.engines.contract import ScanRequest
from gleann.index.metric import pair_distances

K = 10
LEVELS = (0.90, 0.95, 0.99)
BATCHES = (100, 1000, 10_000)
PROBES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
POOLS = (16, 32, 64, 96, 128, 192, 256, 512)
TRAINED = 256
"""Rows a list that faiss trains with."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peer:
    """An index that was built.

    Attributes:
        name: of library and index.
        efforts: to try, ascending.
        search: queries (nq, d) on the device and an effort to rows (nq, K).
    """

    name: str
    efforts: tuple[int, ...]
    search: Callable[[Tensor, int], Any]


Maker = Callable[[Workload, Tensor], Peer]


def peers(run: Run) -> None:
    """A row for each peer, workload, level and batch."""
    for name in available(run):
        rows = None
        for module, makers in MAKERS.items():
            if find_spec(module) is None:
                run.skip(f"{name} {module}", "not installed")
                continue
            if rows is None:
                rows = torch.from_numpy(workload(run, name).vectors).to(run.device)
            ours = (partial(faiss_spilled, run),) if module == "faiss" else ()
            for maker in (*makers, *ours):
                run.attempt(
                    f"{name} {_name_of(maker)}",
                    lambda m=maker, n=name, r=rows: _measure(run, m, n, r),
                )


def _measure(run: Run, maker: Maker, name: str, rows: Tensor) -> None:
    found = workload(run, name)
    start = perf_counter()
    peer = maker(found, rows)
    wait(run.device)
    built = perf_counter() - start
    for level, effort, recall in _settings(run, found, peer):
        for batch in run.batches(BATCHES, there=len(found.queries)):
            asked = torch.from_numpy(found.queries[:batch]).to(run.device)
            taken = seconds_of(run, lambda a=asked, e=effort: peer.search(a, e), most=1)
            run.row(
                set=name,
                peer=peer.name,
                level=level,
                effort=effort,
                batch=len(asked),
                recall=recall,
                seconds=taken,
                qps=len(asked) / taken,
                build_seconds=built,
            )


def _settings(
    run: Run, found: Workload, peer: Peer
) -> Iterator[tuple[float, int, float]]:
    """The least effort for each level, and the recall on the queries not tuned with."""
    first = tuned_queries(found)
    tuning, rest = (
        torch.from_numpy(part).to(run.device)
        for part in (found.queries[:first], found.queries[first:])
    )
    open_levels = list(LEVELS)
    for effort in peer.efforts:
        got = _recall(found, peer.search(tuning, effort), 0)
        while open_levels and got >= open_levels[0]:
            told = _recall(found, peer.search(rest, effort), first)
            yield open_levels.pop(0), effort, told
    for level in open_levels:
        run.skip(f"{found.name} {peer.name} {level}", "never reached")


def _recall(found: Workload, answers: Any, first: int) -> float:
    """By true distances: what peers return is taken for row numbers only."""
    rows = host_rows(answers)[:, :K]
    known = np.clip(rows, 0, len(found.vectors) - 1)
    queries = found.queries[first : first + len(rows)]
    near = pair_distances(queries, found.vectors[known], found.metric)
    near[rows != known] = np.inf
    return recall_of(found, near, first=first)


def host_rows(answers: Any) -> np.ndarray:
    """Rows int64 (nq, k) of what a peer answers: torch, cuVS or NumPy."""
    if isinstance(answers, torch.Tensor):
        return answers.cpu().numpy().astype(np.int64)
    if hasattr(answers, "copy_to_host"):
        return answers.copy_to_host().astype(np.int64)
    return np.asarray(answers).astype(np.int64)


def flashlib_ivf(found: Workload, rows: Tensor) -> Peer:
    from flashlib.primitives.ivf_flat import flash_ivf_flat_build, flash_ivf_flat_search

    index = flash_ivf_flat_build(rows, lists_for(found))
    return Peer(
        name="flashlib IVF-Flat",
        efforts=_up_to(lists_for(found)),
        search=lambda q, p: flash_ivf_flat_search(index, q, K, nprobe=p)[1],
    )


def flashlib_cagra(_: Workload, rows: Tensor) -> Peer:
    from flashlib.primitives.cagra.impl import flash_cagra_build, flash_cagra_search

    index = flash_cagra_build(rows)
    return Peer(
        name="flashlib CAGRA",
        efforts=POOLS,
        search=lambda q, e: flash_cagra_search(index, q, K, itopk_size=e)[1],
    )


def flashlib_exact(_: Workload, rows: Tensor) -> Peer:
    from flashlib import flash_knn

    narrow = rows.to(torch.bfloat16) if rows.is_cuda else rows
    return Peer(
        name=f"flashlib exact {str(narrow.dtype).removeprefix('torch.')}",
        efforts=(0,),
        search=lambda q, _effort: flash_knn(q.to(narrow.dtype), narrow, K)[1],
    )


def cuvs_ivf(found: Workload, rows: Tensor) -> Peer:
    from cuvs.neighbors import ivf_flat

    made = ivf_flat.IndexParams(n_lists=lists_for(found), metric="sqeuclidean")
    index = ivf_flat.build(made, rows)

    def search(queries: Tensor, nprobe: int) -> Any:
        asked = ivf_flat.SearchParams(n_probes=nprobe)
        return ivf_flat.search(asked, index, queries, K)[1]

    return Peer(name="cuVS IVF-Flat", efforts=_up_to(lists_for(found)), search=search)


def cuvs_cagra(_: Workload, rows: Tensor) -> Peer:
    from cuvs.neighbors import cagra

    index = cagra.build(cagra.IndexParams(metric="sqeuclidean"), rows)

    def search(queries: Tensor, effort: int) -> Any:
        asked = cagra.SearchParams(itopk_size=effort)
        return cagra.search(asked, index, queries, K)[1]

    return Peer(name="cuVS CAGRA", efforts=POOLS, search=search)


def faiss_ivf(found: Workload, rows: Tensor) -> Peer:
    """The lists of faiss itself, one copy a row."""
    import faiss

    if not hasattr(faiss, "GpuIndexIVFFlat"):
        raise RuntimeError("this faiss is built without GPU support")
    import faiss.contrib.torch_utils

    nlist = lists_for(found)
    config = faiss.GpuIndexIVFFlatConfig()
    config.use_cuvs = False
    resources = faiss.StandardGpuResources()
    index = faiss.GpuIndexIVFFlat(
        resources, rows.shape[1], nlist, faiss.METRIC_L2, config
    )
    index.train(rows[: TRAINED * nlist])
    index.add(rows)

    def search(queries: Tensor, nprobe: int) -> Any:
        index.nprobe = nprobe
        return index.search(queries, K)[1]

    index.gleann_keeps = resources  # which the index borrows
    return Peer(name="faiss-gpu IVF-Flat", efforts=_up_to(nlist), search=search)


def faiss_spilled(run: Run, found: Workload, _: Tensor) -> Peer:
    """Our spilled lists in faiss' GPU index: queries come from the host."""
    index = index_of(run, found.name).with_engine("faiss-gpu")
    request = ScanRequest(k=K, pool=min(4 * K, len(index)))

    def search(queries: Tensor, nprobe: int) -> Any:
        asked = queries.cpu().numpy()
        return index.engine.search(asked, nprobe=nprobe, request=request).rows

    efforts = _up_to(index.nlist)
    return Peer(name="gleann faiss-gpu", efforts=efforts, search=search)


def _name_of(maker: Any) -> str:
    return getattr(maker, "func", maker).__name__


def lists_for(found: Workload) -> int:
    """As many as ours has."""
    if found.nlist == "auto":
        return auto_nlist(len(found.vectors))
    return int(found.nlist)


def _up_to(nlist: int) -> tuple[int, ...]:
    return tuple(probes for probes in PROBES if probes <= nlist)


MAKERS: dict[str, tuple[Maker, ...]] = {
    "flashlib": (flashlib_ivf, flashlib_exact, flashlib_cagra),
    "cuvs": (cuvs_ivf, cuvs_cagra),
    "faiss": (faiss_ivf,),
}
