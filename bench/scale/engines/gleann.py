"""gleann: an index built on disk by default, and loaded: rows stay in their file."""

from importlib.metadata import version as installed_version
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from bench.scale.cell import Phases
from bench.scale.engines import Job
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.params import Metric

EFFORT = "nprobe"
FIXED = tuple({"rerank": rerank} for rerank in (13, 20, 30, 50))
METRICS: dict[str, Metric] = {"ip": "ip", "cosine": "cosine", "l2": "l2"}


def version() -> str:
    return installed_version("gleann")


def build(rows: np.ndarray, folder: Path, job: Job) -> dict[str, Any]:
    params = BuildParams(
        metric=METRICS[job.metric], nlist=job.lists or "auto", seed=job.seed
    )
    phases = Phases()
    built = SoarIndex.build_on_disk(
        rows, folder, params, threads=job.threads, progress=phases
    )
    return {
        "lists": built.nlist,
        "spill": built.params.spill,
        "phases": phases.seconds,
    }


def open_index(folder: Path, job: Job) -> SoarIndex:
    return SoarIndex.load(folder, threads=job.threads)


def search(
    index: SoarIndex, queries: np.ndarray, k: int, params: dict[str, int]
) -> np.ndarray:
    rerank = max(params["rerank"], ceil(1.3 * k))
    chosen = SearchParams(k=k, nprobe=params["nprobe"], rerank=rerank)
    return index.find_rows(queries, chosen).rows
