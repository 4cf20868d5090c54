"""gleann itself, with and without spilling."""

import os
from functools import cache
from importlib.metadata import version as installed_version
from math import ceil

import numpy as np

from bench.peers.contract import Params, PeerUnavailableError, Setting, Shape, Sweep
from bench.peers.contract import geometric as steps
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines import native
from gleann.index.found import COUNTS

POOLS = (1.3, 2, 3, 5, 10)
"""Rows re-ranked, as a share of k."""

# Lists as a share of 2 sqrt(n), the library's own choice first; "auto", which is one of
# both others, last.
SPILL_AND_LISTS = (
    ("soar", 2.0),
    ("none", 2.0),
    ("soar", 1.0),
    ("none", 1.0),
    ("soar", 3.0),
    ("none", 3.0),
    ("auto", 2.0),
    ("auto", 1.0),
    ("auto", 3.0),
)


def version() -> str:
    tier = os.environ.get("GLEANN_NATIVE_TIER")
    if tier and tier not in native.tiers():
        runs = ", ".join(native.tiers()) or native.unavailable_reason()
        raise PeerUnavailableError(f"this CPU does not run the tier {tier!r}: {runs}")
    return f"{installed_version('gleann')} ({tier or 'best tier'})"


def sweep(shape: Shape) -> Sweep:
    settings = []
    for spill, share in SPILL_AND_LISTS:
        nlist = max(1, round(share * shape.nlist))
        build_params = {"spill": spill, "nlist": nlist, "seed": shape.seed}
        if spill == "auto":  # it needs sample queries to choose by
            build_params["tune_queries"] = BuildParams().tune_queries
        settings.append(Setting(build=build_params, efforts=steps(1, nlist)))
    return Sweep(
        settings=tuple(settings),
        fixed=tuple({"rerank": ceil(share * shape.k)} for share in POOLS),
        effort="nprobe",
    )


def build(base: np.ndarray, metric: str, threads: int, params: Params) -> SoarIndex:
    # Operating points would be measured for nothing here: nprobe is given.
    chosen = BuildParams(metric=metric, **({"tune_queries": 0} | params))
    return SoarIndex.build(base, chosen, threads=threads)


def search(index: SoarIndex, queries: np.ndarray, k: int, params: Params) -> np.ndarray:
    return index.search(queries, _search_params(k, **params)).ids


def work(
    index: SoarIndex, queries: np.ndarray, k: int, params: Params
) -> dict[str, float | str]:
    stats = index.search(queries, _search_params(k, **params)).stats
    each = {name: getattr(stats, name) / len(queries) for name in COUNTS}
    return {"engine": stats.engine, "spilled_share": index.spilled_share, **each}


@cache
def _search_params(k: int, nprobe: int, rerank: int) -> SearchParams:
    return SearchParams(k=k, nprobe=nprobe, rerank=rerank)
