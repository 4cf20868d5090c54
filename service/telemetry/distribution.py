"""`Distribution`: how often values were about as large, ever and in the last minute."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from time import monotonic

SLICE_SECONDS = 10.0
SLICES = 6
"""Slices that make the last minute."""
RECENT_SECONDS = SLICE_SECONDS * SLICES


@dataclass(frozen=True, slots=True)
class Grid:
    """Upper bounds of the buckets of a distribution, in ascending order.

    Attributes:
        bounds: all of them; what is above the last has a bucket of its own.
        shown: those that metrics have; fewer, since each one is a series.
    """

    bounds: tuple[float, ...]
    shown: tuple[float, ...]


def _decades(steps: Sequence[float], first: int, last: int) -> tuple[float, ...]:
    found = [float(f"{step}e{power}") for power in range(first, last) for step in steps]
    return (*found, float(f"1e{last}"))


SECONDS = Grid(
    bounds=_decades((1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8), -4, 2),
    shown=_decades((1, 2.5, 5), -4, 2),
)
"""0.1 ms to 100 s; quantiles are off by a tenth at most."""
WORK_SECONDS = Grid(
    bounds=_decades((1, 2.5, 5), -3, 4), shown=_decades((1, 2.5, 5), -2, 4)
)
"""1 ms to 3 hours, for jobs."""
COUNTS = Grid(
    bounds=tuple(float(1 << power) for power in range(17)),
    shown=tuple(float(1 << power) for power in range(0, 17, 2)),
)
"""1 to 65,536, in powers of 2."""


@dataclass(frozen=True, slots=True)
class Recent:
    """A distribution in the last minute.

    Attributes:
        rate: values a second.
        median: estimated from the buckets; 0 without values.
        p99: the 99th percentile.
    """

    rate: float
    median: float
    p99: float


class Distribution:
    """Counts values in buckets. Any number of threads may use it."""

    def __init__(
        self, grid: Grid = SECONDS, *, clock: Callable[[], float] = monotonic
    ) -> None:
        """Count nothing yet; `clock` has seconds that never go back."""
        self.grid = grid
        self._bounds = grid.bounds
        self._clock = clock
        self._began = clock()
        self._guard = Lock()
        self._counts = [0] * (len(grid.bounds) + 1)
        self._sum = 0.0
        self._slices: dict[int, list[int]] = {}
        self._slice: list[int] = []
        self._slice_ends = 0.0

    def add(self, value: float, *, count: int = 1) -> None:
        """Count a value, once or several times."""
        at = bisect_left(self._bounds, value)
        now = self._clock()
        with self._guard:
            self._counts[at] += count
            self._sum += count * value
            if now >= self._slice_ends:
                self._begin_slice(now)
            self._slice[at] += count

    @property
    def count(self) -> int:
        """Number of values ever."""
        with self._guard:
            return sum(self._counts)

    def buckets(self) -> tuple[list[tuple[float, int]], int, float]:
        """For each bound that is shown how many values it has below it or at it.

        Returns:
            The bounds with their counts, the number of values, and their sum.
        """
        with self._guard:
            counts, total = list(self._counts), self._sum
        below = dict(zip(self._bounds, accumulate(counts), strict=False))
        shown = [(bound, below[bound]) for bound in self.grid.shown]
        return shown, sum(counts), total

    def recent(self) -> Recent:
        """Rate and quantiles of the last minute."""
        return recent_of([self])

    def recent_counts(self) -> tuple[list[int], float]:
        """Counts by bucket in the last minute, and the seconds that they are of."""
        now = self._clock()
        first = int(now // SLICE_SECONDS) - SLICES + 1
        with self._guard:
            parts = [part for at, part in self._slices.items() if at >= first]
            counts = [sum(column) for column in zip(*parts, strict=True)]
        seconds = min(now - first * SLICE_SECONDS, now - self._began)
        return counts or [0] * len(self._counts), max(seconds, 1.0)

    def _begin_slice(self, now: float) -> None:
        """Count into a new slice, and forget those that are too old."""
        at = int(now // SLICE_SECONDS)
        self._slice_ends = (at + 1) * SLICE_SECONDS
        self._slice = [0] * len(self._counts)
        kept = {old: part for old, part in self._slices.items() if old > at - SLICES}
        self._slices = kept | {at: self._slice}


def recent_of(distributions: Sequence[Distribution]) -> Recent:
    """Rate and quantiles of several distributions with one grid together."""
    found = [one.recent_counts() for one in distributions]
    counts = [sum(column) for column in zip(*(part for part, _ in found), strict=True)]
    seconds = max((seconds for _, seconds in found), default=1.0)
    bounds = distributions[0].grid.bounds if distributions else ()
    return Recent(
        rate=sum(counts) / seconds,
        median=quantile(bounds, counts, 0.5),
        p99=quantile(bounds, counts, 0.99),
    )


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float:
    """A quantile of values of which only the buckets are known, interpolated.

    Args:
        bounds: upper bounds of the buckets, ascending.
        counts: values by bucket; the last is of those above all bounds.
        share: of the values below it, in [0, 1].
    """
    total = sum(counts)
    if not total:
        return 0.0
    wanted = share * total
    before = 0
    for at, count in enumerate(counts[:-1]):
        if before + count >= wanted and count:
            low = bounds[at - 1] if at else 0.0
            return low + (bounds[at] - low) * (wanted - before) / count
        before += count
    return bounds[-1]
