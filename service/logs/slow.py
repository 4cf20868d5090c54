"""The slow-query log: one line for each slow search, but not too many."""

import logging
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from gleann.index import SearchParams
from gleann.index.found import SearchStats
from gleann.service.logs.formats import one_line

_log = logging.getLogger("gleann.slow")

LONGEST_FILTER = 200
"""Characters of a condition that are shown."""
MOST_LINES = 20
SECONDS = 10.0
"""In so many seconds at most `MOST_LINES` are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord:
    """A search that ended.

    Attributes:
        index: searched.
        queries: number of queries.
        params: how.
        condition: text of the filter; "" without one.
        queue_seconds: from the arrival of the call to its search.
        seconds: of the search.
        stats: its work.
    """

    index: str
    queries: int
    params: SearchParams
    condition: str
    queue_seconds: float
    seconds: float
    stats: SearchStats

    def fields(self) -> dict[str, object]:
        """What the log says of it; a condition is cut, its parameters are left out."""
        params, stats = self.params, self.stats
        return {
            "index": self.index,
            "queries": self.queries,
            "k": params.k,
            "nprobe": stats.nprobe,
            "target_recall": params.target_recall,
            "exact": stats.exact,
            "where": _cut(self.condition),
            "queue_seconds": round(self.queue_seconds, 6),
            "seconds": round(self.seconds, 6),
            "entries_scanned": stats.entries_scanned,
            "reranked": stats.reranked,
        }


class SlowLog:
    """Writes searches that took long.

    Attributes:
        slow_seconds: seconds from which a search is slow; 0 for none.
    """

    def __init__(self, slow_seconds: float) -> None:
        self.slow_seconds = slow_seconds
        self._guard = Lock()
        self._window = 0.0
        self._written = self._left_out = 0

    def take(self, record: SearchRecord) -> None:
        """Write a line if the search was slow, its wait included."""
        took = record.seconds + record.queue_seconds
        if not self.slow_seconds or took < self.slow_seconds:
            return
        left_out = self._turn()
        if left_out is None:
            return
        fields = record.fields()
        if left_out:
            fields["left_out"] = left_out
        shown = " ".join(f"{key}={_shown(value)}" for key, value in fields.items())
        _log.warning("slow search: %s", shown, extra={"fields": fields})

    def _turn(self) -> int | None:
        """The number of lines left out before this one; None to leave it out too."""
        with self._guard:
            now = monotonic()
            if now - self._window >= SECONDS:
                self._window, self._written = now, 0
            if self._written >= MOST_LINES:
                self._left_out += 1
                return None
            self._written += 1
            left_out, self._left_out = self._left_out, 0
            return left_out


def _cut(text: str) -> str:
    shown = one_line(text[:LONGEST_FILTER])
    return f"{shown}..." if len(text) > LONGEST_FILTER else shown


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)
