"""SemHash on the same vectors, in a Python of its own.

`SEMHASH_PYTHON` names an interpreter that has the package semhash.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gleann.index.arrays import Vectors

PROGRAM = """
import json, sys, time
from importlib.metadata import version
import numpy as np
from semhash import SemHash

rows, similarity = np.load(sys.argv[1]), float(sys.argv[2])


class NoModel:
    def encode(self, *args, **kwargs):
        raise AssertionError("the embeddings are given")


records = [str(row) for row in range(len(rows))]
begun = time.perf_counter(), time.process_time()
semhash = SemHash.from_embeddings(embeddings=rows, records=records, model=NoModel())
found = semhash.self_deduplicate(threshold=similarity)
taken = time.perf_counter() - begun[0], time.process_time() - begun[1]
pairs = [(int(one.record), int(one.duplicate_of)) for one in found.filtered]
print(json.dumps({
    "version": version("semhash"),
    "seconds": taken[0],
    "cpu": taken[1],
    "kept": len(found.selected),
    "pairs": pairs,
}))
"""


def semhash_result(rows: Vectors, similarity: float, *, threads: int) -> dict[str, Any]:
    """What it keeps, how long it takes, and which pairs it lists are too far apart."""
    python = os.environ.get("SEMHASH_PYTHON")
    if not python:
        return {"reason": "SEMHASH_PYTHON names no interpreter that has it"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npy"
        np.save(file, rows)
        run = subprocess.run(
            [python, "-c", PROGRAM, str(file), str(similarity)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": ""},
        )
    if run.returncode:
        lines = run.stderr.strip().splitlines()
        return {
            "reason": lines[-1] if lines else f"it ended with status {run.returncode}"
        }
    found = json.loads(run.stdout)
    pairs = found.pop("pairs")
    return found | {"similarity": similarity} | listed(rows, pairs, similarity)


def listed(
    rows: Vectors, pairs: list[tuple[int, int]], similarity: float
) -> dict[str, int]:
    """The pairs that it lists, and those whose cosine in float64 is below."""
    if not pairs:
        return {"listed": 0, "beyond": 0}
    a, b = np.array(pairs).T
    cosines = np.einsum("ij,ij->i", rows[a].astype(np.float64), rows[b])
    return {"listed": len(pairs), "beyond": int((cosines < similarity - 1e-6).sum())}
