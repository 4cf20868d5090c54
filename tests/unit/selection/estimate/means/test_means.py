"""Joint estimates from one labelled sample: sessions, controls, bad input."""

import json

import numpy as np
import pytest
from means_population import STATISTICS, params, population, truths

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    NotReadyError,
    UnknownIdError,
)
from gleann.selection.estimate.means import (
    MeansParams,
    MeansSession,
    Statistic,
    estimate_means,
    run_means,
)


def test_all_labels_give_the_truth_without_a_width():
    values, controls, groups = population(200)
    made = estimate_means(
        lambda ids: values[ids], params(200), controls=controls, groups=groups
    )
    for one, truth in zip(made.estimates, truths(values), strict=True):
        assert one.value == pytest.approx(truth)
        assert one.interval_valid
    assert made["length"].high - made["length"].low == pytest.approx(0, abs=1e-9)
    assert made["good"].low <= made["good"].value <= made["good"].high


@pytest.mark.slow
def test_estimates_are_unbiased_and_hold_together():
    values, controls, groups = population()
    truth, trials = truths(values), 150
    found, held = [], 0
    for seed in range(trials):
        made = estimate_means(
            lambda ids: values[ids], params(seed=seed), controls=controls, groups=groups
        )
        found.append([one.value for one in made.estimates])
        held += all(
            one.low <= true <= one.high
            for one, true in zip(made.estimates, truth, strict=True)
        )
    off = np.array(found) - truth
    errors = off.std(axis=0) / np.sqrt(trials)
    assert (np.abs(off.mean(axis=0)) < 3.5 * errors).all()
    assert held >= 0.95 * trials - 2.6 * np.sqrt(trials * 0.95 * 0.05)


def test_controls_that_tell_narrow_the_interval_and_junk_costs_nothing():
    values, controls, groups = population()
    junk = np.random.default_rng(9).normal(size=(3, 3000))
    lists = {"junk": np.random.default_rng(8).integers(60, size=3000)}
    told, dull = [], []
    for seed in range(8):
        one = params(seed=seed)
        made = estimate_means(
            lambda ids: values[ids], one, controls=controls, groups=groups
        )["length"]
        told.append((made.high - made.low) / made.stratified_width)
        proxy = {"proxy": controls["proxy"], **dict(zip("abc", junk, strict=True))}
        made = estimate_means(
            lambda ids: values[ids], one, controls=proxy, groups=lists
        )["price"]
        dull.append((made.high - made.low) / made.stratified_width)
    assert np.mean(told) < 0.6
    assert np.mean(dull) < 1.02


def test_controls_that_tell_nothing_are_left_out():
    values, controls, _ = population(1500)
    rng = np.random.default_rng(9)
    junk = {f"junk {number}": rng.normal(size=1500) for number in range(6)}
    junk["told"] = values[:, 0] + rng.normal(0, 3, 1500)
    used, moved = [], []
    for seed in range(40):
        made = estimate_means(
            lambda ids: values[ids], params(80, seed=seed), controls=controls | junk
        )
        used.append((made.lambdas > 0).any(axis=0))
        price = made["price"]
        moved.append(abs(price.value - price.stratified_value) / price.standard_error)
    # A column tells the length; of the price nothing is known.
    assert np.mean(used, axis=0)[0] > 0.9
    assert np.mean(used, axis=0)[2] < 0.2
    assert np.mean(moved) < 0.1


def test_without_controls_it_is_the_stratified_estimate():
    values, _, _ = population()
    made = estimate_means(
        lambda ids: values[ids],
        MeansParams(statistics=STATISTICS, budget=300),
        ids=np.arange(3000),
    )
    assert not made.lambdas.any()
    for one in made.estimates:
        assert one.high - one.low == pytest.approx(one.stratified_width, rel=1e-6)
    assert made.lambdas.shape == (1, 3)
    for one in made.estimates:
        assert one.value == pytest.approx(one.stratified_value)


def test_an_interval_of_few_positives_says_so():
    values, controls, _ = population()
    rare = np.zeros(3000)
    rare[np.argsort(-controls["proxy"])[100:110]] = 1
    values = np.column_stack([values[:, 0], rare, np.where(rare, 5.0, np.nan)])
    made = estimate_means(lambda ids: values[ids], params(100), controls=controls)
    assert made["length"].interval_valid
    for name in ("good", "price"):
        assert not made[name].interval_valid
        assert "20 are needed" in made[name].note or "undefined" in made[name].note
    assert made["good"].high > 0


@pytest.mark.parametrize("stratify_by", [None, "proxy"])
def test_equal_values_promise_nothing_of_the_rows_without_a_label(stratify_by):
    # One row in 200 has a value: many samples of 100 labels have none of them.
    values, controls, _ = population()
    values = np.zeros(3000)
    values[::200] = 100.0
    missed = 0
    for seed in range(20):
        one = MeansParams(
            statistics=STATISTICS[:1], budget=100, stratify_by=stratify_by, seed=seed
        )
        made = estimate_means(lambda ids: values[ids], one, controls=controls)
        made = made["length"]
        assert not made.interval_valid or made.low <= values.mean() <= made.high
        if made.value == 0:
            missed += 1
            assert "values of 100 labels are equal" in made.note
    assert missed >= 5


def test_equal_values_of_an_average_promise_nothing_either():
    price = np.where(np.arange(3000) % 2 == 0, 7.0, np.nan)
    price[::300] = 1000.0
    one = MeansParams(statistics=STATISTICS[2:], budget=60, seed=1)
    made = estimate_means(lambda ids: price[ids], one, ids=np.arange(3000))["price"]
    assert (made.value, made.low, made.high) == pytest.approx((7.0, 7.0, 7.0))
    assert not made.interval_valid
    assert "labelled rows with a value are equal" in made.note


def test_groups_of_hardly_any_label_leave_the_intervals_as_they_are():
    # 300 groups and 80 labels: most labelled rows are alone in their group.
    values, _, _ = population(1500)
    lists = {"list": np.random.default_rng(3).integers(300, size=1500)}
    statistics = STATISTICS[:2]
    held, ratios = 0, []
    for seed in range(40):
        one = MeansParams(statistics=statistics, budget=80, seed=seed)
        made = estimate_means(lambda ids: values[ids, :2], one, groups=lists)
        held += all(
            found.low <= truth <= found.high
            for found, truth in zip(made.estimates, truths(values), strict=False)
        )
        length = made["length"]
        ratios.append((length.high - length.low) / length.stratified_width)
    assert held >= 35
    assert np.mean(ratios) < 1.05


def test_the_unit_of_a_control_does_not_matter():
    values, controls, groups = population(500)
    found = [
        estimate_means(
            lambda ids: values[ids],
            params(60),
            controls={"proxy": np.ldexp(controls["proxy"], power)},
            groups=groups,
        ).to_dict()["columns"]
        for power in (0, -60, 1000)
    ]
    assert found[0] == found[1] == found[2]


def test_an_average_of_no_row_is_undefined():
    values, controls, _ = population()
    values[:, 2] = np.nan
    made = estimate_means(lambda ids: values[ids], params(100), controls=controls)
    assert made["price"].value is None
    assert "undefined" in made["price"].note
    assert np.isnan(made.covariance[2]).all()
    assert np.isfinite(made.covariance[:2, :2]).all()
    assert made.to_dict()["columns"]["value"][2] is None


def test_joint_intervals_are_wider_than_one_and_narrower_than_bonferroni():
    values, controls, groups = population()
    wide = {
        joint: estimate_means(
            lambda ids: values[ids],
            params(joint=joint),
            controls=controls,
            groups=groups,
        ).quantile
        for joint in ("max_t", "bonferroni")
    }
    assert 2.1 < wide["max_t"] < wide["bonferroni"] < 2.6


def test_one_statistic_takes_plain_values():
    values, controls, _ = population()
    one = MeansParams(statistics=STATISTICS[:1], budget=50)
    made = estimate_means(lambda ids: values[ids, 0], one, controls=controls)
    assert made["length"].low < truths(values)[0] < made["length"].high


def test_a_session_goes_on_from_its_state_at_any_label():
    values, controls, groups = population(500)
    known = {"controls": controls, "groups": groups}
    whole = estimate_means(lambda ids: values[ids], params(60), **known)
    session = MeansSession.start(params(60), **known)
    while len(batch := session.next_batch()):
        session.submit(batch.ids[:11], values[batch.ids[:11]])
        state = json.loads(json.dumps(session.state()))
        session = MeansSession.resume(state, **known)
    assert session.done
    assert session.estimates().to_dict() == whole.to_dict()


@pytest.mark.parametrize("count", [1, 2])
def test_a_session_is_saved_before_its_first_batch(count):
    values, controls, _ = population(200)
    few = MeansParams(statistics=STATISTICS[:count], budget=40)
    one = MeansSession.start(few, controls=controls)
    state = json.loads(json.dumps(one.state()))
    again = MeansSession.resume(state, controls=controls)
    assert again.next_batch().ids.tolist() == one.next_batch().ids.tolist()
    state = json.loads(json.dumps(one.state()))
    again = MeansSession.resume(state, controls=controls)
    batch = again.next_batch().ids
    assert batch.tolist() == one.next_batch().ids.tolist()
    assert again.submit(batch, values[batch, :count]) == len(batch)


def test_shuffled_rows_draw_the_same_ids():
    values, controls, groups = population(500)
    order = np.random.default_rng(1).permutation(500)
    one = estimate_means(
        lambda ids: values[ids],
        params(60),
        controls=controls,
        groups=groups,
        ids=np.arange(500),
    )
    two = estimate_means(
        lambda ids: values[ids],
        params(60),
        controls={"proxy": controls["proxy"][order]},
        groups={"list": groups["list"][order]},
        ids=order,
    )
    for ours, theirs in zip(one.estimates, two.estimates, strict=True):
        assert ours.value == pytest.approx(theirs.value, rel=1e-9)


def test_among_is_as_if_there_were_no_others():
    values, controls, groups = population(900)
    mask = np.random.default_rng(4).random(900) < 0.5
    ids = np.arange(7000, 7900)
    one = estimate_means(
        lambda some: values[some - 7000],
        params(90),
        controls=controls,
        groups=groups,
        ids=ids,
        among=mask,
    )
    two = estimate_means(
        lambda some: values[some - 7000],
        params(90),
        controls={"proxy": controls["proxy"][mask]},
        groups={"list": groups["list"][mask]},
        ids=ids[mask],
    )
    assert [x.value for x in one.estimates] == [x.value for x in two.estimates]
    assert one.rows == two.rows == mask.sum()
    assert one.provenance["among"]["of"] == 900


def test_words_and_equal_controls_are_groups_and_nothing():
    values, controls, _ = population(400)
    words = np.where(np.arange(400) % 2 == 0, "even", "odd")
    made = estimate_means(
        lambda ids: values[ids],
        params(80),
        controls={**controls, "constant": np.full(400, 3e9)},
        groups={"side": words, "one": np.zeros(400, int)},
    )
    assert all(np.isfinite(one.value) for one in made.estimates)


def test_states_of_other_data_or_draws_are_refused():
    values, controls, _ = population(500)
    session = MeansSession.start(params(60), controls=controls)
    ids = session.next_batch().ids
    session.submit(ids, values[ids])
    session.next_batch()
    state = session.state()
    with pytest.raises(CorruptDataError, match="state is of controls"):
        MeansSession.resume(state, controls={"proxy": controls["proxy"] * 2})
    with pytest.raises(CorruptDataError, match="state is of ids"):
        MeansSession.resume(state, controls=controls, ids=np.arange(1, 501))
    bare = {name: part for name, part in state.items() if name != "checksums"}
    first = len(ids)
    for name, value, message in (
        ("rows", state["rows"][:-1], "rows"),
        ("rows", [*state["rows"][1:], state["rows"][0]], "others than the seed"),
        ("rows", [state["rows"][1], *state["rows"][1:]], "a row twice"),
        ("lengths", [first - 1, 61 - first], "planned were"),
        ("labelled", [0, *state["labelled"][1:]], "lacks rows of the first round"),
        ("values", [[1.0], *state["values"][1:]], "values do not fit"),
        ("values", [[1.0, 0.5, None], *state["values"][1:]], "must be 0 or 1"),
        ("values", ["x", *state["values"][1:]], "values do not fit"),
    ):
        with pytest.raises(CorruptDataError, match=message):
            MeansSession.resume(bare | {name: value}, controls=controls)


def test_an_oracle_that_fails_loses_no_label():
    values, controls, _ = population(500)
    session = MeansSession.start(params(60), controls=controls)
    calls = []

    def flaky(ids):
        calls.append(ids)
        if len(calls) == 2:
            raise OSError("gone")
        return values[ids]

    with pytest.raises(OSError, match="gone"):
        run_means(session, flaky, chunk=10)
    assert session.labels_used == 10
    with pytest.raises(NotReadyError, match="all 60 labels, 10 are there"):
        session.estimates()
    seen = []
    run_means(session, flaky, chunk=10, progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (60, 60)


def test_bad_labels_are_refused():
    values, controls, _ = population(500)
    session = MeansSession.start(params(60), controls=controls)
    ids = session.next_batch().ids[:2]
    good = values[ids]
    for column, value, error, message in (
        (0, np.nan, NonFiniteError, "'length' have 1 NaN of 2"),
        (0, np.inf, NonFiniteError, "'length' have an infinity"),
        (0, 1e71, InvalidInputError, "beyond 1e.70, such as 1e.71"),
        (1, 0.5, InvalidInputError, "share 'good' must be 0 or 1, got 0.5"),
    ):
        bad = good.copy()
        bad[0, column] = value
        with pytest.raises(error, match=message):
            session.submit(ids, bad)
    with pytest.raises(DimensionMismatchError, match="for 2 ids and 3 statistics"):
        session.submit(ids, good[:, :2])
    with pytest.raises(UnknownIdError):
        session.submit([9999], good[:1])
    other = np.setdiff1d(np.arange(500), session.next_batch().ids)[:1]
    with pytest.raises(InvalidInputError, match="1 of 1 labels are for ids that were"):
        session.submit(other, values[other])
    assert session.submit(ids, good) == 2
    assert session.submit(ids, good) == 0
    with pytest.raises(InvalidInputError, match="1 of 1 labels differ"):
        session.submit(ids[:1], good[:1] + np.array([1, 0, 0]))


def test_large_values_have_finite_intervals():
    values, controls, _ = population(500)
    one = MeansParams(statistics=STATISTICS[:1], budget=60)
    plain = estimate_means(lambda ids: values[ids, 0], one, controls=controls)
    unit = 9e69 / values[:, 0].max()
    made = estimate_means(lambda ids: unit * values[ids, 0], one, controls=controls)
    assert made["length"].low == pytest.approx(unit * plain["length"].low, rel=1e-9)
    assert made["length"].high == pytest.approx(unit * plain["length"].high, rel=1e-9)


def test_bad_params_and_controls_are_refused():
    _, controls, _ = population(500)
    with pytest.raises(InvalidInputError, match="control 'x' must have an entry for"):
        MeansSession.start(params(), controls={"x": 3})
    for strange in (
        {"budget": 19},
        {"confidence": 0},
        {"joint": "both"},
        {"strata_cut": "x"},
        {"seed": -1},
    ):
        with pytest.raises(InvalidParamsError):
            params(**{"budget": 100, **strange})
    with pytest.raises(InvalidParamsError, match="different names"):
        MeansParams(statistics=(STATISTICS[0], STATISTICS[0]), budget=100)
    with pytest.raises(InvalidParamsError, match="kind"):
        Statistic(name="a", kind="median")
    with pytest.raises(InvalidParamsError, match="name"):
        Statistic(name="")
    with pytest.raises(InvalidParamsError, match="stratify_by is 'proxy'"):
        MeansSession.start(params(), controls={"other": controls["proxy"]})
    with pytest.raises(InvalidParamsError, match="budget is 600, but there are 500"):
        MeansSession.start(params(600), controls=controls)
    with pytest.raises(InvalidInputError, match="they number the rows"):
        MeansSession.start(params())
    with pytest.raises(DimensionMismatchError):
        MeansSession.start(params(), controls=controls, groups={"list": [1, 2]})
    with pytest.raises(NonFiniteError):
        MeansSession.start(params(), controls={"proxy": np.full(500, np.nan)})
    with pytest.raises(InvalidInputError, match="groups 'x' must be one-dim"):
        MeansSession.start(params(), controls=controls, groups={"x": np.ones(500) / 3})


def test_positives_of_strata_that_are_labelled_whole_promise_nothing():
    """One positive is left to be missed, where 100 others are known for sure."""
    rng = np.random.default_rng(201)
    proxy = rng.beta(0.1, 4, 4000)
    held = (rng.random(4000) < proxy).astype(float)
    params = MeansParams(
        statistics=(Statistic(name="held", kind="share"),),
        budget=3200,
        stratify_by="proxy",
        strata_cut="sqrt_mass",
        seed=2,
    )
    made = estimate_means(lambda ids: held[ids], params, controls={"proxy": proxy})
    assert held.sum() > 90
    assert not made["held"].interval_valid
    assert "positives in strata with unlabelled rows, where 20 are" in made["held"].note
