"""Whether int8 codes tell the rows of an index apart, or float32 must be scanned."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.blocks import block_slices
from gleann.index.codes import Encoding

BLOCK_NUMBERS = 1 << 20
"""Values of rows, or scores of them, held at once."""


def choose_encoding(  # noqa: PLR0913  the sample, and what it has to show
    encoding: Encoding,
    rows: Vectors,
    queries: Vectors,
    near: Rows,
    *,
    own: Rows | None,
    pool: int,
    least: float,
) -> Encoding:
    """`encoding` in int8 where that finds enough, else in float32.

    Args:
        encoding: of the index, but for its kind.
        rows: (n, d), prepared; may be memory-mapped.
        queries: sample queries (nq, d), prepared.
        near: their nearest rows (nq, k).
        own: rows (nq,) that the queries are, to be left out; None where they are not.
        pool: rows to re-rank, of all rows by their codes.
        least: share of `near` that has to be in those pools for int8 to be enough.
    """
    int8 = replace(encoding, kind="int8")
    found = pooled_share(int8, rows, queries, near, own=own, pool=pool)
    return int8 if found >= least else replace(encoding, kind="float32")


def pooled_share(
    encoding: Encoding,
    rows: Vectors,
    queries: Vectors,
    near: Rows,
    *,
    own: Rows | None,
    pool: int,
) -> float:
    """Share of `near` among the best `pool` of all rows by their codes.

    Where rows tie at the end of the pool, any of them is as likely as another to be in.
    """
    pools = _Pools(len(queries), pool)
    widest = max(len(queries), rows.shape[1])
    for block in block_slices(len(rows), BLOCK_NUMBERS // widest):
        scores = encoding.scan_scores(queries, encoding.encode(rows[block]))
        if own is not None:
            inside = np.flatnonzero((own >= block.start) & (own < block.stop))
            scores[inside, own[inside] - block.start] = -np.inf
        pools.offer(scores)
    wanted = np.empty(near.shape, np.float32)
    for q, some in enumerate(near):
        coded = encoding.encode(rows[some])
        wanted[q] = encoding.scan_scores(queries[q : q + 1], coded)[0]
    return float(pools.chance_of(wanted).mean())


class _Pools:
    """The best scores of each query so far, and how many tie with the last of them."""

    def __init__(self, count: int, pool: int) -> None:
        self._pool = pool
        self._best = np.empty((count, 0), np.float32)
        self._cut = np.full(count, -np.inf, np.float32)
        self._left_out = np.zeros(count, np.int64)
        """Scores equal to the cut that are not among the best."""

    def offer(self, scores: Vectors) -> None:
        """Look at the scores (nq, m) of more rows."""
        both = np.concatenate([self._best, scores], axis=1)
        kept = min(self._pool, both.shape[1])
        self._best = np.partition(both, both.shape[1] - kept, axis=1)[:, -kept:]
        cut = self._best.min(axis=1)
        self._left_out[cut > self._cut] = 0
        self._left_out += _equal(both, cut) - _equal(self._best, cut)
        self._cut = cut

    def chance_of(self, scores: Vectors) -> Vectors:
        """How likely rows of these scores (nq, k) are to be in the pools."""
        inside = _equal(self._best, self._cut)
        chance = (inside / (inside + self._left_out))[:, None]
        cut = self._cut[:, None]
        shares: Vectors = np.where(scores == cut, chance, scores > cut)
        return shares


def _equal(scores: Vectors, cut: Vectors) -> NDArray[np.int64]:
    """How many of each query's scores (nq, m) are its cut (nq,)."""
    return np.count_nonzero(scores == cut[:, None], axis=1)
