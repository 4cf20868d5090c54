"""Wrote `index-f16`, `index-bf16` and `index-disk` and what they answer, once.

Not run again: a golden file that is written anew proves nothing.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.params import Keep

N, DIM = 48, 6
KEPT: tuple[Keep, ...] = ("f16", "bf16", "disk")


def main(folder: Path) -> None:
    rng = np.random.default_rng(18)
    rows = rng.standard_normal((N, DIM)).astype(np.float32)
    plain = BuildParams(metric="l2", nlist=4, tune_queries=8, spill="soar")
    said = {}
    for keep in KEPT:
        path = folder / f"index-{keep}"
        entry_codes = "shared" if keep == "disk" else "copied"
        params = replace(plain, keep=keep, entry_codes=entry_codes)
        SoarIndex.build_on_disk(rows, path, params)
        index = SoarIndex.load(path)
        found = index.search(rows[:5], SearchParams(k=3, nprobe=4))
        said[keep] = {
            "vectors": index.vectors[:3].tolist(),
            "ids": found.ids.tolist(),
            "distances": found.distances.tolist(),
        }
    text = json.dumps({"queries": rows[:5].tolist(), "answers": said}, indent=1)
    (folder / "index-kept-expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
