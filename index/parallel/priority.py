"""Lower priority of threads whose work can wait."""

import os
from contextlib import suppress
from threading import get_native_id

NICENESS = 10
"""Of work in the background, as in nice(1): a tenth of the weight of a search where
both want a core."""

LEAST_PRIORITY = 19


def yield_to_others(niceness: int = NICENESS) -> None:
    """Lower the priority of this thread, and of those that it will start, for good.

    Without effect where priorities are those of processes, or may not be set.

    Args:
        niceness: added to that of the thread.
    """
    with suppress(AttributeError, OSError):
        own = get_native_id()
        before = os.getpriority(os.PRIO_PROCESS, own)
        os.setpriority(os.PRIO_PROCESS, own, min(before + niceness, LEAST_PRIORITY))
