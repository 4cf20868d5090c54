"""A fresh process: its result, its memory, and its end."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from bench.comparison.process import PeerFailedError
from bench.scale import fresh
from bench.scale.fresh import in_fresh_process


def hold(size: int, seen: Path) -> int:
    """Hold memory until it was seen, which is when there is a file."""
    held = np.ones(size, np.uint8)
    late = time.monotonic() + 60
    while not seen.exists():
        assert time.monotonic() < late, "nobody has looked at the memory"
        time.sleep(0.001)
    return int(held[::4096].sum()) and os.getpid()


def die() -> None:
    os._exit(7)


@pytest.mark.slow
def test_memory_is_that_of_the_work(monkeypatch, tmp_path) -> None:
    seen, anonymous_bytes = tmp_path / "seen", fresh.anonymous_bytes

    def look(pid: int) -> int:
        found = anonymous_bytes(pid)
        if found > 300_000_000:
            seen.touch()
        return found

    monkeypatch.setattr(fresh, "anonymous_bytes", look)
    _, large = in_fresh_process(hold, 300_000_000, seen)
    pid, small = in_fresh_process(hold, 1, seen)
    assert pid != os.getpid()
    assert 250e6 < large - small < 400e6


@pytest.mark.slow
def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(PeerFailedError, match="die ended with code 7"):
        in_fresh_process(die)
