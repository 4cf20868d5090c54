"""Threads that answer calls, one call each at a time."""

import logging
from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic
from typing import Protocol

from gleann.service.server.call import Call
from gleann.service.server.queues.waitlist import Waitlist
from gleann.service.server_status import QueueStatus

_log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
"""After which a thread without a call ends: a server at rest holds few."""


class Lane(Protocol):
    """Answers the calls of a kind."""

    def require_place(self, client: str) -> None:
        """Refuse a call before its message is read; see `Waitlist`."""

    def submit(self, call: Call) -> None:
        """Answer a call when its turn has come; see `Waitlist.add`."""

    def status(self) -> QueueStatus:
        """Its queue now."""

    def close(self) -> None:
        """Start no more calls; running ones continue to their end."""


def started(work: Callable[[], None], name: str) -> bool:
    """Start a thread; False if the system gives none: the next call tries again."""
    try:
        Thread(target=work, name=name, daemon=True).start()
    except RuntimeError as error:
        _log.error("%s: %s", name, error)
        return False
    return True


class ThreadLane:
    """A pool of threads; each answers one call at a time."""

    def __init__(self, waitlist: Waitlist, *, name: str, threads: int) -> None:
        """Make a pool; threads are started when they are needed.

        Args:
            waitlist: where its calls wait.
            name: prefix of the names of its threads.
            threads: maximum number of running calls.
        """
        self._waitlist = waitlist
        self._name = name
        self._most = threads
        self._guard = Lock()
        self._threads = 0

    def require_place(self, client: str) -> None:
        """Refuse a call before its message is read; see `Waitlist`."""
        self._waitlist.require_place(client)

    def submit(self, call: Call) -> None:
        """Answer a call when a thread is free; see `Waitlist.add`."""
        if not self._waitlist.add(call) and self._threads < self._most:
            self._start()

    def take_over(self, call: Call, other: Waitlist) -> None:
        """Answer a call of another list with the same places; see `Waitlist`."""
        if not self._waitlist.take_over(call, other) and self._threads < self._most:
            self._start()

    def submit_turn(self, call: Call) -> None:
        """Answer a turn of an open stream; see `Waitlist.add_turn`."""
        if not self._waitlist.add_turn(call) and self._threads < self._most:
            self._start()

    def status(self) -> QueueStatus:
        """Its queue now."""
        return self._waitlist.status()

    def close(self) -> None:
        """Start no more calls; running ones continue to their end."""
        self._waitlist.close()

    def _start(self) -> None:
        with self._guard:
            if self._threads == self._most:
                return
            self._threads += 1
            name = f"gleann-{self._name}-{self._threads}"
        if not started(self._serve, name):
            with self._guard:
                self._threads -= 1

    def _serve(self) -> None:
        while calls := self._waitlist.take(idle_seconds=IDLE_SECONDS):
            begun = monotonic()
            try:
                for call in calls:
                    call.answer()
            finally:
                self._waitlist.done(calls, monotonic() - begun)
        with self._guard:
            self._threads -= 1
        if self._waitlist.waits:  # it came after the last look
            self._start()
