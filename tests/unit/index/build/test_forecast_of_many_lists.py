"""The forecast of a build knows where shortlists take the place of all lists."""

import pytest

from gleann.index import BuildParams
from gleann.index.build.forecast import forecast_build
from gleann.index.build.shortlist import LEAST_LISTS

QUIET = BuildParams(tune_queries=0)


def seconds(n: int, nlist: int) -> float:
    params = BuildParams(tune_queries=0, nlist=nlist)
    return forecast_build(n, 96, params, id_bytes=8, cores=1).seconds


def test_more_rows_and_more_lists_take_longer_on_either_side() -> None:
    few, many = LEAST_LISTS - 1, LEAST_LISTS
    for nlist in (few, many):
        assert seconds(2_000_000, nlist) > seconds(1_000_000, nlist)
    assert seconds(1_000_000, 2 * many) > seconds(1_000_000, many)
    assert seconds(1_000_000, few) > seconds(1_000_000, few // 2)


def test_ten_million_rows_take_a_few_minutes_of_a_core() -> None:
    """Comparing all lists in float32 would take ten by the same constants."""
    forecast = forecast_build(10_000_000, 96, QUIET, id_bytes=8, cores=1)
    assert 60 < forecast.seconds < 200
    per_pair = 96 * 21e-12 + 0.7e-9
    assert forecast.seconds < 0.4 * 12_649 * 10_000_000 * per_pair


@pytest.mark.parametrize("nlist", [LEAST_LISTS, 4 * LEAST_LISTS])
def test_a_shortlist_is_forecast_below_all_lists(monkeypatch, nlist) -> None:
    by_code = seconds(3_000_000, nlist)
    monkeypatch.setattr("gleann.index.build.forecast.LEAST_LISTS", nlist + 1)
    assert by_code < seconds(3_000_000, nlist)
