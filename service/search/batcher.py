"""Merge concurrent searches into one batch, since larger batches scan faster.

Batch while busy: a search runs at once and alone if no other is running. Searches that
arrive during a run wait, and run together after it. No search waits to fill a batch.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

import numpy as np

from gleann.index import SearchParams, SearchStats
from gleann.index.arrays import Vectors
from gleann.index.errors import GleannError
from gleann.index.found import COUNTS, FoundRows
from gleann.service.search import view_search
from gleann.service.views.live_index import View

MAX_QUERIES = 4096
"""Queries in a merged batch; beyond it the engine gains little more."""


Scanned: TypeAlias = Callable[[int, int], None]
"""Called with the number of queries and of calls of a scan."""


def _count_nothing(_queries: int, _calls: int) -> None:
    """The default of `Scanned`."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A search that waits for its result, or for its turn to run a batch."""

    queries: Vectors
    outcome: "Future[FoundRows | _Batch]" = field(default_factory=Future)


_Batch: TypeAlias = list[_Call]


class Batcher:
    """Runs the searches of an application.

    Only searches of the same view with the same parameters are merged, so each gets the
    same result as alone. The cost in its statistics is its share of the
    batch, by queries.
    """

    def __init__(self, scanned: Scanned = _count_nothing) -> None:
        """Make one that runs nothing yet.

        Args:
            scanned: called with the queries and the calls of each scan.
        """
        self._scanned = scanned
        self._guard = Lock()
        self._waiting: dict[Hashable, _Batch] = {}

    def search(self, view: View, queries: Vectors, params: SearchParams) -> FoundRows:
        """Like `view_search.search`, possibly in a batch with others.

        The caller must refuse invalid queries first: they would make the whole batch
        fail, and the other searches run again.
        """
        names = ("k", "nprobe", "rerank", "target_recall", "exact")
        key = (view, *(getattr(params, name) for name in names))

        def run(rows: Vectors) -> FoundRows:
            return view_search.search(view, rows, params, allowed=None)

        call = _Call(queries)
        with self._guard:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = []
            else:
                waiting.append(call)
        turn = [call] if waiting is None else call.outcome.result()
        if isinstance(turn, FoundRows):
            return turn
        self._scanned(sum(len(one.queries) for one in turn), len(turn))
        try:
            return _answer(turn, run)
        except BaseException as error:
            for other in turn[1:]:
                # A bug: the waiting searches must get the error, or they would hang.
                if not other.outcome.done():
                    other.outcome.set_exception(error)
            raise
        finally:
            self._pass_on(key)

    def waiting(self) -> list[int]:
        """How many searches wait, of each kind that is under way now."""
        with self._guard:
            return [len(batch) for batch in self._waiting.values()]

    def _pass_on(self, key: Hashable) -> None:
        """Let the first waiting search run the next batch."""
        with self._guard:
            waiting = self._waiting[key]
            batch = _first_of(waiting)
            if batch:
                self._waiting[key] = waiting[len(batch) :]
            else:
                del self._waiting[key]
        if batch:
            batch[0].outcome.set_result(batch)


def _first_of(waiting: _Batch) -> _Batch:
    if not waiting:
        return []
    total = np.cumsum([len(call.queries) for call in waiting])
    return waiting[: max(1, int(np.searchsorted(total, MAX_QUERIES, side="right")))]


def _answer(batch: _Batch, run: Callable[[Vectors], FoundRows]) -> FoundRows:
    """Answer all calls of a batch; return the result of the first, which runs it."""
    first, others = batch[0], batch[1:]
    if not others:
        return run(first.queries)
    found = _merged(batch, run)
    if found is None:
        # One call made the batch fail: run each one alone.
        for call in others:
            _settle(call, run)
        return run(first.queries)
    parts = _split(found, [len(call.queries) for call in batch])
    for call, part in zip(others, parts[1:], strict=True):
        call.outcome.set_result(part)
    return parts[0]


def _merged(batch: _Batch, run: Callable[[Vectors], FoundRows]) -> FoundRows | None:
    """The merged result; None on failure. The error may hold device memory: drop it."""
    try:
        return run(np.concatenate([call.queries for call in batch]))
    except GleannError:
        return None


def _settle(call: _Call, run: Callable[[Vectors], FoundRows]) -> None:
    try:
        call.outcome.set_result(run(call.queries))
    except GleannError as error:
        call.outcome.set_exception(error)


def _split(found: FoundRows, counts: list[int]) -> list[FoundRows]:
    ends = np.cumsum(counts)[:-1]
    rows = np.split(found.rows, ends)
    distances = np.split(found.distances, ends)
    return [
        FoundRows(
            rows=part, distances=near, stats=_share(found.stats, count / sum(counts))
        )
        for part, near, count in zip(rows, distances, counts, strict=True)
    ]


def _share(stats: SearchStats, share: float) -> SearchStats:
    return stats._replace(
        **{name: round(getattr(stats, name) * share) for name in COUNTS}
    )
