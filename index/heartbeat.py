"""Cancellation of long work: the progress callback is repeated while a phase runs.

A build reports progress when a block is done, and an exception of the callback stops
it. A single call into the kernels can take minutes: while it runs, the callback gets
the last progress again, at most ten times a second, and Ctrl-C is noticed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Generic, TypeVar

from gleann.index import extension

Value = TypeVar("Value")

BETWEEN_BEATS = 0.1
"""Seconds."""

_local = threading.local()


@contextmanager
def repeating(report: Callable[[Value], None]) -> Iterator[Callable[[Value], None]]:
    """A callback to use instead of `report`, which gets the last progress repeatedly.

    It holds for the thread that enters the context, until it leaves.
    """
    repeater = _Repeater(report)
    outer: Callable[[], None] | None = getattr(_local, "beat", None)
    _watch(repeater.beat)
    try:
        yield repeater
    finally:
        _watch(outer)


def beat() -> None:
    """Called between blocks of long work in Python; raises what the callback raises."""
    current: Callable[[], None] | None = getattr(_local, "beat", None)
    if current is not None:
        current()


def _watch(callback: Callable[[], None] | None) -> None:
    _local.beat = callback
    extension.watch(callback)


class _Repeater(Generic[Value]):
    def __init__(self, report: Callable[[Value], None]) -> None:
        self._report = report
        self._last: Value | None = None
        self._heard = 0.0

    def __call__(self, value: Value) -> None:
        self._last = value
        self._heard = monotonic()
        self._report(value)

    def beat(self) -> None:
        if self._last is not None and monotonic() - self._heard >= BETWEEN_BEATS:
            self(self._last)
