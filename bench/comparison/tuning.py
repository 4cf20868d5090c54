"""Find each peer's fastest setting at each recall level, within a time budget.

First a sweep: for every way to build and every fixed search parameter, the effort grows
until recall reaches a ceiling, stops growing, or costs more than a known point that is
better at every level. All ways to search are tried on the first build, the ones that
did best there on the others. Then a refinement: for the curves that look fastest at a
level, bisection finds the least effort that reaches it, so that no peer pays for a
coarse grid.

The budget runs from the end of the first build, which a peer always gets, as it always
gets one whole curve on it.
"""

from dataclasses import asdict, dataclass, replace
from math import inf
from time import monotonic
from typing import Any

import numpy as np

from bench.comparison.curves import Curve, Point, bracket, cost_at, stalled
from bench.comparison.process import PeerFailedError, PeerProcess
from bench.comparison.worker import Ask, Timed, build_key
from bench.peers.contract import Params, Setting, Sweep
from bench.quality import Judge
from bench.say import say

CEILING = 0.995
SWEEP_SHARE = 0.75
"""Share of the budget for the sweep; the rest is for the refinement."""

SETTING_SHARE = 0.5
"""Share of the sweep's remaining time that one set of build parameters may take."""

FULL_SECONDS = 1.0
"""Slower passes over all queries are estimated from the queries with a ground truth."""

SKIP_MARGIN = 0.1
"""Efforts further below the lowest level are not tried again on that build."""

HOPELESS = 1.1
"""A curve ends at this multiple of the cost of a better known point."""

FIXED_KEPT = 2
CURVES_REFINED = 2
SEARCH_SECONDS = 120.0
BUILD_SECONDS = 900.0
"""A longer call counts as hanging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The measured task, the same for all peers.

    Attributes:
        mode: "batch", "batch100" or "single".
        k: neighbours.
        queries: how many of the queries are searched and timed.
        levels: recall to reach.
        minutes: tuning budget of a peer.
    """

    mode: str
    k: int
    queries: int
    levels: tuple[float, ...]
    minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The result of tuning.

    Attributes:
        points: everything measured.
        builds: parameters and seconds of each index that was built.
        dropped: what was not tried or not finished, and why.
    """

    points: list[Point]
    builds: list[dict[str, Any]]
    dropped: list[str]


def cost_of(timed: Timed) -> float:
    """Cost per query of a mode: the median latency, or the mean seconds."""
    if timed.latencies.size:
        return float(np.median(timed.latencies))
    return timed.seconds / len(timed.rows)


class Tuner:
    """Tunes one peer through its worker process."""

    def __init__(
        self, process: PeerProcess, sweep: Sweep, task: Task, judge: Judge
    ) -> None:
        self._process = process
        self._sweep = sweep
        self._task = task
        self._judge = judge
        self._curves: list[Curve] = []
        self._tuned = Tuned(points=[], builds=[], dropped=[])
        self._start = monotonic()
        self._fixed = list(sweep.fixed)

    def run(self) -> Tuned:
        """Sweep, then refine.

        Raises:
            PeerFailedError: it could not even be started again after a failure.
        """
        self._run_sweep()
        try:
            self._refine()
        except PeerFailedError as error:
            self._drop(f"the rest of the refinement failed: {error}")
            self._process.restart()
        return self._tuned

    def _run_sweep(self) -> None:
        last = 0.0
        for setting in self._sweep.settings:
            if self._tuned.builds and self._left(SWEEP_SHARE) < 0.7 * last:
                self._drop(f"build {setting.build} not tried: out of time")
                continue
            start = monotonic()
            try:
                self._try(setting)
                self._process.ask("keep", self._keys_worth_keeping(), seconds=60)
            except PeerFailedError as error:
                self._drop(f"build {setting.build} failed: {error}")
                self._process.restart()
            last = monotonic() - start
            if self._fixed == list(self._sweep.fixed):
                self._fixed = self._best_fixed()

    def _try(self, setting: Setting) -> None:
        seconds, cores = self._process.ask(
            "build", setting.build, seconds=BUILD_SECONDS
        )
        self._tuned.builds.append(
            {"build": setting.build, "seconds": seconds, "cores": cores}
        )
        say(f"  built {setting.build} in {seconds:.1f} s")
        if not self._curves:
            self._start = monotonic()
        until = monotonic() + SETTING_SHARE * self._left(SWEEP_SHARE)
        for fixed in self._fixed:
            if self._tuned.points and monotonic() > until:
                self._drop(f"search {fixed} on {setting.build} not tried: out of time")
                continue
            self._grow(setting, fixed, until)

    def _grow(self, setting: Setting, fixed: Params, until: float) -> None:
        efforts = self._efforts(setting)
        first = not self._curves
        curve: Curve = []
        self._curves.append(curve)
        for effort in efforts:
            curve.append(self._measure(setting.build, fixed, effort))
            last = curve[-1]
            if last.recall >= CEILING or stalled(curve) or self._hopeless(last):
                break
            if not first and monotonic() > until:
                self._drop(
                    f"{self._sweep.effort} above {effort} with {fixed} on"
                    f" {setting.build} not tried: out of time"
                )
                break

    def _efforts(self, setting: Setting) -> tuple[int, ...]:
        """The efforts worth trying, given other curves on the same build."""
        siblings = [c for c in self._curves if c and c[0].build == setting.build]
        wanted = min(self._task.levels) - SKIP_MARGIN
        too_low = [
            max((p.effort for p in curve if p.recall < wanted), default=0)
            for curve in siblings
        ]
        start = min(too_low, default=0)
        return tuple(e for e in setting.efforts if e >= start) or setting.efforts

    def _hopeless(self, point: Point) -> bool:
        """Whether known points dominate all that this curve could still reach."""
        top = max(self._task.levels)
        known = min(cost_at(curve, top) for curve in self._curves)
        return point.recall < top and point.cost > HOPELESS * known

    def _refine(self) -> None:
        for level in self._task.levels:
            curves = sorted(self._curves, key=lambda c: cost_at(c, level))
            for curve in curves[:CURVES_REFINED]:
                low, high = bracket(curve, level)
                if high is not None:
                    self._bisect(curve, level, low, high.effort)

    def _bisect(self, curve: Curve, level: float, low: int, high: int) -> None:
        build, fixed = curve[0].build, self._fixed_of(curve)
        # It may have been dropped in favour of others, or lost with its process.
        self._process.ask("build", build, seconds=BUILD_SECONDS)
        found = high
        while high - low > max(1, high // 32) and self._left(1.0) > 0:
            middle = (low + high) // 2
            if self._recall(build, fixed, middle) >= level:
                high = middle
            else:
                low = middle
        if high != found:
            curve.append(self._measure(build, fixed, high))
            curve.sort(key=lambda point: point.effort)

    def _recall(self, build: Params, fixed: Params, effort: int) -> float:
        ask = self._ask(build, fixed, effort, queries=self._few)
        return self._judge.recall(self._search(ask).rows)

    @property
    def _few(self) -> int:
        return min(self._task.queries, self._judge.queries)

    def _measure(self, build: Params, fixed: Params, effort: int) -> Point:
        ask = self._ask(build, fixed, effort, queries=self._few)
        timed = self._search(ask)
        recall = self._judge.recall(timed.rows)
        whole = timed.seconds * self._task.queries / self._few
        if self._few < self._task.queries and whole <= FULL_SECONDS:
            timed = self._search(replace(ask, queries=self._task.queries))
        point = Point(
            build=build,
            search=ask.search,
            effort=effort,
            recall=recall,
            queries=len(timed.rows),
            seconds=timed.seconds,
            cost=cost_of(timed),
            cores=timed.cores,
        )
        self._tuned.points.append(point)
        return point

    def _ask(self, build: Params, fixed: Params, effort: int, *, queries: int) -> Ask:
        return Ask(
            build=build,
            search=fixed | {self._sweep.effort: effort},
            mode=self._task.mode,
            k=self._task.k,
            queries=queries,
            repeats=3,
        )

    def _search(self, ask: Ask) -> Timed:
        return self._process.ask("search", ask, seconds=SEARCH_SECONDS)

    def _best_fixed(self) -> list[Params]:
        """The search variants that were among the best at any level."""
        kept: list[Params] = []
        for level in self._task.levels:
            ranked = sorted(
                (curve for curve in self._curves if cost_at(curve, level) < inf),
                key=lambda curve: cost_at(curve, level),
            )
            for curve in ranked[:FIXED_KEPT]:
                fixed = self._fixed_of(curve)
                if fixed not in kept:
                    kept.append(fixed)
        return kept or self._fixed

    def _fixed_of(self, curve: Curve) -> Params:
        search = dict(curve[0].search)
        del search[self._sweep.effort]
        return search

    def _keys_worth_keeping(self) -> list[str]:
        keys = set()
        for level in self._task.levels:
            ranked = sorted(self._curves, key=lambda curve: cost_at(curve, level))
            best = (curve for curve in ranked[:CURVES_REFINED] if curve)
            keys |= {build_key(curve[0].build) for curve in best}
        return sorted(keys)

    def _left(self, share: float) -> float:
        return share * 60 * self._task.minutes - (monotonic() - self._start)

    def _drop(self, what: str) -> None:
        self._tuned.dropped.append(what)


def as_json(tuned: Tuned) -> dict[str, Any]:
    """The entry of the result file."""
    return asdict(tuned)
