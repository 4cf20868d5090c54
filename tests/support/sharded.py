"""Small indexes cut into shards, and what one machine has of the same rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gleann.index import BuildParams, SoarIndex
from gleann.index.ids.checks import hold_ids
from gleann.index.shards.cut import cut
from gleann.index.shards.places import ShardPlaces
from gleann.index.shards.placing import shards_of


@dataclass(frozen=True, kw_only=True)
class Sharded:
    """An index in shards, and on one machine with the same rows in the same order.

    Attributes:
        folder: of the shards.
        index: of all rows, shard after shard.
        parts: the shards with rows, opened.
    """

    folder: Path
    index: SoarIndex
    parts: list[SoarIndex]

    @property
    def vectors(self):
        return np.asarray(self.index.stored_rows[:])

    @property
    def ids(self):
        return self.index.ids

    @property
    def payload(self):
        names = self.index.schema.names
        return {
            name: np.array(self.index.payload.column(name).to_pylist())
            for name in names
        }


def sharded(
    folder: Path,
    *,
    shards: int,
    n: int = 400,
    dim: int = 6,
    metric: str = "l2",
    ids: str = "integers",
    seed: int = 4,
    **build: Any,
) -> Sharded:
    """Rows with groups of equal ones, that lie in several shards, cut into shards."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, dim)).astype(np.float32) + 3
    rows[n // 4 : n // 4 + 30] = rows[7 % n]
    rows[n // 2 : n // 2 + 9] = np.round(rows[n // 2 : n // 2 + 9])  # ties
    numbers = rng.permutation(n) * 7
    named = numbers if ids == "integers" else [f"ïd {one}" for one in numbers]
    payload = {
        "cost": rng.integers(0, 40, n) / 32,
        "score": rng.integers(0, 9, n),
        "even": np.arange(n) % 2 == 0,
    }
    order = np.argsort(shards_of(hold_ids(named, n=n), shards), kind="stable")
    params = BuildParams(nlist=min(9, n), metric=metric, tune_queries=16, **build)
    index = SoarIndex.build(
        rows[order],
        params,
        ids=np.asarray(named)[order],
        payload={name: values[order] for name, values in payload.items()},
    )
    cut(index, folder, shards=shards)
    places = ShardPlaces(folder)
    return Sharded(
        folder=folder, index=index, parts=[one.open() for one in places.places]
    )
