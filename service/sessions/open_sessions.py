"""The sessions in memory: those used last, of a bounded number of rows."""

from collections import OrderedDict
from collections.abc import Collection
from threading import Lock

MOST_ROWS = 1 << 24
"""Rows of all open sessions together, one session excepted. A session holds up to 120
bytes a row (an estimate from the index: sums of votes, proxies, answers, a table of
ids), so these hold 2 GiB."""


class OpenSessions:
    """Sessions by name, least recently used first. Thread-safe.

    Args:
        most_rows: above it, sessions are closed; they are resumed when asked for.
    """

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._sessions: OrderedDict[str, tuple[object, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, name: str) -> object | None:
        """An open session, which is then the one used last; None if not open."""
        with self._lock:
            if name not in self._sessions:
                return None
            self._sessions.move_to_end(name)
            return self._sessions[name][0]

    def add(
        self, name: str, session: object, *, rows: int, busy: Collection[str]
    ) -> None:
        """Hold a session, and close others where there are too many rows.

        Args:
            name: of the session.
            session: over `rows` rows.
            rows: of its index.
            busy: sessions in use, which stay: what they have not saved would be lost.
        """
        with self._lock:
            self._sessions[name] = (session, rows)
            self._sessions.move_to_end(name)
            held = sum(rows for _, rows in self._sessions.values())
            for other in list(self._sessions):
                if held <= self._most_rows:
                    break
                if other != name and other not in busy:
                    held -= self._sessions.pop(other)[1]

    def drop(self, name: str) -> None:
        """Close a session if it is open."""
        with self._lock:
            self._sessions.pop(name, None)

    def all(self) -> dict[str, object]:
        """The open sessions by name."""
        with self._lock:
            return {name: session for name, (session, _) in self._sessions.items()}

    def __contains__(self, name: str) -> bool:
        with self._lock:
            return name in self._sessions
