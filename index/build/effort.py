"""Fit and count settings of the effort (`index/operating/effort.py`).

The expected hits in a list fall with its rank, and rise with the depth of the query:
their log is taken to be linear in the log of the rank and in the depth. That is fitted
to the sample queries, once for each number of first lists. A list is worth scanning if
it is expected to hold more than so many hits; each such threshold makes one setting.

Recall is counted as that of other operating points is (`count.py`). Many queries give
their depths by their nearest rows, those whose pools are measured by the best codes as
a search does; what that differs by is part of what pools lose.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos
from gleann.index.build.count import (
    Held,
    Nearest,
    Shares,
    count_pool,
    nearest_of,
    pool_ends,
)
from gleann.index.build.place import Placed, place
from gleann.index.build.sample import Sample
from gleann.index.build.tune import ENOUGH
from gleann.index.evaluate import cut_at_k, pareto
from gleann.index.operating.effort import depths_of, granted, knows_depths
from gleann.index.operating.points import (
    EffortPoint,
    OperatingPoint,
    costs_of_recalls,
)

RERANKED_PER_K = (1.3, 2, 3, 5)
MEASURED_K = (1, 10, 20, 50, 100)
"""Numbers of neighbours that have settings; others take those of the next larger."""

FIRST_LISTS = (8, 16, 32, 64)
MOST_LISTS = 1024
SETTING_STEP = 1.06
"""Ratio of the mean lists of two settings."""

WORTH_EFFORT = 0.04
"""Share of the work that a setting must save to be kept."""

LEAST_QUERIES = 256
NEWTON_STEPS = 40
LEAST_FALL = 0.5
DIGITS = 4
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """`first`, `nprobe`, `offset` and `slope` of an `EffortPoint`."""

    first: int
    nprobe: int
    offset: float
    slope: float

    def lists(self, depths: Floats) -> Ints:
        """Lists (nq,) of queries by their depth over k."""
        logs = self.offset + self.slope * depths
        return granted(logs, first=self.first, most=self.nprobe)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hits:
    """The k nearest rows of queries, among rows that are known.

    Attributes:
        k: neighbours.
        places: int32 (nq, w), of the first list that holds each row, best rows first.
        query: (h,) query of each hit.
        column: (h,) its position among the rows.
    """

    k: int
    places: ListNos
    query: Ints
    column: Ints

    @property
    def at(self) -> ListNos:
        """Places (h,) of the hits."""
        return self.places[self.query, self.column]

    def depths(self, first: int) -> Floats:
        """Depth by k (nq,) of the queries after their first lists."""
        return depths_of(self.places, k=self.k, first=first)

    def knows(self, first: int) -> bool:
        """Whether the k best rows of the first lists are among those that are known."""
        return knows_depths(self.places, k=self.k, first=first)

    def shares(
        self, *, most: int, ends: NDArray[np.int32] | None = None
    ) -> "_SharesByLists":
        """Share of the k rows that queries find, by the lists that they scan.

        Args:
            most: lists.
            ends: (h,) the most lists with which a row is in a pool; None for all.
        """
        counts = np.zeros((len(self.places), most + 1), np.int16)
        at = self.at
        last = np.full_like(at, most) if ends is None else np.minimum(ends, most)
        some = at < last
        np.add.at(counts, (self.query[some], at[some] + 1), 1)
        some &= last < most
        np.subtract.at(counts, (self.query[some], last[some] + 1), 1)
        np.cumsum(counts, axis=1, out=counts)
        return _SharesByLists(np.minimum(counts, self.k, out=counts), self.k)


@dataclass(frozen=True, slots=True, eq=False)
class _SharesByLists:
    """Shares of the k nearest rows.

    Attributes:
        counts: int16 (nq, most + 1), rows found in the first 0, 1, ... lists.
        k: neighbours.
    """

    counts: NDArray[np.int16]
    k: int

    def at(self, lists: list[Ints]) -> Shares:
        """(nq, g) in so many lists (nq,) each, for each of g settings."""
        queries = np.arange(len(self.counts))
        found = np.stack([self.counts[queries, some] for some in lists], axis=1)
        shares: Shares = (found / self.k).astype(np.float32)
        return shares


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Known:
    """The k nearest rows of the sample.

    Attributes:
        many: of all queries.
        shares: of these.
        pooled: of those whose pools are measured.
        pools: shares of these in a pool, by its rows.
        which: (nq,) which of all these are.
        most: lists of a setting.
    """

    many: _Hits
    shares: _SharesByLists
    pooled: _Hits
    pools: dict[int, _SharesByLists]
    which: Ints
    most: int


def measure_efforts(
    sample: Sample,
    primary: ListNos,
    secondary: ListNos | None,
    points: tuple[OperatingPoint, ...],
) -> tuple[EffortPoint, ...]:
    """The settings that save work beside one number of lists for all queries.

    Args:
        sample: the queries.
        primary: (n,) first list of each row.
        secondary: (n,) second list of each row, -1 for none; None without spilling.
        points: what one number of lists for all gives.

    Returns:
        For each k of `MEASURED_K` and the sample, points of ascending cost and recall;
        none where the sample is small, or nothing is saved.
    """
    placed = place(sample, primary, secondary)[0]
    nearest = nearest_of(sample, placed)
    if nearest is None or len(nearest.places) < LEAST_QUERIES:
        return ()
    efforts: list[EffortPoint] = []
    depth = sample.truth.shape[1]
    for k in (k for k in sample.ks if k in MEASURED_K and k <= depth):
        counted = _measure_k(sample, placed, nearest, k)
        efforts += _worthy(sample, counted, points)
    return tuple(efforts)


def _worthy(
    sample: Sample, counted: list[EffortPoint], points: tuple[OperatingPoint, ...]
) -> list[EffortPoint]:
    """The settings for a k that save enough and that no other beats."""
    if not counted:
        return []
    model = sample.cost_model.alone
    recalls = [p.recall for p in counted]
    even = costs_of_recalls(points, model, k=counted[0].k, recalls=recalls)
    worthy = [
        p
        for p, cost in zip(counted, even, strict=True)
        if p.recall < ENOUGH and p.cost(model) <= (1 - WORTH_EFFORT) * cost
    ]
    return pareto(worthy, gain=lambda p: p.recall, cost=lambda p: p.cost(model))


def _measure_k(
    sample: Sample, placed: Placed, nearest: Nearest, k: int
) -> list[EffortPoint]:
    """All settings for k."""
    near = nearest.distances
    many = _hits(nearest.places, near, near[:, :k], k)
    pooled = _hits(placed.ranked, sample.distances, sample.truth[:, :k], k)
    nlist = len(placed.entries)
    firsts = [one for one in FIRST_LISTS if 2 * one <= nlist and many.knows(one)]
    if not firsts:
        return []
    most = min(MOST_LISTS, nlist)
    known = _Known(
        many=many,
        shares=many.shares(most=most),
        pooled=pooled,
        pools=_shares_in_pools(pooled, most=most, nlist=nlist),
        which=nearest.pooled,
        most=most,
    )
    return [point for one in firsts for point in _measure_first(known, placed, one)]


def _shares_in_pools(
    pooled: _Hits, *, most: int, nlist: int
) -> dict[int, _SharesByLists]:
    """By the rows in a pool, the share of the k rows that are in it."""
    shares = {}
    for rerank in sorted({ceil(pooled.k * share) for share in RERANKED_PER_K}):
        ends = pool_ends(
            pooled.places, pooled.query, pooled.column, rerank=rerank, nlist=nlist
        )
        shares[rerank] = pooled.shares(most=most, ends=ends)
    return shares


def _hits(places: ListNos, distances: Distances, nearest: Distances, k: int) -> _Hits:
    query, column = np.nonzero(distances <= cut_at_k(nearest))
    return _Hits(k=k, places=places, query=query, column=column)


def _measure_first(known: _Known, placed: Placed, first: int) -> list[EffortPoint]:
    """The settings with so many first lists.

    Args:
        known: of the queries.
        placed: has the entries of lists.
        first: see `EffortPoint`.
    """
    k = known.many.k
    depths = known.many.depths(first)
    settings = list(_settings(known.many, depths, first, most=known.most))
    if not settings:
        return []
    lists = [setting.lists(depths) for setting in settings]
    held = Held.of(known.shares.at(lists), known.which)
    pooled_depths = known.pooled.depths(first)
    pooled_lists = [setting.lists(pooled_depths) for setting in settings]
    points = []
    for rerank, in_pool in known.pools.items():
        counted = count_pool(in_pool.at(pooled_lists), held, rerank=rerank, k=k)
        points += [
            EffortPoint(
                k=k,
                nprobe=setting.nprobe,
                rerank=rerank,
                recall=float(counted.recall[at]),
                entries=float(placed.entries[lists[at] - 1].mean()),
                error=float(counted.error[at]),
                first=first,
                offset=setting.offset,
                slope=setting.slope,
                lists=float(lists[at].mean()),
            )
            for at, setting in enumerate(settings)
        ]
    return points


def _settings(
    many: _Hits, depths: Floats, first: int, *, most: int
) -> Iterator[_Setting]:
    """Settings of ascending effort, of `most` lists at most."""
    weights = _fit(many, depths, first, most=most)
    fall = max(-float(weights[1]), LEAST_FALL)
    slope = round(float(weights[2]) / fall, DIGITS)
    values, counts = np.unique(depths, return_counts=True)
    before = 0.0
    for log_least in np.arange(8.0, -16.0, -0.02):
        # Rounded: other threads and machines add up to another last digit.
        offset = round((float(weights[0]) - float(log_least)) / fall, DIGITS)
        lists = granted(offset + slope * values, first=first, most=most)
        mean = float(lists @ counts) / len(depths)
        if mean > max(first, SETTING_STEP * before):
            before = mean
            yield _Setting(
                first=first, nprobe=int(lists.max()), offset=offset, slope=slope
            )
        if mean > most / 2:
            return


def _fit(many: _Hits, depths: Floats, first: int, *, most: int) -> Floats:
    """Log hits of a list by 1, log(1 + rank) and depth over k: their weights (3,)."""
    rough, group = np.unique(depths.round(1), return_inverse=True)
    at = many.at
    later = (at >= first) & (at < most)
    cells = group[many.query[later]] * most + at[later]
    found = np.bincount(cells, minlength=len(rough) * most).reshape(-1, most)
    queries = np.bincount(group, minlength=len(rough))
    shape = len(rough), most - first
    ranks = np.log1p(np.arange(first, most))
    return fit_poisson(
        found[:, first:].ravel().astype(np.float64),
        np.broadcast_to(queries[:, None], shape).ravel().astype(np.float64),
        np.broadcast_to(ranks, shape).ravel(),
        np.broadcast_to(rough[:, None], shape).ravel(),
    )


def fit_poisson(
    found: Floats, queries: Floats, ranks: Floats, depths: Floats
) -> Floats:
    """The most likely weights (3,) of a Poisson regression, by Newton's method."""
    terms = np.stack([np.ones(len(ranks)), ranks, depths], axis=1)
    ridge = np.diag([1e-6, 1e-3, 1e-3])
    weights = np.array([np.log((found.sum() + 1e-3) / queries.sum()), 0.0, 0.0])
    for _ in range(NEWTON_STEPS):
        expected = queries * np.exp(np.clip(terms @ weights, -40, 5))
        slope = terms.T @ (expected - found) + ridge @ weights
        step = np.linalg.solve((terms * expected[:, None]).T @ terms + ridge, slope)
        size = float(np.abs(step).max())
        weights = weights - step * min(1.0, 2 / max(size, 1e-9))
        if size < 1e-8:
            break
    return weights
