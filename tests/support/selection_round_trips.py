"""A round trip of every rpc of the selection service; importing registers them."""

import json
from typing import Any

import grpc
import numpy as np
import pytest
from round_trips import finish, floats, ints, named, packed, rpc

from gleann.v1 import selection_pb2


def start_active(world: Any) -> selection_pb2.Session:
    positive = world.rows[:, 0] > 0
    seed = [int(np.argmax(positive)), int(np.argmin(positive))]
    request = selection_pb2.StartActiveSessionRequest(
        index="w",
        params=selection_pb2.ActiveParams(batch=4, neighbours=10),
        ids=named(seed),
        labels=np.array([1, 0], "<i8").tobytes(),
    )
    return world.selection.StartActiveSession(request)


def start_estimate(world: Any) -> selection_pb2.Session:
    request = selection_pb2.StartEstimateSessionRequest(
        index="w",
        params=selection_pb2.EstimateParams(budget=40, strata=2),
        scores=selection_pb2.ProxyScores(
            ids=named(np.arange(len(world.rows))),
            values=packed(np.clip(world.rows[:, 0] + 0.5, 0, 1)),
        ),
    )
    return world.selection.StartEstimateSession(request)


def answer(world: Any, session: str) -> int:
    """Label one batch of an estimate; how many it had."""
    batch = world.selection.NextEstimateBatch(
        selection_pb2.NextEstimateBatchRequest(session=session)
    )
    wanted = ints(batch.items.ids)
    if wanted:
        world.selection.SubmitEstimateLabels(
            selection_pb2.SubmitEstimateLabelsRequest(
                session=session,
                ids=named(wanted),
                positives=(world.rows[wanted, 0] > 0).astype(np.uint8).tobytes(),
            )
        )
    return len(wanted)


@rpc("gleann.v1.SelectionService/CreateSelectionJob")
def create_selection_job(world: Any) -> None:
    request = selection_pb2.CreateSelectionJobRequest(index="w", k=4)
    request.farthest_first.seed = 1
    selection = selection_pb2.Selection()
    operation = finish(world, world.selection.CreateSelectionJob(request))
    assert operation.response.Unpack(selection)
    assert (selection.count, selection.method) == (4, "k_center")
    summary = json.loads(selection.summary_json)
    assert min(summary["radius"], summary["random_radius"]) > 0


@rpc("gleann.v1.SelectionService/GetSelection")
def get_selection(world: Any) -> None:
    made = random_selection(world, k=3)
    request = selection_pb2.GetSelectionRequest(name=made.name)
    assert world.selection.GetSelection(request) == made
    assert json.loads(made.provenance_json)["seed"] == 0


@rpc("gleann.v1.SelectionService/ListSelectedItems")
def list_selected_items(world: Any) -> None:
    made = random_selection(world, k=5)
    ids, token = [], ""
    while True:
        request = selection_pb2.ListSelectedItemsRequest(
            name=made.name, page_size=2, page_token=token
        )
        page = world.selection.ListSelectedItems(request)
        ids += ints(page.items.ids)
        if not (token := page.next_page_token):
            break
    assert len(set(ids)) == 5
    assert set(ids) <= set(range(len(world.rows)))


def random_selection(world: Any, *, k: int) -> selection_pb2.Selection:
    request = selection_pb2.CreateSelectionJobRequest(index="w", k=k)
    request.random.seed = 0
    selection = selection_pb2.Selection()
    finish(world, world.selection.CreateSelectionJob(request)).response.Unpack(
        selection
    )
    return selection


@rpc("gleann.v1.SelectionService/StartActiveSession")
def start_active_session(world: Any) -> None:
    session = start_active(world)
    assert (session.kind, session.labelled, session.sealed_version) == ("active", 2, 1)


@rpc("gleann.v1.SelectionService/NextBatch")
def next_batch(world: Any) -> None:
    request = selection_pb2.NextBatchRequest(session=start_active(world).name)
    first = world.selection.NextBatch(request)
    assert len(ints(first.items.ids)) == 4
    assert world.selection.NextBatch(request) == first


@rpc("gleann.v1.SelectionService/SubmitLabels")
def submit_labels(world: Any) -> None:
    name = start_active(world).name
    batch = world.selection.NextBatch(selection_pb2.NextBatchRequest(session=name))
    wanted = ints(batch.items.ids)
    labels = (world.rows[wanted, 0] > 0).astype("<i8")
    request = selection_pb2.SubmitLabelsRequest(
        session=name, ids=named(wanted), labels=labels.tobytes()
    )
    assert world.selection.SubmitLabels(request).session.labelled == 2 + 4


@rpc("gleann.v1.SelectionService/IgnoreIds")
def ignore_ids(world: Any) -> None:
    name = start_active(world).name
    wanted = selection_pb2.NextBatchRequest(session=name)
    batch = ints(world.selection.NextBatch(wanted).items.ids)
    request = selection_pb2.IgnoreIdsRequest(session=name, ids=named(batch[:1]))
    assert world.selection.IgnoreIds(request).session.name == name
    assert batch[0] not in ints(world.selection.NextBatch(wanted).items.ids)


@rpc("gleann.v1.SelectionService/GetStopAdvice")
def get_stop_advice(world: Any) -> None:
    request = selection_pb2.GetStopAdviceRequest(session=start_active(world).name)
    advice = world.selection.GetStopAdvice(request)
    assert advice.reason
    assert not advice.stop


@rpc("gleann.v1.SelectionService/ScoreItems")
def score_items(world: Any) -> None:
    name = start_active(world).name
    request = selection_pb2.ScoreItemsRequest(session=name, ids=named([5, 6]))
    reply = world.selection.ScoreItems(request)
    assert ints(reply.ids) == [5, 6]
    assert np.frombuffer(reply.classes, "<i8").tolist() == [0, 1]
    probabilities = floats(reply.probabilities).reshape(2, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)


@rpc("gleann.v1.SelectionService/StartEstimateSession")
def start_estimate_session(world: Any) -> None:
    session = start_estimate(world)
    assert (session.kind, session.labelled) == ("estimate", 0)


@rpc("gleann.v1.SelectionService/NextEstimateBatch")
def next_estimate_batch(world: Any) -> None:
    request = selection_pb2.NextEstimateBatchRequest(session=start_estimate(world).name)
    first = world.selection.NextEstimateBatch(request)
    assert len(ints(first.items.ids)) > 0
    assert world.selection.NextEstimateBatch(request) == first


@rpc("gleann.v1.SelectionService/SubmitEstimateLabels")
def submit_estimate_labels(world: Any) -> None:
    name = start_estimate(world).name
    count = answer(world, name)
    request = selection_pb2.GetSessionRequest(name=name)
    assert world.selection.GetSession(request).labelled == count > 0


@rpc("gleann.v1.SelectionService/GetEstimate")
def get_estimate(world: Any) -> None:
    name = start_estimate(world).name
    while answer(world, name):
        pass
    estimate = world.selection.GetEstimate(
        selection_pb2.GetEstimateRequest(session=name)
    )
    assert estimate.target == selection_pb2.ESTIMATE_TARGET_COUNT
    assert estimate.labels_used == 40
    assert estimate.low <= estimate.value <= estimate.high
    assert sum(stratum.size for stratum in estimate.by_stratum) == len(world.rows)


@rpc("gleann.v1.SelectionService/GetSession")
def get_session(world: Any) -> None:
    session = start_active(world)
    request = selection_pb2.GetSessionRequest(name=session.name)
    assert world.selection.GetSession(request) == session


@rpc("gleann.v1.SelectionService/ListSessions")
def list_sessions(world: Any) -> None:
    started = [start_active(world).name, start_estimate(world).name]
    names, token = [], ""
    while True:
        request = selection_pb2.ListSessionsRequest(
            index="w", page_size=1, page_token=token
        )
        page = world.selection.ListSessions(request)
        names += [session.name for session in page.sessions]
        if not (token := page.next_page_token):
            break
    assert names[-2:] == started


@rpc("gleann.v1.SelectionService/CloseSession")
def close_session(world: Any) -> None:
    name = start_active(world).name
    world.selection.CloseSession(selection_pb2.CloseSessionRequest(name=name))
    with pytest.raises(grpc.RpcError) as caught:
        world.selection.GetSession(selection_pb2.GetSessionRequest(name=name))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
