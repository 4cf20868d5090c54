"""Rate-limited log lines for events that any client can cause."""

import logging
import time
from threading import Lock

SECONDS_BETWEEN = 10.0
MOST_SUBJECTS = 256


class Rare:
    """Admits each subject once in ten seconds, and counts the others."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._written: dict[str, float] = {}
        self._unwritten: dict[str, int] = {}

    def admit(self, subject: str) -> int | None:
        """The number of those not admitted since the last one; None to admit none."""
        now = time.monotonic()
        with self._guard:
            if now - self._written.get(subject, -SECONDS_BETWEEN) < SECONDS_BETWEEN:
                self._unwritten[subject] = self._unwritten.get(subject, 0) + 1
                return None
            if len(self._written) >= MOST_SUBJECTS:
                # No summary line for dropped subjects: it would not be useful.
                self._written.clear()
                self._unwritten.clear()
            self._written[subject] = now
            return self._unwritten.pop(subject, 0)


class RareLog:
    """Writes at most one line per subject in ten seconds, and counts the others."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._rare = Rare()

    def warn(self, subject: str, text: str) -> None:
        """Write `text`, unless `subject` had a line within ten seconds."""
        more = self._rare.admit(subject)
        if more is not None:
            also = f" ({more} more like this)" if more else ""
            self._log.warning("%s%s", text, also)


class OneLine(logging.Filter):
    """Removes tracebacks from gRPC's log lines about invalid bytes from clients.

    gRPC logs a traceback for each header that is not UTF-8.
    """

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._rare = RareLog(log)

    def filter(self, record: logging.LogRecord) -> bool:
        """Write the record without its traceback if it is one of these."""
        if not str(record.msg).startswith("Invalid encoding"):
            return True
        self._rare.warn("encoding", "a header is not UTF-8")
        return False


def host_of(peer: str) -> str:
    """The host of a peer: "ipv4:127.0.0.1:50000" is "ipv4:127.0.0.1"."""
    return peer.rpartition(":")[0] or peer
