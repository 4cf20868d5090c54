"""ScaNN with AVQ and SOAR, as tuned in `bench ann`; serialized and loaded."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import scann
from bench.scale.engines import Job

EFFORT = "leaves_searched"
FIXED = tuple({"reorder": reorder, "batch": 256} for reorder in (60, 120, 240))


def version() -> str:
    return scann.version()


def build(rows: np.ndarray, folder: Path, job: Job) -> dict[str, Any]:
    params = {
        "leaves": job.lists,
        "avq": 2.5,
        "soar": 1.0,
        "ratio": 4.0,
        "reorder_dtype": "BFLOAT16",
        "lift": job.metric == "l2",
    }
    built = scann.build(rows, job.metric, job.threads, params)
    folder.mkdir(parents=True)
    # It notes the paths of its files, and opens them from wherever it is run.
    built.searcher.serialize(str(folder.resolve()))
    np.save(
        folder / "lift.npy", np.float64(np.nan if built.lift is None else built.lift)
    )
    return {"lists": job.lists, **params}


def open_index(folder: Path, job: Job) -> scann.Built:
    from scann import scann_ops_pybind

    searcher = scann_ops_pybind.load_searcher(str(folder.resolve()))
    searcher.set_num_threads(job.threads)
    lift = float(np.load(folder / "lift.npy"))
    return scann.Built(
        searcher=searcher, threads=job.threads, lift=None if np.isnan(lift) else lift
    )


def search(
    opened: scann.Built, queries: np.ndarray, k: int, params: dict[str, int]
) -> np.ndarray:
    return scann.search(opened, queries, k, params)
