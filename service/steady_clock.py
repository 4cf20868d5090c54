"""Seconds since 1970 that do not jump: what is stored and what expires goes by them.

A machine's clock may jump while a server runs: by years where it was set wrong. Results
that are kept for a week must not expire by that, and what was written just now must not
look a year old afterwards. So time goes on as it does on the monotonic clock; small
corrections of the clock are followed, large ones are not, until the next start.
"""

import logging
import time
from threading import Lock

MOST_CORRECTION = 3600.0
"""Seconds that the clock may be off at once, and is followed."""

_log = logging.getLogger(__name__)


class SteadyClock:
    """The time of one process."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._wall = time.time()
        self._monotonic = time.monotonic()
        self._is_off = False

    def __call__(self) -> float:
        """Seconds since 1970."""
        with self._guard:
            wall, monotonic = time.time(), time.monotonic()
            steady = self._wall + (monotonic - self._monotonic)
            is_off = abs(wall - steady) > MOST_CORRECTION
            if is_off and not self._is_off:
                _log.warning(
                    "the system clock jumped by %.0f s: what is kept for a time goes by"
                    " the seconds that have passed, until the next start",
                    wall - steady,
                )
            self._is_off = is_off
            if is_off:
                return steady
            self._wall, self._monotonic = wall, monotonic
            return wall


now = SteadyClock()
"""The time of this process; call it."""
