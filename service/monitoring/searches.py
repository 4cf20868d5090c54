"""`Searches`: what is recorded of each search of an application."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from time import monotonic

from gleann.index.found import FoundRows, sum_stats
from gleann.service.config.config import Config
from gleann.service.logs.slow import SearchRecord, SlowLog
from gleann.service.monitoring.probe import RecallProbe
from gleann.service.search.merging import Outcome
from gleann.service.search.task import SearchTask
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
        tasks: Sequence[SearchTask],
        outcomes: Sequence[Outcome],
        *,
        began: float,
        arrived: float | None,
    ) -> None:
        """Record searches of one view that were answered together.

        Args:
            tasks: the searches.
            outcomes: their answers; errors are not recorded.
            began: when they began, by `time.monotonic`.
            arrived: when the first of their calls came; None in process.
        """
        answered = [
            (task, found)
            for task, found in zip(tasks, outcomes, strict=True)
            if isinstance(found, FoundRows)
        ]
        if not answered:
            return
        seconds = monotonic() - began
        queries = sum(len(task.queries) for task, _ in answered)
        index = tasks[0].view.name
        self._telemetry.scanned(queries, len(answered))
        stats = answered[0][1].stats
        if len(answered) > 1:
            stats = sum_stats([found.stats for _, found in answered])
        self._telemetry.searched(index, queries, seconds, stats, calls=len(answered))
        is_alone = queries == 1
        for task, found in answered:
            if not isinstance(task.view, View):
                continue  # its rows are elsewhere: the probe cannot compare them
            if task.is_whole and not found.stats.exact:
                # By effort, the statistics have a mean: it says nothing of one query of
                # several.
                is_known = is_alone or task.params.effort == "even"
                self.probe.offer(
                    task.view,
                    task.queries,
                    task.condition,
                    found.distances,
                    nprobe=found.stats.nprobe if is_known else None,
                )
        waited = 0.0 if arrived is None else began - arrived
        if seconds + waited >= self.slow.slow_seconds > 0:
            for task, found in answered:
                self.slow.take(_record(task, found, waited=waited, seconds=seconds))


def _record(
    task: SearchTask, found: FoundRows, *, waited: float, seconds: float
) -> SearchRecord:
    condition = task.condition
    return SearchRecord(
        index=task.view.name,
        queries=len(task.queries),
        params=task.params,
        condition="" if condition is None else condition.where,
        queue_seconds=waited,
        seconds=seconds,
        stats=found.stats,
    )
