"""Sessions and selection jobs among the vectors that pass a filter."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filtered_world import (
    AMONG,
    COSTS,
    FILTER,
    GROUPS,
    IDS,
    MASK,
    PROXY,
    SOME,
    SPLIT,
    M,
    N,
    add_payload,
    held,
    spoil_payload,
    start_estimate,
    values_of,
)

import gleann
from gleann.index import BuildParams, errors
from gleann.selection import coreset
from gleann.selection.active import ActiveParams, ActiveSession
from gleann.selection.estimate import (
    EstimateParams,
)
from gleann.selection.neighbours import IndexNeighbours
from gleann.selection.rounds import RoundsParams, RoundsSession

JOBS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "weighted_k_center": (
        coreset.weighted_k_center,
        {"costs": COSTS, "cost_weight": 0.2},
    ),
    "farthest_first": (coreset.k_center, {"seed": 2}),
    "margin": (coreset.margin, {"costs": COSTS}),
    "gist": (coreset.gist, {"costs": COSTS, "diversity": 2.0}),
    "ccs": (coreset.ccs, {"costs": COSTS, "strata": 3, "seed": 1}),
    "uniform": (coreset.uniform, {"seed": 5}),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_chooses_as_the_library_among_those_rows(
    split: gleann.Client, rows: np.ndarray, name: str
) -> None:
    method, options = JOBS[name]
    given = dict(options)
    if "costs" in given:  # of the vectors that pass: others need none
        given["costs"] = (IDS[MASK], COSTS[MASK])
    made = getattr(split.coresets, name)("built", k=7, **given, **FILTER).wait(
        timeout=60
    )
    want = method(rows, k=7, among=MASK, **options)
    assert made.ids.tolist() == IDS[want.rows].tolist()
    assert made.provenance["among"] == AMONG
    if name != "uniform":
        assert made.summary["radius"] == want.radius
        assert "random_radius" in made.summary
    assert split.coresets.get(made.name).provenance == made.provenance


@pytest.mark.parametrize("quotas", ["proportional", "equal", {"a": 4}])
def test_groups_share_the_vectors_that_pass(
    split: gleann.Client, rows: np.ndarray, quotas: Any
) -> None:
    made = split.coresets.farthest_first(
        "built", k=8, seed=1, groups=(IDS[MASK], GROUPS[MASK]), quotas=quotas, **FILTER
    ).wait(timeout=60)
    request = coreset.CoresetRequest(
        method="farthest_first", k=8, seed=1, groups=GROUPS, quotas=quotas, among=MASK
    )
    assert made.ids.tolist() == IDS[coreset.select(request, rows).chosen.rows].tolist()


def test_locked_vectors_need_not_pass(split: gleann.Client, rows: np.ndarray) -> None:
    locked = np.flatnonzero(SPLIT == "train")[:6]
    inside = SOME[:2]
    both = np.concatenate([inside, locked])
    made = split.coresets.weighted_k_center(
        "built",
        k=5,
        costs=(IDS[MASK], COSTS[MASK]),
        cost_weight=0.1,
        locked_ids=IDS[both],
        **FILTER,
    ).wait(timeout=60)
    want = coreset.weighted_k_center(
        rows, k=5, costs=COSTS, cost_weight=0.1, locked=both, among=MASK
    )
    assert sorted(made.ids) == sorted(IDS[want.rows])
    assert made.summary["radius"] == want.radius
    assert made.provenance["among"] == AMONG
    farthest = split.coresets.farthest_first(
        "built", k=5, covered_ids=IDS[locked], **FILTER
    ).wait(timeout=60)
    assert MASK[farthest.ids // 10].all()


def test_allowed_ids_and_a_filter_must_both_hold(split: gleann.Client) -> None:
    allowed = IDS[:100]
    made = split.coresets.uniform("built", k=20, allowed_ids=allowed, **FILTER).wait(
        timeout=60
    )
    assert MASK[made.ids // 10].all()
    assert (made.ids < 1000).all()
    assert made.provenance["among"] == {**AMONG, "rows": int(MASK[:100].sum())}
    with pytest.raises(errors.InvalidInputError, match="0 of 1 allowed vectors of"):
        split.coresets.uniform("built", k=1, allowed_ids=IDS[:1], **FILTER)


def test_a_job_sees_changes_that_are_not_built(split: gleann.Client) -> None:
    """As without a filter: newer vectors and newer payload count."""
    split.upsert("built", [7], np.ones((1, 8)), {"split": ["pool"], "score": [0.1]})
    split.delete_vectors("built", IDS[SOME[:1]])
    made = split.coresets.uniform("built", k=M, **FILTER).wait(timeout=60)
    assert sorted(made.ids) == sorted([7, *IDS[SOME[1:]].tolist()])


def refused(client: gleann.Client) -> list[tuple[str, Callable[..., Any]]]:
    """Everything that starts something, with nothing but a filter missing."""
    seed = IDS[:30]
    params = EstimateParams(budget=60, strata=3)
    both = {"a": (IDS, PROXY), "b": (IDS, PROXY)}
    return [
        ("job", lambda **f: client.coresets.uniform("built", k=3, **f)),
        (
            "active",
            lambda **f: client.active.start("built", ids=seed, labels=held(seed), **f),
        ),
        ("rounds", lambda **f: client.rounds.start("built", **f)),
        (
            "estimate",
            lambda **f: client.estimates.start(
                "built", params=params, proxy=(IDS, PROXY), **f
            ),
        ),
        (
            "groups",
            lambda **f: client.groups.start("built", params=params, proxies=both, **f),
        ),
    ]


@pytest.mark.parametrize("number", range(5))
def test_refuses_a_filter_that_cannot_be(split: gleann.Client, number: int) -> None:
    _, start = refused(split)[number]
    with pytest.raises(errors.InvalidFilterError, match="colour"):
        start(where="colour = 'red'")
    with pytest.raises(errors.InvalidInputError, match="0 of 240 vectors of 'built' p"):
        start(where="split = 'nothing'")
    with pytest.raises(errors.InvalidFilterError, match="parameter"):
        start(where="split = $1")
    with pytest.raises(errors.InvalidFilterError, match="no condition"):
        start(parameters=[1])
    assert split.sessions.list() == []


def test_refuses_more_than_pass(split: gleann.Client) -> None:
    with pytest.raises(
        errors.InvalidParamsError,
        match=f"1..{M}, got {M + 1}: there are {M} vectors",
    ):
        split.coresets.farthest_first("built", k=M + 1, **FILTER)
    with pytest.raises(
        errors.InvalidParamsError, match=f"is 100, but 'built' has {M} vectors that pa"
    ):
        split.estimates.start(
            "built", params=EstimateParams(budget=100), proxy=(IDS, PROXY), **FILTER
        )
    with pytest.raises(
        errors.DimensionMismatchError, match=f"no number for 1 of {M} vectors"
    ):
        split.estimates.start(
            "built",
            params=EstimateParams(budget=60),
            proxy=(IDS[SOME[1:]], PROXY[SOME[1:]]),
            **FILTER,
        )
    with pytest.raises(errors.InvalidInputError, match="costs has none for id"):
        split.coresets.margin(
            "built", k=3, costs=(IDS[SOME[1:]], COSTS[SOME[1:]]), **FILTER
        )
    split.upsert("built", [7], np.ones((1, 8)))
    with pytest.raises(errors.NotReadyError, match="1 changes since version 1"):
        split.rounds.start("built", **FILTER)


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors", "global", "random"])
def test_active_learning_is_that_of_the_library(
    split: gleann.Client, rows: np.ndarray, labels_of: Any, pool: Any
) -> None:
    params = ActiveParams(batch=5, neighbours=6, pool=pool)
    seed = np.arange(40)  # of all splits: they train the model
    session = split.active.start(
        "built", ids=IDS[seed], labels=labels_of(IDS[seed]), params=params, **FILTER
    )
    spoil_payload(split)
    index = gleann.SoarIndex.build(
        rows, BuildParams(metric="l2", nlist=8, tune_queries=0), ids=IDS
    )
    here = ActiveSession.start(
        index.vectors,
        params,
        ids=IDS,
        rows=seed,
        labels=labels_of(IDS[seed]),
        neighbours=IndexNeighbours(index),
        among=MASK,
    )
    for _ in range(3):
        batch, expected = split.next_batch(session), here.next_batch()
        assert batch.ids.tolist() == expected.ids.tolist()
        assert MASK[batch.ids // 10].all()
        assert batch.provenance["among"] == AMONG
        assert split.active.coverage(session) == here.coverage()
        split.submit_labels(session, batch.ids, labels_of(batch.ids))
        here.submit_labels(batch.ids, labels_of(batch.ids))
    assert split.active.stop_advice(session) == here.stop_advice()


@pytest.mark.parametrize("picker", ["margin", "cluster_margin", "weighted_k_center"])
def test_rounds_are_those_of_the_library(
    split: gleann.Client, rows: np.ndarray, labels_of: Any, picker: Any
) -> None:
    params = RoundsParams(picker=picker, batch=8, splits=1)
    session = split.rounds.start("built", params=params, **FILTER)
    here = RoundsSession.start(rows, params, ids=IDS, among=MASK)
    spoil_payload(split)
    for _ in range(3):
        batch, expected = split.next_batch(session), here.next_batch()
        assert batch.ids.tolist() == expected.ids.tolist()
        assert batch.provenance["among"] == AMONG
        split.submit_labels(session, batch.ids, labels_of(batch.ids))
        here.submit_labels(batch.ids, labels_of(batch.ids))


KINDS = ["active", "rounds", "scores", "candidates", "index", "groups"]


def start_any(client: gleann.Client, kind: str, labels_of: Any) -> str:
    params = EstimateParams(budget=50, strata=2, seed=2)
    if kind == "active":
        session = client.active.start(
            "built", ids=IDS[:40], labels=labels_of(IDS[:40]), **FILTER
        )
    elif kind == "rounds":
        picked = RoundsParams(picker="cluster_margin", batch=6)
        session = client.rounds.start("built", params=picked, **FILTER)
    elif kind == "groups":
        both = {"a": (IDS[MASK], PROXY[MASK]), "b": (IDS, 1 - PROXY)}
        session = client.groups.start(
            "built", params=params, proxies=both, overlapping=True, **FILTER
        )
    else:
        session = start_estimate(client, kind, params)
    return str(session.name)


def answer_some(client: gleann.Client, kind: str, session: str, labels_of: Any) -> Any:
    """Answer a half of what is asked; what was asked."""
    if kind == "groups":
        asked = []
        for name, batch in client.groups.next_batches(session).items():
            ids = batch.ids[: len(batch.ids) // 2 + 1]
            client.groups.submit_labels(session, ids, held(ids), group=name)
            asked.append((name, batch.ids.tolist()))
        return asked
    batch = client.next_batch(session)
    ids = batch.ids[: len(batch.ids) // 2 + 1]
    if kind in ("active", "rounds"):
        client.submit_labels(session, ids, labels_of(ids))
    elif len(ids):
        client.submit_labels(session, ids, held(ids), values=values_of(ids))
    assert MASK[batch.ids // 10].all()
    return batch.ids.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_keeps_its_vectors_over_restarts(
    tmp_path: Path, rows: np.ndarray, labels_of: Any, kind: str
) -> None:
    """It is closed and opened after every step; the payload has changed meanwhile."""

    def steps(folder: Path, *, restarts: bool) -> list[Any]:
        client = gleann.Client(folder)
        client.create_index("built", dim=8, metric="l2")
        client.upsert("built", IDS, rows)
        params = BuildParams(metric="l2", nlist=8, tune_queries=0)
        client.build("built", params).wait(timeout=60)
        add_payload(client)
        session = start_any(client, kind, labels_of)
        if restarts:
            spoil_payload(client)
        asked = []
        for _ in range(8):
            if restarts:
                client.close()
                client = gleann.Client(folder)
            asked.append(answer_some(client, kind, session, labels_of))
        client.close()
        return asked

    whole = steps(tmp_path / "whole", restarts=False)
    assert steps(tmp_path / "restarted", restarts=True) == whole


def test_moments_are_written_in_the_provenance(split: gleann.Client) -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    made = split.coresets.uniform(
        "built",
        k=3,
        where="seen < $1 AND split IN $2 AND score IS NOT NULL",
        parameters=[moment, ["pool", "test"]],
    ).wait(timeout=60)
    assert made.provenance["among"]["parameters"] == [
        "2026-01-05T00:00:00+00:00",
        ["pool", "test"],
    ]
    assert made.provenance["among"]["rows"] == int(
        ((np.arange(N) % 28 < 4) & (SPLIT != "train")).sum()
    )
