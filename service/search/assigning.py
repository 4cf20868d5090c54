"""Assign newer rows to the lists of a sealed version, on a thread in the background.

Searches read rows that are not assigned too, so nothing waits for it.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock

from gleann.index.arrays import Vectors
from gleann.index.newer.lists import NewerLists
from gleann.index.parallel.priority import yield_to_others


class Assigning:
    """Assigns rows of any number of indexes, one part after another."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="gleann-assign", initializer=yield_to_others
        )
        self._guard = Lock()
        self._pending: set[NewerLists] = set()

    def start(self, lists: NewerLists, vectors: Vectors) -> None:
        """Assign the rows that wait, unless that has been started.

        Args:
            lists: those of the rows.
            vectors: float32 (m, d), at least all rows that wait.
        """
        with self._guard:
            if lists in self._pending:
                return
            self._pending.add(lists)
        self._submit(lists, vectors)

    def _submit(self, lists: NewerLists, vectors: Vectors) -> None:
        # Refused when the process ends: then the rest stays as it is.
        with suppress(RuntimeError):
            self._executor.submit(self._step, lists, vectors)

    def _step(self, lists: NewerLists, vectors: Vectors) -> None:
        """Assign one part, so that the process can end after each."""
        going = False
        try:
            going = lists.assign_next(vectors)
        finally:
            if not going:
                with self._guard:
                    self._pending.discard(lists)
        if going:
            self._submit(lists, vectors)
