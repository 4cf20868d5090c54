"""Alternate the best settings of gleann and of a peer, so that drift affects both."""

from dataclasses import asdict, dataclass
from time import sleep
from typing import Any

import numpy as np

from bench.comparison.curves import Point
from bench.comparison.process import PeerProcess
from bench.comparison.tuning import BUILD_SECONDS, SEARCH_SECONDS, Task, cost_of
from bench.comparison.worker import Ask, Timed
from bench.quality import Judge

SETTLE_SECONDS = 0.05
"""Pause between two timings: OpenMP threads spin for a while after their last work."""

REPEATS = 20
"""Maximum calls per timing; one if a call takes a quarter of a second or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One peer at one recall level, with all its repeats.

    Attributes:
        name: of the peer.
        build, search: parameters.
        recall: on the queries that have a ground truth.
        seconds: of a pass over the queries, one a round.
        costs: what the mode is judged by, one a round.
        qps: queries a second at the median of `seconds`.
        p50_seconds, p99_seconds: latency over all rounds, in mode "single".
        cores: CPU seconds a second, one a round.
        work: work counts a query, where the peer tells them.
    """

    name: str
    build: dict[str, Any]
    search: dict[str, Any]
    recall: float
    seconds: list[float]
    costs: list[float]
    qps: float
    p50_seconds: float | None
    p99_seconds: float | None
    cores: list[float]
    work: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`ours` against `theirs` at one level; above 1, ours is faster.

    Attributes:
        level: the recall that both reach.
        ours, theirs: the two sides, timed in the same rounds.
        ratios: cost of theirs over cost of ours, one a round.
        ratio, low, high: their median, least and greatest.
    """

    level: float
    ours: Side
    theirs: Side
    ratios: list[float]
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contestant:
    """A peer's live process and its best point at one level."""

    name: str
    process: PeerProcess
    point: Point
    level: float


def time_rounds(
    contestants: list[Contestant], task: Task, judge: Judge, *, rounds: int
) -> dict[str, Side]:
    """Time each contestant once per round, in turn, and return a side for each.

    Raises:
        PeerFailedError: one of them died.
    """
    for one in contestants:  # an index may have been dropped, or its process replaced
        one.process.ask("build", one.point.build, seconds=BUILD_SECONDS)
        one.process.ask("search", _ask(one, task, repeats=1), seconds=SEARCH_SECONDS)
    timings: dict[str, list[Timed]] = {one.name: [] for one in contestants}
    for _ in range(rounds):
        for one in contestants:
            sleep(SETTLE_SECONDS)
            ask = _ask(one, task, repeats=REPEATS)
            timings[one.name].append(
                one.process.ask("search", ask, seconds=SEARCH_SECONDS)
            )
    return {one.name: _side(one, timings[one.name], task, judge) for one in contestants}


def compare(ours: Side, theirs: Side, *, level: float) -> Comparison:
    """Pair the rounds of two sides timed together."""
    pairs = zip(ours.costs, theirs.costs, strict=True)
    ratios = [other / own for own, other in pairs]
    return Comparison(
        level=level,
        ours=ours,
        theirs=theirs,
        ratios=ratios,
        ratio=float(np.median(ratios)),
        low=min(ratios),
        high=max(ratios),
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The entry of the result file."""
    return asdict(comparison)


def _ask(one: Contestant, task: Task, *, repeats: int) -> Ask:
    return Ask(
        build=one.point.build,
        search=one.point.search,
        mode=task.mode,
        k=task.k,
        queries=task.queries,
        repeats=repeats,
    )


def _side(one: Contestant, timings: list[Timed], task: Task, judge: Judge) -> Side:
    seconds = [timed.seconds for timed in timings]
    latencies = np.concatenate([timed.latencies for timed in timings])
    p50, p99 = np.quantile(latencies, [0.5, 0.99]) if latencies.size else (None, None)
    return Side(
        name=one.name,
        build=one.point.build,
        search=one.point.search,
        recall=judge.recall(timings[-1].rows),
        seconds=seconds,
        costs=[cost_of(timed) for timed in timings],
        qps=task.queries / float(np.median(seconds)),
        p50_seconds=None if p50 is None else float(p50),
        p99_seconds=None if p99 is None else float(p99),
        cores=[timed.cores for timed in timings],
        work=one.process.ask(
            "work", _ask(one, task, repeats=1), seconds=SEARCH_SECONDS
        ),
    )
