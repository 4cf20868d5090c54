"""The job queue: fair order among indexes, and merging of equal requests.

The work of one index is done one piece at a time, in the order it was asked for. Among
indexes turns are fair: one with much to do does not keep another waiting for all of it.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

SHORT = 1 << 22
"""Numbers read, up to which work is short: 16 MiB of float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is known of a piece of work before it runs.

    Attributes:
        same: one run satisfies all requests of an index for which this is equal; None
            for no other.
        changes: what it changes of its index: the "rows", the sealed "version", or
            "nothing".
        size: numbers that it reads, as far as can be told now; None where that is
            unknown. Called while others wait: it looks at memory only.
    """

    same: Hashable = None
    changes: Literal["rows", "version", "nothing"] = "rows"
    size: Callable[[], int | None] = lambda: None

    @property
    def short(self) -> bool:
        """Whether it is known to be short."""
        size = self.size()
        return size is not None and size <= SHORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A request that waits.

    Attributes:
        name: of its operation.
        index: that it works on.
        demand: what is known of it.
    """

    name: str
    index: str
    demand: Demand


class JobQueue:
    """Requests that wait; the caller lets one thread at a time use it."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Entry]] = {}
        self._busy: dict[str, Demand] = {}
        # Since when an index waits for its turn: when it came, or its last run ended.
        self._turns: dict[str, int] = {}
        self._clock = 0

    def add(self, entry: Entry) -> None:
        """Put a request behind the others of its index."""
        if entry.index not in self._turns:
            self._wait_from_now(entry.index)
        self._waiting.setdefault(entry.index, []).append(entry)

    def drop(self, name: str) -> None:
        """Forget a request, if it waits."""
        for index, entries in list(self._waiting.items()):
            left = [entry for entry in entries if entry.name != name]
            if len(left) < len(entries):
                self._waiting[index] = left
                self._tidy(index)

    def take(self, *, short: bool) -> list[Entry]:
        """The requests that one run satisfies, whose turn it is; none if none can run.

        Their index is busy until `done`.

        Args:
            short: take only what is known to be short.
        """
        ready = [
            index
            for index, entries in self._waiting.items()
            if index not in self._busy and (not short or entries[0].demand.short)
        ]
        if not ready:
            return []
        index = min(ready, key=lambda name: self._turns[name])
        self._busy[index] = self._waiting[index][0].demand
        return self._taken(index)

    def done(self, index: str) -> None:
        """Let an index have its next turn."""
        self._busy.pop(index, None)
        self._wait_from_now(index)
        self._tidy(index)

    def is_settled(self, index: str) -> bool:
        """Whether nothing that changes an index is done, nor waits."""
        demands = [entry.demand for entry in self._waiting.get(index, ())]
        if index in self._busy:
            demands.append(self._busy[index])
        return all(demand.changes == "nothing" for demand in demands)

    def _taken(self, index: str) -> list[Entry]:
        """Take the first request, and those that its run satisfies as well.

        What was asked for behind work that brings rows must see them: it waits.
        """
        first, *others = self._waiting[index]
        before = list(takewhile(lambda entry: entry.demand.changes != "rows", others))
        same = first.demand.same
        joining = [e for e in before if same is not None and e.demand.same == same]
        self._waiting[index] = [e for e in others if e not in joining]
        self._tidy(index)
        return [first, *joining]

    def _wait_from_now(self, index: str) -> None:
        self._clock += 1
        self._turns[index] = self._clock

    def _tidy(self, index: str) -> None:
        if not self._waiting.get(index):
            self._waiting.pop(index, None)
            if index not in self._busy:
                self._turns.pop(index, None)
