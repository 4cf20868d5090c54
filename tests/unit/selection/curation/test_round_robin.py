"""Round robin for targets, against the full matrix of targets and rows."""

import numpy as np
import pytest
from target_reference import brute_round_robin, distances_of

import gleann
from gleann.index.errors import (
    CancelledError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    UnknownIdError,
    ZeroVectorError,
)
from gleann.selection.curation.target import (
    Limits,
    RoundRobinRequest,
    Targets,
    round_robin,
)
from gleann.selection.curation.target.depth import depth_for, expected_share
from gleann.selection.heads import MOST_TIED

N, DIM, M = 300, 6, 7


def build(rows, *, ids=None, metric="l2", **more):
    params = gleann.BuildParams(metric=metric, nlist=8, tune_queries=0, **more)
    return gleann.SoarIndex.build(rows, params, ids=ids)


def world(seed=0, *, n=N, tied=False, shift=0.0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, DIM)) + shift
    targets = rng.normal(size=(M, DIM)) + 0.5 + shift
    if tied:
        rows, targets = rng.integers(0, 2, (n, DIM)), rng.integers(0, 2, (M, DIM))
    return np.float32(rows), np.float32(targets)


def asked(targets, budget, **more):
    return RoundRobinRequest(
        targets=targets, budget=budget, **{"target_recall": 1.0, **more}
    )


def brute(index, targets, *, budget, is_open=None, tasks=None, **more):
    return brute_round_robin(
        distances_of(targets, index.vectors, index.metric),
        index.ids,
        tasks=list(range(len(targets))) if tasks is None else tasks,
        budget=budget,
        is_open=np.ones(len(index), bool) if is_open is None else is_open,
        **more,
    )


@pytest.mark.parametrize("kind", ["apart", "tied", "far", "one row"])
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("ids", ["rows", "shuffled", "texts"])
def test_exhaustive_lists_give_the_turns_of_the_full_matrix(metric, kind, ids):
    if metric == "cosine" and kind == "tied":
        pytest.skip("zero vectors have no cosine")
    n = 1 if kind == "one row" else N
    rows, targets = world(n=n, tied=kind == "tied", shift=1000 * (kind == "far"))
    shuffled = np.random.default_rng(1).permutation(n)
    names = {"rows": None, "shuffled": shuffled, "texts": [f"{x}" for x in shuffled]}
    params = gleann.BuildParams(metric=metric, nlist=min(8, n), tune_queries=0)
    index = gleann.SoarIndex.build(rows, params, ids=names[ids])
    found = round_robin(index, asked(targets, 120))
    prepared = targets
    if metric == "cosine":
        wide = targets.astype(np.float64)
        prepared = np.float32(wide / np.linalg.norm(wide, axis=1, keepdims=True))
    want = brute(index, prepared, budget=120)
    assert found.rows.tolist() == [row for row, _ in want]
    assert found.why["target"].tolist() == [target for _, target in want]
    assert found.ids.tolist() == index.ids[found.rows].tolist()
    assert found.summary["shortfall"] == 120 - len(want)


@pytest.mark.parametrize("seed", range(3))
def test_tasks_take_turns_by_the_nearest_of_their_targets(seed):
    rows, targets = world(seed)
    # Scales that differ by far: no distance of one task is ever compared with another.
    targets[3:] *= 30
    tasks = ["b", "a", "b", "a", "c", "a", "c"]
    index = build(rows, ids=np.random.default_rng(seed).permutation(N))
    found = round_robin(index, asked(Targets(vectors=targets, tasks=tasks), 200))
    want = brute(index, targets, budget=200, tasks=tasks)
    assert found.rows.tolist() == [row for row, _ in want]
    assert found.why["task"].tolist() == [task for _, task in want]
    counts = np.unique(found.why["task"], return_counts=True)[1]
    assert counts.max() - counts.min() <= 1
    distances = distances_of(targets, index.vectors, "l2")
    own = distances[found.why["target"], found.rows]
    assert found.why["distance"].tolist() == own.tolist()


@pytest.mark.parametrize("recall", [0.8, 1.0])
@pytest.mark.parametrize("tasks", [None, ["a"] * 3 + ["b"] * 4])
def test_a_smaller_budget_takes_the_first_rows_of_a_larger(recall, tasks):
    rows, targets = world(2, n=3000)
    index = build(rows)
    wanted = Targets(vectors=targets, tasks=tasks)
    whole = round_robin(index, asked(wanted, 1500, target_recall=recall))
    assert len(set(whole.rows.tolist())) == 1500
    for budget in (1, 50, 333, 900):
        part = round_robin(index, asked(wanted, budget, target_recall=recall))
        assert part.rows.tolist() == whole.rows[:budget].tolist()


def test_targets_that_are_rows_are_excluded_or_allowed_as_stated():
    rows, _ = world()
    ids = np.arange(N) * 2
    index = build(rows, ids=ids)
    own = [4, 10, 200]
    without = round_robin(index, asked(Targets(ids=own), 30))
    assert not np.isin(own, without.ids).any()
    is_open = ~np.isin(ids, own)
    want = brute(index, rows[[2, 5, 100]], budget=30, is_open=is_open)
    assert without.rows.tolist() == [row for row, _ in want]
    allowed = round_robin(index, asked(Targets(ids=own, own_rows="allow"), 30))
    assert allowed.ids[:3].tolist() == own
    assert allowed.why["distance"][:3].tolist() == [0, 0, 0]
    # As vectors they are rows like others: nothing but an id tells a target.
    by_vector = round_robin(index, asked(rows[[2, 5, 100]], 30))
    assert by_vector.rows.tolist() == allowed.rows.tolist()


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_some_rows_give_what_a_copy_of_them_gives(share):
    rows, targets = world(3, n=2000)
    mask = np.random.default_rng(0).random(2000) < share
    ids = np.random.default_rng(1).permutation(2000)
    excluded = ids[mask][:3]
    whole = build(rows, ids=ids)
    found = round_robin(
        whole, asked(targets, 60, limits=Limits(among=mask, excluded=excluded))
    )
    copy = build(rows[mask], ids=ids[mask])
    alone = round_robin(copy, asked(targets, 60, limits=Limits(excluded=excluded)))
    assert found.ids.tolist() == alone.ids.tolist()
    assert found.why["distance"].tolist() == alone.why["distance"].tolist()
    assert found.summary["shortfall"] == alone.summary["shortfall"]
    assert found.provenance["among"] == {"rows": int(mask.sum()), "of": 2000}
    by_id = round_robin(
        whole, asked(targets, 60, limits=Limits(among=ids[mask], excluded=excluded))
    )
    assert by_id.rows.tolist() == found.rows.tolist()


def test_caps_hold_and_what_they_leave_open_is_a_shortfall():
    rows, targets = world(4)
    groups = np.array(["x", "y", "z"])[np.arange(N) % 3]
    index = build(rows)
    caps = {"x": 5, "y": 40, "z": 0}
    limits = Limits(groups=groups, caps=caps)
    found = round_robin(index, asked(targets, 60, limits=limits))
    want = brute(index, targets, budget=60, groups=groups, caps=caps)
    assert found.rows.tolist() == [row for row, _ in want]
    names, counts = np.unique(groups[found.rows], return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"x": 5, "y": 40}
    assert found.summary["shortfall"] == 15
    named = Limits(groups=groups, caps={"x": 1})
    some = round_robin(index, asked(targets, 60, limits=named))
    assert (groups[some.rows] == "x").sum() == 1
    assert some.summary["shortfall"] == 0
    every = round_robin(index, asked(targets, 60, limits=Limits(groups=groups, caps=4)))
    assert np.unique(groups[every.rows], return_counts=True)[1].tolist() == [4, 4, 4]


def test_a_budget_beyond_the_rows_takes_all_and_says_how_many_are_missing():
    rows, targets = world(5, n=40)
    found = round_robin(build(rows), asked(targets, 100))
    assert sorted(found.rows.tolist()) == list(range(40))
    assert found.summary["shortfall"] == 60


def test_equal_rows_are_taken_in_the_order_of_their_ids():
    ids = np.random.default_rng(0).permutation(3000)
    index = build(np.ones((3000, 3), np.float32), ids=ids)
    found = round_robin(index, asked(np.ones((4, 3)), 50))
    assert found.ids.tolist() == list(range(50))


def test_a_tie_of_very_many_rows_is_not_searched_to_its_end():
    ids = np.random.default_rng(0).permutation(3 * MOST_TIED)
    index = build(np.ones((len(ids), 3), np.float32), ids=ids)
    found = round_robin(index, asked(np.ones((4, 3)), 50))
    assert found.summary["deepest"] == MOST_TIED
    assert found.ids.tolist() == sorted(index.ids[:MOST_TIED])[:50]


def test_a_search_reads_no_deeper_than_the_turns_go():
    rows, targets = world(6, n=4000)
    index = build(rows)
    assert round_robin(index, asked(targets, 70)).summary["deepest"] <= 64
    tasks = Targets(vectors=targets, tasks=[0] * M)
    assert round_robin(index, asked(tasks, 64)).summary["deepest"] < 64


def test_progress_is_reported_and_can_stop_the_choice():
    rows, targets = world(7)
    seen = []
    index = build(rows)
    round_robin(index, asked(targets, 20), progress=seen.append)
    assert (seen[0].phase, seen[0].done, seen[0].total) == ("choose", 0, 20)

    def cancel(progress):
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        round_robin(index, asked(targets, 20), progress=cancel)


def test_provenance_names_data_targets_and_parameters():
    rows, targets = world(8)
    index = build(rows)
    found = round_robin(index, asked(targets, 5))
    other = round_robin(index, asked(targets + 1, 5))
    assert found.provenance["method"] == "round_robin"
    assert found.provenance["data_hash"] == index.data_hash
    assert found.provenance["params"]["budget"] == 5
    hashes = [one.provenance["params"]["targets_hash"] for one in (found, other)]
    assert hashes[0] != hashes[1]


def test_what_cannot_be_used_is_refused_with_both_numbers():
    rows, targets = world(9)
    index = build(rows)
    cases = [
        (np.empty((0, DIM)), InvalidInputError, r"targets is empty: shape \(0, 6\)"),
        (Targets(ids=np.empty(0, int)), InvalidInputError, "targets has 0 ids"),
        (targets[:, :4], DimensionMismatchError, "4 dimensions, expected 6"),
        (Targets(ids=[3, 3]), DuplicateIdError, "3"),
        (Targets(ids=[N + 5]), UnknownIdError, f"{N + 5}"),
        (
            Targets(vectors=targets, tasks=["a"] * 3),
            DimensionMismatchError,
            "tasks has 3 entries for 7 targets",
        ),
    ]
    for given, error, words in cases:
        with pytest.raises(error, match=words):
            round_robin(index, asked(given, 5))
    with pytest.raises(InvalidInputError, match="got neither"):
        Targets()
    with pytest.raises(InvalidInputError, match="got both"):
        Targets(vectors=targets, ids=[1])
    with pytest.raises(InvalidParamsError, match="own_rows must be one of"):
        Targets(ids=[1], own_rows="perhaps")
    with pytest.raises(InvalidParamsError, match="budget must be at least 1, got 0"):
        asked(targets, 0)
    with pytest.raises(InvalidParamsError, match=r"target_recall must be in \(0, 1\]"):
        asked(targets, 5, target_recall=1.5)
    with pytest.raises(ZeroVectorError, match="row 0"):
        round_robin(build(rows, metric="cosine"), asked(np.zeros((2, DIM)), 5))


def test_limits_that_do_not_fit_are_refused():
    rows, targets = world(9)
    index = build(rows)
    with pytest.raises(InvalidInputError, match="groups need caps"):
        Limits(groups=[1])
    with pytest.raises(InvalidInputError, match="caps need groups"):
        Limits(caps=3)
    with pytest.raises(InvalidParamsError, match="cap of 'a' must be at least 0"):
        Limits(groups=["a"], caps={"a": -1})
    for limits, error, words in (
        (Limits(among=np.zeros(N, bool)), InvalidInputError, f"0 of {N} rows"),
        (Limits(among=np.ones(5, bool)), DimensionMismatchError, f"for {N} rows"),
        (Limits(excluded=[N]), UnknownIdError, f"{N}"),
        (
            Limits(groups=[1, 2], caps=1),
            DimensionMismatchError,
            f"groups has 2 entries for {N} rows",
        ),
        (
            Limits(groups=["a"] * N, caps={"b": 1}),
            InvalidParamsError,
            "a cap for group 'b', but groups are 'a'",
        ),
    ):
        with pytest.raises(error, match=words):
            round_robin(index, asked(targets, 5, limits=limits))


@pytest.mark.parametrize(("targets", "depth"), [(4, 31), (8, 18), (16, 11), (1, 100)])
def test_heads_are_as_deep_as_hire_says_for_a_hundred_rows(targets, depth):
    assert depth_for(100, targets) == depth
    assert expected_share(100, targets, depth) >= 0.99
    if targets > 1:
        assert expected_share(100, targets, depth - 1) < 0.99


def test_the_expected_share_of_heads_is_what_random_owners_give():
    rng = np.random.default_rng(0)
    owners = rng.integers(0, 8, (4000, 100))
    held = [np.minimum(np.bincount(one, minlength=8), 18).sum() for one in owners]
    assert np.mean(held) / 100 == pytest.approx(expected_share(100, 8, 18), abs=0.001)
