"""Merge concurrent searches into one batch, since larger batches scan faster.

Batch while busy: a search runs at once and alone if no other is running. Searches that
arrive during a run wait, and run together after it. No search waits to fill a batch.

This is for threads that search at once: calls in process, and large searches of a
server, whose small ones are merged before they take a thread
(`server/queues/search_lane.py`).
"""

from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

import numpy as np

from gleann.index.errors import GleannError
from gleann.index.found import FoundRows
from gleann.index.heartbeat import stopping
from gleann.service.search.merging import Outcome, answer_together
from gleann.service.search.task import SearchTask

MAX_QUERIES = 4096
"""Queries in a merged batch; beyond it the engine gains little more."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A search that waits for its result, or for its turn to run a batch."""

    task: SearchTask
    outcome: "Future[Outcome | _Batch]" = field(default_factory=Future)


_Batch: TypeAlias = list[_Call]


class Batcher:
    """Runs the searches of an application.

    Only searches of the same view that may be answered by one scan are merged, so each
    gets the same result as alone. The cost in its statistics is its share of the batch,
    by queries.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._waiting: dict[Hashable, _Batch] = {}

    def search(self, task: SearchTask) -> FoundRows:
        """Like `answer_alone`, possibly in a batch with others."""
        key, call = task.merge_key(), _Call(task)
        with self._guard:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = []
            else:
                waiting.append(call)
        turn = [call] if waiting is None else call.outcome.result()
        if isinstance(turn, list):
            return self._run(key, turn)
        return _found(turn)

    def waiting(self) -> list[int]:
        """How many searches wait, of each kind that is under way now."""
        with self._guard:
            return [len(batch) for batch in self._waiting.values()]

    def _run(self, key: Hashable, batch: _Batch) -> FoundRows:
        """Answer all calls of a batch; return the result of the first."""
        tasks = [call.task for call in batch]
        try:
            if len(batch) == 1:
                outcomes = answer_together(tasks)
            else:
                with stopping(None):  # others wait for this one's thread
                    outcomes = answer_together(tasks)
        except BaseException as error:
            # A bug: the waiting searches must get the error, or they would hang.
            for other in batch[1:]:
                other.outcome.set_exception(error)
            raise
        finally:
            self._pass_on(key)
        for other, outcome in zip(batch[1:], outcomes[1:], strict=True):
            other.outcome.set_result(outcome)
        return _found(outcomes[0])

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


def _found(outcome: Outcome) -> FoundRows:
    if isinstance(outcome, GleannError):
        raise outcome
    return outcome


def _first_of(waiting: _Batch) -> _Batch:
    if not waiting:
        return []
    total = np.cumsum([len(call.task.queries) for call in waiting])
    return waiting[: max(1, int(np.searchsorted(total, MAX_QUERIES, side="right")))]
