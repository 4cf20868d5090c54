"""Estimates over some rows: as over those rows alone, and the truth of those rows."""

import json

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    UnknownIdError,
)
from gleann.selection import (
    ChoosingSession,
    DisjointGroupsSession,
    EstimateParams,
    EstimateSession,
    Known,
    KnownGroups,
    OverlappingGroupsSession,
    TastiSession,
    abae_estimate,
    estimate_choosing,
    estimate_disjoint_groups,
    estimate_overlapping_groups,
    plan_labels,
    run_disjoint_groups,
    run_estimate,
    run_overlapping_groups,
    uniform_estimate,
)
from gleann.selection.estimate import estimate

N = 900
RNG = np.random.default_rng(0)
MASK = RNG.random(N) < 0.4
SOME = np.flatnonzero(MASK)
M = len(SOME)
IDS = np.array([f"id-{row}" for row in range(N)])
# More frequent among the others: the population of all rows has another answer.
CHANCES = np.clip(RNG.beta(1, 3, N) * np.where(MASK, 0.6, 1.4), 0, 1)
HELD = RNG.random(N) < CHANCES
VALUES = RNG.normal(10, 3, N)
PROXY = np.where(MASK, CHANCES, np.nan)
"""Proxies of other rows are not read."""
OTHER = np.where(MASK, RNG.random(N), np.nan)
VECTORS = np.stack([CHANCES, RNG.normal(0, 0.1, N)], axis=1).astype(np.float32)
GROUP = np.where(HELD, np.arange(N) % 2, -1)


def oracle(rows):
    return HELD[rows], VALUES[rows]


def by_id(ids):
    rows = np.array([int(one.removeprefix("id-")) for one in ids], np.int64)
    assert MASK[rows].all()
    return oracle(rows)


def of_those(rows):
    return oracle(SOME[rows])


def params(target="count", **more):
    return EstimateParams(target=target, budget=100, strata=3, seed=5, **more)


def start(kind, target, *, whole, known=None):
    """A session among some rows (`whole`), or over these rows alone."""
    at = np.arange(N) if whole else SOME
    among = {"among": MASK} if whole else {}
    ids = {"ids": IDS[at], "known": known}
    if kind == "single":
        return EstimateSession.start(PROXY[at], params(target), **ids, **among)
    if kind == "several":
        proxies = {"p": PROXY[at], "q": OTHER[at]}
        return ChoosingSession.start(proxies, params(target), **ids, **among)
    first = {"first": 12} if kind == "representatives" else {}
    return TastiSession.start(VECTORS[at], params(target), **first, **ids, **among)


KINDS = ["single", "several", "index", "representatives"]


def resumed(session, kind, at):
    state = json.loads(json.dumps(session.state()))
    if kind == "single":
        return EstimateSession.resume(state, PROXY[at], ids=IDS[at])
    if kind == "several":
        proxies = {"p": PROXY[at], "q": OTHER[at]}
        return ChoosingSession.resume(state, proxies, ids=IDS[at])
    return TastiSession.resume(
        state, VECTORS[at], ids=IDS[at], proxy_sums=session.proxy_sums()
    )


def facts(made):
    kept = {"value", "low", "high", "rows", "labels_used", "positives", "by_stratum"}
    kept |= {"uniform_width", "abae_width", "interval_valid", "note"}
    return {name: getattr(made, name) for name in kept}


@pytest.mark.parametrize("target", ["count", "share", "sum", "avg"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_is_that_of_those_rows_alone(kind, target):
    session = start(kind, target, whole=True)
    alone = start(kind, target, whole=False)
    while len(batch := session.next_batch()):
        other = alone.next_batch()
        np.testing.assert_array_equal(batch.ids, other.ids)
        np.testing.assert_array_equal(batch.rows, SOME[other.rows])
        np.testing.assert_array_equal(batch.weights, other.weights)
        assert batch.provenance["among"] == {"rows": M, "of": N}
        session = resumed(session, kind, np.arange(N))
        for one in (session, alone):
            one.submit(batch.ids, *by_id(batch.ids))
    made, want = session.estimate(), alone.estimate()
    assert facts(made) == facts(want)
    assert made.rows == M
    assert made.provenance["among"] == {"rows": M, "of": N}
    np.testing.assert_array_equal(session.labelled_rows, SOME[alone.labelled_rows])


@pytest.mark.parametrize("kind", KINDS)
def test_all_labels_are_the_truth_of_those_rows(kind):
    """With the whole population labelled there is nothing left to estimate."""
    truths = {
        "count": HELD[SOME].sum(),
        "share": HELD[SOME].mean(),
        "sum": VALUES[SOME][HELD[SOME]].sum(),
        "avg": VALUES[SOME][HELD[SOME]].mean(),
    }
    for target, truth in truths.items():
        whole = EstimateParams(target=target, budget=M, strata=3, seed=1)
        if kind == "single":
            session = EstimateSession.start(PROXY, whole, among=MASK)
        elif kind == "several":
            proxies = {"p": PROXY, "q": OTHER}
            session = ChoosingSession.start(proxies, whole, among=MASK)
        else:
            first = 12 if kind == "representatives" else None
            session = TastiSession.start(VECTORS, whole, first=first, among=MASK)
        made = run_estimate(session, oracle)
        assert made.value == pytest.approx(truth)
        assert made.low == pytest.approx(truth)
        assert made.high == pytest.approx(truth)


@pytest.mark.parametrize("target", ["count", "avg"])
def test_totals_are_unbiased_for_those_rows(target):
    truth = {"count": HELD[SOME].sum(), "avg": VALUES[SOME][HELD[SOME]].mean()}[target]
    made = [
        estimate(
            PROXY,
            oracle,
            EstimateParams(target=target, budget=90, strata=3, seed=seed),
            among=MASK,
        )
        for seed in range(60)
    ]
    off = np.array([one.value for one in made]) - truth
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(len(off))
    assert np.mean([one.low <= truth <= one.high for one in made]) >= 0.9
    # Of all rows it would be far off.
    of_all = {"count": HELD.sum(), "avg": np.inf}[target]
    assert abs(of_all - truth) > 5 * off.std()


@pytest.mark.parametrize("kind", KINDS)
def test_known_labels_of_other_rows_are_left_out_and_counted(kind):
    every = np.concatenate([SOME[:40], np.flatnonzero(~MASK)[:25]])
    known = Known(ids=IDS[every], positives=HELD[every], values=VALUES[every])
    inside = SOME[:40]
    own = Known(ids=IDS[inside], positives=HELD[inside], values=VALUES[inside])
    session = start(kind, "sum", whole=True, known=known)
    session = resumed(session, kind, np.arange(N))
    alone = start(kind, "sum", whole=False, known=own)
    made, want = run_estimate(session, by_id), run_estimate(alone, by_id)
    assert facts(made) == facts(want)
    assert made.provenance["known_outside"] == 25
    assert "known_outside" not in want.provenance
    unknown = Known(ids=np.array(["x"]), positives=[True], values=[1.0])
    with pytest.raises(UnknownIdError, match="no id 'x' in the 900 rows"):
        start(kind, "sum", whole=True, known=unknown)


def groups_of(at, *, disjoint, whole, known=None):
    proxies = {"a": PROXY[at], "b": OTHER[at]}
    plan = EstimateParams(target="count", budget=120, strata=3, seed=2)
    kind = DisjointGroupsSession if disjoint else OverlappingGroupsSession
    among = {"among": MASK} if whole else {}
    return kind.start(proxies, plan, ids=IDS[at], known=known, **among)


@pytest.mark.parametrize("disjoint", [True, False])
def test_groups_are_those_of_those_rows_alone(disjoint):
    every = np.concatenate([SOME[:30], np.flatnonzero(~MASK)[:9]])
    made = []
    for whole in (True, False):
        at, rows = (np.arange(N), every) if whole else (SOME, SOME[:30])
        if disjoint:
            known = KnownGroups(ids=IDS[rows], groups=GROUP[rows])
        else:
            known = {"a": Known(ids=IDS[rows], positives=HELD[rows])}
        session = groups_of(at, disjoint=disjoint, whole=whole, known=known)
        if whole:
            proxies = {"a": PROXY, "b": OTHER}
            state = json.loads(json.dumps(session.state()))
            session = type(session).resume(state, proxies, ids=IDS)
        if disjoint:
            made.append(run_disjoint_groups(session, lambda ids: (_group(ids), None)))
        else:
            oracles = dict.fromkeys(("a", "b"), by_id)
            made.append(run_overlapping_groups(session, oracles))
        if disjoint and whole:
            assert MASK[session.labelled_rows].all()
    for name in ("a", "b"):
        assert facts(made[0][name]) == facts(made[1][name])
        assert made[0][name].rows == M
        assert made[0][name].provenance["among"] == {"rows": M, "of": N}
    assert made[0]["a"].provenance["known_outside"] == 9


def _group(ids):
    rows = np.array([int(one.removeprefix("id-")) for one in ids], np.int64)
    assert MASK[rows].all()
    return GROUP[rows]


def test_calls_in_one_go():
    mine = params()
    proxies, alone = {"p": PROXY, "q": OTHER}, {"p": PROXY[SOME], "q": OTHER[SOME]}
    for got, want in (
        (
            uniform_estimate(PROXY, oracle, mine, among=MASK),
            uniform_estimate(PROXY[SOME], of_those, mine),
        ),
        (
            abae_estimate(PROXY, oracle, mine, among=MASK),
            abae_estimate(PROXY[SOME], of_those, mine),
        ),
        (
            estimate_choosing(proxies, oracle, mine, among=MASK),
            estimate_choosing(alone, of_those, mine),
        ),
        (
            estimate_overlapping_groups(
                proxies, {"p": oracle, "q": oracle}, mine, among=MASK
            )["q"],
            estimate_overlapping_groups(alone, {"p": of_those, "q": of_those}, mine)[
                "q"
            ],
        ),
        (
            estimate_disjoint_groups(
                proxies, lambda rows: (GROUP[rows], None), mine, among=MASK
            )["p"],
            estimate_disjoint_groups(
                alone, lambda rows: (GROUP[SOME][rows], None), mine
            )["p"],
        ),
    ):
        assert facts(got) == facts(want)
        assert got.rows == M
    assert plan_labels(PROXY, mine, width=40, among=MASK) == plan_labels(
        PROXY[SOME], mine, width=40
    )


def test_refuses_what_does_not_fit():
    with pytest.raises(
        DimensionMismatchError, match=rf"a mask of shape \(900,\) for {M} rows"
    ):
        EstimateSession.start(PROXY[SOME], params(), among=MASK)
    bad = np.where(np.arange(N) == SOME[4], np.nan, PROXY)
    with pytest.raises(NonFiniteError, match="proxy row 4 has NaN"):
        EstimateSession.start(bad, params(), among=MASK)
    with pytest.raises(InvalidParamsError, match=f"is 400, but there are {M} rows"):
        EstimateSession.start(PROXY, EstimateParams(budget=400), among=MASK)
    with pytest.raises(InvalidInputError, match="among has 0 of 900 rows"):
        EstimateSession.start(PROXY, params(), among=np.zeros(N, np.bool_))
    outside = IDS[np.flatnonzero(~MASK)[0]]
    session = EstimateSession.start(PROXY, params(), among=MASK, ids=IDS)
    with pytest.raises(UnknownIdError, match=f"{outside}' in the {M} of 900 rows"):
        session.submit([outside], [True])
    state = session.state()
    with pytest.raises(CorruptDataError, match=r"among\.of is 900, but there are 899"):
        EstimateSession.resume(state, PROXY[:-1], ids=IDS[:-1])


def test_the_state_has_a_bit_a_row():
    with_rows = len(json.dumps(start("single", "count", whole=True).state()))
    alone = len(json.dumps(start("single", "count", whole=False).state()))
    assert with_rows - alone < N // 6 + 150
