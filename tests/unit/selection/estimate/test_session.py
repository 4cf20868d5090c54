import json

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    NotReadyError,
    UnknownIdError,
)
from gleann.selection import EstimateParams, EstimateSession, uniform_estimate
from gleann.selection.estimate import estimate, run_estimate


def world(n=2000, seed=0, scale=0.3):
    rng = np.random.default_rng(seed)
    proxy = rng.beta(0.2, 1.0, size=n) * scale
    held = rng.random(n) < proxy
    values = rng.normal(10, 3, size=n)
    return proxy, held, values


def oracle_of(held, values):
    return lambda ids: (held[ids], values[ids])


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
@pytest.mark.parametrize("cut", ["sqrt_mass", "equal_size", "geometric"])
@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_the_budget_is_spent_exactly_on_distinct_rows(target, cut, rounds):
    proxy, held, values = world()
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return held[ids], values[ids]

    params = EstimateParams(
        target=target, budget=211, strata=7, strata_cut=cut, rounds=rounds
    )
    result = estimate(proxy, oracle, params)
    assert len(asked) == len(set(asked)) == result.labels_used == 211
    assert result.low <= result.value <= result.high
    assert sum(s.labelled for s in result.by_stratum) == 211
    assert all(s.labelled >= 1 for s in result.by_stratum)
    assert sum(s.size for s in result.by_stratum) == 2000
    assert result.positives == held[asked].sum()


def test_labelling_everything_gives_the_truth_with_no_width():
    proxy, held, values = world(n=120)
    truths = {
        "count": held.sum(),
        "avg": values[held].mean(),
        "sum": values[held].sum(),
    }
    for target, truth in truths.items():
        for run in (estimate, uniform_estimate):
            params = EstimateParams(target=target, budget=120)
            result = run(proxy, oracle_of(held, values), params)
            assert result.value == pytest.approx(truth)
            assert result.high - result.low == pytest.approx(0, abs=1e-9)


def test_no_positive_is_never_a_silent_zero():
    proxy = np.linspace(0.01, 0.2, 1000)
    nothing = oracle_of(np.zeros(1000, bool), np.ones(1000))
    count = estimate(proxy, nothing, EstimateParams(budget=100))
    assert (count.value, count.low) == (0.0, 0.0)
    assert 10 < count.high < 1000
    assert "no positive among 100 labels: with confidence 0.95 the rate" in count.note
    for target in ("avg", "sum"):
        result = estimate(proxy, nothing, EstimateParams(target=target, budget=100))
        assert (result.value, result.low, result.high) == (None, None, None)
        assert f"the {target} is undefined" in result.note
        assert "at most" in result.note


def test_one_positive_gives_an_average_without_an_interval():
    proxy = np.linspace(0.01, 0.2, 300)
    held = np.zeros(300, bool)
    held[7] = True
    for seed in range(20):
        result = estimate(
            proxy,
            oracle_of(held, np.full(300, 4.0)),
            EstimateParams(target="avg", budget=299, seed=seed),
        )
        if result.positives:
            assert result.value == pytest.approx(4.0)
            assert result.low is None
            assert "one positive" in result.note
            break
    else:
        pytest.fail("no seed drew row 7")


def test_strata_with_few_labels_are_named():
    proxy, held, values = world()
    result = estimate(proxy, oracle_of(held, values), EstimateParams(budget=100))
    assert "have fewer than 30 labels" in result.note


def test_a_constant_statistic_still_spends_its_budget():
    proxy, held, _ = world()
    result = estimate(
        proxy,
        oracle_of(held, np.full(2000, 7.0)),
        EstimateParams(target="avg", budget=300),
    )
    assert result.labels_used == 300
    assert result.value == pytest.approx(7.0)


def test_a_batch_stays_the_same_until_labels_arrive():
    proxy, held, _ = world()
    session = EstimateSession.start(proxy, EstimateParams(budget=60, pilot_share=0.5))
    batch = session.next_batch()
    assert batch.rows.tolist() == session.next_batch().rows.tolist()
    assert len(batch) == 30
    assert batch.why["stratum"].tolist() == sorted(batch.why["stratum"])
    assert batch.weights.sum() == pytest.approx(2000)
    part = batch.rows[:10]
    assert session.submit(part, held[part]) == 10
    assert session.submit(part, held[part]) == 0
    assert session.next_batch().rows.tolist() == batch.rows[10:].tolist()
    with pytest.raises(NotReadyError, match="needs 30 labels, 10 are there"):
        session.estimate()
    session.submit(batch.rows[10:], held[batch.rows[10:]])
    assert session.estimate().labels_used == 30
    second = session.next_batch()
    assert not set(second.rows) & set(batch.rows)
    # The second round stands for what the first one left.
    assert second.weights.sum() == pytest.approx(1970)
    session.submit(second.rows[:5], held[second.rows[:5]])
    assert session.estimate().labels_used == 30
    session.submit(second.rows[5:], held[second.rows[5:]])
    assert session.done
    assert session.estimate().labels_used == 60
    assert len(session.next_batch()) == 0


@pytest.mark.parametrize("after", [0, 13, 100, 140])
def test_kill_and_resume_gives_the_same_sequence(after):
    proxy, held, values = world()
    params = EstimateParams(target="sum", budget=150, rounds=3, seed=5)
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return held[ids], values[ids]

    expected = run_estimate(EstimateSession.start(proxy, params), oracle)
    sequence, asked[:] = asked.copy(), []
    session = EstimateSession.start(proxy, params)
    while len(asked) < after:
        ids = session.next_batch().ids[: after - len(asked)]
        session.submit(ids, *oracle(ids))
    state = json.loads(json.dumps(session.state()))
    resumed = EstimateSession.resume(state, proxy)
    assert run_estimate(resumed, oracle) == expected
    assert asked == sequence


def test_an_oracle_that_raises_half_way_keeps_its_progress():
    proxy, held, values = world()
    params = EstimateParams(target="avg", budget=150)
    expected = estimate(proxy, oracle_of(held, values), params)
    session = EstimateSession.start(proxy, params)
    calls = []

    def failing(ids):
        calls.append(len(ids))
        if len(calls) == 5:
            raise TimeoutError("the labelling service is down")
        return held[ids], values[ids]

    with pytest.raises(TimeoutError):
        run_estimate(session, failing, chunk=20)
    assert session.labels_used == sum(calls[:-1])
    assert run_estimate(session, failing, chunk=20) == expected


def test_string_ids_and_progress():
    proxy, held, _ = world(n=100)
    ids = np.array([f"x{row}" for row in range(100)])
    held_of = dict(zip(ids.tolist(), held.tolist(), strict=True))
    told = []
    result = estimate(
        proxy,
        lambda ids: ([held_of[i] for i in ids.tolist()], None),
        EstimateParams(budget=50),
        ids=ids,
        progress=lambda p: told.append((p.phase, p.done, p.total)),
    )
    assert result.labels_used == 50
    assert told[-1] == ("label", 50, 50)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"budget": 4}, "budget is 4, but 5 strata"),
        ({"budget": 9.5}, "budget must be an integer"),
        ({"budget": 9, "target": "median"}, "target must be one of"),
        ({"budget": 9, "strata": 0}, "strata must be at least 1"),
        ({"budget": 9, "strata_cut": "even"}, "strata_cut must be one of"),
        ({"budget": 9, "pilot_share": 1.5}, r"pilot_share must be in 0\.\.1"),
        ({"budget": 9, "pilot_share": float("nan")}, "pilot_share"),
        ({"budget": 9, "floor": -0.1}, r"floor must be in 0\.\.1, got -0.1"),
        ({"budget": 9, "confidence": 1.0}, "confidence"),
        ({"budget": 9, "rounds": 0}, "rounds must be at least 1"),
    ],
)
def test_impossible_parameters_are_refused(params, words):
    with pytest.raises(InvalidParamsError, match=words):
        EstimateParams(**params)


def test_input_that_does_not_fit_is_refused():
    params = EstimateParams(budget=10)
    with pytest.raises(NonFiniteError, match="proxy row 19 has NaN or infinity"):
        EstimateSession.start([0.1] * 19 + [np.nan], params)
    with pytest.raises(InvalidInputError, match=r"at least 0, got -0\.5"):
        EstimateSession.start([0.1] * 19 + [-0.5], params)
    with pytest.raises(InvalidInputError, match="not empty"):
        EstimateSession.start([], params)
    with pytest.raises(InvalidParamsError, match="budget is 10, but there are 9 rows"):
        EstimateSession.start([0.1] * 9, params)
    with pytest.raises(DuplicateIdError):
        EstimateSession.start([0.1] * 20, params, ids=[1] * 20)
    with pytest.raises(DimensionMismatchError, match="3 entries for 20"):
        EstimateSession.start([0.1] * 20, params, ids=[1, 2, 3])


def test_labels_that_do_not_fit_are_refused_and_change_nothing():
    proxy, _, _ = world()
    params = EstimateParams(target="avg", budget=60)
    session = EstimateSession.start(proxy, params)
    rows = session.next_batch().rows
    stranger = int(np.setdiff1d(np.arange(2000), rows)[0])
    before = session.state()
    with pytest.raises(InvalidInputError, match=f"1 of 2 .* not asked for: {stranger}"):
        session.submit([rows[0], stranger], [True, True], [1.0, 1.0])
    with pytest.raises(UnknownIdError, match="2000"):
        session.submit([2000], [True], [1.0])
    with pytest.raises(DuplicateIdError):
        session.submit(rows[[0, 0]], [True, True], [1.0, 1.0])
    with pytest.raises(DimensionMismatchError, match=r"\(1,\) for 2 ids"):
        session.submit(rows[:2], [True], [1.0, 1.0])
    with pytest.raises(DimensionMismatchError, match=r"\(1,\), positives has \(2,\)"):
        session.submit(rows[:2], [True, True], [1.0])
    with pytest.raises(NonFiniteError, match="1 of 2 positives"):
        session.submit(rows[:2], [True, True], [1.0, np.nan])
    with pytest.raises(InvalidInputError, match="needs a value for each of 2"):
        session.submit(rows[:2], [True, True])
    with pytest.raises(InvalidInputError, match="bool"):
        session.submit(rows[:2], [0.5, 1], [1.0, 1.0])
    assert session.state() == before
    session.submit(rows[:2], [True, False], [1.0, np.nan])
    with pytest.raises(InvalidInputError, match="1 of 2 labels differ"):
        session.submit(rows[:2], [True, True], [1.0, 3.0])
    with pytest.raises(InvalidInputError, match="1 of 1 labels differ"):
        session.submit(rows[:1], [True], [2.0])


def test_states_of_other_data_or_formats_are_refused():
    proxy, _, _ = world()
    state = EstimateSession.start(proxy, EstimateParams(budget=20)).state()
    with pytest.raises(CorruptDataError, match="state is of proxies"):
        EstimateSession.resume(state, proxy / 2)
    with pytest.raises(CorruptDataError, match="state is of ids"):
        EstimateSession.resume(state, proxy, ids=np.arange(2000)[::-1])
    with pytest.raises(CorruptDataError, match=r"gleann\.estimate/2, got None"):
        EstimateSession.resume({}, proxy)


def test_values_that_are_not_numbers_are_refused():
    session = EstimateSession.start([0.1] * 20, EstimateParams(target="sum", budget=10))
    ids = session.next_batch().ids[:1]
    for values in (["a"], [1j], [None]):
        with pytest.raises(InvalidInputError, match="values must be numbers"):
            session.submit(ids, [True], values)
    assert session.submit(ids, [True], [2]) == 1
