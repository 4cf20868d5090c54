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


def start_groups(world: Any) -> selection_pb2.Session:
    ids = named(np.arange(len(world.rows)))
    request = selection_pb2.StartGroupSessionRequest(
        index="w", params=selection_pb2.EstimateParams(budget=40, strata=2)
    )
    for name, column in (("left", 0), ("right", 1)):
        proxy = request.groups.add(name=name).scores
        proxy.ids.CopyFrom(ids)
        proxy.values = packed(np.clip(world.rows[:, column] + 0.5, 0, 1))
    return world.selection.StartGroupSession(request)


def answer_groups(world: Any, session: str) -> int:
    """Label one batch of a group session; how many it had."""
    reply = world.selection.NextGroupBatches(
        selection_pb2.NextGroupBatchesRequest(session=session)
    )
    if not reply.batches:
        return 0
    (batch,) = reply.batches
    wanted = ints(batch.items.ids)
    groups = np.where(world.rows[wanted, 0] > 0, 0, 1)
    world.selection.SubmitGroupLabels(
        selection_pb2.SubmitGroupLabelsRequest(
            session=session,
            ids=named(wanted),
            groups=selection_pb2.GroupNumbers(numbers=groups.astype("<i8").tobytes()),
        )
    )
    return len(wanted)


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
    assert (selection.count, selection.method) == (4, "farthest_first")
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


def start_given(world: Any) -> str:
    request = selection_pb2.StartActiveSessionRequest(
        index="w",
        params=selection_pb2.ActiveParams(
            batch=4, neighbours=10, model=selection_pb2.ACTIVE_MODEL_GIVEN
        ),
        ids=named([5, 6]),
        labels=np.array([1, 0], "<i8").tobytes(),
    )
    return world.selection.StartActiveSession(request).name


@rpc("gleann.v1.SelectionService/ListWantedIds")
def list_wanted_ids(world: Any) -> None:
    request = selection_pb2.ListWantedIdsRequest(session=start_given(world))
    wanted = ints(world.selection.ListWantedIds(request).ids)
    assert 10 <= len(wanted) <= 20
    request.session = start_active(world).name
    assert not ints(world.selection.ListWantedIds(request).ids)


@rpc("gleann.v1.SelectionService/SubmitProbabilities")
def submit_probabilities(world: Any) -> None:
    name = start_given(world)
    asked = selection_pb2.ListWantedIdsRequest(session=name)
    wanted = ints(world.selection.ListWantedIds(asked).ids)
    p = np.linspace(0.3, 0.9, len(wanted))
    request = selection_pb2.SubmitProbabilitiesRequest(
        session=name,
        ids=named(wanted),
        probabilities=packed(np.stack([1 - p, p], axis=1).ravel()),
    )
    assert world.selection.SubmitProbabilities(request).session.labelled == 2
    assert not ints(world.selection.ListWantedIds(asked).ids)
    batch = world.selection.NextBatch(selection_pb2.NextBatchRequest(session=name))
    doubt = np.argsort(np.abs(p - 0.5), kind="stable")[:4]
    assert sorted(ints(batch.items.ids)) == sorted(np.array(wanted)[doubt].tolist())


@rpc("gleann.v1.SelectionService/GetCoverage")
def get_coverage(world: Any) -> None:
    name = start_active(world).name
    world.selection.NextBatch(selection_pb2.NextBatchRequest(session=name))
    request = selection_pb2.GetCoverageRequest(session=name)
    covered = world.selection.GetCoverage(request)
    assert covered.top == 4
    assert covered.open_rows == len(world.rows) - 2
    assert covered.random_score < covered.score <= covered.baseline_score + 1e-12


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


@rpc("gleann.v1.SelectionService/StartGroupSession")
def start_group_session(world: Any) -> None:
    session = start_groups(world)
    assert (session.kind, session.labelled) == ("groups", 0)


@rpc("gleann.v1.SelectionService/NextGroupBatches")
def next_group_batches(world: Any) -> None:
    name = start_groups(world).name
    request = selection_pb2.NextGroupBatchesRequest(session=name)
    first = world.selection.NextGroupBatches(request)
    assert [batch.group for batch in first.batches] == [""]
    assert len(ints(first.batches[0].items.ids)) > 0
    assert world.selection.NextGroupBatches(request) == first


@rpc("gleann.v1.SelectionService/SubmitGroupLabels")
def submit_group_labels(world: Any) -> None:
    name = start_groups(world).name
    count = answer_groups(world, name)
    request = selection_pb2.GetSessionRequest(name=name)
    assert world.selection.GetSession(request).labelled == count > 0


@rpc("gleann.v1.SelectionService/GetGroupEstimates")
def get_group_estimates(world: Any) -> None:
    name = start_groups(world).name
    while answer_groups(world, name):
        pass
    request = selection_pb2.GetGroupEstimatesRequest(session=name)
    made = world.selection.GetGroupEstimates(request).estimates
    assert [one.group for one in made] == ["left", "right"]
    for one in made:
        assert one.estimate.low <= one.estimate.value <= one.estimate.high


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
