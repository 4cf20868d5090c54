"""`Pace`: the line through the measured times of calls, by the bytes of messages."""

import numpy as np
import pytest

from gleann.service.server.queues.pace import Pace


def test_nothing_is_expected_before_the_first_measurement() -> None:
    assert Pace().seconds(1e9) == 0.0


def test_one_size_tells_nothing_of_others() -> None:
    pace = Pace()
    for _ in range(5):
        pace.add(100, 0.02)
    assert pace.seconds(100) == pytest.approx(0.02)
    assert pace.seconds(64 << 20) == pytest.approx(0.02)


@pytest.mark.parametrize("seed", range(20))
def test_small_messages_tell_nothing_of_large_ones(seed: int) -> None:
    pace, rng = Pace(), np.random.default_rng(seed)
    for size in rng.uniform(100, 1000, 50):
        pace.add(size, rng.exponential(0.05))
    assert pace.seconds(64 << 20) <= 4 * pace.seconds(500)
    for _ in range(6):
        pace.add(64 << 20, 5.0)
    assert 1 < pace.seconds(64 << 20) < 6


def test_a_line_is_found_again() -> None:
    """0.01 s a call and 1 s for 10 MB."""
    pace, rng = Pace(), np.random.default_rng(0)
    for size in rng.uniform(0, 1e7, 200):
        pace.add(size, 0.01 + size / 1e7)
    assert pace.seconds(0) == pytest.approx(0.01, abs=0.01)
    assert pace.seconds(1e7) == pytest.approx(1.01, rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_takes_less_than_no_time(seed: int) -> None:
    pace, rng = Pace(), np.random.default_rng(seed)
    for _ in range(300):
        size = float(rng.choice([0, 100, 1e4, 6e7]))
        pace.add(size, float(rng.exponential(rng.choice([1e-4, 0.1, 10]))))
        expected = [pace.seconds(each) for each in (0, 1, 1e4, 1e8)]
        assert expected[0] >= -1e-9
        assert expected == sorted(expected)


def test_the_newest_measurements_weigh_most() -> None:
    pace = Pace()
    for seconds in (0.1, 0.2):
        for _ in range(50):
            pace.add(100, seconds)
    assert pace.seconds(100) == pytest.approx(0.2, rel=0.01)


def test_a_pause_counts_four_times_what_was_expected() -> None:
    pace = Pace()
    pace.add(100, 0.01)
    pace.add(100, 60.0)
    assert pace.seconds(100) == pytest.approx(0.9 * 0.01 + 0.1 * 0.04)
