"""Checksums of large arrays, computed after an index was opened.

Nothing in these arrays says where to read on, so an engine that reads one that is
damaged answers wrongly, but stays within the arrays.
"""

import os
from collections.abc import Iterable
from threading import Event, Thread
from typing import Literal, Protocol
from weakref import finalize

from gleann.index.errors import CorruptDataError
from gleann.index.parallel.priority import yield_to_others

ChecksState = Literal["running", "passed", "failed"]


class DeferredCheck(Protocol):
    """What is left to check of one array."""

    def check(self, stop: Event) -> None:
        """Check it, unless `stop` is set before the end.

        Raises:
            CorruptDataError: it does not hold.
        """


class _Outcome:
    """What the thread of the checks shares with who asks for it."""

    def __init__(self) -> None:
        self.stop = Event()
        self.done = Event()
        self.passed = False
        self.reason = ""


class LaterChecks:
    """Checks that run in a thread of their own, at a low priority.

    The thread ends when the object is forgotten, and with the process.

    Args:
        deferred: what is to be checked, in this order.
    """

    def __init__(self, deferred: Iterable[DeferredCheck]) -> None:
        self._outcome = _Outcome()
        finalize(self, self._outcome.stop.set)
        Thread(
            target=_run,
            args=(self._outcome, tuple(deferred)),
            name="gleann-checksums",
            daemon=True,
        ).start()
        self._pid = os.getpid()

    @property
    def state(self) -> ChecksState:
        """How far they are."""
        if not self._outcome.done.is_set():
            return "running"
        return "passed" if self._outcome.passed else "failed"

    def require_whole(self) -> None:
        """Raise if a check failed so far.

        Raises:
            CorruptDataError: with the file and the reason.
        """
        if self._outcome.reason:
            raise CorruptDataError(self._outcome.reason)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of all checks; whether that came in `timeout` seconds.

        Raises:
            CorruptDataError: a check failed.
        """
        # A fork has no thread that could end them; its parent tells no child.
        ended = self._pid == os.getpid() and self._outcome.done.wait(timeout)
        self.require_whole()
        return ended


def _run(outcome: _Outcome, deferred: tuple[DeferredCheck, ...]) -> None:
    yield_to_others()
    try:
        for one in deferred:
            one.check(outcome.stop)
        outcome.passed = True
    except (CorruptDataError, OSError) as error:
        outcome.reason = str(error)
    finally:
        outcome.done.set()
