"""`Searches`: what is recorded of each search of an application."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic

from gleann.index import SearchParams
from gleann.index.arrays import Vectors
from gleann.index.filters.condition import Condition
from gleann.index.found import FoundRows
from gleann.service.calls.context import current_call
from gleann.service.config.config import Config
from gleann.service.logs.slow import SearchRecord, SlowLog
from gleann.service.monitoring.probe import RecallProbe
from gleann.service.telemetry.telemetry import Telemetry
from gleann.service.views.live_index import View


class Searches:
    """Counts searches, logs slow ones and offers some to the recall probe.

    Attributes:
        slow: the slow-query log.
        probe: the recall probe.
    """

    def __init__(self, config: Config, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._guard = Lock()
        self._running = 0
        self.slow = SlowLog(config.log.slow_seconds)
        self.probe = RecallProbe(
            config.probe, telemetry, is_busy=lambda: self._running > 0
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count a search as running; the probe waits meanwhile."""
        with self._guard:
            self._running += 1
        try:
            yield
        finally:
            with self._guard:
                self._running -= 1

    def ended(
        self,
        view: View,
        queries: Vectors,
        params: SearchParams,
        found: FoundRows,
        *,
        began: float,
        condition: Condition | None = None,
        is_whole: bool = True,
    ) -> None:
        """Record a search.

        Args:
            view: the state that answered.
            queries: float32 (nq, dim).
            params: how.
            found: rows (nq, k) with their distances.
            began: when it began, by `time.monotonic`.
            condition: what the rows had to pass; None for nothing.
            is_whole: whether nothing else limited the rows, such as ids or a radius.
        """
        seconds = monotonic() - began
        self._telemetry.searched(view.name, len(queries), seconds, found.stats)
        if is_whole and not found.stats.exact:
            self.probe.offer(view, queries, condition, found.distances)
        if self.slow.slow_seconds:
            arrived = current_call().arrived
            self.slow.take(
                SearchRecord(
                    index=view.name,
                    queries=len(queries),
                    params=params,
                    condition="" if condition is None else condition.where,
                    queue_seconds=0.0 if arrived is None else began - arrived,
                    seconds=seconds,
                    stats=found.stats,
                )
            )
