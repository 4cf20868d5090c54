"""Wrote `index-projection` and what it answers, once.

Not run again: a golden file that is written anew proves nothing.
"""

import json
import sys
from pathlib import Path

import numpy as np

from gleann.index import BuildParams, SearchParams, SoarIndex

N, DIM, P = 60, 8, 3


def main(folder: Path) -> None:
    rng = np.random.default_rng(19)
    rows = rng.standard_normal((N, DIM)) * np.geomspace(3, 0.1, DIM)
    rows = (rows + 2).astype(np.float32)
    asked = rng.standard_normal((64, DIM)).astype(np.float32)
    params = BuildParams(
        metric="l2", nlist=4, tune_queries=40, spill="soar", projection=P
    )
    path = folder / "index-projection"
    SoarIndex.build_on_disk(rows, path, params, queries=asked)
    index = SoarIndex.load(path)
    found = index.search(rows[:5], SearchParams(k=3, nprobe=4, rerank=12))
    said = {
        "queries": rows[:5].tolist(),
        "ids": found.ids.tolist(),
        "distances": found.distances.tolist(),
    }
    text = json.dumps(said, indent=1)
    (folder / "index-projection-expected.json").write_text(
        text + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
