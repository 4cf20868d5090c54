"""Progress bars on stderr for work longer than a second."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

from gleann.index import Progress

DELAY_SECONDS = 1.0

Report = Callable[[Progress], None]


class _Bars:
    """One bar per phase; a new phase closes the previous bar."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._phase = ""
        self._bar = self._new_bar(total=0)

    def __call__(self, progress: Progress) -> None:
        if progress.phase != self._phase:
            self._bar.close()
            self._phase = progress.phase
            self._bar = self._new_bar(total=progress.total)
        self._bar.total = progress.total
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        self._bar.close()

    def _new_bar(self, *, total: int) -> "tqdm[NoReturn]":
        return tqdm(
            total=total,
            desc=self._phase,
            delay=DELAY_SECONDS,
            disable=not self._shown,
            file=sys.stderr,
            leave=False,
        )


@contextmanager
def progress_bars(*, wanted: bool) -> Iterator[Report]:
    """Yield a callback for `Progress` values.

    Args:
        wanted: show bars even where stderr is not a terminal.
    """
    bars = _Bars(shown=wanted or sys.stderr.isatty())
    try:
        yield bars
    finally:
        bars.close()
