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

from gleann.index.arrays import Distances, Mask, Vectors
from gleann.index.errors import GleannError
from gleann.index.evaluate import cut_at_k
from gleann.index.exact import exact_search_prepared
from gleann.index.filters.condition import Condition
from gleann.index.metric import prepare
from gleann.service.config.probe import ProbeSettings
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
    """

    view: View
    query: Vectors
    condition: Condition | None
    distances: Distances


class RecallProbe:
    """Measures recall beside the searches."""

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
    ) -> None:
        """Take one query of a search, if it is the turn of one; returns at once.

        Args:
            view: the state that answered.
            queries: (nq, dim) of a dtype of the protocol.
            condition: what the rows had to pass; None for nothing.
            distances: float32 (nq, k), of the rows found.
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
        sample = Sample(view, query, condition, distances[one].copy())
        try:
            self._samples.put_nowait(sample)
        except Full:
            return

    def measure(self, sample: Sample) -> tuple[int, int]:
        """Compare a sample with exact search.

        Returns:
            True neighbours that were found, and true neighbours; ties count.
        """
        exact = self._exact(sample)
        exact = exact[:, np.isfinite(exact[0])]
        places = exact.shape[1]
        if not places:
            return 0, 0
        found = np.sort(sample.distances)[:, :places]
        return int((found <= cut_at_k(exact)).sum()), places

    def _exact(self, sample: Sample) -> Distances:
        """Distances (1, k) of the true neighbours, ascending; +inf past the last."""
        view, k = sample.view, sample.distances.shape[1]
        query = prepare(sample.query, view.metric, name="queries")
        passing = view.live
        if sample.condition is not None:
            passing = view.passing(view.bind(sample.condition))
        parts: list[tuple[Vectors, Mask]] = []
        if view.sealed is not None:
            parts.append((view.sealed.index.vectors, passing[: view.sealed_rows]))
        parts.append((view.delta.vectors, passing[view.sealed_rows :]))
        near = [
            exact_search_prepared(
                query,
                vectors,
                metric=view.metric,
                k=k,
                allowed=None if allowed.all() else allowed,
                progress=self._wait_while_busy,
            )[1]
            for vectors, allowed in parts
            if len(vectors)
        ]
        return np.sort(np.hstack(near))[:, :k]

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
                self._take(sample)
            except _ClosedError:
                return
            except GleannError as error:
                _log.debug("a query was not compared: %s", error)
            except Exception:  # noqa: BLE001  the edge: searches go on without it
                _log.exception("the recall probe failed inside")
            del sample  # it holds a view
            self._rest(thread_time() - work, since=began)

    def _take(self, sample: Sample) -> None:
        hits, places = self.measure(sample)
        if places:
            self._telemetry.probed(
                sample.view.name, queries=1, hits=hits, places=places
            )

    def _rest(self, seconds: float, *, since: float) -> None:
        """Wait until `seconds` of work are no more than the share of the time."""
        while share := self.settings.share:  # which may be changed meanwhile
            left = since + seconds / share - monotonic()
            if left <= 0 or self._closed.wait(min(left, LONGEST_REST)):
                return


class _ClosedError(Exception):
    """The probe is being closed."""
