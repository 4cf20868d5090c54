"""`RecallProbe`: repeats a sample of the searches by exact search, when nobody waits.

Recall is measured on the queries that are really asked. One thread with the lowest
priority compares one query at a time; between blocks of rows it waits while searches
run, and after a query it rests until its share of the time is kept. What comes
meanwhile is dropped: a sample needs no backlog.
"""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from time import monotonic, thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Mask, RowMatrix, Rows, Vectors
from gleann.index.errors import GleannError
from gleann.index.evaluate import cut_at_k
from gleann.index.exact import exact_search_prepared
from gleann.index.filters.condition import Condition
from gleann.index.metric import prepare
from gleann.index.search.asked import DEPTH, AskedQuery
from gleann.service.config.probe import ProbeSettings
from gleann.service.monitoring.learning import Learning
from gleann.service.telemetry.telemetry import Telemetry
from gleann.service.views.live_index import View

NICENESS = 19
PAUSE_SECONDS = 0.005
"""Between two looks whether searches still run."""
LONGEST_PAUSE = 60.0
"""Seconds after which a block is compared although searches run all the time."""

LONGEST_REST = 1.0
"""Seconds between two looks at the settings."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A query that was answered.

    Attributes:
        view: the state that answered.
        query: float32 (1, dim).
        condition: what the rows had to pass; None for nothing.
        distances: float32 (1, k), of the rows found; +inf where none was.
        nprobe: lists that were probed; None where that is not known of this query.
    """

    view: View
    query: Vectors
    condition: Condition | None
    distances: Distances
    nprobe: int | None = 0


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The result of a comparison with exact search.

    Attributes:
        hits: true neighbours that were found; ties count.
        places: true neighbours.
        query: float32 (1, dim), prepared.
        rows: (1, m), the nearest live rows of the sealed version, -1 past the last;
            None without one.
        distances: float32 (1, m), theirs.
    """

    hits: int
    places: int
    query: Vectors
    rows: Rows | None
    distances: Distances


class RecallProbe:
    """Measures recall beside the searches, and what it takes (`learning.py`)."""

    def __init__(
        self,
        settings: ProbeSettings,
        telemetry: Telemetry,
        *,
        is_busy: Callable[[], bool],
    ) -> None:
        """Prepare the thread.

        Args:
            settings: the share of time and of queries; may be replaced.
            telemetry: counts what is compared.
            is_busy: whether searches run or wait.
        """
        self.settings = settings
        self._telemetry = telemetry
        self._is_busy = is_busy
        self._samples: Queue[Sample] = Queue(maxsize=1)
        self._learning = Learning(telemetry)
        self._until_next = 1
        self._closed = Event()
        self._thread = Thread(target=self._serve, name="gleann-probe", daemon=True)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def offer(
        self,
        view: View,
        queries: NDArray[Any],
        condition: Condition | None,
        distances: Distances,
        *,
        nprobe: int | None = 0,
    ) -> None:
        """Take one query of a search, if it is the turn of one; returns at once.

        Args:
            view: the state that answered.
            queries: (nq, dim) of a dtype of the protocol.
            condition: what the rows had to pass; None for nothing.
            distances: float32 (nq, k), of the rows found.
            nprobe: lists that were probed; None where queries probed different numbers.
        """
        if not self.settings.share or not len(queries):
            return
        # Threads may miss each other's count: it is a sample.
        one_in = self.settings.one_in
        self._until_next = min(self._until_next, one_in) - len(queries)
        if self._until_next > 0:
            return
        row = (-self._until_next) % len(queries)
        self._until_next = one_in
        one = slice(row, row + 1)
        query = queries[one].astype(np.float32)
        sample = Sample(view, query, condition, distances[one].copy(), nprobe)
        try:
            self._samples.put_nowait(sample)
        except Full:
            return

    def compare(self, sample: Sample) -> Compared:
        """Compare a sample with exact search."""
        view, k = sample.view, sample.distances.shape[1]
        query = prepare(sample.query, view.metric, name="queries")
        passing = view.live
        if sample.condition is not None:
            passing = view.passing(view.bind(sample.condition))
        rows: Rows | None = None
        sealed = newer = np.empty((1, 0), np.float32)
        if view.sealed is not None:
            live = passing[: view.sealed_rows]
            depth = max(k, DEPTH) if sample.condition is None else k
            vectors = view.sealed.index.stored_rows
            rows, sealed = self._exact(view, query, vectors, live, k=depth)
        if len(view.delta.vectors):
            live = passing[view.sealed_rows :]
            newer = self._exact(view, query, view.delta.vectors, live, k=k)[1]
        exact = np.sort(np.hstack([sealed, newer]))[:, :k]
        exact = exact[:, np.isfinite(exact[0])]
        places = exact.shape[1]
        found = np.sort(sample.distances)[:, :places]
        hits = int((found <= cut_at_k(exact)).sum()) if places else 0
        return Compared(hits, places, query, rows, sealed)

    def _exact(
        self, view: View, query: Vectors, vectors: RowMatrix, live: Mask, *, k: int
    ) -> tuple[Rows, Distances]:
        """The k nearest of the live rows, -1 and +inf past the last."""
        return exact_search_prepared(
            query,
            vectors,
            metric=view.metric,
            k=k,
            allowed=None if live.all() else live,
            progress=self._wait_while_busy,
        )

    def _wait_while_busy(self, _done: int, _total: int) -> None:
        """Let searches go first; ends the comparison where the probe is closed."""
        began = monotonic()
        while self._is_busy() and monotonic() - began < LONGEST_PAUSE:
            if self._closed.wait(PAUSE_SECONDS):
                raise _ClosedError
        if self._closed.is_set():
            raise _ClosedError

    def _serve(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while not self._closed.is_set():
            try:
                sample = self._samples.get(timeout=0.2)
            except Empty:
                continue
            began, work = monotonic(), thread_time()
            try:
                self.take(sample)
            except _ClosedError:
                return
            except GleannError as error:
                _log.debug("a query was not compared: %s", error)
            except Exception:  # noqa: BLE001  the edge: searches go on without it
                _log.exception("the recall probe failed inside")
            del sample  # it holds a view
            self._rest(thread_time() - work, since=began)

    def take(self, sample: Sample) -> None:
        """Compare a sample, count it, and learn from it."""
        compared = self.compare(sample)
        if not compared.places:
            return
        view = sample.view
        self._telemetry.probed(
            view.name, queries=1, hits=compared.hits, places=compared.places
        )
        if sample.condition is None and compared.rows is not None:
            self._learning.take(view, _asked(sample, compared))

    def _rest(self, seconds: float, *, since: float) -> None:
        """Wait until `seconds` of work are no more than the share of the time."""
        while share := self.settings.share:  # which may be changed meanwhile
            left = since + seconds / share - monotonic()
            if left <= 0 or self._closed.wait(min(left, LONGEST_REST)):
                return


def _asked(sample: Sample, compared: Compared) -> AskedQuery:
    """What is learned of a sample.

    With newer rows, or where its lists are not known, not how many it found: what they
    did not hold would count as lost by the re-ranking.
    """
    assert compared.rows is not None
    there = np.flatnonzero(compared.rows[0] >= 0)
    is_known = sample.nprobe is not None and not len(sample.view.delta)
    return AskedQuery(
        query=compared.query,
        rows=compared.rows[0, there],
        distances=compared.distances[0, there],
        k=sample.distances.shape[1],
        nprobe=sample.nprobe or 0,
        found=compared.hits / compared.places if is_known else None,
    )


class _ClosedError(Exception):
    """The probe is being closed."""
