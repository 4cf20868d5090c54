"""The job queue: fair order among indexes, and merging of equal requests.

Requests of one index run one at a time, in order of arrival. Indexes take turns: many
requests of one index do not delay another index until all are done.

Background requests wait apart. One runs beside requests that only read its index, and
gives way to those that change it: it ends early then and is queued again.

A paused request is not in the queue, and holds back no other: with one exception. The
rows of an import are as old as its start, so while one that has started is paused, what
changes its index waits for it.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

SHORT = 1 << 22
"""Numbers read, up to which work is short: 16 MiB of float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Resource demand of work, estimated before it runs.

    Attributes:
        same: key of requests of an index that one run can satisfy together; None for a
            request that needs its own run.
        changes: the part of the index that it changes: "rows", the sealed "version" or
            "nothing".
        size: estimated count of numbers to read; None if unknown. Called under a
            lock: it must read memory only.
        background: whether it is work that nobody waits for, and that changes the
            sealed "version" only.
    """

    same: Hashable = None
    changes: Literal["rows", "version", "nothing"] = "rows"
    size: Callable[[], int | None] = lambda: None
    background: bool = False

    @property
    def short(self) -> bool:
        """Whether the work is known to be short."""
        size = self.size()
        return size is not None and size <= SHORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A queued request.

    Attributes:
        name: name of its operation.
        index: name of its index.
        demand: its estimated demand.
        kind: of its operation, such as "build".
    """

    name: str
    index: str
    demand: Demand
    kind: str = ""


class JobQueue:
    """Queued requests; not thread-safe, the caller locks."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Entry]] = {}
        self._busy: dict[str, Demand] = {}
        self._background: list[Entry] = []
        self._background_busy: str | None = None
        # Start of each index's wait for a turn: its arrival or the end of its last run.
        self._turns: dict[str, int] = {}
        self._clock = 0
        # The index of each paused import that has started.
        self._held: dict[str, str] = {}

    def hold(self, entry: Entry) -> None:
        """Hold back what changes the index of an import that is paused."""
        self._held[entry.name] = entry.index

    def put_first(self, entry: Entry) -> None:
        """Release what an import held back, and queue that import before it."""
        self._held.pop(entry.name, None)
        self.add(entry)
        entries = self._waiting[entry.index]
        entries.insert(0, entries.pop())

    def add(self, entry: Entry) -> None:
        """Append a request to the queue of its index, or to the background."""
        if entry.demand.background:
            self._background.append(entry)
            return
        if entry.index not in self._turns:
            self._wait_from_now(entry.index)
        self._waiting.setdefault(entry.index, []).append(entry)

    def drop(self, name: str) -> None:
        """Remove a request if it is queued; release what it held back."""
        self._held.pop(name, None)
        self._background = [one for one in self._background if one.name != name]
        for index, entries in list(self._waiting.items()):
            left = [entry for entry in entries if entry.name != name]
            if len(left) < len(entries):
                self._waiting[index] = left
                self._tidy(index)

    def take(self, *, short: bool) -> list[Entry]:
        """The requests that the next run satisfies; empty if none can run.

        Their index is busy until `done`.

        Args:
            short: take only work known to be short.
        """
        ready = [
            entry
            for index in self._waiting
            if index not in self._busy
            and (entry := self._next_of(index)) is not None
            and (not short or entry.demand.short)
            and not self._is_behind_background(index, entry.demand)
        ]
        if not ready:
            return []
        first = min(ready, key=lambda entry: self._turns[entry.index])
        self._busy[first.index] = first.demand
        return self._taken(first)

    def take_background(self) -> list[Entry]:
        """The background requests that the next run satisfies; empty if none can run.

        One runs at a time, of all indexes, and none while a request that changes its
        index is running or queued.
        """
        if self._background_busy is not None:
            return []
        ready = (one for one in self._background if not self._has_changes(one.index))
        first = next(ready, None)
        if first is None:
            return []
        same = first.demand.same
        taken = [first] + [
            one
            for one in self._background
            if one is not first
            and one.index == first.index
            and same is not None
            and one.demand.same == same
        ]
        self._background = [one for one in self._background if one not in taken]
        self._background_busy = first.index
        return taken

    def is_in_the_way(self, index: str) -> bool:
        """Whether the background run of `index` delays a request that changes it."""
        waiting = self._waiting.get(index, ())
        return index == self._background_busy and any(
            entry.demand.changes != "nothing" for entry in waiting
        )

    def done_background(self) -> None:
        """End the background run and allow the next one."""
        self._background_busy = None

    def done(self, index: str) -> None:
        """End the run of an index and allow its next one."""
        self._busy.pop(index, None)
        self._wait_from_now(index)
        self._tidy(index)

    def is_settled(self, index: str) -> bool:
        """Whether no request that changes an index is running or queued."""
        queued = any(entry.index == index for entry in self._background)
        background = queued or index == self._background_busy
        return not background and not self._has_changes(index)

    def _has_changes(self, index: str) -> bool:
        """Whether a request before the background changes an index."""
        demands = [entry.demand for entry in self._waiting.get(index, ())]
        if index in self._busy:
            demands.append(self._busy[index])
        is_held = index in self._held.values()
        return is_held or any(demand.changes != "nothing" for demand in demands)

    def _is_behind_background(self, index: str, demand: Demand) -> bool:
        return index == self._background_busy and demand.changes != "nothing"

    def _next_of(self, index: str) -> Entry | None:
        """The next request of an index; None if all are held back."""
        entries = self._waiting[index]
        if index not in self._held.values():
            return entries[0]
        reading = (e for e in _before_rows(entries) if e.demand.changes == "nothing")
        return next(reading, None)

    def _taken(self, first: Entry) -> list[Entry]:
        """Take a request that is next, and those that its run satisfies as well."""
        index, same = first.index, first.demand.same
        others = [entry for entry in self._waiting[index] if entry is not first]
        before = _before_rows(others)
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


def _before_rows(entries: list[Entry]) -> list[Entry]:
    """The requests before the first that changes rows: later ones must see those."""
    return list(takewhile(lambda entry: entry.demand.changes != "rows", entries))
