"""`Showing`: a commit, until the state in memory has it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock


class Showing:
    """Lets threads that have read the database wait for the state in memory.

    What they read may be of a commit that is under way, such as the end of a build:
    nobody hears of it before searches see it too.
    """

    def __init__(self) -> None:
        self._lock, self._is_under_way = RLock(), False

    @contextmanager
    def commit(self) -> Iterator[None]:
        """While a commit is made and shown."""
        with self._lock:
            self._is_under_way = True
            try:
                yield
            finally:
                self._is_under_way = False

    def wait(self) -> None:
        """Return when what is committed by now is shown."""
        if self._is_under_way:
            with self._lock:
                pass
