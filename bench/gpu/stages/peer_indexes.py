"""Build and search of each peer, as its documentation advises."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench.gpu.data import Workload
from gleann.index.build.arrange import auto_nlist

K = 10
PROBES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 41, 51, 63, 78, 97, 121)
PROBES += (151, 188, 235, 256)
"""In steps of at most a quarter from 4 on: ours is tuned to the probe."""

POOLS = (16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512)
FLASHLIB_GRID = ((32, 2), (64, 2), (96, 2), (128, 4), (160, 2), (192, 2))
"""Pool sizes and widths of CAGRA in the benchmark of its authors on an H100."""

PUBLISHED_LISTS = 1024
"""Lists of the figures that FlashLib publishes for one million rows."""

TRAINED = 256
"""Rows a list that faiss trains with."""

INITIAL_SAMPLES = 8
"""cuVS' default of 1 loses recall on clustered data (rapidsai/cuvs issue 2102)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peer:
    """A built index.

    Attributes:
        name: of library and index.
        efforts: to try, ascending.
        search: queries float32 (nq, d) on the device and an effort, to distances and
            rows (nq, K).
    """

    name: str
    efforts: tuple[Any, ...]
    search: Callable[[Tensor, Any], tuple[Any, Any]]


Maker = Callable[[Workload, Tensor], Peer]


def flashlib_ivf(
    found: Workload,
    rows: Tensor,
    *,
    nlist: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Peer:
    """IVF-Flat of as many lists as ours, or of `nlist`, on rows of a dtype."""
    from flashlib.primitives.ivf_flat import flash_ivf_flat_build, flash_ivf_flat_search

    lists = min(nlist or lists_for(found), len(rows))
    index = flash_ivf_flat_build(rows.to(dtype), lists)

    def search(queries: Tensor, nprobe: int) -> Any:
        return flash_ivf_flat_search(index, queries.to(dtype), K, nprobe=nprobe)

    return Peer(
        name=f"flashlib IVF-Flat {lists} lists {_short(dtype)}",
        efforts=efforts_up_to(lists),
        search=search,
    )


def flashlib_cagra(_: Workload, rows: Tensor, *, degree: int = 32) -> Peer:
    """At the settings of its authors; then the pools beyond, at their widest."""
    from flashlib.primitives.cagra.impl import flash_cagra_build, flash_cagra_search

    index = flash_cagra_build(rows, graph_degree=degree)

    def search(queries: Tensor, effort: tuple[int, int]) -> Any:
        pool, width = effort
        return flash_cagra_search(
            index, queries, K, itopk_size=pool, search_width=width
        )

    name = f"flashlib CAGRA degree {degree}"
    return Peer(name=name, efforts=FLASHLIB_GRID, search=search)


def flashlib_exact(_: Workload, rows: Tensor) -> Peer:
    """Exhaustive search on bf16 rows."""
    from flashlib import flash_knn

    narrow = rows.to(torch.bfloat16) if rows.is_cuda else rows

    def search(queries: Tensor, _effort: int) -> Any:
        return flash_knn(queries.to(narrow.dtype), narrow, K)

    name = f"flashlib exact {_short(narrow.dtype)}"
    return Peer(name=name, efforts=(0,), search=search)


def cuvs_ivf(found: Workload, rows: Tensor) -> Peer:
    """IVF-Flat of as many lists as ours."""
    from cuvs.neighbors import ivf_flat

    made = ivf_flat.IndexParams(n_lists=lists_for(found), metric="sqeuclidean")
    index = ivf_flat.build(made, rows)

    def search(queries: Tensor, nprobe: int) -> Any:
        asked = ivf_flat.SearchParams(n_probes=nprobe)
        return ivf_flat.search(asked, index, queries, K)

    efforts = efforts_up_to(lists_for(found))
    return Peer(name="cuVS IVF-Flat", efforts=efforts, search=search)


def cuvs_ivf_sq(found: Workload, rows: Tensor) -> Peer:
    """Rows of one byte a value, as our int8 has; in Python since June 2026."""
    from cuvs.neighbors import ivf_sq

    made = ivf_sq.IndexParams(n_lists=lists_for(found), metric="sqeuclidean")
    index = ivf_sq.build(made, rows)

    def search(queries: Tensor, nprobe: int) -> Any:
        return ivf_sq.search(ivf_sq.SearchParams(n_probes=nprobe), index, queries, K)

    efforts = efforts_up_to(lists_for(found))
    return Peer(name="cuVS IVF-SQ", efforts=efforts, search=search)


def cuvs_cagra(
    _: Workload, rows: Tensor, *, dtype: torch.dtype = torch.float32, width: int = 1
) -> Peer:
    """The graph on rows of a dtype, `width` parents expanded at a time."""
    from cuvs.neighbors import cagra

    index = cagra.build(cagra.IndexParams(metric="sqeuclidean"), rows.to(dtype))

    def search(queries: Tensor, pool: int) -> Any:
        asked = cagra.SearchParams(
            itopk_size=pool, search_width=width, num_random_samplings=INITIAL_SAMPLES
        )
        return cagra.search(asked, index, queries.to(dtype), K)

    name = f"cuVS CAGRA {_short(dtype)} width {width}"
    return Peer(name=name, efforts=POOLS, search=search)


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
        return index.search(queries, K)

    index.gleann_keeps = resources  # which the index borrows
    return Peer(name="faiss-gpu IVF-Flat", efforts=efforts_up_to(nlist), search=search)


def lists_for(found: Workload) -> int:
    """As many as ours has."""
    if found.nlist == "auto":
        return auto_nlist(len(found.vectors))
    return int(found.nlist)


def efforts_up_to(nlist: int) -> tuple[int, ...]:
    """Numbers of probes to try on `nlist` lists, ascending."""
    return tuple(probes for probes in PROBES if probes <= nlist)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


MAKERS: dict[str, dict[str, Maker]] = {
    "flashlib": {
        "flashlib IVF": flashlib_ivf,
        "flashlib exact": flashlib_exact,
        "flashlib CAGRA": flashlib_cagra,
        "flashlib IVF bf16": partial(flashlib_ivf, dtype=torch.bfloat16),
        "flashlib IVF 1024": partial(flashlib_ivf, nlist=PUBLISHED_LISTS),
        "flashlib CAGRA 64": partial(flashlib_cagra, degree=64),
    },
    "cuvs": {
        "cuvs IVF": cuvs_ivf,
        "cuvs CAGRA": cuvs_cagra,
        "cuvs CAGRA fp16": partial(cuvs_cagra, dtype=torch.float16),
        "cuvs CAGRA wide": partial(cuvs_cagra, width=4),
        "cuvs IVF-SQ": cuvs_ivf_sq,
    },
    "faiss": {"faiss IVF": faiss_ivf},
}
"""By library and title, most important first in case time runs out."""
