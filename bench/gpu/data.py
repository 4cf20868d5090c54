"""Data of `bench.gpu`: real sets, and generated ones of known intrinsic dimension."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.datasets import load_dataset
from bench.gpu.run import Run
from bench.say import say
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.engines.device.exact import DeviceExact
from gleann.index.engines.device.steps.rerank import DeviceRows, answer
from gleann.index.params import Metric

DEPTH = 100
"""Computed neighbours per query; the intrinsic dimension is estimated from them."""

QUERIES = 10_000
TUNED = 1000
"""Queries for the choice of nprobe; recall is reported on the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A set that is generated: rows near a plane of few dimensions.

    Attributes:
        n: rows.
        dim: dimensions as stored.
        inner: dimensions of the plane.
        nlist: lists to search it with.
    """

    n: int
    dim: int
    inner: int
    nlist: int


MADE = {
    "made-1m-128": Made(n=1_000_000, dim=128, inner=16, nlist=4096),
    "made-10m-96": Made(n=10_000_000, dim=96, inner=16, nlist=16_384),
    "made-1m-768": Made(n=1_000_000, dim=768, inner=24, nlist=2048),
}
REAL = ("glove-100", "sift-128", "wordnet-384")
QUICK = Made(n=800, dim=24, inner=6, nlist=12)
QUICK_QUERIES = 60

ROWS_A_CLUSTER = 1000
CLUSTER_SPREAD = 1.0
"""So that a recall takes as many probes as on sift-128 (`bench.gpu.check_data` measures
both). With 2.0 the ten nearest lie in three lists, and 3 probes find them."""

NOISE = 0.02
"""Spread off the plane, relative to 1 for the spread of a cluster along it."""

BLOCK_ROWS = 1 << 18

COMPILED_WITH, WARM_LISTS = 20_000, 64
"""Rows and lists of a build before the one that is timed: it compiles the kernels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workload:
    """Rows, queries and ground truth.

    Attributes:
        name: of the set.
        metric: "ip", "cosine" or "l2".
        vectors: float32 (n, d), prepared, in host memory.
        queries: float32 (nq, d), prepared.
        rows: int64 (nq, DEPTH), the nearest, by exhaustive search on the device.
        distances: float32 (nq, DEPTH).
        nlist: lists to search with.
        facts: what a result says of it.
    """

    name: str
    metric: Metric
    vectors: Vectors
    queries: Vectors
    rows: Rows
    distances: Distances
    nlist: int | str
    facts: dict[str, Any]


def workload(run: Run, name: str) -> Workload:
    """The named workload, generated or read on first use."""
    key = f"workload {name}"
    if key not in run.kept:
        say(f"preparing {name}")
        run.kept[key] = _made(run, name) if name in MADE else _read(run, name)
        run.result.setdefault("data", {})[name] = run.kept[key].facts
    return run.kept[key]


def index_of(run: Run, name: str) -> SoarIndex:
    """The spilled index of a workload, built on the device on first use."""
    key = f"index {name}"
    if key not in run.kept:
        say(f"building {name}")
        found = workload(run, name)
        _build(
            run,
            found,
            found.vectors[:COMPILED_WITH],
            nlist=min(WARM_LISTS, len(found.vectors) // 8),
        )
        start = perf_counter()
        run.kept[key] = _build(run, found, found.vectors, nlist=found.nlist)
        found.facts["build_seconds"] = perf_counter() - start
        found.facts["nlist"] = run.kept[key].nlist
    return run.kept[key]


def _build(run: Run, found: Workload, rows: Vectors, *, nlist: int | str) -> SoarIndex:
    params = BuildParams(
        metric=found.metric, nlist=nlist, spill="soar", tune_queries=0, seed=run.seed
    )
    return SoarIndex.build(rows, params, engine="reference", device=str(run.device))


def generate(
    made: Made,
    count: int,
    *,
    seed: int,
    device: torch.device,
    spread: float = CLUSTER_SPREAD,
) -> Tensor:
    """Rows float32 (count, dim) of the set: a mixture on a plane, and little beside it.

    The plane and the clusters depend on the set alone, the rows on `seed` too.
    `spread` is that of the centres of clusters, beside 1 for the rows of a cluster.
    """
    shape = torch.Generator(device).manual_seed(made.n + made.dim)
    clusters = max(1, made.n // ROWS_A_CLUSTER)
    centres = torch.randn(clusters, made.inner, generator=shape, device=device)
    plane = torch.randn(made.inner, made.dim, generator=shape, device=device)
    plane /= made.inner**0.5
    drawn = torch.Generator(device).manual_seed(seed)
    out = torch.empty(count, made.dim, device=device)
    for first in range(0, count, BLOCK_ROWS):
        some = min(BLOCK_ROWS, count - first)
        of = torch.randint(clusters, (some,), generator=drawn, device=device)
        inner = torch.randn(some, made.inner, generator=drawn, device=device)
        inner += spread * centres[of]
        beside = torch.randn(some, made.dim, generator=drawn, device=device)
        out[first : first + some] = inner @ plane + NOISE * beside
    return out


def inner_dimension(distances: Distances) -> float:
    """Intrinsic dimension at the queries, from squared L2 (nq, depth), ascending.

    The maximum-likelihood estimate of Levina and Bickel (2004), with the correction of
    MacKay and Ghahramani: the inverse of the mean over all queries.
    """
    kept = distances[distances[:, 0] > 0].astype(np.float64)
    logs = np.log(kept[:, -1:] / kept[:, :-1]) / 2
    return float((kept.shape[1] - 2) / (kept.shape[1] - 1) / logs.mean())


def truth(
    run: Run, vectors: Vectors, queries: Vectors, metric: Metric
) -> tuple[Rows, Distances]:
    """The nearest rows by exhaustive search: float32 candidates, float64 order."""
    depth = min(DEPTH, len(vectors))
    asked = torch.from_numpy(queries).to(run.device)
    search = DeviceExact(asked, metric=metric, k=depth)
    for first in range(0, len(vectors), BLOCK_ROWS):
        block = np.ascontiguousarray(vectors[first : first + BLOCK_ROWS])
        search.offer(torch.from_numpy(block).to(run.device), first_row=first)
    found = search.found_on_device(DeviceRows(vectors, run.device))
    rows, distances = answer(found)
    return rows.cpu().numpy(), distances.cpu().numpy()


def _made(run: Run, name: str) -> Workload:
    made = QUICK if run.quick else MADE[name]
    count = QUICK_QUERIES if run.quick else QUERIES
    vectors = generate(made, made.n, seed=run.seed, device=run.device).cpu().numpy()
    queries = generate(made, count, seed=run.seed + 1, device=run.device)
    return _workload(run, name, "l2", vectors, queries.cpu().numpy(), nlist=made.nlist)


def _read(run: Run, name: str) -> Workload:
    if run.data is None or not (run.data / name / "meta.json").exists():
        raise FileNotFoundError(f"there is no folder {name} in {run.data}")
    found = load_dataset(Path(run.data) / name, quick=run.quick)
    vectors, queries = np.array(found.base), np.array(found.queries)
    if run.quick:
        vectors, queries = vectors[: QUICK.n], queries[:QUICK_QUERIES]
    return _workload(run, name, found.metric, vectors, queries, nlist="auto")


def _workload(
    run: Run,
    name: str,
    metric: Metric,
    vectors: Vectors,
    queries: Vectors,
    *,
    nlist: int | str,
) -> Workload:
    rows, distances = truth(run, vectors, queries, metric)
    facts = {
        "metric": metric,
        "n": len(vectors),
        "dim": vectors.shape[1],
        "queries": len(queries),
        "nlist": nlist,
    }
    if metric == "l2":
        facts["inner_dimension"] = round(inner_dimension(distances), 1)
    return Workload(
        name=name,
        metric=metric,
        vectors=vectors,
        queries=queries,
        rows=rows,
        distances=distances,
        nlist=nlist,
        facts=facts,
    )
