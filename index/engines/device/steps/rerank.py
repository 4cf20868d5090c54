"""Re-ranking: exact distances of the candidates, and the k nearest in order."""

from typing import Protocol

import torch
from torch import Tensor

from gleann.index.arrays import RowMatrix
from gleann.index.engines.device.layout.stream import upload
from gleann.index.engines.device.steps.keys import (
    NONE,
    key_numbers,
    key_scores,
    make_keys,
    smallest,
)
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric

BLOCK_VALUES = 1 << 24
"""Maximum values of candidates gathered at once."""


class RowStore(Protocol):
    """Storage of the float32 rows."""

    def gather(self, rows: Tensor) -> Tensor:
        """float32 (..., d) of int64 `rows` (...), on the device of `rows`."""


class DeviceRows:
    """All rows on the device.

    Attributes:
        vectors: float32 (n, d), contiguous.
    """

    def __init__(self, vectors: RowMatrix, device: torch.device) -> None:
        self.vectors = torch.empty(vectors.shape, dtype=torch.float32, device=device)
        for block, rows in upload(vectors, device):
            self.vectors[block] = rows

    def gather(self, rows: Tensor) -> Tensor:
        """See `RowStore.gather`."""
        return self.vectors[rows]


class HostRows:
    """Rows in host memory or a mapped file, for indexes larger than device memory."""

    def __init__(self, vectors: RowMatrix) -> None:
        self._vectors = vectors

    def gather(self, rows: Tensor) -> Tensor:
        """See `RowStore.gather`."""
        picked = self._vectors[rows.cpu().numpy()]
        return torch.from_numpy(picked).to(rows.device)


def rerank(
    queries: Tensor, candidates: Tensor, store: RowStore, *, metric: Metric, k: int
) -> Tensor:
    """Order the candidates by (distance, row).

    Args:
        queries: float32 (nq, d), prepared.
        candidates: keys (nq, w) of distinct rows, `NONE` for none; scores are ignored.
        store: the rows.
        metric: the metric.
        k: number of neighbours kept.

    Returns:
        Keys (nq, k) of rows with their distances, ascending; `NONE` past the last.
    """
    out = candidates.new_full((len(candidates), k), NONE)
    step = BLOCK_VALUES // (candidates.shape[1] * queries.shape[1])
    for block in block_slices(len(candidates), step):
        none = candidates[block] == NONE
        rows = torch.where(none, 0, key_numbers(candidates[block]))
        near = pair_distances(queries[block], store.gather(rows), metric)
        keys = torch.where(none, NONE, make_keys(near, rows))
        out[block] = smallest(keys, k)
    return out


def pair_distances(queries: Tensor, rows: Tensor, metric: Metric) -> Tensor:
    """The torch twin of `metric.pair_distances`: sums in float64, rounded once."""
    wide = queries.double()[:, None, :]
    if metric == "ip":
        return -(rows.double() * wide).sum(dim=2).float()
    squares = (rows.double() - wide).square().sum(dim=2)
    return (squares / 2 if metric == "cosine" else squares).float()


def answer(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Rows int64 (nq, k), -1 for none, and distances float32, +inf for none."""
    return torch.where(keys == NONE, -1, key_numbers(keys)), key_scores(keys)
