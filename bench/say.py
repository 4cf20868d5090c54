"""Progress, on stderr: stdout is for tables."""

import sys
from time import monotonic

_START = monotonic()


def say(text: str) -> None:
    """Print one line of progress with the seconds since the start."""
    print(f"[{monotonic() - _START:6.0f} s] {text}", file=sys.stderr, flush=True)
