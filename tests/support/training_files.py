"""Files of the commands that choose what to train on: items, an index, queries."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from gleann.index import BuildParams, SoarIndex
from gleann.service.cli.main import run

N, D = 240, 6
RNG = np.random.default_rng(11)
KIND = RNG.integers(3, size=N)
POINTS = (RNG.normal(size=(3, D))[KIND] * 3 + RNG.normal(size=(N, D))).astype("f4")
NAMES = [f"n{row:03d}" for row in range(N)]
SPLIT = np.where(np.arange(N) % 4, "train", "test")
WANTED = [int(row) for row in np.flatnonzero(KIND == 1)[:8]]


def write_files():
    """The files, in the folder of the process."""
    columns = {"id": NAMES, "vector": list(POINTS), "kind": KIND, "split": SPLIT}
    texts = {"text": [f"text of {name}" for name in NAMES]}
    pq.write_table(pa.table(columns | texts), "items.parquet")
    index().save(Path("items.gleann"))
    np.save("wanted.npy", POINTS[WANTED] + 0.1)
    seeds = {"id": named(WANTED), "task": ["a", "b"] * 4}
    pacsv.write_csv(pa.table(seeds), "seeds.csv")


def index():
    """The index in the folder items.gleann, whose payload is the split."""
    params = BuildParams(metric="l2", nlist=8, tune_queries=0)
    return SoarIndex.build(
        POINTS, params, ids=NAMES, payload=pa.table({"split": SPLIT})
    )


def curate(*arguments):
    """Run `gleann curate` and return its exit code."""
    return run(["curate", *map(str, arguments)])


def named(rows):
    return [NAMES[row] for row in rows]


def read(path):
    return pq.read_table(path).to_pydict()
