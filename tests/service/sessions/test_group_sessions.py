"""Group-by and proxies from the index, through the service and across restarts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import errors
from gleann.selection import (
    EstimateParams,
    TastiSession,
    estimate_disjoint_groups,
    estimate_overlapping_groups,
    run_estimate,
)
from gleann.service.stubs import Stubs

IDS = np.arange(240) * 10
PARAMS = EstimateParams(target="sum", budget=80, strata=3, seed=2)


def proxies_of(groups: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    noise = np.random.default_rng(4).random((2, 240)) * 0.4
    return {
        name: (IDS, np.where(groups == k, 0.6, 0.1) + noise[k])
        for k, name in enumerate("ab")
    }


def world(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A group, or none, of each vector, and a value."""
    groups = np.where(rows[:, 0] > 0.5, 0, np.where(rows[:, 1] > 0.8, 1, -1))
    return groups, np.abs(rows[:, 2]) + 1


def label(
    client: gleann.Client, session: Any, rows: np.ndarray, most: int = 1000
) -> list[int]:
    """Answer so many labels; the ids that were asked for, in order."""
    groups, values = world(rows)
    asked: list[int] = []
    while len(asked) < most and (batches := client.groups.next_batches(session)):
        for name, batch in batches.items():
            ids = batch.ids[: most - len(asked)]
            at = ids // 10
            if not len(ids):
                continue
            if name:
                held = groups[at] == "ab".index(name)
                client.groups.submit_labels(
                    session, ids, held, group=name, values=values[at]
                )
            else:
                client.groups.submit_labels(session, ids, groups[at], values=values[at])
            asked += ids.tolist()
    return asked


def expected(rows: np.ndarray, *, overlapping: bool) -> dict[str, Any]:
    groups, values = world(rows)
    proxies = {name: numbers for name, (_, numbers) in proxies_of(groups).items()}
    if overlapping:
        oracles = {
            name: lambda ids, k=k: (groups[ids // 10] == k, values[ids // 10])
            for k, name in enumerate("ab")
        }
        return estimate_overlapping_groups(proxies, oracles, PARAMS, ids=IDS)
    return estimate_disjoint_groups(
        proxies, lambda ids: (groups[ids // 10], values[ids // 10]), PARAMS, ids=IDS
    )


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("after", [0, 15, 55])
def test_groups_go_on_after_a_restart_to_the_library_s_estimates(
    tmp_path: Path, rows: np.ndarray, quick: Any, overlapping: bool, after: int
) -> None:
    groups, _ = world(rows)
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", IDS, rows)
        client.build("a", quick).wait(timeout=60)
        session = client.groups.start(
            "a", params=PARAMS, proxies=proxies_of(groups), overlapping=overlapping
        )
        assert session.kind == "groups"
        first = label(client, session, rows, after)
        wanted = client.groups.next_batches(session)
    with gleann.Client(tmp_path) as client:
        again = client.groups.next_batches(session)
        assert list(again) == list(wanted)
        assert list(wanted)[-1:] == (["b"] if overlapping else [""])
        for name, batch in wanted.items():
            assert again[name].ids.tolist() == batch.ids.tolist()
        asked = first + label(client, session, rows)
        assert client.sessions.get(session).labelled == len(asked) <= 80
        assert client.groups.next_batches(session) == {}
        made = client.groups.get(session)
    right = expected(rows, overlapping=overlapping)
    assert list(made) == ["a", "b"]
    for name, one in made.items():
        assert (one.value, one.low, one.high) == (
            right[name].value,
            right[name].low,
            right[name].high,
        )
        assert one.uniform_width == right[name].uniform_width


def test_labels_of_the_other_kind_are_refused_and_change_nothing(
    built: gleann.Client, stubs: Stubs, rows: np.ndarray
) -> None:
    groups, _ = world(rows)
    start = {"params": PARAMS, "proxies": proxies_of(groups)}
    naming = built.groups.start("built", **start)
    own = built.groups.start("built", overlapping=True, **start)
    ids = built.groups.next_batches(naming)[""].ids[:2]
    with pytest.raises(errors.InvalidInputError, match="name the group: give groups"):
        built.groups.submit_labels(naming, ids, [True, False], group="a")
    with pytest.raises(errors.InvalidInputError, match=r"1 of 2 groups are not in"):
        built.groups.submit_labels(naming, ids, [0, 2], values=[1, 1])
    with pytest.raises(errors.InvalidInputError, match="needs a value for each of 2"):
        built.groups.submit_labels(naming, ids, [0, 1])
    batches = built.groups.next_batches(own)
    with pytest.raises(errors.InvalidInputError, match="asks its own question"):
        built.groups.submit_labels(own, batches["a"].ids[:1], [0])
    with pytest.raises(errors.InvalidInputError, match="there is no group 'c'"):
        built.groups.submit_labels(own, batches["a"].ids[:1], [True], group="c")
    with pytest.raises(errors.NotReadyError, match="0 are there"):
        built.groups.get(naming)
    for session in (naming, own):
        assert built.sessions.get(session).labelled == 0
        with pytest.raises(errors.InvalidInputError, match="groups, not estimate"):
            stubs.estimate.GetEstimate(
                gleann.v1.estimate_pb2.GetEstimateRequest(  # type: ignore[attr-defined]
                    session=session.name
                )
            )


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"params": EstimateParams(budget=241)}, errors.InvalidParamsError, "240"),
        ({"params": EstimateParams(budget=19)}, errors.InvalidParamsError, "need 20"),
        (
            {"params": EstimateParams(budget=80, rounds=3)},
            errors.InvalidParamsError,
            "2 rounds",
        ),
        ({"one": True}, errors.InvalidInputError, "at least 2 proxies, got 1"),
        ({"short": True}, errors.DimensionMismatchError, "9 numbers"),
        ({"nan": True}, errors.NonFiniteError, "240 of 240 are not finite"),
    ],
)
def test_groups_that_cannot_be_estimated_are_refused(
    change: dict[str, Any],
    error: type[Exception],
    says: str,
    built: gleann.Client,
    rows: np.ndarray,
) -> None:
    proxies = proxies_of(world(rows)[0])
    if "one" in change:
        proxies.pop("b")
    if "short" in change:
        proxies["b"] = (IDS[:9], np.zeros(9))
    if "nan" in change:
        proxies["b"] = (IDS, np.full(240, np.nan))
    with pytest.raises(error, match=says):
        built.groups.start(
            "built", params=change.get("params", PARAMS), proxies=proxies
        )


@pytest.mark.parametrize("after", [0, 10, 35])
def test_proxies_from_the_index_go_on_after_a_restart(
    tmp_path: Path, rows: np.ndarray, quick: Any, after: int
) -> None:
    groups, values = world(rows)
    params = EstimateParams(
        target="avg", budget=90, strata=3, rounds=3, strata_cut="geometric"
    )

    def answer(client: gleann.Client, session: Any, most: int) -> list[int]:
        asked: list[int] = []
        while len(asked) < most and len(batch := client.next_batch(session)):
            ids = batch.ids[: most - len(asked)]
            held = groups[ids // 10] == 0
            client.submit_labels(session, ids, held, values=values[ids // 10])
            asked += ids.tolist()
        return asked

    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", IDS, rows)
        client.build("a", quick).wait(timeout=60)
        session = client.estimates.start("a", params=params, representatives=20)
        first = answer(client, session, after)
        wanted = client.next_batch(session)
    with gleann.Client(tmp_path) as client:
        assert client.next_batch(session).ids.tolist() == wanted.ids.tolist()
        asked = first + answer(client, session, 1000)
        made = client.estimates.get(session)
    library: list[int] = []

    def oracle(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        library.extend(ids.tolist())
        return groups[ids // 10] == 0, values[ids // 10]

    right = run_estimate(
        TastiSession.start(rows, params, first=20, ids=IDS), oracle, chunk=1000
    )
    assert sorted(asked) == sorted(library)
    assert len(asked) == len(set(asked)) == made.labels_used == 90
    assert (made.value, made.low, made.high) == (right.value, right.low, right.high)


def test_proxies_from_the_index_that_cannot_be_made(built: gleann.Client) -> None:
    start = built.estimates.start
    params = EstimateParams(budget=60, strata=3)
    even = replace(params, allocation="even")
    with pytest.raises(errors.InvalidParamsError, match="at least 2 labels"):
        start("built", params=even, representatives=1)
    with pytest.raises(errors.InvalidParamsError, match="59 representatives leave 1"):
        start("built", params=params, representatives=59)
    with pytest.raises(errors.InvalidParamsError, match="one of proxy, examples and"):
        start("built", params=params, representatives=9, examples=([0], [1.0]))


@pytest.mark.parametrize("target", ["count", "avg"])
def test_equal_proxies_and_no_positive_are_answered_and_said(
    target: Any, built: gleann.Client
) -> None:
    params = EstimateParams(target=target, budget=60, strata=3)
    nothing = np.zeros(240)
    flat = (IDS, nothing + 0.3)
    one = built.estimates.start("built", params=params, proxy=flat)
    fresh = built.estimates.start("built", params=params, representatives=20)
    many = built.groups.start("built", params=params, proxies={"a": flat, "b": flat})
    for session in (one, fresh):
        while len(batch := built.next_batch(session)):
            built.submit_labels(
                session,
                batch.ids,
                nothing[: len(batch)] > 0,
                values=nothing[: len(batch)],
            )
    while batches := built.groups.next_batches(many):
        ids = batches[""].ids
        outside = np.full(len(ids), -1)
        built.groups.submit_labels(many, ids, outside, values=outside * 1.0)
    made = [
        built.estimates.get(one),
        built.estimates.get(fresh),
        *built.groups.get(many).values(),
    ]
    for estimate in made:
        assert estimate.value == (0 if target == "count" else None)
        assert (estimate.high is None) == (target == "avg")
        assert "no positive among" in estimate.note
        assert estimate.abae_width is None


def test_a_label_given_twice_counts_once_and_another_is_refused(
    built: gleann.Client, rows: np.ndarray
) -> None:
    proxies = proxies_of(world(rows)[0])
    params = EstimateParams(budget=80, strata=3)
    session = built.groups.start("built", params=params, proxies=proxies)
    ids = built.groups.next_batches(session)[""].ids[:3]
    for _ in range(2):
        after = built.groups.submit_labels(session, ids, [0, 1, -1])
        assert after.labelled == 3
    with pytest.raises(errors.InvalidInputError, match="1 of 3 labels differ"):
        built.groups.submit_labels(session, ids, [0, 1, 1])
    with pytest.raises(errors.DuplicateIdError, match="2 times"):
        built.groups.submit_labels(session, ids[[0, 0]], [0, 0])
    with pytest.raises(errors.UnknownIdError):
        built.groups.submit_labels(session, [7], [0])
    assert built.sessions.get(session).labelled == 3
