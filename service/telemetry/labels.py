"""Names of indexes as labels of metrics: known letters only, and not too many."""

import re
from threading import Lock

OTHER = "_other"
"""The label of all indexes beyond the most; no index can have this name."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class IndexLabels:
    """Gives the first indexes a label of their own.

    A series for each of thousands of indexes would be the larger part of all metrics,
    and clients name indexes.
    """

    def __init__(self, most: int) -> None:
        """Know no index yet; at most `most` get a label."""
        self._most = most
        self._guard = Lock()
        self._known: set[str] = set()

    def label_of(self, index: str) -> str:
        """The label of an index, its name or `OTHER`."""
        if index in self._known:
            return index
        with self._guard:
            if len(self._known) >= self._most or not _NAME.fullmatch(index):
                return OTHER
            self._known.add(index)
            return index

    def forget(self, index: str) -> None:
        """Give the label of a deleted index to the next one."""
        with self._guard:
            self._known.discard(index)
