"""Plans of epochs: each a fresh share of the rows, without stored state."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.datasets import load_digits

import gleann
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.lists import assignment
from gleann.selection.curation.plans import (
    drawn_again,
    epoch_rows,
    epoch_selection,
    in_turns,
    list_strata,
)
from gleann.selection.curation.plans.permute import permuted

N = 1797


def epochs_of(plan, count):
    return [epoch_rows(plan, epoch) for epoch in range(count)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 17, 1000, 4097])
def test_a_permutation_takes_each_place_once(size):
    for block in (0, 7):
        found = permuted(np.arange(size), size, block, seed=3, purpose="a")
        assert sorted(found.tolist()) == list(range(size))
    part = permuted(np.arange(size)[::2], size, 7, seed=3, purpose="a")
    assert part.tolist() == found[::2].tolist()


def test_blocks_have_permutations_of_their_own():
    sizes = np.array([5, 900, 5, 64])
    blocks = np.repeat(np.arange(4), sizes)
    places = np.concatenate([np.arange(size) for size in sizes])
    found = permuted(places, sizes[blocks], blocks, seed=1, purpose="b")
    for block, size in enumerate(sizes.tolist()):
        own = found[blocks == block]
        assert sorted(own.tolist()) == list(range(size))
        alone = permuted(np.arange(size), size, block, seed=1, purpose="b")
        assert own.tolist() == alone.tolist()


@pytest.mark.slow
def test_every_place_is_sent_everywhere_equally_often():
    size, seeds = 8, 800
    counts = np.zeros((size, size))
    for seed in range(seeds):
        found = permuted(np.arange(size), size, 0, seed=seed, purpose="c")
        counts[np.arange(size), found] += 1
    expected = seeds / size
    statistic = (np.square(counts - expected) / expected).sum()
    assert statistic < chi2.ppf(0.999, (size - 1) ** 2)


@pytest.mark.parametrize("strata", [None, np.arange(N) % 7])
@pytest.mark.parametrize("passes", [0, 3])
def test_ten_epochs_of_a_tenth_have_each_row_once(strata, passes):
    plan = in_turns(N, fraction=0.1, seed=5, strata=strata)
    rows = [epoch_rows(plan, 10 * passes + epoch) for epoch in range(10)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(N))
    assert {len(one) for one in rows} == {179, 180}
    again = [epoch_rows(plan, 10 * passes + 10 + epoch) for epoch in range(10)]
    assert rows[0].tolist() != again[0].tolist()


@pytest.mark.parametrize("fraction", [0.3, 0.07, 2 / 3, 0.123456789, 1.0])
def test_epochs_of_a_pass_have_no_row_in_common(fraction):
    plan = in_turns(1000, fraction=fraction, seed=1)
    share = Fraction(fraction).limit_denominator(10**6)
    assert plan.epochs_a_pass == int(1 / share)
    for number in range(3):
        first = number * plan.epochs_a_pass
        rows = np.concatenate(
            [epoch_rows(plan, first + epoch) for epoch in range(plan.epochs_a_pass)]
        )
        assert len(set(rows.tolist())) == len(rows)
        assert abs(len(rows) - plan.epochs_a_pass * 1000 * fraction) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("make", [in_turns, drawn_again])
@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_each_row_comes_equally_often_however_small_its_stratum(make, fraction):
    n, epochs = 60, 500
    # Strata of one row, of two, of five, and the rest.
    strata = np.array(["a", "b", "b", *["c"] * 5, *["d"] * 52])
    plan = make(n, fraction=fraction, seed=2, strata=strata)
    counts = np.bincount(np.concatenate(epochs_of(plan, epochs)), minlength=n)
    expected = epochs * fraction
    assert np.abs(counts - expected).max() < 4.5 * np.sqrt(expected * (1 - fraction))
    statistic = (np.square(counts - expected) / (expected * (1 - fraction))).sum()
    assert statistic < chi2.ppf(0.999, n)


@pytest.mark.parametrize("make", [in_turns, drawn_again])
def test_every_stratum_gives_each_epoch_its_share(make):
    digits = load_digits().target
    plan = make(N, fraction=0.1, seed=4, strata=digits)
    sizes = np.bincount(digits)
    for epoch, rows in enumerate(epochs_of(plan, 23)):
        counts = np.bincount(digits[rows], minlength=10)
        assert (np.abs(counts - sizes / 10) < 1).all()
        assert len(set(rows.tolist())) == len(rows) == plan.rows_of(epoch)


def test_rows_of_an_epoch_are_mixed_over_strata():
    strata = np.repeat([0, 1], 500)
    rows = epoch_rows(in_turns(1000, fraction=0.5, seed=0, strata=strata), 0)
    first = strata[rows[: len(rows) // 2]].mean()
    assert 0.35 < first < 0.65


def test_independent_epochs_repeat_rows_and_turns_do_not():
    again = epochs_of(drawn_again(N, fraction=0.1, seed=6), 10)
    seen = len(set(np.concatenate(again).tolist()))
    # 1 - 0.9^10 of the rows are expected.
    assert seen == pytest.approx(N * (1 - 0.9**10), rel=0.05)
    turns = epochs_of(in_turns(N, fraction=0.1, seed=6), 10)
    assert len(set(np.concatenate(turns).tolist())) == N


@pytest.mark.parametrize("strata", [None, np.arange(N) % 3])
def test_parts_of_an_epoch_are_parts_of_the_same_order(strata):
    plan = in_turns(N, fraction=0.25, seed=8, strata=strata)
    whole = epoch_rows(plan, 6)
    parts = [epoch_rows(plan, 6, start=at, stop=at + 50) for at in range(0, 400, 50)]
    assert np.concatenate(parts).tolist() == whole[:400].tolist()
    assert epoch_rows(plan, 6, start=9, stop=9).tolist() == []
    same = in_turns(N, fraction=0.25, seed=8, strata=strata)
    assert epoch_rows(same, 6).tolist() == whole.tolist()
    other = in_turns(N, fraction=0.25, seed=9, strata=strata)
    assert epoch_rows(other, 6).tolist() != whole.tolist()


def test_an_epoch_of_a_billion_rows_is_read_in_parts():
    plan = in_turns(10**9, fraction=0.01, seed=0)
    assert plan.rows_of(7) == 10**7
    rows = epoch_rows(plan, 7, start=5_000_000, stop=5_001_000)
    assert len(set(rows.tolist())) == 1000
    assert rows.min() >= 0
    assert rows.max() < 10**9
    assert np.abs(np.mean(rows) / 10**9 - 0.5) < 0.05


@pytest.mark.parametrize("strata", [None, np.arange(200) % 9])
def test_a_plan_of_some_rows_has_no_others(strata):
    ids = [f"x{row}" for row in range(200)]
    mask = np.arange(200) % 4 < 3
    plan = in_turns(200, fraction=0.2, strata=strata, among=mask)
    rows = np.concatenate(epochs_of(plan, 5))
    assert sorted(rows.tolist()) == np.flatnonzero(mask).tolist()
    some = [f"x{row}" for row in np.flatnonzero(mask)]
    by_id = in_turns(200, fraction=0.2, strata=strata, among=some, ids=ids)
    assert epoch_rows(by_id, 3).tolist() == epoch_rows(plan, 3).tolist()


def test_an_epoch_as_a_selection_has_inverse_chances_as_weights():
    ids = [f"x{row}" for row in range(N)]
    strata = np.array(["even", "odd"])[np.arange(N) % 2]
    plan = in_turns(N, fraction=0.1, seed=1, strata=strata)
    found = epoch_selection(plan, 4, ids=ids)
    assert found.rows.tolist() == epoch_rows(plan, 4).tolist()
    assert found.ids.tolist() == [ids[row] for row in found.rows]
    assert found.weights.tolist() == [10] * len(found)
    assert found.weights.sum() == pytest.approx(N, abs=10)
    assert found.why["stratum"].tolist() == strata[found.rows].tolist()
    assert found.provenance["seed"] == 1
    assert found.provenance["params"]["epoch"] == 4


def test_lists_of_an_index_are_strata():
    rows = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    params = gleann.BuildParams(metric="l2", nlist=11, tune_queries=0)
    index = gleann.SoarIndex.build(rows, params)
    strata = list_strata(index)
    assert strata.tolist() == assignment(index.data.lists, n=500)[0].tolist()
    sizes = np.bincount(strata, minlength=11)
    taken = epoch_rows(in_turns(500, fraction=0.2, strata=strata), 2)
    counts = np.bincount(strata[taken], minlength=11)
    assert (np.abs(counts - sizes / 5) < 1).all()


def test_plans_that_cannot_be_are_refused():
    for words, more in (
        ("n must be at least 1, got 0", {"n": 0}),
        ("fraction must be in 0..1, got 1.5", {"fraction": 1.5}),
        ("fraction must be at least 1 / 1000000, got 0.0", {"fraction": 0.0}),
        ("fraction must be at least 1 / 1000000, got 4e-07", {"fraction": 4e-7}),
        ("seed must be at least 0, got -1", {"seed": -1}),
    ):
        with pytest.raises(InvalidParamsError, match=words):
            in_turns(**{"n": 50, "fraction": 0.1, **more})
    with pytest.raises(DimensionMismatchError, match="strata has 3 entries for 50"):
        in_turns(50, fraction=0.1, strata=[1, 2, 3])
    with pytest.raises(InvalidInputError, match="among has 0 of 50"):
        drawn_again(50, fraction=0.1, among=np.zeros(50, bool))
    plan = in_turns(50, fraction=0.1)
    with pytest.raises(InvalidParamsError, match="epoch must be at least 0, got -1"):
        epoch_rows(plan, -1)
    with pytest.raises(InvalidParamsError, match=r"stop must be in 0\.\.5 \(epoch 0\)"):
        epoch_rows(plan, 0, stop=6)
    with pytest.raises(InvalidParamsError, match=r"start must be in 0\.\.3"):
        epoch_rows(plan, 0, start=4, stop=3)
    with pytest.raises(InvalidParamsError, match=r"start must be an integer, got 0\.5"):
        epoch_rows(plan, 0, start=0.5)
