"""Labels that are there before a session begins, in every kind of session."""

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from gleann.index.errors import (
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    UnknownIdError,
)
from gleann.selection import (
    ChoosingSession,
    DisjointGroupsSession,
    EstimateParams,
    Known,
    KnownGroups,
    OverlappingGroupsSession,
    run_disjoint_groups,
    run_estimate,
    run_overlapping_groups,
)

N = 2000


def world(seed=0):
    """Two disjoint groups, 0 and 1, and rows in none."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet([0.2, 0.1, 0.6], size=N)
    group = (rng.random((N, 1)) > np.cumsum(chances, axis=1)).sum(axis=1)
    group[group == 2] = -1
    proxies = {"a": chances[:, 0], "b": chances[:, 1]}
    return proxies, group, rng.normal(10, 3, size=N)


def worst_choice(group):
    """A third of the rows of each group and no other: as biased as can be."""
    return np.concatenate([np.flatnonzero(group == k)[::3] for k in (0, 1)])


def truths(group, values):
    return [
        {
            "count": (group == k).sum(),
            "sum": values[group == k].sum(),
            "avg": values[group == k].mean(),
        }
        for k in (0, 1)
    ]


def assert_right(made, truth, *, least=0.9):
    off = np.array([one.value for one in made]) - truth
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(len(off))
    assert np.mean([one.low <= truth <= one.high for one in made]) >= least


@pytest.mark.parametrize("target", ["count", "avg"])
def test_choosing_counts_known_rows_exactly_and_asks_for_others(target):
    proxies, group, values = world()
    held, known = group == 0, worst_choice(group)
    given = Known(ids=known, positives=held[known], values=values[known])
    made, asked = [], []

    def oracle(ids):
        asked.extend(ids.tolist())
        return held[ids], values[ids]

    for seed in range(60):
        params = EstimateParams(target=target, budget=200, seed=seed)
        session = ChoosingSession.start(
            {"a": proxies["a"], "flat": np.full(N, 0.3)}, params, known=given
        )
        made.append(run_estimate(session, oracle))
        assert session.labels_used == 200
    assert not set(asked) & set(known.tolist())
    assert made[0].labels_used == 200 + len(known)
    assert_right(made, truths(group, values)[0][target])


@pytest.mark.parametrize("target", ["count", "sum"])
def test_groups_have_known_rows_of_their_own(target):
    proxies, group, values = world()
    rows = worst_choice(group)
    known = {"b": Known(ids=rows, positives=group[rows] == 1, values=values[rows])}
    asked = {"a": set(), "b": set()}

    def oracle(k, name):
        def answer(ids):
            asked[name].update(ids.tolist())
            return group[ids] == k, values[ids]

        return answer

    oracles = {name: oracle(k, name) for k, name in enumerate("ab")}
    made = []
    for seed in range(60):
        params = EstimateParams(target=target, budget=300, seed=seed)
        session = OverlappingGroupsSession.start(proxies, params, known=known)
        made.append(run_overlapping_groups(session, oracles))
    assert not asked["b"] & set(rows.tolist())
    assert asked["a"] & set(rows.tolist())
    for k, name in enumerate("ab"):
        assert_right([one[name] for one in made], truths(group, values)[k][target])


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_classes_count_known_rows_exactly_and_ask_for_others(target):
    proxies, group, values = world()
    rows = worst_choice(group)
    known = KnownGroups(ids=rows, groups=group[rows], values=values[rows])
    made, asked = [], []

    def oracle(ids):
        asked.extend(ids.tolist())
        return group[ids], values[ids]

    for seed in range(60):
        params = EstimateParams(target=target, budget=300, seed=seed)
        session = DisjointGroupsSession.start(proxies, params, known=known)
        made.append(run_disjoint_groups(session, oracle))
    assert not set(asked) & set(rows.tolist())
    assert made[-1]["a"].labels_used == session.labels_used + len(rows)
    assert f"{len(rows)} rows were labelled before" in made[-1]["a"].note
    for k, name in enumerate("ab"):
        assert_right([one[name] for one in made], truths(group, values)[k][target])


def test_everything_labelled_or_known_is_the_truth_with_no_width():
    proxies, group, values = world()
    rows = np.arange(0, N, 2)
    open_rows = N - len(rows)
    params = EstimateParams(target="sum", budget=open_rows)
    classes = run_disjoint_groups(
        DisjointGroupsSession.start(
            proxies,
            params,
            known=KnownGroups(ids=rows, groups=group[rows], values=values[rows]),
        ),
        lambda ids: (group[ids], values[ids]),
    )
    chosen = run_estimate(
        ChoosingSession.start(
            proxies,
            params,
            known=Known(ids=rows, positives=group[rows] == 0, values=values[rows]),
        ),
        lambda ids: (group[ids] == 0, values[ids]),
    )
    truth = truths(group, values)
    assert chosen.value == pytest.approx(truth[0]["sum"])
    assert chosen.high - chosen.low == pytest.approx(0, abs=1e-6)
    # Classes leave a little of the budget unspent, which rows drawn twice saved.
    for k, name in enumerate("ab"):
        assert classes[name].low <= truth[k]["sum"] <= classes[name].high


class Case(NamedTuple):
    """A session of a kind: what makes it, what is known, and how it is finished."""

    make: type
    known: object
    finish: Callable


def case_of(kind, answers, one, many):
    return {
        "choosing": Case(
            ChoosingSession,
            one,
            lambda s: run_estimate(s, lambda names: answers(names, 0)),
        ),
        "groups": Case(
            OverlappingGroupsSession,
            {"a": one},
            lambda s: run_overlapping_groups(
                s,
                {
                    "a": lambda names: answers(names, 0),
                    "b": lambda names: answers(names, 1),
                },
            ),
        ),
        "classes": Case(
            DisjointGroupsSession,
            many,
            lambda s: run_disjoint_groups(s, answers),
        ),
    }[kind]


@pytest.mark.parametrize("after", [0, 50, 150, 240])
@pytest.mark.parametrize("kind", ["choosing", "groups", "classes"])
def test_kill_and_resume_keeps_what_was_known(kind, after):
    proxies, group, values = world()
    rows = worst_choice(group)
    ids = np.array([f"r{row}" for row in range(N)])
    params = EstimateParams(target="avg", budget=250, seed=2)
    one = Known(ids=ids[rows], positives=group[rows] == 0, values=values[rows])
    many = KnownGroups(ids=ids[rows], groups=group[rows], values=values[rows])

    def answers(names, k=None):
        asked = np.array([int(name[1:]) for name in names.tolist()])
        return group[asked] if k is None else group[asked] == k, values[asked]

    make, known, finish = case_of(kind, answers, one, many)
    expected = finish(make.start(proxies, params, ids=ids, known=known))
    session = make.start(proxies, params, ids=ids, known=known)
    while (left := after - session.labels_used) > 0:
        batch = session.next_batch()
        if kind == "groups":
            name, batch = batch
            names = batch.ids[:left]
            session.submit(name, names, *answers(names, "ab".index(name)))
        else:
            names = batch.ids[:left]
            session.submit(names, *answers(names, 0 if kind == "choosing" else None))
    state = json.loads(json.dumps(session.state()))
    assert finish(make.resume(state, proxies, ids=ids)) == expected


def test_known_labels_that_do_not_fit_are_refused():
    proxies, _, _ = world()
    params = EstimateParams(budget=200)
    with pytest.raises(DuplicateIdError):
        ChoosingSession.start(
            proxies, params, known=Known(ids=[1, 1], positives=[1, 0])
        )
    with pytest.raises(InvalidInputError, match=r"1 of 1 known groups .*: \['c'\]"):
        OverlappingGroupsSession.start(
            proxies, params, known={"c": Known(ids=[1], positives=[1])}
        )
    start = DisjointGroupsSession.start
    with pytest.raises(InvalidInputError, match=r"1 of 2 groups are not in -1\.\.1"):
        start(proxies, params, known=KnownGroups(ids=[1, 2], groups=[2, -1]))
    with pytest.raises(UnknownIdError, match=f"{N}"):
        start(proxies, params, known=KnownGroups(ids=[N], groups=[0]))
    with pytest.raises(InvalidInputError, match="needs a value for each of 1"):
        start(
            proxies,
            EstimateParams(budget=200, target="avg"),
            known=KnownGroups(ids=[1], groups=[0]),
        )
    most = np.arange(N - 199)
    for make, known in (
        (ChoosingSession, Known(ids=most, positives=most * 0)),
        (DisjointGroupsSession, KnownGroups(ids=most, groups=most * 0)),
    ):
        with pytest.raises(
            InvalidParamsError, match="budget is 200, but there are 199 rows without"
        ):
            make.start(proxies, params, known=known)
    session = start(proxies, params, known=KnownGroups(ids=[5], groups=[0]))
    with pytest.raises(InvalidInputError, match="not asked for: 5"):
        session.submit([5], [0])
