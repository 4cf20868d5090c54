"""Exhaustive search on a device: the torch twin of `index/exact.py`."""

import numpy as np
import torch
from torch import Tensor

from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.engines.device.precision import full_precision
from gleann.index.engines.device.steps.keys import (
    NONE,
    key_scores,
    make_keys,
    smallest,
)
from gleann.index.engines.device.steps.rerank import HostRows, RowStore, answer, rerank
from gleann.index.exact import SLACK, exact_search_prepared
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric

BLOCK_SCORES = 1 << 27
"""Scores held at once, for a few keys of eight bytes each."""


class DeviceExact:
    """The k nearest rows of each query, of all rows that are offered.

    Candidates come from a float32 product, `SLACK` more than k, and are re-ranked in
    float64. Where more than `SLACK` rows lie as near the k-th as the product rounds,
    one can be missed: such queries are doubtful, and `found` asks the host about them.

    Args:
        queries: float32 (nq, d), prepared, on the device.
        metric: which distance.
        k: neighbours.
    """

    def __init__(self, queries: Tensor, *, metric: Metric, k: int) -> None:
        self._queries = queries
        # Distances stay as they are, and a product loses less of rows near zero.
        self._shift = queries.mean(dim=0) if len(queries) else queries.new_zeros(())
        if metric == "ip":
            self._shift = torch.zeros_like(self._shift)
        self._asked = queries - self._shift
        self._metric = metric
        self._k = k
        shape = (len(queries), k + SLACK)
        self._keys = torch.full(shape, NONE, device=queries.device)
        self._longest = queries.new_zeros(())

    def offer(self, rows: Tensor, *, first_row: int) -> None:
        """Look at prepared float32 rows (m, d), numbered from `first_row` on."""
        step = max(1, BLOCK_SCORES // max(1, len(self._queries)))
        rows = rows - self._shift
        squares = rows.square().sum(dim=1).max()
        self._longest = torch.maximum(self._longest, squares.sqrt())
        with full_precision():
            for block in block_slices(len(rows), step):
                self._offer(rows[block], first_row + block.start)

    def _offer(self, rows: Tensor, first_row: int) -> None:
        scores = self._scores(rows)
        width = min(self._keys.shape[1], len(rows))
        best = torch.topk(scores, width, dim=1, largest=False, sorted=False)
        # The lowest of equal rows is not always among topk's: slack makes up for it.
        keys = make_keys(best.values, best.indices + first_row)
        both = torch.cat([self._keys, keys], dim=1)
        self._keys = smallest(both, self._keys.shape[1])

    def _scores(self, rows: Tensor) -> Tensor:
        """Less is nearer: |x|^2 / 2 - q.x, or -q.x, of shifted rows and queries."""
        if self._metric == "ip":
            return -(self._asked @ rows.T)
        halves = rows.square().sum(dim=1) / 2
        return torch.addmm(halves, self._asked, rows.T, alpha=-1)

    def found_on_device(self, store: RowStore) -> Tensor:
        """Keys (nq, k) of rows and their distances, ascending, `NONE` past the last."""
        return rerank(self._queries, self._keys, store, metric=self._metric, k=self._k)

    def doubtful(self, found: Tensor) -> Tensor:
        """Which queries bool (nq,) may have lost a row of `found` to rounding."""
        last, cut = key_scores(found[:, -1]), key_scores(self._keys[:, -1])
        lengths = self._asked.square().sum(dim=1).sqrt()
        eps = torch.finfo(torch.float32).eps * (8 + self._queries.shape[1] ** 0.5)
        if self._metric == "ip":
            slack = eps * lengths * self._longest
        else:
            scale = 1.0 if self._metric == "cosine" else 2.0
            cut = scale * (cut + lengths.square() / 2)
            slack = scale / 2 * eps * (lengths + self._longest).square()
        return last + slack >= cut

    def found(self, vectors: Vectors) -> tuple[Rows, Distances]:
        """Rows int64 (nq, k), -1 for none, and distances float32, +inf for none.

        Args:
            vectors: (n, d), all rows that were offered.
        """
        keys = self.found_on_device(HostRows(vectors))
        rows, distances = (part.cpu().numpy() for part in answer(keys))
        again = np.flatnonzero(self.doubtful(keys).cpu().numpy())
        if again.size:
            rows[again], distances[again] = exact_search_prepared(
                self._queries.cpu().numpy()[again],
                vectors,
                metric=self._metric,
                k=self._k,
            )
        return rows, distances
