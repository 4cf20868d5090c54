"""Limits of one connection, and calls whose request message has not arrived."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic

from gleann.index.errors import (
    DeadlineError,
    LimitError,
    ServiceError,
    UnavailableError,
)

LOOK_SECONDS = 0.5

_ALL_LOCAL = "unix:"
"""The address of every connection to a socket file: they cannot be told apart, and are
bounded by HTTP/2 alone."""


class Connections:
    """Counts the calls of each connection."""

    def __init__(self, *, most: int) -> None:
        self._guard = Lock()
        self._calls: dict[str, int] = {}
        self._most = most

    def enter(self, peer: str) -> None:
        """Count a call.

        Raises:
            LimitError: the connection has too many.
        """
        if peer == _ALL_LOCAL:
            return
        with self._guard:
            held = self._calls.get(peer, 0)
            if held >= self._most:
                raise LimitError(
                    f"this connection has {held} calls under way, at most {self._most}"
                    " are admitted (connection_calls)"
                )
            self._calls[peer] = held + 1

    def leave(self, peer: str) -> None:
        """Remove an ended call from the count."""
        if peer == _ALL_LOCAL:
            return
        with self._guard:
            left = self._calls[peer] - 1
            if left:
                self._calls[peer] = left
            else:
                del self._calls[peer]


@dataclass(frozen=True, slots=True, eq=False)
class Silent:
    """A call without a message since `since`; `end(error)` ends it."""

    since: float
    end: Callable[[ServiceError], None]


class Silence:
    """Ends calls without a message: late ones, and the oldest above the limit.

    So calls without a message cannot lock out others: a normal call sends its message
    within milliseconds, and new calls are always accepted.

    Attributes:
        seconds: without a message, after which a call is late.
        most: calls without a message; the oldest above it is ended.
    """

    def __init__(self, *, seconds: float, most: int) -> None:
        self.seconds = seconds
        self.most = most
        self._guard = Lock()
        self._calls: dict[Silent, None] = {}  # in order of arrival
        self._closed = Event()
        self._watcher = Thread(target=self._watch, name="gleann-silence", daemon=True)
        self._watcher.start()

    def add(self, end: Callable[[ServiceError], None]) -> Silent:
        """Watch a call; `end` is called unless the call is removed in time."""
        call = Silent(monotonic(), end)
        with self._guard:
            self._calls[call] = None
            oldest = next(iter(self._calls)) if len(self._calls) > self.most else None
        if oldest is not None:
            why = f"{self.most} calls wait for their message"
            self._end(oldest, DeadlineError(why))
        return call

    def remove(self, call: Silent) -> None:
        """Stop watching a call: its message has arrived, or it has ended."""
        with self._guard:
            self._calls.pop(call, None)

    def close(self) -> None:
        """End all calls and stop watching."""
        self._closed.set()
        with self._guard:
            calls = list(self._calls)
        for call in calls:
            self._end(call, UnavailableError("the server is stopping"))

    def _end(self, call: Silent, error: ServiceError) -> None:
        with self._guard:
            if call not in self._calls:
                return
            del self._calls[call]
        call.end(error)

    def _watch(self) -> None:
        while not self._closed.wait(min(LOOK_SECONDS, self.seconds)):
            late = monotonic() - self.seconds
            with self._guard:
                calls = [call for call in self._calls if call.since <= late]
            for call in calls:
                self._end(call, DeadlineError(f"no message within {self.seconds:g} s"))
