"""How many lists each row must probe for a k-nearest-neighbour graph of some recall.

The neighbours of a sample of rows are found by scanning all lists. The graph holds a
true neighbour y of x if the list of y is among the first nprobe of x, or that of x
among the first nprobe of y, and the candidate list has room. So every sampled pair has
a least nprobe, and the answer is a quantile of these.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos, Rows
from gleann.index.engines.contract import ScanRequest
from gleann.index.evaluate import recall_at_k
from gleann.index.exact import others_than
from gleann.index.graph.joined import Joined
from gleann.index.graph.self_join import ask

SAMPLE_ROWS = 512
PAIRS_A_ROW = 10
"""True neighbours examined per sampled row; each costs one search."""

TRUTH_RERANK = 10
"""Rows re-ranked for each neighbour wanted, when all is scanned for the truth."""

NEIGHBOURS_KEPT = 0.99
"""Share of the true neighbours that a pool of projected rows is to hold."""

NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownRows:
    """Rows whose true neighbours are known; all are places of `Joined`.

    Attributes:
        own: rows (s,), ascending.
        measured: (s, w) the rows of the best codes, nearest first, the row itself left
            out.
        rows: (s, k) true neighbours: the first of `measured`.
        distances: (s, k), ascending.
        list_nos: (s, nlist) all lists, best first.
    """

    own: Rows
    measured: Rows
    rows: Rows
    distances: Distances
    list_nos: ListNos

    def recall_of(self, distances: Distances) -> float:
        """Recall of a graph with `distances` (n, k)."""
        return recall_at_k(distances[self.own], self.distances)


def draw_sample(joined: Joined, *, k: int, rng: np.random.Generator) -> KnownRows:
    """Draw rows and find their k nearest others by scanning every list.

    Args:
        joined: more than k rows; an engine that scans codes re-ranks ten rows a
            neighbour.
        k: neighbours.
        rng: draws the rows.
    """
    n = len(joined)
    own = np.sort(rng.choice(n, min(SAMPLE_ROWS, n), replace=False))
    queries = joined.queries_at(own)
    list_nos = joined.engine.rank_lists(queries, nprobe=joined.data.lists.nlist)
    rerank = min(TRUTH_RERANK * k + 1, n)
    returned = k + 1 if joined.projected is None else rerank
    request = ScanRequest(k=returned, rerank=rerank, segments="primary")
    scanned = joined.scan(own, queries, list_nos, request)
    others = others_than(own, scanned.rows)
    measured = scanned.rows[others].reshape(len(own), returned - 1)
    distances = scanned.distances[others].reshape(len(own), returned - 1)
    return KnownRows(
        own=own,
        measured=measured,
        rows=measured[:, :k],
        distances=np.ascontiguousarray(distances[:, :k]),
        list_nos=list_nos,
    )


def pool_needed(joined: Joined, sample: KnownRows) -> int:
    """Rows to measure so that the codes lose few of the true neighbours.

    Args:
        joined: with projected rows.
        sample: drawn from it.
    """
    assert joined.projected is not None
    codes, encoding = joined.data.codes, joined.data.encoding
    k = sample.rows.shape[1]
    ranks = np.empty(sample.rows.shape, np.int64)
    for number, (own, rows) in enumerate(zip(sample.own, sample.measured, strict=True)):
        query = joined.projected[own : own + 1]
        scores = encoding.scan_scores(query, codes[rows])[0]
        ranks[number] = (scores > scores[:k, None]).sum(axis=1)
    # The row itself is the best of all, and its true neighbours are counted from 0.
    return int(np.quantile(ranks, NEIGHBOURS_KEPT, method="higher")) + 2


def plan_nprobe(
    joined: Joined,
    sample: KnownRows,
    *,
    width: int,
    target_recall: float,
    rng: np.random.Generator,
) -> int:
    """The least nprobe at which the graph reaches `target_recall`.

    Recall of the sample must exceed it by one standard error. If no nprobe reaches it,
    as with more equal rows than `width`, the nprobe beyond which no more are found.

    Args:
        joined: the rows of the graph.
        sample: rows with known neighbours.
        width: candidates kept a row, the row itself included.
        target_recall: recall@k of the graph.
        rng: draws pairs of the sample.
    """
    near = _draw_pairs(sample, rng)
    primary, secondary = joined.lists_of()
    forward = _ranks(sample.list_nos, primary[near], secondary[near])
    deep = int(_least(forward, target_recall))
    found, _ = ask(joined, sample.own, nprobe=deep, width=width)
    forward[~_holds(found, near)] = NEVER

    asked, back = np.unique(near, return_inverse=True)
    own = np.broadcast_to(sample.own[:, None], near.shape).ravel()
    list_nos = joined.engine.rank_lists(joined.queries_at(asked), nprobe=deep)
    found, _ = ask(joined, asked, nprobe=deep, width=width)
    backward = _ranks(list_nos[back.ravel()], primary[own, None], secondary[own, None])
    backward[~_holds(found[back.ravel()], own[:, None])] = NEVER

    needed = np.minimum(forward, backward.reshape(near.shape))
    return min(int(_least(needed, target_recall)), deep)


def _draw_pairs(sample: KnownRows, rng: np.random.Generator) -> Rows:
    """Some true neighbours (s, m) of each sampled row, any as likely as another."""
    k = sample.rows.shape[1]
    if k <= PAIRS_A_ROW:
        return sample.rows
    columns = rng.permuted(np.tile(np.arange(k), (len(sample.own), 1)), axis=1)
    return np.take_along_axis(sample.rows, columns[:, :PAIRS_A_ROW], axis=1)


def _ranks(
    list_nos: ListNos, primary: ListNos, secondary: ListNos
) -> NDArray[np.int64]:
    """How many of `list_nos` (m, p) to probe until a list of a pair (m, c) is met.

    `NEVER` where neither list of the pair is among them.
    """
    ranks = np.full(primary.shape, NEVER, np.int64)
    for column in range(primary.shape[1]):
        hit = (list_nos == primary[:, column, None]) | (
            list_nos == secondary[:, column, None]
        )
        ranks[:, column] = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, NEVER)
    return ranks


def _holds(found: Rows, wanted: Rows) -> NDArray[np.bool_]:
    """Which of `wanted` (m, c) are in the same row of `found` (m, w)."""
    return (found[:, None, :] == wanted[:, :, None]).any(axis=2)


def _least(needed: NDArray[np.int64], target_recall: float) -> int:
    """The least nprobe that covers `target_recall` of the pairs and a standard error.

    The greatest that any pair needs where that is out of reach.
    """
    reachable = np.unique(needed[needed < NEVER])
    for nprobe in reachable:
        a_row = (needed <= nprobe).mean(axis=1)
        if a_row.mean() - a_row.std() / len(a_row) ** 0.5 >= target_recall:
            return int(nprobe)
    return int(reachable[-1]) if len(reachable) else 1
