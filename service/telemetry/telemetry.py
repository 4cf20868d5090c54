"""`Telemetry`: what is counted where it happens.

Each method is called on the way of a call, so it takes a microsecond: a look-up, a lock
and two additions. What can be read when it is asked for (memory, rows, queues with what
they refused) is not counted here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import TypeVar

from gleann.index.found import SearchStats
from gleann.service.telemetry.distribution import (
    COUNTS,
    SECONDS,
    WORK_SECONDS,
    Distribution,
    Grid,
)
from gleann.service.telemetry.labels import IndexLabels
from gleann.service.telemetry.traces import NoTracing, Tracing

Key = TypeVar("Key")


@dataclass(slots=True)
class IndexCounts:
    """What was searched in an index since the start.

    Attributes:
        searches: calls.
        queries: queries.
        entries: entries that were scanned.
        reranked: rows that were scored in float32.
        probed: queries that were repeated by exact search.
        probed_hits: their neighbours that had been found.
        probed_places: their true neighbours.
        learned: queries behind the operating points that were learned from them.
        learned_lists: lists that those probe, as a multiple of what the build says.
        seconds: of searches, as computed.
    """

    searches: int = 0
    queries: int = 0
    entries: int = 0
    reranked: int = 0
    probed: int = 0
    probed_hits: int = 0
    probed_places: int = 0
    learned: int = 0
    learned_lists: float = 1.0
    seconds: Distribution = field(default_factory=lambda: Distribution(SECONDS))

    @property
    def probed_recall(self) -> float | None:
        """Share of the true neighbours that were found; None without a probe."""
        return self.probed_hits / self.probed_places if self.probed_places else None


class Telemetry:
    """Counts and distributions of one application, since its start.

    Attributes:
        began: when it began to count, by `clock`.
        calls: seconds of calls by method and name of their status.
        delays: seconds that calls waited, by kind of queue.
        batches: queries of a scan that may be several calls'.
        merged: calls that were answered by a scan.
        group_members: transactions of a commit.
        commit_seconds: seconds of a commit.
        jobs: seconds of work that ended, by its kind and outcome.
        phases: seconds of phases of work, by its kind and the phase.
        refused_changes: changes refused since the disk is full.
        labels: names of indexes in metrics.
        tracing: makes traces.
    """

    def __init__(
        self, *, most_indexes: int = 100, clock: Callable[[], float] = monotonic
    ) -> None:
        """Count nothing yet.

        Args:
            most_indexes: number of indexes that are counted apart.
            clock: seconds that never go back.
        """
        self._clock = clock
        self._guard = Lock()
        self.began = clock()
        self.labels = IndexLabels(most_indexes)
        self.tracing: Tracing = NoTracing()
        self.calls: dict[tuple[str, str], Distribution] = {}
        self.delays: dict[str, Distribution] = {}
        self.batches = Distribution(COUNTS, clock=clock)
        self.merged = Distribution(COUNTS, clock=clock)
        self.group_members = Distribution(COUNTS, clock=clock)
        self.commit_seconds = Distribution(SECONDS, clock=clock)
        self.jobs: dict[tuple[str, str], Distribution] = {}
        self.phases: dict[tuple[str, str], Distribution] = {}
        self.refused_changes = 0
        self._indexes: dict[str, IndexCounts] = {}

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self.began

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """Count a call that was answered.

        Args:
            method: one of the protocol, such as "/gleann.v1.SearchService/Search".
            code: the name of its status, such as "OK".
            seconds: from its arrival to its answer.
        """
        self._of(self.calls, (method, code), SECONDS).add(seconds)

    def delays_of(self, kind: str) -> Distribution:
        """Seconds that calls of a kind waited."""
        return self._of(self.delays, kind, SECONDS)

    def scanned(self, queries: int, calls: int) -> None:
        """Count a scan of an index that answers several calls together."""
        self.batches.add(queries)
        self.merged.add(calls)

    def searched(
        self,
        index: str,
        queries: int,
        seconds: float,
        stats: SearchStats,
        *,
        calls: int = 1,
    ) -> None:
        """Count a search of an index that there is, or several that ran together.

        Args:
            index: searched.
            queries: of all calls.
            seconds: that they took together.
            stats: the work for all of them.
            calls: their number.
        """
        one = self.index_counts(index)
        with self._guard:
            one.searches += calls
            one.queries += queries
            one.entries += stats.entries_scanned
            one.reranked += stats.reranked
        one.seconds.add(seconds, count=calls)

    def probed(self, index: str, *, queries: int, hits: int, places: int) -> None:
        """Count queries that were repeated by exact search.

        Args:
            index: searched.
            queries: their number.
            hits: true neighbours that their searches had found.
            places: true neighbours in all.
        """
        one = self.index_counts(index)
        with self._guard:
            one.probed += queries
            one.probed_hits += hits
            one.probed_places += places

    def learned(self, index: str, *, queries: int, lists: float) -> None:
        """Note that operating points were learned.

        Args:
            index: searched by them from now on.
            queries: their number.
            lists: lists probed, as a multiple of what the build says.
        """
        one = self.index_counts(index)
        with self._guard:
            one.learned, one.learned_lists = queries, lists

    def committed(self, members: int, seconds: float) -> None:
        """Count a commit of so many transactions."""
        self.group_members.add(members)
        self.commit_seconds.add(seconds)

    def change_refused(self) -> None:
        """Count a change that was refused since the disk is full."""
        with self._guard:
            self.refused_changes += 1

    def job_ended(self, kind: str, outcome: str, seconds: float) -> None:
        """Count work that ended, such as a "build" that is "done"."""
        self._of(self.jobs, (kind, outcome), WORK_SECONDS).add(seconds)

    def phase_ended(self, kind: str, phase: str, seconds: float) -> None:
        """Count a phase of work, such as "train" of a "build"."""
        self._of(self.phases, (kind, phase), WORK_SECONDS).add(seconds)

    def forget(self, index: str) -> None:
        """Drop the counts of an index that was deleted."""
        with self._guard:
            self._indexes.pop(index, None)
        self.labels.forget(index)

    def index_counts(self, index: str) -> IndexCounts:
        """The counts of an index; those beyond the most indexes share theirs."""
        label = self.labels.label_of(index)
        found = self._indexes.get(label)
        if found is None:
            with self._guard:
                found = self._indexes.setdefault(label, IndexCounts())
        return found

    def indexes(self) -> dict[str, IndexCounts]:
        """The counts by the label of an index."""
        with self._guard:
            return dict(self._indexes)

    def _of(self, made: dict[Key, Distribution], key: Key, grid: Grid) -> Distribution:
        found = made.get(key)
        if found is None:
            with self._guard:
                one = Distribution(grid, clock=self._clock)
                found = made.setdefault(key, one)
        return found
