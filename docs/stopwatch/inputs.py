"""What a newcomer has: files of vectors, ids, scores and answers, made from a seed."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DIM = 64
GROUPS = 10
RARE = 200
"""One row in so many is of the rare kind."""


def write_inputs(folder: Path, *, rows: int, seed: int = 0) -> None:
    """Write vectors.npy, queries.npy, items.parquet, and the rest, into `folder`.

    A tenth of the rows are near-duplicates of others.
    """
    rng = np.random.default_rng(seed)
    kinds = rng.integers(RARE, size=rows)
    centres = rng.normal(size=(RARE, DIM))
    vectors = centres[kinds] + 0.7 * rng.normal(size=(rows, DIM))
    copies = rows // 10
    vectors[-copies:] = vectors[:copies] + 0.02 * rng.normal(size=(copies, DIM))
    kinds[-copies:] = kinds[:copies]
    vectors = vectors.astype(np.float32)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", vectors[rng.choice(rows, 1000)] + np.float32(0.1))
    np.save(folder / "groups.npy", kinds % GROUPS)
    _write_items(folder / "items.parquet", vectors)
    rare = (kinds == 0).astype(np.int64)
    np.save(folder / "rare.npy", rare)
    seed_rows = [np.flatnonzero(rare)[:5], np.flatnonzero(rare == 0)[:5]]
    np.save(folder / "seed.npy", np.concatenate(seed_rows))
    _write_answers(folder, rng, rows)
    _write_example(folder, vectors)


def _write_items(path: Path, vectors: np.ndarray) -> None:
    values = pa.array(vectors.ravel())
    table = {
        "id": [f"item-{row}" for row in range(len(vectors))],
        "vector": pa.FixedSizeListArray.from_arrays(values, DIM),
    }
    pq.write_table(pa.table(table), path)


def _write_example(folder: Path, vectors: np.ndarray) -> None:
    """The example in Node, the archive of the protos, and the numbers of a query."""
    root = Path(__file__).resolve().parents[2]
    shutil.copytree(root / "docs/examples", folder / "examples")
    make = [sys.executable, root / "proto/archive.py", folder / "gleann-protos.zip"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    numbers = (f"{one:.4f}" for one in vectors[0].tolist())
    (folder / "query.txt").write_text(",".join(numbers) + "\n")


def _write_answers(folder: Path, rng: np.random.Generator, rows: int) -> None:
    scores = rng.beta(0.5, 4.0, size=rows)
    positive = rng.random(rows) < scores
    np.save(folder / "scores.npy", scores)
    with (folder / "answers.csv").open("w") as file:
        file.write("id,positive\n")
        file.writelines(f"{row},{int(answer)}\n" for row, answer in enumerate(positive))
