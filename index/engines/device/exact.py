"""Exhaustive search on a device: the torch twin of `index/exact.py`."""

import numpy as np
import torch
from torch import Tensor

from gleann.index.arrays import Distances, RowMatrix, Rows
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
"""Scores kept in memory at once; each takes a few keys of eight bytes."""


class DeviceExact:
    """The k nearest rows of each query among all rows passed in.

    A float32 product selects k + `SLACK` candidates, which are re-ranked in float64. If
    more than `SLACK` rows are within the product's rounding error of the k-th distance,
    one can be missed: such queries are doubtful, and `found` searches them on the host.

    Args:
        queries: float32 (nq, d), prepared, on the device.
        metric: the metric.
        k: neighbours per query.
    """

    def __init__(self, queries: Tensor, *, metric: Metric, k: int) -> None:
        self._queries = queries
        # Distances do not change, and products of rows near zero round less.
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
        """Add prepared float32 rows (m, d), numbered from `first_row`."""
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
        # topk may drop the lowest of tied rows; the slack compensates for it.
        keys = make_keys(best.values, best.indices + first_row)
        both = torch.cat([self._keys, keys], dim=1)
        self._keys = smallest(both, self._keys.shape[1])

    def _scores(self, rows: Tensor) -> Tensor:
        """|x|^2 / 2 - q.x, or -q.x, of shifted rows and queries; less is nearer."""
        if self._metric == "ip":
            return -(self._asked @ rows.T)
        halves = rows.square().sum(dim=1) / 2
        return torch.addmm(halves, self._asked, rows.T, alpha=-1)

    def found_on_device(self, store: RowStore) -> Tensor:
        """Keys (nq, k) of rows and their distances, ascending, `NONE` past the last."""
        return rerank(self._queries, self._keys, store, metric=self._metric, k=self._k)

    def doubtful(self, found: Tensor) -> Tensor:
        """The queries, bool (nq,), whose `found` may miss a row by rounding."""
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

    def found(self, vectors: RowMatrix) -> tuple[Rows, Distances]:
        """Rows int64 (nq, k), -1 for none, and distances float32, +inf for none.

        Args:
            vectors: (n, d), all rows passed in.
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
