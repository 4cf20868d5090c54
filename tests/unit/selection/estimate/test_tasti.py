"""TASTI inside a session: proxies from the vectors, made anew by every round."""

import json
from itertools import pairwise

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    NotReadyError,
)
from gleann.selection import EstimateParams, Known, TastiSession, run_estimate
from gleann.selection.estimate.refreshed.interval import refreshed_interval
from gleann.selection.estimate.refreshed.rounds import (
    Cut,
    Round,
    chances_of,
    refreshed_totals,
    round_weights,
    whole_chances_of,
    whole_design,
)
from gleann.selection.estimate.stratified.estimators import Design
from gleann.selection.estimate.stratified.tally import Moments, gather
from gleann.selection.estimate.stratified.weighted import ChancedLabels

N = 1500


def world(seed=0):
    """A concept in two of twenty clusters, some of whose rows are not of it."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, 4)) * 3
    cluster = rng.integers(0, 20, size=N)
    vectors = (centres[cluster] + rng.normal(size=(N, 4))).astype(np.float32)
    held = (cluster < 2) & (rng.random(N) < 0.8)
    return vectors, held, rng.normal(10, 3, size=N)


def oracle_of(held, values, asked=None):
    def oracle(ids):
        if asked is not None:
            asked.extend(ids.tolist())
        return held[ids], values[ids]

    return oracle


def params_of(**changes):
    return EstimateParams(
        **{"budget": 200, "strata_cut": "geometric", "rounds": 3, **changes}
    )


def test_a_row_is_placed_among_the_strata_by_its_proxy():
    cut = Cut(
        rows=np.arange(6),
        numbers=np.array([0, 0, 1, 1, 2, 2]),
        proxy=np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        strata=3,
    )
    assert cut.places(np.array([0.0, 0.25, 0.3, 0.45, 0.5, 9])).tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    # The middle stratum is labelled whole: what would be in it counts as below.
    left = cut.without(np.array([2, 3]))
    assert left.sizes.tolist() == [2, 0, 2]
    assert left.places(np.array([0.35, 0.7])).tolist() == [0, 2]


def of_round(rows, strata, left, rates=(0.1, 0.1)):
    k = len(left)
    flat = np.zeros(k)
    return Round(
        rows=np.array(rows),
        strata=np.array(strata),
        scores=np.zeros(len(rows)),
        left=np.array(left, float),
        proxy_means=flat,
        foreseen=Moments(
            rates=np.array(rates, float),
            means=flat,
            mean_variances=flat,
            variances=flat,
        ),
    )


def test_rounds_of_different_strata_are_combined_by_hand():
    first = of_round([0, 1, 2, 3], [0, 0, 1, 1], [10, 6])
    second = of_round([4, 5, 6, 7], [0, 0, 1, 1], [4, 8])
    design = Design(
        sizes=np.empty(0),
        proxy_means=np.empty(0),
        round_budgets=(4, 4),
        target="count",
        floor=0.0,
    )
    whole = whole_design([first, second], design)
    assert whole.sizes.tolist() == [2 + 4, 2 + 8]
    held = np.array([True, False, True, True, False, True, False, False])
    evidence = gather(
        [(one.strata, held[one.rows], np.zeros(4)) for one in (first, second)],
        strata=2,
    )
    # T_1 = 10 * 1 / 2 + 6 * 1 = 11; T_2 = 3 found + 4 * 1 / 2 = 5.
    # Of the pilot, with equal rates: 10 * 8 / 2 + 6 * 4 / 2 = 52 rows' variances; of
    # four more labels on the 8 and 4 rows left, 3 and 1: 8 * 5 / 3 + 4 * 3 / 1 = 25.3.
    part = (40 / 3 + 12) / (52 + 40 / 3 + 12)
    found = refreshed_totals([first, second], evidence, whole)
    assert found.count == pytest.approx(part * 11 + (1 - part) * 5)
    factors = part**2 * np.array([40, 12]) + (1 - part) ** 2 * np.array([4, 24])
    assert found.spread_factors == pytest.approx(factors)
    # Of the first round alone: all weight on it.
    alone = refreshed_totals(
        [first],
        gather([(first.strata, held[first.rows], np.zeros(4))], strata=2),
        whole_design([first], design),
    )
    assert alone.count == pytest.approx(11)


def test_each_round_is_as_sure_as_its_own_strata_by_hand():
    first = of_round(range(20), [0] * 10 + [1] * 10, [200, 40])
    second = of_round(range(20, 40), [0] * 10 + [1] * 10, [150, 70])
    design = Design(
        sizes=np.empty(0),
        proxy_means=np.empty(0),
        round_budgets=(20, 20),
        target="count",
        floor=0.0,
    )
    # Cut anew, the lower stratum has lost its positives to the upper one.
    held = np.arange(40) % 10 < np.repeat([3, 5, 0, 8], 10)
    whole = whole_design([first, second], design)
    evidence = gather(
        [(one.strata, held[one.rows], np.zeros(20)) for one in (first, second)],
        strata=2,
    )
    found = refreshed_totals([first, second], evidence, whole)
    weights = round_weights([first, second], whole)
    variance = 0.0
    for weight, left, positives in zip(
        weights, ([200, 40], [150, 70]), ([3, 5], [0, 8]), strict=True
    ):
        for rows, seen in zip(left, positives, strict=True):
            rate = (seen + 0.5) / 11
            variance += weight**2 * rows * (rows - 10) / 10 * rate * (1 - rate)
    rng = np.random.default_rng(0)
    side_by_side = gather(
        [
            (
                np.concatenate([first.strata, second.strata + 2]),
                held,
                np.zeros(40),
            )
        ],
        strata=4,
    )
    rule = refreshed_interval([first, second], side_by_side, name="delta")
    interval = rule(whole, found, evidence, 0.95, rng)
    assert interval.value == found.count
    half = 1.959964 * variance**0.5
    assert interval.high - interval.value == pytest.approx(half)
    assert interval.value - interval.low == pytest.approx(half)


def test_the_rounds_share_the_chances():
    first = of_round([0, 1, 2, 3], [0, 0, 1, 1], [10, 6])
    second = of_round([4, 5], [0, 1], [4, 8])
    # Each row speaks for its share of the rows left, a round for its share of labels.
    assert 1 / chances_of([first, second]) == pytest.approx(
        [5 * 4 / 6] * 2 + [3 * 4 / 6] * 2 + [4 * 2 / 6, 8 * 2 / 6]
    )


def test_rows_drawn_early_speak_in_every_later_round():
    first = of_round([0, 1, 2, 3], [0, 0, 1, 1], [10, 6])
    second = of_round([4, 5], [0, 1], [4, 8])
    # In the second round, a third of the labels, the first four stand for themselves.
    assert 1 / whole_chances_of([first, second]) == pytest.approx(
        [(4 * 5 + 2) / 6] * 2 + [(4 * 3 + 2) / 6] * 2 + [4 * 2 / 6, 8 * 2 / 6]
    )


def test_totals_of_all_rows_keep_positives_that_were_drawn_early():
    rng = np.random.default_rng(3)
    proxy = rng.random(400)
    held = rng.random(400) < proxy**2
    nothing = np.zeros(2)
    foreseen = Moments(
        rates=nothing, means=nothing, variances=nothing, mean_variances=nothing
    )
    told = []
    for seed in range(200):
        rounds, open_rows = [], np.arange(400)
        for number, draws in enumerate(([10, 150], [20, 60])):
            cut = Cut(
                rows=open_rows,
                numbers=(proxy[open_rows] > 0.5).astype(int),
                proxy=proxy[open_rows],
                strata=2,
            )
            one = cut.draw(np.array(draws), foreseen, seed=2 * seed + number)
            rounds.append(one)
            open_rows = np.setdiff1d(open_rows, one.rows)
        rows = np.concatenate([one.rows for one in rounds])
        labels = ChancedLabels(
            rows=rows,
            positives=held[rows],
            values=held[rows] * 2.0,
            chances=whole_chances_of(rounds),
        )
        told.append([labels.count, labels.sum / 2])
    off = np.abs(np.mean(told, axis=0) - held.sum())
    assert (off < 4 * np.std(told, axis=0) / np.sqrt(200)).all()


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
@pytest.mark.parametrize("cut", ["geometric", "sqrt_mass", "equal_size"])
def test_the_budget_is_spent_exactly_on_distinct_rows(target, cut):
    vectors, held, values = world()
    asked = []
    params = params_of(target=target, strata_cut=cut)
    session = TastiSession.start(vectors, params, first=40)
    made = run_estimate(session, oracle_of(held, values, asked))
    assert len(asked) == len(set(asked)) == made.labels_used == 200
    assert session.done
    assert made.low <= made.value <= made.high
    assert made.positives == held[asked].sum()
    # Forty representatives are counted exactly; the strata hold the other rows.
    assert sum(one.size for one in made.by_stratum) == N - 40
    assert sum(one.labelled for one in made.by_stratum) == 160
    assert "40 rows were labelled before" in made.note


def test_later_rounds_rank_better_than_the_representatives_alone():
    vectors, held, values = world()
    found = np.zeros((2, 2))
    for seed in range(6):
        params = params_of(budget=300, seed=seed)
        session = TastiSession.start(vectors, params, first=60)
        run_estimate(session, oracle_of(held, values))
        rounds = session.state()["rounds"]
        assert rounds[0]["proxy_means"] != rounds[1]["proxy_means"]
        for number, one in enumerate(rounds[:2]):
            top = held[np.array(one["rows"])[np.array(one["strata"]) >= 3]]
            found[number] += top.sum(), len(top)
    first, last = found[:, 0] / found[:, 1]
    assert last > first


def test_strata_stand_still_until_a_round_finds_a_positive():
    vectors, _, values = world()
    nothing = np.zeros(N, bool)
    session = TastiSession.start(vectors, params_of(), first=40)
    made = run_estimate(session, oracle_of(nothing, values))
    rounds = session.state()["rounds"]
    for one, later in pairwise(rounds):
        drawn = np.bincount(one["strata"])
        assert later["left"] == (np.array(one["left"]) - drawn).tolist()
    assert (made.value, made.low) == (0.0, 0.0)
    assert 0 < made.high < N
    assert "no positive among 160 labels" in made.note


@pytest.mark.parametrize("target", ["avg", "sum"])
@pytest.mark.parametrize("positives", [1, 3])
def test_a_value_first_seen_in_a_later_round_is_not_weighed_away(target, positives):
    vectors, _, _ = world()
    session = TastiSession.start(vectors, params_of(target=target, rounds=2))
    nothing = np.zeros(N)
    for _ in range(2):
        ids = session.next_batch().ids
        session.submit(ids, nothing[ids].astype(bool), nothing[ids])
    ids = session.next_batch().ids
    session.submit(ids, np.arange(len(ids)) < positives, nothing[ids] + 5)
    made = session.estimate()
    assert made.positives == positives
    if target == "avg":
        assert made.value == pytest.approx(5)
    else:
        assert made.value > 5 * positives


def test_known_labels_make_the_proxy_and_are_never_asked_for():
    vectors, held, values = world()
    rows = np.concatenate([np.flatnonzero(held)[:5], np.flatnonzero(~held)[:45]])
    known = Known(ids=rows, positives=held[rows], values=values[rows])
    asked = []
    session = TastiSession.start(vectors, params_of(target="sum"), known=known)
    made = run_estimate(session, oracle_of(held, values, asked))
    assert not set(asked) & set(rows.tolist())
    assert len(asked) == 200
    assert made.labels_used == 250
    more = TastiSession.start(vectors, params_of(), known=known, first=30)
    assert len(more.next_batch()) == 30
    assert not set(more.next_batch().rows.tolist()) & set(rows.tolist())


@pytest.mark.parametrize("after", [0, 20, 40, 95, 140, 199])
def test_kill_and_resume_gives_the_same_sequence(after):
    vectors, held, values = world()
    params = params_of(target="avg", seed=4)
    ids = np.array([f"r{row}" for row in range(N)])
    rows_of = {name: row for row, name in enumerate(ids.tolist())}
    asked = []

    def oracle(names):
        rows = [rows_of[name] for name in names.tolist()]
        asked.extend(rows)
        return held[rows], values[rows]

    expected = run_estimate(TastiSession.start(vectors, params, ids=ids), oracle)
    sequence, asked[:] = asked.copy(), []
    session = TastiSession.start(vectors, params, ids=ids)
    while len(asked) < after:
        names = session.next_batch().ids[: after - len(asked)]
        session.submit(names, *oracle(names))
    state = json.loads(json.dumps(session.state()))
    resumed = TastiSession.resume(state, vectors, ids=ids)
    assert resumed.next_batch().rows.tolist() == session.next_batch().rows.tolist()
    assert run_estimate(resumed, oracle) == expected
    assert asked == sequence
    with pytest.raises(CorruptDataError, match="state is of vectors"):
        TastiSession.resume(state, vectors + 1, ids=ids)
    with pytest.raises(CorruptDataError, match="state is of ids"):
        TastiSession.resume(state, vectors, ids=ids[::-1])


def test_an_oracle_that_raises_half_way_keeps_its_progress():
    vectors, held, values = world()
    expected = run_estimate(
        TastiSession.start(vectors, params_of()), oracle_of(held, values)
    )
    session = TastiSession.start(vectors, params_of())
    calls = []

    def failing(ids):
        calls.append(len(ids))
        if len(calls) in (2, 5):
            raise TimeoutError("the labelling service is down")
        return held[ids], values[ids]

    for _ in range(2):
        with pytest.raises(TimeoutError):
            run_estimate(session, failing, chunk=20)
    assert session.labels_used == sum(calls) - calls[1] - calls[4]
    assert run_estimate(session, failing, chunk=20) == expected


def test_a_batch_stays_the_same_and_tells_what_its_rows_stand_for():
    vectors, held, _ = world()
    session = TastiSession.start(vectors, params_of(), first=40)
    batch = session.next_batch()
    assert batch.weights.tolist() == [1.0] * 40
    assert set(batch.why["stratum"]) == {-1}
    with pytest.raises(NotReadyError, match=r"need 90 labels, 0 are there"):
        session.estimate()
    session.submit(batch.ids, held[batch.ids])
    pilot = session.next_batch()
    assert pilot.weights.sum() == pytest.approx(N - 40, rel=1e-5)
    session.submit(pilot.ids[:7], held[pilot.ids[:7]])
    rest = session.next_batch()
    assert rest.ids.tolist() == pilot.ids[7:].tolist()
    assert rest.weights.tolist() == pilot.weights[7:].tolist()
    assert rest.why["stratum"].tolist() == pilot.why["stratum"][7:].tolist()


def test_labelling_everything_gives_the_truth_with_no_width():
    vectors, held, values = world()
    vectors, held, values = vectors[:150], held[:150], values[:150]
    for target, truth in (("count", held.sum()), ("sum", values[held].sum())):
        params = params_of(budget=150, target=target)
        session = TastiSession.start(vectors, params)
        made = run_estimate(session, oracle_of(held, values))
        assert made.value == pytest.approx(truth)
        assert made.high - made.low == pytest.approx(0, abs=1e-6)


def test_labelling_stops_at_a_narrow_interval():
    vectors, held, values = world()
    params = params_of(
        budget=1200, rounds=8, pilot_share=0.1, stop_at_relative_width=0.8
    )
    session = TastiSession.start(vectors, params, first=60)
    made = run_estimate(session, oracle_of(held, values))
    assert session.done
    assert session.labels_used < 1200
    assert made.high - made.low <= 0.8 * made.value
    # Each round is sized by the labels before it.
    sizes = [len(one["rows"]) for one in session.state()["rounds"]]
    assert sum(sizes) == session.labels_used - 60
    assert sizes[0] == 100
    resumed = TastiSession.resume(session.state(), vectors)
    assert resumed.done
    assert resumed.estimate() == made


def test_coinciding_rows_and_equal_labels_are_no_obstacle():
    held = np.arange(400) % 7 == 0
    for vectors in (np.zeros((400, 3)), np.repeat(np.eye(4), 100, axis=0)):
        session = TastiSession.start(vectors, params_of(budget=100))
        made = run_estimate(session, oracle_of(held, np.zeros(400)))
        assert made.labels_used == 100
        assert made.low <= made.value <= made.high
    everything = run_estimate(
        TastiSession.start(vectors, params_of(budget=100)),
        oracle_of(np.ones(400, bool), np.zeros(400)),
    )
    assert everything.value == pytest.approx(400)


def test_input_that_does_not_fit_is_refused():
    vectors, held, _ = world()
    start = TastiSession.start
    with pytest.raises(NonFiniteError):
        start(np.where(np.arange(N)[:, None] == 3, np.nan, vectors), params_of())
    with pytest.raises(InvalidParamsError, match=f"budget is 1501, but .* {N} rows"):
        start(vectors, params_of(budget=1501))
    with pytest.raises(InvalidParamsError, match="190 representatives leave 3 of 193"):
        start(vectors, params_of(budget=193), first=190)
    with pytest.raises(InvalidParamsError, match=r"at least 2 labels .* 1 repr"):
        start(vectors, params_of(allocation="even"), first=1)
    with pytest.raises(InvalidParamsError, match="'delta', got 'bootstrap'"):
        start(vectors, params_of(interval="bootstrap"))
    with pytest.raises(DuplicateIdError):
        start(vectors, params_of(), known=Known(ids=[1, 1], positives=[1, 0]))
    session = start(vectors, params_of())
    rows = session.next_batch().rows
    stranger = np.setdiff1d(np.arange(N), rows)[:1]
    with pytest.raises(InvalidInputError, match="not asked for"):
        session.submit(stranger, [True])
    session.submit(rows[:1], held[rows[:1]])
    with pytest.raises(InvalidInputError, match="1 of 1 labels differ"):
        session.submit(rows[:1], ~held[rows[:1]])
