"""faiss IVF-PQ with 4-bit FastScan codes, refined on float32 rows; written and read.

Codes are of residuals: among 10 million rows neighbours are so near each other that
codes of the rows themselves reach a recall@10 of 0.75 at the most.
"""

from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import faiss_ivfpq
from bench.scale.engines import Job

EFFORT = "nprobe"
FIXED = tuple({"k_factor": factor} for factor in (6, 12, 24, 48))
FILE = "index.faiss"


def version() -> str:
    return faiss_ivfpq.version()


def build(rows: np.ndarray, folder: Path, job: Job) -> dict[str, Any]:
    import faiss

    parts = faiss_ivfpq.sub_quantizers(rows.shape[1], 2)
    params = {"factory": f"IVF{job.lists},PQ{parts}x4fsr,RFlat"}
    index = faiss_ivfpq.build(rows, job.metric, job.threads, params)
    folder.mkdir(parents=True)
    faiss.write_index(index, str(folder / FILE))
    return {"lists": job.lists, **params}


def open_index(folder: Path, job: Job) -> Any:
    import faiss

    faiss.omp_set_num_threads(job.threads)
    return faiss.read_index(str(folder / FILE))


def search(
    index: Any, queries: np.ndarray, k: int, params: dict[str, int]
) -> np.ndarray:
    return faiss_ivfpq.search(index, queries, k, params)
