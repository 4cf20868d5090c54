"""The log of an operation: what happened to it, one line each, the latest ones kept."""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock, get_ident

from gleann.index import Progress

MOST_LINES = 200
"""Lines of an operation that are kept, the latest ones."""

MOST_CHARACTERS = 500
"""Of a line, without its time."""

_LOGGER = "gleann"


def log_line(text: str) -> str:
    """A line of a log: the time in UTC, and `text` in one line."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    return (
        f"{moment.removesuffix('+00:00')}Z {' '.join(text.split())[:MOST_CHARACTERS]}"
    )


def lines_of(stored: str) -> list[str]:
    """The lines of the column `log`; none if it cannot be read."""
    try:
        lines = json.loads(stored)
    except ValueError:
        return []  # damaged, which the checksum of the row reports
    return [str(line) for line in lines] if isinstance(lines, list) else []


def with_lines(stored: str, lines: Sequence[str]) -> str:
    """The column `log` after more lines."""
    kept = [*lines_of(stored), *lines][-MOST_LINES:]
    return json.dumps(kept, ensure_ascii=False)


@dataclass(slots=True, eq=False)
class RunLog:
    """The lines of one run, in memory until they are written to the rows.

    Any thread may add lines and read them; one takes the progress.

    Attributes:
        count: lines since the run began.
    """

    count: int = 0
    _kept: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _phase: Progress | None = None
    _began: float = 0.0

    def add(self, text: str) -> None:
        """Add a line."""
        with self._lock:
            self._kept.append(log_line(text))
            del self._kept[:-MOST_LINES]
            self.count += 1

    def after(self, number: int) -> list[str]:
        """The lines after the first `number`, as far as they are kept."""
        with self._lock:
            new = min(max(0, self.count - number), len(self._kept))
            return self._kept[len(self._kept) - new :]

    def heard(self, news: Progress) -> bool:
        """Take progress; add a line, and return True, if a phase has ended."""
        last, now = self._phase, time.monotonic()
        if last is not None and last.phase == news.phase:
            self._phase = news
            return False
        if last is not None:
            self._end_phase(last, now)
        self._phase, self._began = news, now
        return last is not None

    def end_phase(self) -> None:
        """Add a line for the last phase."""
        if self._phase is not None:
            self._end_phase(self._phase, time.monotonic())
            self._phase = None

    def _end_phase(self, last: Progress, now: float) -> None:
        if last.phase == "done":
            return
        units = f": {last.done:,} of {last.total:,}" if last.total else ""
        self.add(f"{last.phase}{units} in {now - self._began:.1f} s")


class _Listener(logging.Handler):
    """Adds the warnings that one thread logs to the log of its run."""

    def __init__(self, log: RunLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._thread = get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        self._log.add(f"{record.levelname.lower()}: {record.getMessage()}")
        if logging.lastResort is not None and not _has_others():
            # Logging uses it where there is no handler, and this one is none.
            logging.lastResort.handle(record)


def _has_others() -> bool:
    handlers = (*logging.getLogger(_LOGGER).handlers, *logging.getLogger().handlers)
    return any(not isinstance(one, _Listener) for one in handlers)


@contextmanager
def listening(log: RunLog) -> Iterator[None]:
    """Add the warnings of gleann that this thread logs meanwhile to a run's log."""
    listener = _Listener(log)
    logging.getLogger(_LOGGER).addHandler(listener)
    try:
        yield
    finally:
        logging.getLogger(_LOGGER).removeHandler(listener)
