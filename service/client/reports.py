"""Progress of uploads and of operations, as callers want to see it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from gleann.index import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

Wanted: TypeAlias = Callable[[Progress], None] | bool | None
"""A function that is called with each update, True for bars on stderr, or none."""


@contextmanager
def reporting(wanted: Wanted) -> Iterator[Callable[[Progress], None] | None]:
    """Yield what to call with each update, or None."""
    if wanted is not True:
        yield wanted or None
        return
    bars = _Bars()
    try:
        yield bars.show
    finally:
        bars.close()


class Count:
    """Rows that several workers have sent."""

    def __init__(
        self, phase: str, total: int, report: Callable[[Progress], None] | None
    ) -> None:
        self._phase = phase
        self._total = total
        self._report = report
        self._done = 0
        self._lock = Lock()

    def add(self, rows: int) -> None:
        """Report further rows."""
        if self._report is not None:
            with self._lock:
                self._done += rows
                self._report(
                    Progress(phase=self._phase, done=self._done, total=self._total)
                )


class _Bars:
    """One bar of tqdm per phase."""

    def __init__(self) -> None:
        self._phase = ""
        self._bar: tqdm[NoReturn] | None = None

    def show(self, now: Progress) -> None:
        from tqdm import tqdm

        if self._bar is None or now.phase != self._phase:
            self.close()
            self._phase = now.phase
            self._bar = tqdm(desc=now.phase, total=now.total, unit_scale=True)
        self._bar.total = now.total
        self._bar.update(now.done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
