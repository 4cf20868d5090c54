"""Progress bars on stderr for work longer than a second."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic
from typing import NoReturn

from tqdm import tqdm

from gleann.index import Progress

DELAY_SECONDS = 1.0
"""Work that ends before this shows nothing."""

TICK_SECONDS = 1.0
"""A bar is drawn again this often, so that its clock runs through a silent phase."""

COLUMNS, ROWS = 80, 24
"""Of a terminal that does not say; tqdm hides bars below the last row."""

Report = Callable[[Progress], None]


class _Bars:
    """One bar per phase; a new phase closes the previous bar.

    A thread draws the bar of the current phase once the delay is over: a phase may
    report nothing for longer than that.
    """

    def __init__(self) -> None:
        self._now = Progress(phase="", done=0, total=0)
        self._bar: tqdm[NoReturn] | None = None
        self._start = monotonic()
        self._lock = Lock()
        self._closed = Event()
        self._thread = Thread(target=self._tick, name="gleann-progress", daemon=True)
        self._thread.start()

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            changed = progress.phase != self._now.phase
            self._now = progress
            if monotonic() - self._start >= DELAY_SECONDS:
                self._draw(anew=changed)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        if self._bar is not None:
            self._bar.close()

    def _tick(self) -> None:
        pause = DELAY_SECONDS
        while not self._closed.wait(pause):
            pause = TICK_SECONDS
            with self._lock:
                if self._now.phase:
                    self._draw(anew=False).refresh()

    def _draw(self, *, anew: bool) -> "tqdm[NoReturn]":
        now = self._now
        if anew and self._bar is not None:
            self._bar.close()
        if anew or self._bar is None:
            self._bar = tqdm(
                total=now.total,
                desc=now.phase,
                file=sys.stderr,
                leave=False,
                ncols=_columns(),
                nrows=ROWS,
            )
        self._bar.total = now.total
        self._bar.update(now.done - self._bar.n)
        return self._bar


@contextmanager
def progress_bars(*, wanted: bool) -> Iterator[Report]:
    """Yield a callback for `Progress` values.

    Args:
        wanted: show bars even where stderr is not a terminal.
    """
    if not (wanted or sys.stderr.isatty()):
        yield _ignore
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.close()


def _columns() -> int | None:
    """Columns of the terminal, None where stderr is none.

    Some terminals say 0, such as those of `docker exec`: tqdm would draw nothing.
    """
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or COLUMNS
    except (OSError, ValueError):  # a file, or a stream without a descriptor
        return None


def _ignore(_: Progress) -> None:
    """Show nothing."""
