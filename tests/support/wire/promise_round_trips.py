"""A round trip of every rpc of promises and means; importing registers them."""

import json
from typing import Any

import grpc
import numpy as np
import pytest
from round_trips import floats, ints, named, packed, rpc

from gleann.v1 import estimate_pb2, means_pb2, promises_pb2, session_pb2, types_pb2

BATCH = np.arange(0, 200, 2)


def held(world: Any, ids: Any) -> np.ndarray:
    return world.rows[np.asarray(ids, np.int64), 0] > 0


def scores(world: Any) -> estimate_pb2.ProxyScores:
    return estimate_pb2.ProxyScores(
        ids=named(np.arange(len(world.rows))), values=packed(world.rows[:, 0])
    )


def start_promise(world: Any) -> session_pb2.Session:
    request = promises_pb2.StartPromiseSessionRequest(
        index="w",
        params=promises_pb2.PromiseParams(
            budget=60, target=0.8, promise=promises_pb2.PROMISE_RECALL
        ),
        scores=scores(world),
    )
    return world.promise.StartPromiseSession(request)


def start_audit(world: Any) -> session_pb2.Session:
    request = promises_pb2.StartAuditSessionRequest(
        index="w",
        params=promises_pb2.BatchAuditParams(size=20, seed=3),
        batch=named(BATCH),
    )
    return world.promise.StartAuditSession(request)


def start_means(world: Any) -> session_pb2.Session:
    statistics = [
        means_pb2.MeansStatistic(name="size"),
        means_pb2.MeansStatistic(name="right", kind=means_pb2.STATISTIC_KIND_SHARE),
    ]
    request = means_pb2.StartMeansSessionRequest(
        index="w",
        params=means_pb2.MeansParams(
            statistics=statistics, budget=60, stratify_by="x", strata=3
        ),
        controls=[estimate_pb2.NamedProxy(name="x", scores=scores(world))],
        groups=[
            means_pb2.KnownGroups(
                ids=named(np.arange(len(world.rows))),
                groups=types_pb2.Column(
                    name="half",
                    int64s=(np.arange(len(world.rows)) % 2).astype("<i8").tobytes(),
                ),
            )
        ],
        by_list=True,
    )
    return world.means.StartMeansSession(request)


def next_batch(world: Any, name: str) -> promises_pb2.NextPromiseBatchResponse:
    request = promises_pb2.NextPromiseBatchRequest(session=name)
    return world.promise.NextPromiseBatch(request)


def label_round(world: Any, name: str) -> int:
    """Label one batch of a promise or an audit; how many it had."""
    wanted = ints(next_batch(world, name).items.ids)
    if len(wanted):
        labels = held(world, wanted).astype(np.uint8).tobytes()
        request = promises_pb2.SubmitPromiseLabelsRequest(
            session=name, ids=named(wanted), labels=labels
        )
        world.promise.SubmitPromiseLabels(request)
    return len(wanted)


def values(world: Any, wanted: Any) -> np.ndarray:
    rows = np.asarray(wanted, np.int64)
    return np.column_stack([world.rows[rows, 1], held(world, rows)]).astype("<f8")


def measure_round(world: Any, name: str) -> int:
    """Submit one batch of a session of means; how many it had."""
    request = means_pb2.NextMeansBatchRequest(session=name)
    wanted = ints(world.means.NextMeansBatch(request).items.ids)
    if len(wanted):
        answer = means_pb2.SubmitMeansValuesRequest(
            session=name, ids=named(wanted), values=values(world, wanted).tobytes()
        )
        world.means.SubmitMeansValues(answer)
    return len(wanted)


def labelled(world: Any, name: str) -> int:
    return world.session.GetSession(session_pb2.GetSessionRequest(name=name)).labelled


@rpc("gleann.v1.PromiseService/StartPromiseSession")
def start_promise_session(world: Any) -> None:
    session = start_promise(world)
    assert (session.kind, session.labelled) == ("promise", 0)


@rpc("gleann.v1.PromiseService/StartAuditSession")
def start_audit_session(world: Any) -> None:
    session = start_audit(world)
    assert (session.kind, session.labelled) == ("audit", 0)


@rpc("gleann.v1.PromiseService/NextPromiseBatch")
def next_promise_batch(world: Any) -> None:
    name = start_promise(world).name
    first = next_batch(world, name)
    assert len(ints(first.items.ids)) == 24
    assert next_batch(world, name) == first
    audited = next_batch(world, start_audit(world).name)
    assert set(ints(audited.items.ids)) <= set(BATCH.tolist())
    assert json.loads(audited.summary_json)["budget"] == 20


@rpc("gleann.v1.PromiseService/SubmitPromiseLabels")
def submit_promise_labels(world: Any) -> None:
    for start in (start_promise, start_audit):
        name = start(world).name
        assert labelled(world, name) == 0
        assert label_round(world, name) == labelled(world, name) > 0


@rpc("gleann.v1.PromiseService/GetPromisedSet")
def get_promised_set(world: Any) -> None:
    name = start_promise(world).name
    request = promises_pb2.GetPromisedSetRequest(session=name)
    with pytest.raises(grpc.RpcError, match="all 60 labels, 0 are there"):
        world.promise.GetPromisedSet(request)
    while label_round(world, name):
        pass
    made = world.promise.GetPromisedSet(request)
    kept = ints(made.ids)
    assert made.count == len(kept) == len(made.labelled) == len(made.proxies) // 8
    every = held(world, np.arange(len(world.rows)))
    assert held(world, kept).sum() >= 0.8 * every.sum()
    assert (made.labels_used, made.out_of) == (60, len(world.rows))
    assert made.promise == promises_pb2.PROMISE_RECALL


@rpc("gleann.v1.PromiseService/GetAcceptanceBound")
def get_acceptance_bound(world: Any) -> None:
    name = start_audit(world).name
    request = promises_pb2.GetAcceptanceBoundRequest(session=name)
    with pytest.raises(grpc.RpcError, match="20 of 20 rows are not checked"):
        world.promise.GetAcceptanceBound(request)
    label_round(world, name)
    bound = world.promise.GetAcceptanceBound(request)
    assert (bound.batch, bound.audited) == (len(BATCH), 20)
    assert bound.failed + bound.at_most >= held(world, BATCH).sum()


@rpc("gleann.v1.MeansService/StartMeansSession")
def start_means_session(world: Any) -> None:
    session = start_means(world)
    assert (session.kind, session.labelled) == ("means", 0)


@rpc("gleann.v1.MeansService/NextMeansBatch")
def next_means_batch(world: Any) -> None:
    request = means_pb2.NextMeansBatchRequest(session=start_means(world).name)
    first = world.means.NextMeansBatch(request)
    assert len(ints(first.items.ids)) == 18
    assert world.means.NextMeansBatch(request) == first


@rpc("gleann.v1.MeansService/SubmitMeansValues")
def submit_means_values(world: Any) -> None:
    name = start_means(world).name
    assert measure_round(world, name) == labelled(world, name) == 18


@rpc("gleann.v1.MeansService/GetMeans")
def get_means(world: Any) -> None:
    name = start_means(world).name
    request = means_pb2.GetMeansRequest(session=name)
    with pytest.raises(grpc.RpcError, match="all 60 labels, 0 are there"):
        world.means.GetMeans(request)
    while measure_round(world, name):
        pass
    made = world.means.GetMeans(request)
    assert [one.name for one in made.estimates] == ["size", "right"]
    truths = values(world, np.arange(len(world.rows))).mean(axis=0)
    for one, truth in zip(made.estimates, truths, strict=True):
        assert one.low <= truth <= one.high
    assert floats(made.lambdas).shape == (6,)
    assert (made.labels_used, made.rows) == (60, len(world.rows))
