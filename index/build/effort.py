"""Fit and measure settings of the effort (`index/effort.py`), by counting.

The expected hits in a list fall with its rank, and rise with the depth of the query:
their log is taken to be linear in the log of the rank and in the depth. That is
fitted to the sample queries, once for each number of first lists. A list is worth
scanning if it is expected to hold more than so many hits per nanosecond of its scan;
each such threshold makes one setting.

Settings that are measured on one half of the queries are fitted to the other half.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos
from gleann.index.build.sample import Sample
from gleann.index.cost import PROBE
from gleann.index.effort import POOR, EffortPoint, bit_lengths, granted
from gleann.index.evaluate import cut_at_k, pareto

FITTED_K = (1, 10, 100)
RERANKED_PER_K = (1.3, 2, 3, 5)
FIRST_LISTS = (8, 16, 32, 64)
MOST_LISTS = 1024
GRID_STEP = 1.15
SETTING_STEP = 1.2
WORTH_EFFORT = 0.04
"""Share of the work that a setting must save to be kept."""

ENOUGH = 0.998
"""Recall from which on a sample tells no settings apart."""

LEAST_QUERIES = 64
NEWTON_STEPS = 40
LEAST_FALL = 0.5
DIGITS = 4
RESAMPLED = 32
KNOWN = 0.98
"""Share of the k best rows of the first lists that the sample must know."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """The sample for one k.

    Attributes:
        k: neighbours asked for.
        found_at: int32 (nq, m), rank of the first list of each row, best codes first.
        query: (h,) query of each neighbour among those rows.
        column: (h,) and its place.
        entries: (nq, ranks + 1), entries in the first 0, 1, ... lists.
        list_cost: nominal nanoseconds that an average list takes.
    """

    k: int
    found_at: ListNos
    query: Ints
    column: Ints
    entries: Floats
    list_cost: float

    @property
    def ranks(self) -> int:
        """Lists that are considered."""
        return self.entries.shape[1] - 1

    @property
    def count(self) -> int:
        """Queries."""
        return len(self.found_at)

    def hits_at(self) -> Floats:
        """Neighbours (nq, ranks) that each list is the first to hold."""
        at = self.found_at[self.query, self.column]
        near = at < self.ranks
        hits = np.zeros((self.count, self.ranks))
        np.add.at(hits, (self.query[near], at[near]), 1)
        return hits

    def best(self, lists: int) -> NDArray[np.bool_]:
        """Which rows (nq, m) are the k best of the first lists."""
        held = self.found_at < lists
        return held & (np.cumsum(held, axis=1) <= self.k)

    def depths(self, first: int) -> Floats:
        """Depth by k (nq,) of the queries after their first lists."""
        best = self.best(first)
        lacking = self.k - best.sum(axis=1)
        sums = np.where(best, bit_lengths(self.found_at), 0).sum(axis=1)
        depths: Floats = (sums + lacking * int(first).bit_length()) / self.k
        return depths

    def knows(self, first: int) -> bool:
        """Whether the k best rows of the first lists are among those that are known."""
        return float(self.best(first).sum()) >= KNOWN * self.k * self.count

    def recalls(self, lists: Ints, reranks: list[int]) -> Floats:
        """Recall (reranks, nq) where each query scans so many lists (nq,)."""
        held = self.found_at < lists[:, None]
        place = np.cumsum(held, axis=1)[self.query, self.column]
        inside = held[self.query, self.column]
        found = [
            np.bincount(self.query[inside & (place <= rerank)], minlength=self.count)
            for rerank in reranks
        ]
        recalls: Floats = np.minimum(found, self.k) / self.k
        return recalls


def measure_effort(
    sample: Sample, primary: ListNos, secondary: ListNos | None
) -> tuple[EffortPoint, ...]:
    """The settings that save work beside one number of lists for all queries.

    Args:
        sample: the queries.
        primary: (n,) first list of each row.
        secondary: (n,) second list of each row, -1 for none; None without spilling.

    Returns:
        For each k of `FITTED_K`, points of ascending cost and recall; none where the
        sample is small, or nothing is saved.
    """
    if len(sample.truth) < LEAST_QUERIES:
        return ()
    found_at = _found_at(sample, primary, secondary)
    entries = _entries(sample, primary, secondary)
    points: list[EffortPoint] = []
    for k in (k for k in FITTED_K if k <= sample.truth.shape[1]):
        query, column = np.nonzero(sample.distances <= cut_at_k(sample.truth[:, :k]))
        asked = _Asked(
            k=k,
            found_at=found_at,
            query=query,
            column=column,
            entries=entries,
            list_cost=PROBE
            + sample.cost_model.entry * float(entries[:, -1].mean()) / entries.shape[1],
        )
        points += _measure_k(sample, asked)
    return tuple(points)


def _measure_k(sample: Sample, asked: _Asked) -> list[EffortPoint]:
    reranks = sorted({ceil(asked.k * share) for share in RERANKED_PER_K})
    plain = _Plain.of(sample, asked, reranks)
    points = []
    for first in FIRST_LISTS:
        if 2 * first > asked.ranks or not asked.knows(first):
            continue
        for setting, lists in _settings(asked, first):
            recalls = asked.recalls(lists, reranks)
            for at, rerank in enumerate(reranks):
                point = _point(asked, setting, lists, rerank, recalls[at])
                points.append(plain.beside(at, point, recalls[at]))
    kept = [p for p in points if p.saving >= WORTH_EFFORT and p.recall < ENOUGH]
    model = sample.cost_model
    return pareto(kept, gain=lambda p: p.recall, cost=lambda p: p.cost(model))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """`first`, `most`, `offset` and `slope` of an `EffortPoint`."""

    first: int
    most: int
    offset: float
    slope: float

    def lists(self, depths: Floats) -> Ints:
        """Lists (nq,) of queries by their depth over k."""
        logs = self.offset + self.slope * depths
        return granted(logs, first=self.first, most=self.most)


def _point(
    asked: _Asked, setting: _Setting, lists: Ints, rerank: int, recalls: Floats
) -> EffortPoint:
    return EffortPoint(
        k=asked.k,
        first=setting.first,
        most=setting.most,
        offset=setting.offset,
        slope=setting.slope,
        rerank=rerank,
        recall=float(recalls.mean()),
        entries=float(asked.entries[np.arange(asked.count), lists].mean()),
        lists=float(lists.mean()),
        error=float(recalls.std() / asked.count**0.5),
        poor=float((recalls < POOR).mean()),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plain:
    """One number of lists for all queries: what it gives and takes.

    Attributes:
        recalls: (reranks, nq, g) for each number of lists.
        costs: (reranks, g), nominal nanoseconds a query.
        cost: nominal nanoseconds of a point.
        weights: (RESAMPLED, nq), of the queries in each resample.
    """

    recalls: Floats
    costs: Floats
    sample: Sample
    weights: Floats

    @classmethod
    def of(cls, sample: Sample, asked: _Asked, reranks: list[int]) -> "_Plain":
        """Count every number of lists of a grid."""
        steps = int(np.ceil(np.log(asked.ranks) / np.log(GRID_STEP))) + 1
        grid = sorted({min(round(GRID_STEP**i), asked.ranks) for i in range(steps)})
        recalls = [
            asked.recalls(np.full(asked.count, lists), reranks) for lists in grid
        ]
        means = asked.entries.mean(axis=0)
        model = sample.cost_model
        costs = [
            [model.search(entries=means[p], nprobe=p, rerank=r) for p in grid]
            for r in reranks
        ]
        rng = np.random.default_rng(19)
        draws = rng.multinomial(
            asked.count, np.full(asked.count, 1 / asked.count), size=RESAMPLED
        )
        return cls(
            recalls=np.stack(recalls, axis=2),
            costs=np.array(costs),
            sample=sample,
            weights=draws / asked.count,
        )

    def beside(self, at: int, point: EffortPoint, recalls: Floats) -> EffortPoint:
        """A point with what it saves: the median over resamples of the queries.

        Args:
            at: which `rerank` the point has.
            point: the point.
            recalls: (nq,) of the point.
        """
        log_costs = np.log(self.costs[at])
        means = np.maximum.accumulate(self.weights @ self.recalls[at], axis=1)
        reached = self.weights @ recalls
        ratios = [
            point.cost(self.sample.cost_model)
            / np.exp(np.interp(recall, mean, log_costs))
            for recall, mean in zip(reached, means, strict=True)
        ]
        beyond = point.recall > self.recalls[at].mean(axis=0).max()
        poor = (self.recalls[at] < POOR).mean(axis=0)
        curve = np.maximum.accumulate(self.recalls[at].mean(axis=0))
        return replace(
            point,
            poor_before=float(np.interp(point.recall, curve, poor)),
            saving=0.0 if beyond else round(1 - float(np.median(ratios)), DIGITS),
        )


def _settings(asked: _Asked, first: int) -> Iterator[tuple[_Setting, Ints]]:
    """Settings, and lists a query (nq,) by the same fitted to the other half."""
    depths, hits = asked.depths(first), asked.hits_at()
    odd = np.arange(asked.count) % 2 == 1
    whole = _fit(hits, depths, first, np.ones(asked.count, bool))
    halves = (
        (_fit(hits, depths, first, ~odd), odd),
        (_fit(hits, depths, first, odd), ~odd),
    )
    before = 0.0
    for log_least in np.arange(0.0, -22.0, -0.1):
        lists = np.empty(asked.count, np.int64)
        for fitted, others in halves:
            setting = _setting(asked, first, depths, fitted, log_least)
            lists[others] = setting.lists(depths[others])
        mean = float(lists.mean())
        if mean >= SETTING_STEP * before and mean > first:
            before = mean
            yield _setting(asked, first, depths, whole, log_least), lists
        if mean > asked.ranks / 2:
            return


def _setting(
    asked: _Asked, first: int, depths: Floats, fitted: Floats, log_least: float
) -> _Setting:
    """The setting of one threshold.

    Args:
        asked: the sample.
        first: lists that every query scans.
        depths: (nq,) of the sample queries, over k.
        fitted: (3,), log hits by 1, log(1 + rank) and depth over k.
        log_least: log of the hits per nanosecond that a list must be worth.
    """
    fall = max(-float(fitted[1]), LEAST_FALL)
    offset = (float(fitted[0]) - float(np.log(asked.list_cost)) - log_least) / fall
    slope = float(fitted[2]) / fall
    # Rounded: other threads and machines add up to another last digit.
    offset, slope = round(offset, DIGITS), round(slope, DIGITS)
    logs = offset + slope * depths
    most = int(granted(logs, first=first, most=asked.ranks).max())
    return _Setting(first=first, most=most, offset=offset, slope=slope)


def _fit(hits: Floats, depths: Floats, first: int, chosen: NDArray[np.bool_]) -> Floats:
    """The weights (3,) by the chosen queries."""
    ranks = np.log1p(np.arange(first, hits.shape[1]))
    rough, cells = depths.round(1), []
    for depth in np.unique(rough[chosen]):
        same = chosen & (rough == depth)
        found = hits[same, first:].sum(axis=0)
        queries = np.full(len(ranks), same.sum())
        cells.append(np.stack([found, queries, ranks, np.full(len(ranks), depth)]))
    return _poisson(*np.concatenate(cells, axis=1).astype(np.float64))


def _poisson(found: Floats, queries: Floats, ranks: Floats, depths: Floats) -> Floats:
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


def _found_at(sample: Sample, primary: ListNos, secondary: ListNos | None) -> ListNos:
    """Rank (nq, m) of the first list that holds each row of the best codes."""
    ranks = sample.list_ranks
    place = np.take_along_axis(ranks, primary[sample.rows], axis=1)
    if secondary is None:
        return place
    copy = secondary[sample.rows]
    of_copy = np.take_along_axis(ranks, np.maximum(copy, 0), axis=1)
    return np.where(copy >= 0, np.minimum(place, of_copy), place)


def _entries(sample: Sample, primary: ListNos, secondary: ListNos | None) -> Floats:
    """Entries (nq, ranks + 1) in the first 0, 1, ... lists of each query."""
    nlist = sample.list_ranks.shape[1]
    sizes = np.bincount(primary, minlength=nlist)
    if secondary is not None:
        sizes += np.bincount(secondary[secondary >= 0], minlength=nlist)
    order = np.argsort(sample.list_ranks, axis=1)[:, :MOST_LISTS]
    entries = np.zeros((len(order), order.shape[1] + 1))
    np.cumsum(sizes[order], axis=1, out=entries[:, 1:])
    return entries
