"""Long work that hears of its caller while no phase ends.

A build tells its progress when a block is done, and an exception that the listener
raises stops it. A single call into the kernels can take minutes: while it runs, the
listener hears the last progress again, ten times a second at most, and Ctrl-C is
noticed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Generic, TypeVar

from gleann.index import extension

Told = TypeVar("Told")

BETWEEN_BEATS = 0.1
"""Seconds."""

_local = threading.local()


@contextmanager
def repeating(report: Callable[[Told], None]) -> Iterator[Callable[[Told], None]]:
    """A listener to use in place of `report`, whose last words are repeated to it.

    For the thread that enters, while it is in the context.
    """
    repeater = _Repeater(report)
    outer: Callable[[], None] | None = getattr(_local, "beat", None)
    _watch(repeater.beat)
    try:
        yield repeater
    finally:
        _watch(outer)


def beat() -> None:
    """Called between pieces of long work in Python; raises what the listener raises."""
    current: Callable[[], None] | None = getattr(_local, "beat", None)
    if current is not None:
        current()


def _watch(callback: Callable[[], None] | None) -> None:
    _local.beat = callback
    extension.watch(callback)


class _Repeater(Generic[Told]):
    def __init__(self, report: Callable[[Told], None]) -> None:
        self._report = report
        self._last: Told | None = None
        self._heard = 0.0

    def __call__(self, told: Told) -> None:
        self._last = told
        self._heard = monotonic()
        self._report(told)

    def beat(self) -> None:
        if self._last is not None and monotonic() - self._heard >= BETWEEN_BEATS:
            self(self._last)
