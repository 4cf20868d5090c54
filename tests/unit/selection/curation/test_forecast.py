"""Forecasts of curations: shares of pairs beside real joins, and how amounts grow."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.join.pairs import PairJoin
from gleann.index.join.side import side_of_index, side_of_rows
from gleann.selection.curation.forecast import pairs
from gleann.selection.curation.forecast.choices import forecast_audit
from gleann.selection.curation.forecast.graphs import forecast_propagation
from gleann.selection.curation.forecast.joins import (
    KnownPart,
    forecast_duplicates,
    forecast_join,
)
from gleann.selection.curation.forecast.pairs import pair_shares
from gleann.selection.curation.forecast.searches import (
    Searched,
    forecast_ranks,
    forecast_search,
)
from gleann.selection.curation.forecast.value import Forecast

DIM = 16
RADIUS = 0.5


def clustered(n: int, *, seed: int = 0) -> np.ndarray:
    """(n, DIM) rows; the last tenth are near the first."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(20, DIM))
    rows = centres[rng.integers(20, size=n)] + rng.normal(size=(n, DIM))
    tenth = n // 10
    rows[n - tenth :] = rows[:tenth] + 0.05 * rng.normal(size=(tenth, DIM))
    return rows.astype(np.float32)


def index_of(rows: np.ndarray, nlist: int = 40) -> SoarIndex:
    params = BuildParams(metric="l2", nlist=nlist, tune_queries=0)
    return SoarIndex.build(rows, params)


def counted(x, y=None, *, radius: float = RADIUS) -> tuple[int, int]:
    """Pairs that a join compares and finds."""
    join = PairJoin(x, y, radius=radius)
    found = sum(len(block) for block in join.blocks())
    return join.work.compared, found


def test_shares_of_all_lists_are_those_of_the_join() -> None:
    side = side_of_index(index_of(clustered(2000)))
    shares = pair_shares(side, radius=RADIUS)
    compared, found = counted(side)
    assert found > 100
    assert shares.drawn == 2000
    assert shares.compared * 2000 * 1999 / 2 == pytest.approx(compared, rel=0.01)
    assert shares.found * 2000 * 1999 / 2 == pytest.approx(found)


def test_shares_of_two_sides() -> None:
    rows = clustered(1500)
    near = rows[:1000] + np.float32(0.01)
    x = side_of_index(index_of(rows))
    y = side_of_index(index_of(near, nlist=25))
    alike = side_of_rows(near, like=x)
    for other in (y, alike):
        shares = pair_shares(x, other, radius=RADIUS)
        compared, found = counted(x, other)
        assert found > 100
        assert shares.compared * 1.5e6 == pytest.approx(compared, rel=0.01)
        assert shares.found * 1.5e6 == pytest.approx(found)


@pytest.mark.parametrize("few_first", [False, True])
def test_few_rows_beside_many_lists(few_first: bool) -> None:
    rows = clustered(20_000)
    many = side_of_index(index_of(rows, nlist=1000))
    few = side_of_rows(rows[:20] + np.float32(0.001), like=many)
    x, y = (few, many) if few_first else (many, few)
    shares = pair_shares(x, y, radius=RADIUS)
    compared, found = counted(x, y)
    assert found >= 20
    assert shares.drawn < 20_000
    assert shares.found * 400_000 == pytest.approx(found, rel=0.5)
    assert compared < 2 * shares.compared * 400_000 < 4 * compared


def test_few_rows_in_each_of_many_lists_draw_few_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs, "DRAWN_ROWS", 500)
    rows = clustered(20_000)
    many = side_of_index(index_of(rows, nlist=300))
    few = side_of_rows(rows[::50] + np.float32(0.001), like=many)
    shares = pair_shares(few, many, radius=RADIUS)
    assert shares.drawn < 3000
    _, found = counted(few, many)
    assert shares.found * 400 * 20_000 == pytest.approx(found, rel=0.5)


@pytest.mark.parametrize("few_first", [False, True])
def test_rows_that_are_all_in_few_lists(
    monkeypatch: pytest.MonkeyPatch, few_first: bool
) -> None:
    monkeypatch.setattr(pairs, "DRAWN_ROWS", 500)
    rows = clustered(20_000)
    many = side_of_index(index_of(rows, nlist=300))
    near = np.argsort(np.square(rows - rows[3000]).sum(axis=1))[:30]
    few = side_of_rows(rows[near] + np.float32(0.001), like=many)
    x, y = (few, many) if few_first else (many, few)
    compared, found = counted(x, y)
    assert found >= 30
    shares = pair_shares(x, y, radius=RADIUS)
    assert compared < 2 * shares.compared * 600_000 < 4 * compared
    assert shares.found * 600_000 == pytest.approx(found, rel=0.5)


@pytest.mark.parametrize("two", [False, True])
def test_shares_of_some_lists_are_right_on_average(
    monkeypatch: pytest.MonkeyPatch, two: bool
) -> None:
    rows = clustered(4000)
    x = side_of_index(index_of(rows, nlist=64))
    y = side_of_index(index_of(rows[:3000], nlist=50)) if two else None
    compared, found = counted(x, y)
    all_pairs = 4000 * 3000 if two else 4000 * 3999 / 2
    monkeypatch.setattr(pairs, "DRAWN_ROWS", 1000)
    drawn = np.random.default_rng
    shares = []
    for seed in range(40):
        monkeypatch.setattr(
            pairs.np.random, "default_rng", lambda _, seed=seed: drawn(seed)
        )
        shares.append(pair_shares(x, y, radius=RADIUS))
    assert max(one.drawn for one in shares) < 4000
    spread = np.std([one.compared for one in shares]) / 40**0.5
    mean = np.mean([one.compared for one in shares])
    assert abs(mean - compared / all_pairs) < 4 * spread + 0.02 * mean
    spread = np.std([one.found for one in shares]) / 40**0.5
    mean = np.mean([one.found for one in shares])
    assert abs(mean - found / all_pairs) < 4 * spread + 0.02 * mean


def test_beyond_the_diameter_all_pairs_are_compared_and_found() -> None:
    side = side_of_index(index_of(clustered(600), nlist=8))
    shares = pair_shares(side, radius=1e6)
    assert shares.found == pytest.approx(1)
    assert shares.compared * 600 * 599 / 2 == pytest.approx(
        counted(side, radius=1e6)[0]
    )


@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize("radius", [40.0, 60.0, 1e6])
def test_very_many_pairs_are_estimated_from_few_rows(
    monkeypatch: pytest.MonkeyPatch, two: bool, radius: float
) -> None:
    rows = clustered(3000)
    x = side_of_index(index_of(rows))
    y = side_of_index(index_of(rows[:2000], nlist=25)) if two else None
    monkeypatch.setattr(pairs, "MOST_FOUND", 100_000)
    shares = pair_shares(x, y, radius=radius)
    compared, found = counted(x, y, radius=radius)
    all_pairs = 3000 * 2000 if two else 3000 * 2999 / 2
    assert found > 100_000
    assert shares.found * all_pairs == pytest.approx(found, rel=0.15)
    assert shares.compared * all_pairs == pytest.approx(compared, rel=0.15)


def test_equal_rows_are_one_where_they_are_to_be() -> None:
    rows = clustered(1000)
    copied = np.concatenate([rows, np.tile(rows[:10], (50, 1))])
    side = side_of_index(index_of(copied))
    first = np.zeros(len(copied), np.bool_)
    first[np.sort(np.unique(copied, axis=0, return_index=True)[1])] = True
    compared, found = counted(side.among(first))
    all_pairs = 1500 * 1499 / 2
    one = pair_shares(side, radius=RADIUS, equal_as_one=True)
    assert one.drawn == 1500
    assert one.found * all_pairs == pytest.approx(found)
    assert one.compared * all_pairs == pytest.approx(compared, rel=0.01)
    assert pair_shares(side, radius=RADIUS).found > 10 * one.found
    zeros = np.zeros((4, DIM), np.float32)
    zeros[1::2] *= -1
    both = side_of_index(index_of(zeros, nlist=1))
    assert pair_shares(both, radius=RADIUS, equal_as_one=True).found == 0


def test_lists_that_a_filter_leaves_empty_are_not_drawn() -> None:
    rows = clustered(4000)
    whole = side_of_index(index_of(rows, nlist=600))
    near = np.argsort(np.square(rows - rows[0]).sum(axis=1))[:50]
    mask = np.zeros(4000, np.bool_)
    mask[near] = True
    some = whole.among(mask)
    shares = pair_shares(some, radius=10.0)
    assert shares.drawn == 50
    assert shares.found * 50 * 49 / 2 == pytest.approx(counted(some, radius=10.0)[1])


def test_one_row_has_no_pair() -> None:
    side = side_of_index(index_of(clustered(1), nlist=1))
    shares = pair_shares(side, radius=RADIUS)
    assert (shares.compared, shares.found, shares.drawn) == (0, 0, 1)
    assert counted(side)[1] == 0


def test_rows_in_two_bytes_and_rows_that_are_all_equal() -> None:
    rows = clustered(500)
    half = BuildParams(metric="l2", nlist=8, tune_queries=0, keep="f16")
    side = side_of_index(SoarIndex.build(rows, half))
    _, found = counted(side)
    shares = pair_shares(side, radius=RADIUS)
    assert shares.found * 500 * 499 / 2 == pytest.approx(found, rel=0.01)
    equal = side_of_index(index_of(np.ones((300, DIM), np.float32), nlist=3))
    assert pair_shares(equal, radius=RADIUS).found == pytest.approx(1)


def test_a_join_takes_longer_with_more_rows_lists_and_pairs() -> None:
    least = {"nlist": 100, "compared": 1e6, "found": 0.0}

    def seconds(rows=10_000, others=0, dim=64, **more: float) -> float:
        return forecast_join(rows, others, dim, **{**least, **more}).seconds(1)

    usual = seconds()
    for more in (
        {"rows": 20_000},
        {"others": 10_000},
        {"dim": 128},
        {"nlist": 200},
        {"compared": 1e7},
        {"found": 1e6},
    ):
        assert seconds(**more) > 1.05 * usual, more


def test_searches_of_more_depth_and_of_fewer_allowed_rows() -> None:
    searched = Searched(dim=64, nlist=400, rows=40_000)
    usual = forecast_search(searched, queries=100, k=10)
    assert forecast_search(searched, queries=200, k=10) == pytest.approx(2 * usual)
    assert forecast_search(searched, queries=100, k=1000) > 2 * usual
    exact = forecast_search(replace(searched, target_recall=1), queries=100, k=10)
    assert exact > 2 * usual
    # Few allowed rows are scanned exactly, which never costs more than all rows.
    few = forecast_search(replace(searched, share=0.001), queries=100, k=10)
    half = forecast_search(replace(searched, share=0.5), queries=100, k=10)
    assert few < usual < half < exact


def test_measured_points_are_used() -> None:
    rows = clustered(4000)
    built = SoarIndex.build(rows, BuildParams(metric="l2", nlist=40))
    assert built.operating_points
    searched = Searched(
        dim=DIM,
        nlist=40,
        rows=1_000_000,  # else comparing all is cheaper than any lists
        points=built.operating_points,
        measured_rows=1_000_000,
    )

    def seconds(**changed: float) -> float:
        return forecast_search(replace(searched, **changed), queries=10, k=10)

    assert seconds(target_recall=0.5) < seconds(target_recall=0.99)
    grown = {"rows": 10_000_000, "target_recall": 0.99}
    assert seconds(**grown) > seconds(target_recall=0.99)


def test_ranks_grow_with_the_budget_and_the_targets() -> None:
    searched = Searched(dim=64, nlist=400, rows=40_000, target_recall=0.99)
    few = forecast_ranks(searched, targets=100, takers=100, budget=1000)
    deep = forecast_ranks(searched, targets=100, takers=100, budget=40_000)
    many = forecast_ranks(searched, targets=1000, takers=1000, budget=1000)
    assert few.seconds(1) < deep.seconds(1)
    assert few.seconds(1) < many.seconds(1)
    assert few.stored_bytes < deep.stored_bytes
    assert few.memory_bytes < deep.memory_bytes


def test_cores_share_what_is_parallel_alone() -> None:
    work = Forecast(parallel=8.0, serial=1.0, memory_bytes=5, stored_bytes=7)
    assert (work.seconds(1), work.seconds(4)) == (9, 3)
    both = work.then(Forecast(parallel=2.0, memory_bytes=9, stored_bytes=1))
    assert both == Forecast(parallel=10.0, serial=1.0, memory_bytes=9, stored_bytes=8)


def test_labels_and_audits_grow_with_their_classes_and_sets() -> None:
    some = {"k": 10, "uncertain": 0}
    few = forecast_propagation(10_000, 64, classes=2, **some)
    many = forecast_propagation(10_000, 64, classes=200, **some)
    assert many.seconds(2) > 3 * few.seconds(2)
    assert many.memory_bytes > 2 * few.memory_bytes
    small = forecast_audit(10_000, 64, chosen=100, sets=3, groups=1)
    large = forecast_audit(10_000, 64, chosen=5000, sets=3, groups=1)
    assert large.seconds(1) > 3 * small.seconds(1)


def test_what_is_known_spares_the_join_and_is_stored_again() -> None:
    alone = forecast_duplicates(1000, 64, nlist=20, compared=1e5, found=100)
    some = forecast_duplicates(
        1000,
        64,
        nlist=20,
        compared=19_000,
        found=19,
        known=KnownPart(rows=900, pairs=81),
    )
    whole = forecast_duplicates(
        1000,
        64,
        nlist=20,
        compared=0,
        found=0,
        known=KnownPart(rows=1000, pairs=100),
    )
    assert 0 == whole.parallel < some.parallel < alone.parallel
    assert whole.stored_bytes == some.stored_bytes == alone.stored_bytes
    assert whole.memory_bytes > alone.memory_bytes  # of the earlier answer
