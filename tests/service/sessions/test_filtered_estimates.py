"""Estimates among the vectors that pass a filter, against the library."""

from typing import Any

import numpy as np
import pytest
from filtered_world import (
    AMONG,
    FILTER,
    IDS,
    MASK,
    PROXY,
    M,
    held,
    known_of,
    spoil_payload,
    start_estimate,
    values_of,
)

import gleann
from gleann.selection.estimate import (
    ChoosingSession,
    DisjointGroupsSession,
    EstimateParams,
    EstimateSession,
    Known,
    KnownGroups,
    OverlappingGroupsSession,
    TastiSession,
    propagate_labels,
)


def library_estimate(rows: np.ndarray, kind: str, params: EstimateParams) -> Any:
    given: Any = {"ids": IDS, "known": known_of(inside=False), "among": MASK}
    if kind == "scores":
        return EstimateSession.start(PROXY, params, **given)
    if kind == "candidates":
        proxies = {"p": PROXY, "q": 1 - PROXY}
        return ChoosingSession.start(proxies, params, **given)
    return TastiSession.start(rows, params, first=10, **given)


@pytest.mark.parametrize("target", ["count", "sum"])
@pytest.mark.parametrize("kind", ["scores", "candidates", "index"])
def test_an_estimate_is_that_of_the_library(
    split: gleann.Client, rows: np.ndarray, kind: str, target: Any
) -> None:
    params = EstimateParams(target=target, budget=50, strata=3, seed=2)
    session = start_estimate(split, kind, params)
    here = library_estimate(rows, kind, params)
    spoil_payload(split)
    while len((batch := split.next_batch(session)).ids):
        expected = here.next_batch()
        assert batch.ids.tolist() == expected.ids.tolist()
        assert MASK[batch.ids // 10].all()
        given = batch.ids, held(batch.ids), values_of(batch.ids)
        split.submit_labels(session, *given[:2], values=given[2])
        here.submit(*given)
    made, want = split.estimates.get(session), here.estimate()
    assert made.value == want.value
    assert (made.low, made.high) == (want.low, want.high)
    assert made.rows == want.rows == M
    assert made.provenance["among"] == AMONG
    assert made.provenance["known_outside"] == want.provenance["known_outside"] > 0


def test_examples_that_do_not_pass_make_the_proxy_only(
    split: gleann.Client, rows: np.ndarray
) -> None:
    params = EstimateParams(budget=40, strata=2)
    session = start_estimate(split, "examples", params)
    labels = held(IDS[:40])
    here = EstimateSession.start(
        propagate_labels(rows, rows=np.arange(40), labels=labels.astype(float)),
        params,
        ids=IDS,
        known=Known(ids=IDS[:40], positives=labels),
        among=MASK,
    )
    while len((batch := split.next_batch(session)).ids):
        assert batch.ids.tolist() == here.next_batch().ids.tolist()
        split.submit_labels(session, batch.ids, held(batch.ids))
        here.submit(batch.ids, held(batch.ids))
    made = split.estimates.get(session)
    assert made.value == here.estimate().value
    assert made.rows == M
    assert made.provenance["known_outside"] == int((~MASK[:40]).sum())


@pytest.mark.parametrize("overlapping", [False, True])
def test_groups_are_those_of_the_library(
    split: gleann.Client, overlapping: bool
) -> None:
    params = EstimateParams(budget=48, strata=2, seed=3)
    columns = {"a": PROXY, "b": 1 - PROXY}
    ids = IDS[:60]
    numbers = np.where(held(ids), 0, -1)
    known: Any = KnownGroups(ids=ids, groups=numbers)
    if overlapping:
        known = {"a": Known(ids=ids, positives=held(ids))}
    session = split.groups.start(
        "built",
        params=params,
        proxies={name: (IDS[MASK], one[MASK]) for name, one in columns.items()},
        overlapping=overlapping,
        known=known,
        **FILTER,
    )
    kind = OverlappingGroupsSession if overlapping else DisjointGroupsSession
    here: Any = kind.start(columns, params, ids=IDS, known=known, among=MASK)
    spoil_payload(split)
    while batches := split.groups.next_batches(session):
        for name, batch in batches.items():
            assert MASK[batch.ids // 10].all()
            if overlapping:
                expected = here.next_batches()[name]
                split.groups.submit_labels(
                    session, batch.ids, held(batch.ids), group=name
                )
                here.submit(name, batch.ids, held(batch.ids))
            else:
                expected = here.next_batch()
                answers = np.where(held(batch.ids), 0, -1)
                split.groups.submit_labels(session, batch.ids, answers)
                here.submit(batch.ids, answers)
            assert batch.ids.tolist() == expected.ids.tolist()
    made, want = split.groups.get(session), here.estimates()
    for name in "ab":
        assert made[name].value == want[name].value
        assert made[name].rows == M
        assert made[name].provenance["among"] == AMONG
