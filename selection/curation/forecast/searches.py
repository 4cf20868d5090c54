"""What curations take that search an index: negatives, targets, the nearest of another.

Searches cost what the cost model of the index says of its operating points
(`index/operating/cost.py`), which also chooses settings.
"""

from dataclasses import dataclass
from math import ceil, log2, sqrt

from gleann.index import exact
from gleann.index.operating.cost import CostModel
from gleann.index.operating.points import (
    OperatingPoint,
    choose_point,
    default_rerank,
    growth_of,
    rerank_for,
)
from gleann.index.params import DEFAULT_TARGET_RECALL
from gleann.selection.curation.forecast.joins import BASE_BYTES
from gleann.selection.curation.forecast.value import Forecast
from gleann.selection.curation.negatives.mine import QUERY_BLOCK
from gleann.selection.curation.target.best_rank import FIRST_RANKS
from gleann.selection.curation.target.depth import depth_for
from gleann.selection.heads import SEARCHED

EXACT_PAIR, EXACT_NUMBER = 1.5e-9, 60e-12
"""Seconds for a pair that is compared in float32, and for a number of it."""
BATCHED = 0.4
"""What a search of thousands takes, beside the cost model."""
NEAREST_PAIR, NEAREST_NUMBER = 15e-9, 200e-12
"""Seconds for a chosen row and a target, and for a number of them."""
ENTRIES = 1.5
"""Entries of a row where lists were not measured."""

FOUND_ROW = 60e-9
"""Seconds to put one found row in order."""
QUERY_TURN, TARGET_TURN = 80e-6, 120e-6
"""Seconds to choose among the candidates of a query, and among those of a target."""
DRAWN_ROW = 0.5e-6
"""Seconds to draw or compare a row of the pool."""
PROBE_NUMBER, SCORED_NUMBER = 60e-9, 4e-9
"""Seconds for a number of a row that a probe learns from, and that it scores."""

FOUND_BYTES = 40
"""Memory of a found row while it is put in order."""
HELD_BYTES = 24
"""Memory of a found row that is kept."""
POOL_ROW_BYTES = 90
"""Memory of a row that may be chosen: its id, its chance, and whether it is open."""
STORED_CHOICE, STORED_NEGATIVE, STORED_SCORE = 60, 32, 12
"""Bytes on disk of a chosen row, of a negative and of a row's score."""
MEASURED_BYTES = 12
"""Memory for a number of a pair that is measured again: in float32 and in float64."""
LEARNED_BYTES = 20
"""Memory for a number that a probe learns from: in float32, in float64, and squared."""
OVERLAP = 2
"""Targets find the same rows: so many times as deep as without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """An index that is searched, and how.

    Attributes:
        dim: numbers in a row.
        nlist: number of lists.
        rows: that it has.
        points: its operating points.
        measured_rows: that it had when these were measured.
        share: of its rows that may be found, above 0.
        target_recall: of the searches; 1 looks at every row.
    """

    dim: int
    nlist: int
    rows: int
    points: tuple[OperatingPoint, ...] = ()
    measured_rows: int = 0
    share: float = 1.0
    target_recall: float = DEFAULT_TARGET_RECALL


def forecast_search(searched: Searched, *, queries: int, k: int) -> float:
    """Nominal seconds of one core for searches of `k` neighbours.

    Args:
        searched: the index.
        queries: number of them.
        k: neighbours of each; those beyond the rows there are do not count.
    """
    allowed = max(1.0, searched.rows * searched.share)
    k = max(1, min(k, int(allowed)))
    all_rows = allowed * (EXACT_PAIR + EXACT_NUMBER * searched.dim)
    if searched.target_recall == 1:
        return queries * (all_rows + k * FOUND_ROW)
    each = 1e-9 * BATCHED * _by_lists(searched, k=k)
    return queries * (min(all_rows, each) + k * FOUND_ROW)


def _by_lists(searched: Searched, *, k: int) -> float:
    """Nominal nanoseconds of one search of lists."""
    points, nlist, recall = searched.points, searched.nlist, searched.target_recall
    point = choose_point(points, k=k, target_recall=recall)
    if point is None:
        probes, rerank = sqrt(nlist), default_rerank(k)
        entries = ENTRIES * searched.rows * probes / nlist
    else:
        power = growth_of(points, target_recall=recall)
        probes, entries, rerank = _scaled(point, k=k, power=power)
        entries *= searched.rows / max(1, searched.measured_rows)
    probes, entries = probes / searched.share, entries / searched.share
    whole = max(1.0, probes / nlist)
    model = CostModel(searched.dim, nlist)
    return model.search(entries=entries / whole, nprobe=probes / whole, rerank=rerank)


def _scaled(point: OperatingPoint, *, k: int, power: float) -> tuple[float, float, int]:
    """Lists, entries and rows re-ranked of a point for more neighbours than its own."""
    times = max(1.0, k / point.k) ** power
    rerank = rerank_for(k, point.rerank, measured=point.k)
    return point.nprobe * times, point.entries * times, rerank


def forecast_nearest(searched: Searched, *, rows: int, k: int) -> Forecast:
    """Forecast the `k` nearest in another index of each of `rows`."""
    found = rows * min(k, searched.rows)
    return Forecast(
        parallel=forecast_search(searched, queries=rows, k=k),
        serial=found * FOUND_ROW,
        memory_bytes=BASE_BYTES + FOUND_BYTES * min(found, 4096 * k),
        stored_bytes=20 * found,
    )


def forecast_negatives(
    searched: Searched, *, queries: int, per_query: int, end_rank: int, positives: int
) -> Forecast:
    """Forecast hard negatives.

    Args:
        searched: the index.
        queries: number of them.
        per_query: negatives of each.
        end_rank: last rank of the window.
        positives: of all queries together.
    """
    each = positives / max(1, queries)
    depth = min(_power(end_rank + 1 + each), searched.rows)
    kept = queries * per_query
    return Forecast(
        parallel=forecast_search(searched, queries=queries, k=depth),
        serial=queries * (QUERY_TURN + depth * FOUND_ROW),
        memory_bytes=BASE_BYTES
        + FOUND_BYTES * min(queries, QUERY_BLOCK) * depth
        + HELD_BYTES * kept
        + 16 * positives,
        stored_bytes=STORED_NEGATIVE * kept + 24 * queries,
    )


def forecast_ranks(
    searched: Searched, *, targets: int, takers: int, budget: int
) -> Forecast:
    """Forecast a choice by turns or by best ranks, beside plain draws.

    Args:
        searched: the index.
        targets: number of them.
        takers: that take turns: tasks, or the targets themselves.
        budget: rows to choose.
    """
    compared = _compared(searched, targets=targets, budget=budget)
    ranks = _ranks(searched, targets=targets, takers=takers, rows=budget)
    return compared.then(ranks)


def _ranks(searched: Searched, *, targets: int, takers: int, rows: int) -> Forecast:
    """Heads of targets that have `rows` rows together."""
    goal = max(FIRST_RANKS, _power(OVERLAP * rows / max(1, takers)))
    goal = min(goal, searched.rows)
    depth = min(depth_for(goal, max(1, targets // max(1, takers))), searched.rows)
    found = targets * depth
    turns = max(1.0, log2(goal / FIRST_RANKS) + 1)
    return Forecast(
        # Each search is twice as deep as the one before.
        parallel=2 * forecast_search(searched, queries=targets, k=depth),
        serial=turns * takers * TARGET_TURN + 8 * found * FOUND_ROW,
        memory_bytes=BASE_BYTES
        + POOL_ROW_BYTES * searched.rows
        + HELD_BYTES * found
        + FOUND_BYTES * min(found, SEARCHED),
    )


def forecast_resample(searched: Searched, *, targets: int, budget: int) -> Forecast:
    """Forecast a draw by lists, beside plain draws."""
    drawn = Forecast(serial=searched.rows * DRAWN_ROW)
    return _compared(searched, targets=targets, budget=budget).then(drawn)


def forecast_distil(
    searched: Searched,
    *,
    targets: int,
    budget: int,
    sample_size: int,
    positive_fraction: float,
) -> Forecast:
    """Forecast a probe of best ranks, and its choice.

    Args:
        searched: the index.
        targets: number of them.
        budget: rows to choose.
        sample_size: rows to learn from.
        positive_fraction: share of them that is ranked best.
    """
    dim, n = searched.dim, searched.rows
    sample = min(sample_size, n)
    positive = max(1, round(positive_fraction * sample))
    ranks = _ranks(searched, targets=targets, takers=targets, rows=positive)
    learned = Forecast(
        serial=sample * dim * PROBE_NUMBER + n * (dim * SCORED_NUMBER + DRAWN_ROW),
        memory_bytes=BASE_BYTES + LEARNED_BYTES * sample * dim + POOL_ROW_BYTES * n,
        stored_bytes=STORED_SCORE * n,
    )
    compared = _compared(searched, targets=targets, budget=budget)
    return compared.then(ranks).then(learned)


def _compared(searched: Searched, *, targets: int, budget: int) -> Forecast:
    """What is stored of a choice, and the choice beside two draws of its size."""
    pairs = 3 * budget * targets
    each = NEAREST_PAIR + NEAREST_NUMBER * searched.dim
    measured = MEASURED_BYTES * min(budget, exact.QUERY_BLOCK) * (1 + exact.SLACK)
    return Forecast(
        parallel=pairs * each,
        serial=searched.rows * DRAWN_ROW,
        memory_bytes=BASE_BYTES
        + POOL_ROW_BYTES * searched.rows
        + measured * searched.dim,
        stored_bytes=STORED_CHOICE * budget,
    )


def _power(depth: float) -> int:
    """The least power of two that is not below `depth`."""
    return 1 << max(0, ceil(log2(max(1.0, depth))))
