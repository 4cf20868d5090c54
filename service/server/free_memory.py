"""Memory that the C library keeps for later goes back to the system."""

import ctypes
from threading import Event, Thread

SECONDS_BETWEEN = 30.0


def give_back() -> bool:
    """Return whole pages that are free; whether there were any.

    Searches and compactions in many threads leave free pages between what is still
    used, and glibc keeps them: a third of a server's memory. Other C libraries than
    glibc have no such call, and nothing is done.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return bool(trim(0)) if trim is not None else False


class FreeMemory:
    """Gives free memory back again and again, in a thread of its own."""

    def __init__(self, seconds: float = SECONDS_BETWEEN) -> None:
        """Begin; `seconds` pass before each time."""
        self._seconds = seconds
        self._ended = Event()
        self._thread = Thread(target=self._serve, name="gleann-memory", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._ended.wait(self._seconds):
            give_back()
