"""Limits BLAS to one thread for a while."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController


class _Limit:
    """Limits BLAS libraries to one thread while any caller requests it.

    Those that keep a number for each thread that calls are not among them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._before: list[tuple[Any, int]] = []

    def enter(self) -> None:
        """Set the limit, if nobody did."""
        with self._lock:
            if self._users == 0:
                self._before = _limited(of_thread=False)
            self._users += 1

    def leave(self) -> None:
        """Take the limit back, if nobody else wants it."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                _set(self._before)


_limit = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep matrix products on one thread; the limit holds for the process meanwhile.

    Threads of BLAS wait for each other at every small product. Any number of callers
    may be inside at once, and leave in any order.
    """
    _limit.enter()
    own = _limited(of_thread=True)
    try:
        yield
    finally:
        _set(own)
        _limit.leave()


def _limited(*, of_thread: bool) -> list[tuple[Any, int]]:
    """Set libraries to one thread; each with the number that it had.

    Args:
        of_thread: those that keep a number for each thread, which are the ones built on
            OpenMP; else the others.
    """
    before = [
        (one, one.get_num_threads())
        for one in _libraries(scipy="scipy.linalg" in sys.modules)
        if (getattr(one, "threading_layer", "") == "openmp") == of_thread
    ]
    _set([(one, 1) for one, _ in before])
    return before


@cache
def _libraries(*, scipy: bool) -> list[Any]:  # noqa: ARG001  looked for anew
    """The libraries that are loaded; scipy has one of its own."""
    found: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found


def _set(threads: list[tuple[Any, int]]) -> None:
    for library, count in threads:
        # From version 3.8 on, threadpoolctl heeds one thread of the process at a time,
        # and leaves the limit of who does not leave last for good: here a lock decides.
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)
            library.set_num_threads(count)
            library.clear_controlling_thread(force=True)
        else:
            library.set_num_threads(count)
