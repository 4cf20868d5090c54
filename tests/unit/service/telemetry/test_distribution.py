"""Counts in buckets, rates and quantiles of the last minute."""

import numpy as np
import pytest

from gleann.service.telemetry.distribution import (
    COUNTS,
    SECONDS,
    WORK_SECONDS,
    Distribution,
    Grid,
    quantile,
    recent_of,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("grid", [SECONDS, WORK_SECONDS, COUNTS])
def test_grids_ascend_and_show_bounds_that_they_have(grid: Grid) -> None:
    assert list(grid.bounds) == sorted(set(grid.bounds))
    assert set(grid.shown) <= set(grid.bounds)


def test_values_are_counted_at_or_below_their_bound() -> None:
    one = Distribution(Grid((1.0, 2.0, 4.0), (1.0, 4.0)))
    for value in (0.5, 1.0, 1.5, 4.0, 9.0):
        one.add(value)
    assert one.buckets() == ([(1.0, 2), (4.0, 4)], 5, 16.0)
    assert one.count == 5


def test_quantiles_are_off_by_a_tenth_at_most() -> None:
    rng = np.random.default_rng(3)
    values = rng.lognormal(mean=-5, sigma=1.0, size=20_000)
    one = Distribution(SECONDS)
    for value in values.tolist():
        one.add(value)
    recent = one.recent()
    assert recent.median == pytest.approx(np.quantile(values, 0.5), rel=0.1)
    assert recent.p99 == pytest.approx(np.quantile(values, 0.99), rel=0.1)


def test_the_last_minute_forgets_and_the_start_does_not() -> None:
    clock = Clock()
    one = Distribution(SECONDS, clock=clock)
    for _ in range(60):
        one.add(0.01)
        clock.now += 1.0
    assert one.recent().rate == pytest.approx(1.0, rel=0.2)
    assert one.recent().p99 == pytest.approx(0.01, rel=0.25)
    clock.now += 70.0
    assert one.recent().rate == 0.0
    assert one.recent().p99 == 0.0
    assert one.count == 60
    one.add(5.0)
    assert one.recent().median == pytest.approx(5.0, rel=0.25)


def test_a_young_distribution_divides_by_its_age() -> None:
    clock = Clock()
    one = Distribution(SECONDS, clock=clock)
    for _ in range(50):
        one.add(0.01)
    clock.now += 5.0
    assert one.recent().rate == pytest.approx(10.0)


def test_several_distributions_are_one() -> None:
    clock = Clock()
    fast, slow = Distribution(clock=clock), Distribution(clock=clock)
    for _ in range(99):
        fast.add(0.001)
    slow.add(10.0)
    clock.now += 1.0
    both = recent_of([fast, slow])
    assert both.rate == pytest.approx(100.0)
    assert both.median <= 0.001
    assert recent_of([]).rate == 0.0


def test_what_is_above_all_bounds_has_the_last_as_quantile() -> None:
    assert quantile((1.0, 2.0), [0, 0, 3], 0.5) == 2.0
    assert quantile((1.0, 2.0), [0, 0, 0], 0.5) == 0.0
