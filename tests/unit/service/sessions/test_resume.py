"""Resuming saved states: the format names the class; missing parts are refused."""

from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import CorruptDataError
from gleann.selection.estimate import (
    EstimateParams,
    EstimateSession,
    OverlappingGroupsSession,
)
from gleann.selection.estimate.means import MeansParams, MeansSession, Statistic
from gleann.selection.promises import (
    AuditParams,
    BatchAudit,
    PromiseParams,
    PromiseSession,
)
from gleann.service.sessions.known_columns import KnownColumns, packed
from gleann.service.sessions.resume import resume

N = 60
PARAMS = EstimateParams(budget=30, strata=3)


@pytest.fixture(scope="module")
def index() -> SoarIndex:
    rows = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    return SoarIndex.build(rows, BuildParams(metric="l2", nlist=2, tune_queries=0))


def proxies() -> dict[str, np.ndarray]:
    return {
        name: np.random.default_rng(seed).random(N) for seed, name in enumerate("ab")
    }


def test_the_format_names_the_class(index: SoarIndex) -> None:
    one = EstimateSession.start(proxies()["a"], PARAMS, ids=index.ids)
    again = resume(one.state(), index, proxies()["a"].tobytes(), kind="estimate")
    assert isinstance(again, EstimateSession)
    assert again.next_batch().ids.tolist() == one.next_batch().ids.tolist()
    groups = OverlappingGroupsSession.start(proxies(), PARAMS, ids=index.ids)
    kept = np.concatenate(list(proxies().values())).tobytes()
    assert isinstance(
        resume(groups.state(), index, kept, kind="groups"), OverlappingGroupsSession
    )


@pytest.mark.parametrize(
    ("change", "proxy", "says"),
    [
        (
            {"format": "gleann.other/1"},
            True,
            "'gleann.other/1', of no estimate session",
        ),
        ({"format": 7}, True, "format is 7, of no estimate session"),
        ({"format": "gleann.estimate/999"}, True, "gleann.estimate/999"),
        ({}, False, "no scores were kept"),
        ({"format": "gleann.estimate-groups/1"}, True, "does not name its proxies"),
    ],
)
def test_what_cannot_be_resumed_is_refused(
    index: SoarIndex, change: dict[str, Any], proxy: bool, says: str
) -> None:
    column = proxies()["a"]
    state = EstimateSession.start(column, PARAMS, ids=index.ids).state() | change
    with pytest.raises(CorruptDataError, match=says):
        resume(state, index, column.tobytes() if proxy else None, kind="estimate")


def test_scores_of_a_broken_length_are_refused(index: SoarIndex) -> None:
    column = proxies()["a"]
    state = EstimateSession.start(column, PARAMS, ids=index.ids).state()
    with pytest.raises(CorruptDataError, match="not 8 a score"):
        resume(state, index, column.tobytes()[:-3], kind="estimate")


def test_promises_audits_and_means_are_resumed_with_what_was_kept(
    index: SoarIndex,
) -> None:
    column, ids = proxies()["a"], index.ids
    promise = PromiseSession.start(column, PromiseParams(budget=20), ids=ids)
    asked = promise.next_batch().ids.tolist()
    again: Any = resume(promise.state(), index, column.tobytes(), kind="promise")
    assert again.next_batch().ids.tolist() == asked
    rows = np.array([5.0, 3.0, 8.0])
    audit = BatchAudit(ids[[5, 3, 8]], AuditParams(size=2))
    again = resume(audit.state(), index, rows.tobytes(), kind="audit")
    assert again.pending.tolist() == audit.pending.tolist()
    known = KnownColumns(controls={"x": column}, groups={"g": np.arange(N) % 3})
    params = MeansParams(
        statistics=(Statistic(name="s"),), budget=30, stratify_by="x", strata=2
    )
    means = MeansSession.start(
        params, controls=known.controls, groups=known.groups, ids=ids
    )
    asked = means.next_batch().ids.tolist()
    again = resume(means.state(), index, packed(known), kind="means")
    assert again.next_batch().ids.tolist() == asked
    for state, kind, kept, says in (
        (promise.state(), "promise", None, "no scores were kept for a PromiseSession"),
        (promise.state(), "promise", proxies()["b"].tobytes(), "of proxies"),
        (audit.state(), "audit", np.array([5.0, N]).tobytes(), "has 60"),
        (audit.state(), "audit", rows[::-1].tobytes(), "is of"),
        (means.state(), "means", None, "0 bytes of columns"),
        (means.state(), "means", packed(known)[:-9], "cannot be read"),
    ):
        with pytest.raises(CorruptDataError, match=says):
            resume(state, index, kept, kind=kind)  # type: ignore[arg-type]
