"""Which lists to probe, by the scan kernel itself: the scores never reach memory.

The centroids are scanned as one list of int8 codes, of which each slot of each span
keeps two. That finds the best lists but for two doubts, and both show: a slot may have
dropped one, and scores that lost their low bits may stand too close to be told apart.
Queries in doubt are ranked in full (`coarse.py`), so that the lists probed are those of
every other engine. Which lists, that is: here they come in the order of rounded scores.
"""

import numpy as np
import torch
from torch import Tensor

from gleann.index.blocks import block_slices
from gleann.index.codes import Codes
from gleann.index.engines.contract import IndexData, ScanRequest
from gleann.index.engines.device.bucketing import (
    CHUNK_BITS,
    KEPT,
    MAX_SPAN,
    Bucketing,
    span_count,
)
from gleann.index.engines.device.keys import NONE, key_numbers, key_scores
from gleann.index.engines.device.kinds import TILE
from gleann.index.engines.device.layout import lay_out
from gleann.index.engines.device.merge import bitmap
from gleann.index.engines.device.queries import RATIO_RANGE, code_queries
from gleann.index.engines.device.scan import Scanner
from gleann.index.engines.device.view import view_for
from gleann.index.lists import InvertedLists
from gleann.index.metric import ListRanking

SLOTS_A_PROBE = 4.0
"""Slots are this times nprobe^1.5, so that three of the best share one for one query
in a hundred: nprobe^3 / 6 triples over the square of the slots."""

LEAST_CHUNKS = 4
"""Rows a slot must see for the scan to drop half of them."""

BLOCK_KEYS = 1 << 24
"""Keys held at once."""

RELATIVE_ERROR = 2.0 ** (CHUNK_BITS - 22)
"""Of a rounded score: its lost bits, of 24, and as much again for the sums."""

BIAS_ERROR = 2.0**-19
"""Of a score, in units of the largest bias: where product and norm nearly cancel."""


class ScannedRanking:
    """Ranks lists with a scanner."""

    def __init__(
        self, data: IndexData, device: torch.device, *, scanner: Scanner
    ) -> None:
        one = _as_one_list(data)
        self._lists = lay_out(one, kind="int8", device=device)
        self._view = view_for(self._lists, ScanRequest(k=1, pool=1))
        self._scanner = scanner
        self._nlist = data.lists.nlist
        self._largest_bias = self._lists.biases[: self._nlist].max()

    def bucketing(self, nprobe: int) -> Bucketing | None:
        """How the centroids are cut; None where a scan would keep most of them."""
        spans = -(-SLOTS_A_PROBE * nprobe**1.5 // TILE)
        chunks = int(self._nlist // (spans * TILE))
        if chunks < LEAST_CHUNKS:
            return None
        return Bucketing(buckets=TILE, span=min(chunks * TILE, MAX_SPAN))

    def best(
        self, queries: Tensor, *, nprobe: int, bucketing: Bucketing
    ) -> tuple[Tensor, Tensor]:
        """The best lists of prepared queries (nq, d), where there is no doubt.

        Returns:
            int64 (nq, nprobe), no list twice, and bool (nq), which queries are in
            doubt: their lists may be wrong.
        """
        count, device = len(queries), queries.device
        best = torch.empty((count, nprobe), dtype=torch.int64, device=device)
        doubted = torch.empty(count, dtype=torch.bool, device=device)
        kept = KEPT * TILE * span_count(self._nlist, bucketing.span)
        for block in block_slices(count, BLOCK_KEYS // kept):
            best[block], doubted[block] = self._best(queries[block], nprobe, bucketing)
        return best, doubted

    def _best(
        self, queries: Tensor, nprobe: int, bucketing: Bucketing
    ) -> tuple[Tensor, Tensor]:
        coded = code_queries(queries, self._lists)
        first = torch.zeros((len(queries), 1), dtype=torch.int64, device=queries.device)
        found = self._scanner.bucketed(coded, first, self._view, bucketing)
        keys = self._scanner.merge(
            found.keys.reshape(len(queries), -1),
            self._lists,
            bitmap(first, nlist=1),
            keep=nprobe + 1,
        )
        scores = key_scores(keys)
        bounds = key_scores(found.bounds.reshape(len(queries), -1)).amin(dim=1)
        last, after = scores[:, -2], torch.minimum(scores[:, -1], bounds)
        doubted = self._doubted(last, after, coded.ratios) | (keys == NONE).any(dim=1)
        return key_numbers(keys[:, :-1]).clamp(max=self._nlist - 1), doubted

    def _doubted(self, last: Tensor, after: Tensor, ratios: Tensor) -> Tensor:
        """Where the last list taken may be no better than the best one left."""
        larger = torch.maximum(last.abs(), after.abs())
        error = RELATIVE_ERROR * larger + BIAS_ERROR * self._largest_bias * ratios
        low, high = RATIO_RANGE
        clamped = (ratios <= low) | (ratios >= high)
        # Not `<=`: a comparison with NaN must leave a doubt.
        return ~(after - last > 2 * error) | clamped


def _as_one_list(data: IndexData) -> IndexData:
    """What queries are multiplied with to rank lists, as the rows of a single list."""
    directions = ListRanking(data.centroids, data.metric).directions
    nlist, dim = directions.values.shape
    decoded = directions.values * directions.scales[:, None]
    return IndexData(
        metric=data.metric,
        centroids=np.zeros((1, dim), np.float32),
        lists=InvertedLists(
            offsets=np.array([0, nlist], np.int64),
            mids=np.array([nlist], np.int64),
            rows=np.arange(nlist, dtype=np.int32),
            others=np.full(nlist, -1, np.int32),
        ),
        codes=Codes(values=directions.values, scales=directions.scales),
        vectors=decoded,
    )
