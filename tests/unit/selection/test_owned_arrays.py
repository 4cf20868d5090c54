"""What a caller does with its arrays, or with those it was given, changes no session.

Every session kind is begun twice from equal arrays. After the beginning all arrays of
the one are written over, and so is all that it hands out; both must go on alike.
"""

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    ChoosingSession,
    DisjointGroupsSession,
    EstimateParams,
    EstimateSession,
    GraphNeighbours,
    IndexNeighbours,
    Known,
    KnownGroups,
    OverlappingGroupsSession,
    TastiSession,
)
from gleann.selection.active import session as active_session

N = 120
RNG = np.random.default_rng(21)
ROWS = RNG.standard_normal((N, 4)).astype(np.float32)
HELD = ROWS[:, 0] > 0.2
NAMES = np.array([f"n{row}" for row in range(N)])
INDEX = SoarIndex.build(ROWS, BuildParams(metric="l2"))


def inputs() -> dict[str, Any]:
    seed = np.array([int(np.argmax(HELD)), int(np.argmin(HELD)), 3, 4, 5, 6])
    return {
        "vectors": ROWS.copy(),
        "ids": NAMES.copy(),
        "rows": seed,
        "labels": HELD[seed].astype(np.int64),
        "proxy": np.clip(ROWS[:, 0].astype(np.float64) / 4 + 0.5, 0, 1),
        "other": np.clip(ROWS[:, 1].astype(np.float64) / 4 + 0.5, 0, 1),
        "known": NAMES[:4].copy(),
        "positives": HELD[:4].copy(),
        "values": ROWS[:4, 1].astype(np.float64),
        "groups": np.where(HELD[:4], 0, -1),
        "graph": knn_graph(INDEX, k=8),
    }


def params(**more: Any) -> ActiveParams:
    return ActiveParams(batch=5, neighbours=8, **more)


def start_active(given: dict[str, Any], near: Any, how: ActiveParams, **more: Any):
    return ActiveSession.start(
        given["vectors"],
        how,
        ids=given["ids"],
        rows=given["rows"],
        labels=given["labels"],
        neighbours=near,
        **more,
    )


def proxies(given: dict[str, Any]) -> dict[str, Any]:
    return {"a": given["proxy"], "b": given["other"]}


def known(given: dict[str, Any]) -> Known:
    return Known(
        ids=given["known"], positives=given["positives"], values=given["values"]
    )


SUM = EstimateParams(target="sum", budget=40, strata=2)
KINDS = {
    "active": lambda g: start_active(g, IndexNeighbours(INDEX), params()),
    "active graph": lambda g: start_active(
        g, GraphNeighbours(g["graph"]), params(pool="seals")
    ),
    "active anchors": lambda g: start_active(
        g, IndexNeighbours(INDEX), params(pool="anchors", anchors=2)
    ),
    "active density": lambda g: start_active(
        g, None, params(pool="global", strategy="information_density")
    ),
    "active given": lambda g: start_active(
        g, IndexNeighbours(INDEX), params(model="given")
    ),
    "active own": lambda g: start_active(
        g, None, params(pool="global", model="own"), classifier=GaussianNB()
    ),
    "estimate": lambda g: EstimateSession.start(
        g["proxy"], SUM, ids=g["ids"], known=known(g)
    ),
    "choosing": lambda g: ChoosingSession.start(
        proxies(g), SUM, ids=g["ids"], known=known(g)
    ),
    "tasti": lambda g: TastiSession.start(
        g["vectors"], SUM, first=6, ids=g["ids"], known=known(g)
    ),
    "classes": lambda g: DisjointGroupsSession.start(
        proxies(g),
        SUM,
        ids=g["ids"],
        known=KnownGroups(ids=g["known"], groups=g["groups"], values=g["values"]),
    ),
    "groups": lambda g: OverlappingGroupsSession.start(
        proxies(g), SUM, ids=g["ids"], known={"a": known(g)}
    ),
}


def spoil(value: Any) -> None:
    """Write over every array within a value, where that is allowed."""
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value[...] = "spoilt" if value.dtype.kind == "U" else 0
    elif isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            spoil(inner)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            spoil(getattr(value, field.name))


def turn(session: Any) -> list[Any]:
    """Answer all that is asked; everything that the session handed out meanwhile."""
    out: list[Any] = []
    if isinstance(session, ActiveSession):
        if len(wanted := session.wanted()):
            chance = 0.2 + 0.6 * HELD[rows_of(wanted)]
            table = np.stack([1 - chance, chance], axis=1)
            session.submit_probabilities(wanted, table)
            out += [wanted, table]
        batch = session.next_batch()
        labels = HELD[rows_of(batch.ids)].astype(np.int64)
        ids = batch.ids.copy()
        session.submit_labels(ids, labels)
        out += [batch, ids, labels, session.labels, session.labelled_rows]
        if session.params.model != "given":
            out.append(session.probabilities())
        return out
    if isinstance(session, OverlappingGroupsSession):
        batches = session.next_batches()
        for name, batch in batches.items():
            answer(session, batch, name)
        return [batches, session.estimates()]
    batch = session.next_batch()
    out += [batch, *answer(session, batch)]
    for told in ("design", "pilot", "choice", "split"):
        out.append(getattr(session, told, None))
    return out


def answer(session: Any, batch: Any, *group: str) -> list[Any]:
    rows, ids = rows_of(batch.ids), batch.ids.copy()
    values = ROWS[rows, 1].astype(np.float64)
    held = HELD[rows].copy()
    given = (
        np.where(held, 0, -1) if isinstance(session, DisjointGroupsSession) else held
    )
    session.submit(*group, ids, given, values)
    return [ids, given, values]


def rows_of(ids: Any) -> Any:
    return np.array([int(name[1:]) for name in ids.tolist()], np.int64)


@pytest.mark.parametrize("name", KINDS)
def test_writing_into_what_was_given_or_handed_out_changes_nothing(name):
    given = inputs()
    session, twin = KINDS[name](given), KINDS[name](inputs())
    spoil(given)
    for _ in range(3):
        told = turn(session)
        before = copy.deepcopy(told)
        spoil(told)
        assert repr(before) == repr(turn(twin))
    assert session.state() == twin.state()


def test_an_index_that_is_only_read_is_not_copied(monkeypatch):
    used, begin = [], active_session.seeded_strategy
    monkeypatch.setattr(
        active_session,
        "seeded_strategy",
        lambda points, *how, **seed: used.append(points) or begin(points, *how, **seed),
    )
    ActiveSession.start(
        INDEX.vectors, params(pool="global"), rows=[0, 1, 2, 3], labels=[0, 1, 0, 1]
    )
    (points,) = used
    assert np.shares_memory(points, INDEX.vectors)


def test_a_classifier_that_is_set_otherwise_later_is_not_the_sessions():
    given, own = inputs(), GaussianNB()
    how = params(pool="global", model="own")
    session = start_active(given, None, how, classifier=own)
    own.set_params(var_smoothing=0.9)
    twin = start_active(inputs(), None, how, classifier=GaussianNB())
    assert session.next_batch().ids.tolist() == twin.next_batch().ids.tolist()
    assert session.state() == twin.state()
