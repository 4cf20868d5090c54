"""Ctrl-C while modules load.

Imports take a second on a busy machine. A KeyboardInterrupt inside them ends in a
traceback, or in an ImportError of a package that catches it.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gleann.service.cli.exit_codes import INTERRUPTED


@contextmanager
def leaving_on_interrupt() -> Iterator[None]:
    """End the process at once on SIGINT, while nothing has been written yet.

    Another handler than Python's own, or another thread, is left alone.
    """
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not own or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"gleann: interrupted\n")
    os._exit(INTERRUPTED)
