"""The exponent of counts that grow, and its interval."""

import numpy as np
import pytest

from bench.scale.cell import between, least_reaching
from bench.scale.fit import growth_of


def test_a_power_law_has_its_exponent() -> None:
    sizes = [100, 1000, 10_000]
    growth = growth_of(sizes, [3 * n**0.4 for n in sizes])
    assert growth is not None
    assert growth.exponent == pytest.approx(0.4)
    assert growth.last == pytest.approx(0.4)
    assert (growth.low, growth.high) == (pytest.approx(0.4), pytest.approx(0.4))


def test_the_interval_holds_the_exponent_of_noisy_counts() -> None:
    rng = np.random.default_rng(5)
    sizes = [10**i for i in range(2, 8)]
    inside = 0
    for _ in range(200):
        counts = [n**0.5 * float(np.exp(0.1 * rng.standard_normal())) for n in sizes]
        growth = growth_of(sizes, counts)
        assert growth is not None
        inside += growth.low < 0.5 < growth.high
    assert 180 <= inside <= 199


def test_two_sizes_have_an_exponent_and_no_interval() -> None:
    growth = growth_of([10, 1000], [5.0, 50.0])
    assert growth is not None
    assert (growth.exponent, growth.low, growth.high) == (
        pytest.approx(0.5),
        None,
        None,
    )
    assert growth_of([10], [5.0]) is None


def probe(effort: int) -> dict[str, float]:
    return {"nprobe": effort, "recall": 1 - 0.9**effort, "entries": 100.0 * effort}


@pytest.mark.parametrize("start", [1, 7, 30, 100])
def test_the_least_effort_is_found_from_anywhere(start: int) -> None:
    before, least = least_reaching(0.95, probe, start=start, most=100)
    assert (before["nprobe"], least["nprobe"]) == (28, 29)
    assert 2800 < between(before, least, 0.95) < 2900
    share = (0.95 - before["recall"]) / (least["recall"] - before["recall"])
    assert between(before, least, 0.95) == pytest.approx(2800 + 100 * share)


def test_a_recall_that_is_not_reached_takes_all() -> None:
    before, least = least_reaching(0.999, probe, start=3, most=20)
    assert least["nprobe"] == 20
    assert between(before, least, 0.999) == 2000


def test_the_first_effort_is_measured_from_nothing() -> None:
    before, least = least_reaching(0.05, probe, start=4, most=20)
    assert (before["recall"], before["entries"], least["nprobe"]) == (0, 0, 1)
    assert between(before, least, 0.05) == pytest.approx(50)
