"""A damaged state of a session is refused by name, whichever part was damaged.

Every session kind, at several stages: each part of its state in turn is deleted, given
another type, length or range. Refused is right, and so is to go on as if nothing had
happened; an error from inside is wrong, and so are other answers.
"""

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from damage import damaged

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import CorruptDataError
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    ChoosingSession,
    DisjointGroupsSession,
    EstimateParams,
    EstimateSession,
    IndexNeighbours,
    Known,
    KnownGroups,
    OverlappingGroupsSession,
    RoundsParams,
    RoundsSession,
    TastiSession,
)
from gleann.selection.saved import Saved

N = 80
RNG = np.random.default_rng(19)
ROWS = RNG.standard_normal((N, 3)).astype(np.float32)
HELD = ROWS[:, 0] > 0.3
SIGNS = np.stack([ROWS[:, 0] > 0, ROWS[:, 1] > 0], axis=1).astype(np.int64)
GROUPS = np.where(ROWS[:, 0] > 0.6, 0, np.where(ROWS[:, 1] > 0.6, 1, -1))
VALUES = np.round(ROWS[:, 2].astype(np.float64), 3)
PROXY = np.clip(ROWS[:, 0].astype(np.float64) / 4 + 0.5, 0.01, 0.99)
OTHER = np.clip(ROWS[:, 1].astype(np.float64) / 4 + 0.5, 0.01, 0.99)
PROXIES = {"a": PROXY, "b": OTHER}
NEAR = IndexNeighbours(SoarIndex.build(ROWS, BuildParams(metric="l2")))


@dataclass(frozen=True)
class Kind:
    """A session to begin, to answer once, and to take up again."""

    begin: Callable[[], Any]
    answer: Callable[[Any, int], list[Any]]
    resume: Callable[[dict[str, Any]], Any]


def active(**params: Any) -> Kind:
    seed = np.array([int(np.argmax(HELD)), int(np.argmin(HELD)), 3, 4, 5, 6])
    labels = SIGNS if params.get("concepts") else HELD.astype(np.int64)

    def begin() -> ActiveSession:
        return ActiveSession.start(
            ROWS,
            ActiveParams(batch=4, neighbours=5, **params),
            rows=seed,
            labels=labels[seed],
            neighbours=NEAR,
        )

    def answer(session: ActiveSession, at_most: int) -> list[Any]:
        if len(wanted := session.wanted()):
            chance = 0.2 + 0.6 * HELD[wanted]
            session.submit_probabilities(wanted, np.stack([1 - chance, chance], 1))
        batch = session.next_batch()
        session.submit_labels(batch.ids[:at_most], labels[batch.ids[:at_most]])
        told = (batch.ids, batch.scores, session.stop_advice())
        return [repr(part) for part in told]

    return Kind(
        begin, answer, lambda state: ActiveSession.resume(state, ROWS, neighbours=NEAR)
    )


def estimate(begin: Callable[[], Any], resume: Callable[[Any], Any]) -> Kind:
    def answer(session: Any, at_most: int) -> list[Any]:
        batch = session.next_batch()
        ids = batch.ids[:at_most]
        session.submit(ids, HELD[ids], VALUES[ids])
        return [repr(batch.ids), repr(batch.weights), session.done]

    return Kind(begin, answer, resume)


def classes() -> Kind:
    def begin() -> DisjointGroupsSession:
        rows = np.array([1, 2, 3])
        known = KnownGroups(ids=rows, groups=GROUPS[rows], values=VALUES[rows])
        params = EstimateParams(target="sum", budget=30, strata=2)
        return DisjointGroupsSession.start(PROXIES, params, known=known)

    def answer(session: DisjointGroupsSession, at_most: int) -> list[Any]:
        ids = session.next_batch().ids
        some = ids[:at_most]
        session.submit(some, GROUPS[some], VALUES[some])
        return [repr(ids), session.done, repr(session.split)]

    return Kind(
        begin, answer, lambda state: DisjointGroupsSession.resume(state, PROXIES)
    )


def groups() -> Kind:
    def begin() -> OverlappingGroupsSession:
        return OverlappingGroupsSession.start(
            PROXIES, EstimateParams(budget=30, strata=2)
        )

    def answer(session: OverlappingGroupsSession, at_most: int) -> list[Any]:
        batches = session.next_batches()
        for name, batch in batches.items():
            ids = batch.ids[:at_most]
            session.submit(name, ids, SIGNS[ids, "ab".index(name)])
        told = [(name, batch.ids) for name, batch in batches.items()]
        return [repr(told), session.done]

    return Kind(
        begin, answer, lambda state: OverlappingGroupsSession.resume(state, PROXIES)
    )


def rounds(picker: Any) -> Kind:
    seed = np.arange(30)

    def begin() -> RoundsSession:
        params = RoundsParams(picker=picker, batch=4)
        labels = HELD[seed].astype(np.int64)
        return RoundsSession.start(ROWS, params, rows=seed, labels=labels)

    def answer(session: RoundsSession, at_most: int) -> list[Any]:
        batch = session.next_batch()
        some = batch.ids[:at_most]
        session.submit_labels(some, HELD[some].astype(np.int64))
        return [repr(batch.ids), repr(batch.why), repr(batch.summary)]

    return Kind(begin, answer, lambda state: RoundsSession.resume(state, ROWS))


def _known() -> Known:
    rows = np.array([1, 2, 3, 4])
    return Known(ids=rows, positives=HELD[rows], values=VALUES[rows])


KINDS = {
    "active": active(),
    "active seals": active(pool="seals", strategy="margin"),
    "active anchors": active(pool="anchors", anchors=2),
    "active global": active(pool="global", classes=(0, 1)),
    "active given": active(pool="seals", model="given"),
    "active concepts": active(concepts=("x", "y")),
    "estimate": estimate(
        lambda: EstimateSession.start(
            PROXY,
            EstimateParams(target="avg", budget=30, strata=3, rounds=3),
            known=_known(),
        ),
        lambda state: EstimateSession.resume(state, PROXY),
    ),
    "sized rounds": estimate(
        lambda: EstimateSession.start(
            PROXY,
            EstimateParams(budget=48, strata=2, pilot_share=0.3, stop_at_width=1e-3),
        ),
        lambda state: EstimateSession.resume(state, PROXY),
    ),
    "choosing": estimate(
        lambda: ChoosingSession.start(
            PROXIES, EstimateParams(target="sum", budget=40, strata=2), known=_known()
        ),
        lambda state: ChoosingSession.resume(state, PROXIES),
    ),
    "tasti": estimate(
        lambda: TastiSession.start(
            ROWS,
            EstimateParams(budget=40, strata=3, rounds=3, strata_cut="geometric"),
            first=6,
            known=_known(),
        ),
        lambda state: TastiSession.resume(state, ROWS),
    ),
    "classes": classes(),
    "groups": groups(),
    "rounds margin": rounds("margin"),
    "rounds cluster-margin": rounds("cluster_margin"),
}

STAGES = (0, 1, 2)


def at_stage(kind: Kind, stage: int) -> dict[str, Any]:
    """The state after some batches were answered, and a part of the next one."""
    session = kind.begin()
    for _ in range(stage):
        kind.answer(session, N)
    if stage:
        kind.answer(session, 3)
    state: dict[str, Any] = json.loads(json.dumps(session.state()))
    return state


def go_on(kind: Kind, state: dict[str, Any]) -> list[Any]:
    session = kind.resume(state)
    return [kind.answer(session, N) for _ in range(2)]


def unsealed(value: Any) -> Any:
    """A state as it was written before there were checksums."""
    if isinstance(value, dict):
        return {k: unsealed(v) for k, v in value.items() if k != "checksums"}
    return [unsealed(v) for v in value] if isinstance(value, list) else value


def outcome(kind: Kind, state: dict[str, Any]) -> list[Any] | str:
    """What a state leads to: the batches that follow, or in what words it is refused.

    Any error from inside passes through.
    """
    try:
        return go_on(kind, state)
    except CorruptDataError as error:
        return str(error)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", KINDS)
def test_damage_to_a_saved_state_is_refused_or_changes_nothing(name, stage):
    kind = KINDS[name]
    state = at_stage(kind, stage)
    right = go_on(kind, copy.deepcopy(state))
    tried = 0
    for what, broken in damaged(state):
        tried += 1
        got = outcome(kind, broken)
        assert isinstance(got, str) or got == right, what
    assert tried > 200


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", KINDS)
def test_damage_to_a_state_without_checksums_is_no_error_from_inside(name, stage):
    """Types, lengths and ranges are all that tells; what is plausible is believed."""
    kind = KINDS[name]
    state = unsealed(at_stage(kind, stage))
    assert go_on(kind, state) == go_on(kind, at_stage(kind, stage))
    refused = 0
    for what, broken in damaged(state):
        try:
            refused += isinstance(outcome(kind, broken), str)
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
    assert refused > 200


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("state", [None, [], "abc", 3, {}, {"format": 1}])
def test_what_is_no_state_at_all_is_refused(name, state):
    with pytest.raises(CorruptDataError):
        KINDS[name].resume(state)


def test_the_part_is_named_with_both_numbers():
    state = unsealed(at_stage(KINDS["active"], 1))
    state["ledger"]["rows"][0] = 10**9
    with pytest.raises(CorruptDataError, match=r"ledger\.rows must be in 0\.\.79, got"):
        KINDS["active"].resume(state)
    state = unsealed(at_stage(KINDS["estimate"], 1))
    state["answers"].pop()
    with pytest.raises(CorruptDataError, match=r"answers must have \d+ entries, has"):
        KINDS["estimate"].resume(state)
    state = at_stage(KINDS["tasti"], 1)
    state["rounds"][0]["left"][0] += 1
    with pytest.raises(CorruptDataError, match="rounds is not as it was saved"):
        KINDS["tasti"].resume(state)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "read",
    [
        lambda saved: saved.numbers("list"),
        lambda saved: saved.number_or_none("one"),
        lambda saved: saved.number_table(
            "table", rows=1, columns=2, low=-np.inf, high=np.inf
        ),
    ],
)
def test_an_integer_that_no_float_holds_is_damage(read, sign):
    """JSON has such integers; they are compared as they are, never converted."""
    huge = sign * 10**400
    state = {"list": [0.5, huge], "one": huge, "table": [[0.5, huge]]}
    with pytest.raises(CorruptDataError, match=r"finite numbers, has -?1000"):
        read(Saved(json.loads(json.dumps(state))))


def test_the_largest_float_is_a_number():
    largest = sys.float_info.max
    numbers = Saved({"x": [int(largest), -largest]}).numbers("x")
    assert numbers.tolist() == [largest, -largest]
