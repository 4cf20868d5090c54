"""A fresh process: its result, its memory, and its end."""

import os

import numpy as np
import pytest

from bench.comparison.process import PeerFailedError
from bench.scale.fresh import in_fresh_process


def hold(size: int) -> int:
    return int(np.ones(size, np.uint8)[::4096].sum()) and os.getpid()


def die() -> None:
    os._exit(7)


@pytest.mark.slow
def test_memory_is_that_of_the_work(monkeypatch) -> None:
    monkeypatch.setattr("bench.scale.fresh.SAMPLE_SECONDS", 1e-4)
    (pid, small), (_, large) = (in_fresh_process(hold, n) for n in (1, 300_000_000))
    assert pid != os.getpid()
    assert 250e6 < large - small < 400e6


@pytest.mark.slow
def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(PeerFailedError, match="die ended with code 7"):
        in_fresh_process(die)
