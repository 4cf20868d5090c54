"""Cancellation of long work: the progress callback is repeated while a phase runs.

A build reports progress when a block is done, and an exception of the callback stops
it. A single call into the kernels can take minutes: while it runs, the callback gets
the last progress again, at most ten times a second, and Ctrl-C is noticed. A search has
no progress; it is stopped in the same places by what `stopping` was given.
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


@contextmanager
def stopping(stop: Callable[[], None] | None) -> Iterator[None]:
    """Let long work of this thread be stopped by what `stop` raises; None: by nothing.

    `stop` is called between blocks and while kernels run, at most ten times a second.
    It holds for the thread that enters the context, until it leaves.
    """
    outer: Callable[[], None] | None = getattr(_local, "beat", None)
    _watch(None if stop is None else _Stopper(stop).beat)
    try:
        yield
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


class _Stopper:
    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._asked = monotonic()

    def beat(self) -> None:
        if (now := monotonic()) - self._asked >= BETWEEN_BEATS:
            self._asked = now
            self._stop()


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
