"""An index with ties and payload, and the same cut into shards."""

from pathlib import Path
from typing import Any

import numpy as np

from gleann.index import BuildParams, SoarIndex
from gleann.index.shards.cut import cut
from gleann.index.shards.sharded_index import ShardedIndex

N, DIM, NQ = 1200, 10, 17


def clustered(rng: np.random.Generator, count: int) -> np.ndarray:
    centres = np.random.default_rng(99).standard_normal((25, DIM)) * 2
    rows = centres[rng.integers(25, size=count)] + rng.standard_normal((count, DIM))
    return rows.astype(np.float32)


def queries() -> np.ndarray:
    return clustered(np.random.default_rng(1), NQ)


def built(**changed: Any) -> SoarIndex:
    """An index whose rows are in the order of its ids, so that ties fall alike."""
    rows = clustered(np.random.default_rng(0), N)
    rows[300:320] = rows[100]  # duplicates, in several shards
    rows += 30 if changed.pop("far", False) else 0
    strings = changed.pop("strings", False)
    ids = [f"ïd {n:05}" for n in range(N)] if strings else np.arange(N) * 3
    params = BuildParams(**{"nlist": 16, "tune_queries": 64, "spill": "soar"} | changed)
    payload = {"size": np.arange(N) % 10, "name": [f"n{n}" for n in range(N)]}
    return SoarIndex.build(rows, params, ids=ids, payload=payload, threads=1)


def sharded(index: SoarIndex, path: Path, shards: int) -> ShardedIndex:
    cut(index, path / "cut", shards=shards)
    return ShardedIndex.load(path / "cut", threads=1)


def require_same(one: Any, shards: Any) -> None:
    np.testing.assert_array_equal(one.ids, shards.ids)
    np.testing.assert_array_equal(one.distances, shards.distances)
    assert one.distances.dtype == shards.distances.dtype
