"""Results of tuning: points and curves of recall against cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf, log

import numpy as np

from bench.peers.contract import Params

STALLED = 1e-4
"""Minimum gain in recall of two more steps of effort, above `WORTHWHILE`."""

WORTHWHILE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured setting.

    Attributes:
        build, search: its parameters.
        effort: the search parameter that buys recall.
        recall: on the queries that have a ground truth.
        queries: how many were timed.
        seconds: of one pass over them.
        cost: seconds a query in batch modes, the median latency in mode "single".
        cores: CPU seconds a second while it ran.
    """

    build: Params
    search: Params
    effort: int
    recall: float
    queries: int
    seconds: float
    cost: float
    cores: float


Curve = list[Point]
"""Points that differ in effort alone, in ascending effort."""


def stalled(curve: Curve) -> bool:
    """Whether the last two steps of effort gained nothing at a useful recall."""
    if len(curve) < 3 or curve[-1].recall < WORTHWHILE:
        return False
    return curve[-1].recall - curve[-3].recall < STALLED


def bracket(curve: Curve, level: float) -> tuple[int, Point | None]:
    """The greatest measured effort below `level`, and the first point reaching it."""
    reaching = next((point for point in curve if point.recall >= level), None)
    if reaching is None:
        return 0, None
    below = [point.effort for point in curve if point.effort < reaching.effort]
    return max(below, default=reaching.effort - 1), reaching


def cost_at(curve: Curve, level: float) -> float:
    """Cost at which a curve reaches `level`, interpolated; infinite if it does not."""
    for low, high in pairwise(curve):
        if low.recall < level <= high.recall:
            share = (level - low.recall) / (high.recall - low.recall)
            logs = log(low.cost) + share * (log(high.cost) - log(low.cost))
            return float(np.exp(logs))
    if curve and curve[0].recall >= level:
        return curve[0].cost
    return inf


def best_at(points: list[Point], level: float) -> Point | None:
    """The cheapest measured point that reaches `level`."""
    reaching = (point for point in points if point.recall >= level)
    return min(reaching, key=lambda point: point.cost, default=None)


def front(points: list[Point]) -> Iterator[Point]:
    """The Pareto front of recall and cost, by ascending cost."""
    best = -inf
    for point in sorted(points, key=lambda p: (p.cost, -p.recall)):
        if point.recall > best:
            best = point.recall
            yield point
