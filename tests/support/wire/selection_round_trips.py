"""A round trip of every rpc of the selection service; importing registers them."""

import json
from typing import Any

import grpc
import numpy as np
import pytest
from round_trips import finish, floats, ints, named, packed, rpc

from gleann.v1 import (
    active_pb2,
    coreset_pb2,
    estimate_pb2,
    rounds_pb2,
    session_pb2,
)


def start_active(world: Any) -> session_pb2.Session:
    positive = world.rows[:, 0] > 0
    seed = [int(np.argmax(positive)), int(np.argmin(positive))]
    request = active_pb2.StartActiveSessionRequest(
        index="w",
        params=active_pb2.ActiveParams(batch=4, neighbours=10),
        ids=named(seed),
        labels=np.array([1, 0], "<i8").tobytes(),
    )
    return world.active.StartActiveSession(request)


def start_estimate(world: Any) -> session_pb2.Session:
    request = estimate_pb2.StartEstimateSessionRequest(
        index="w",
        params=estimate_pb2.EstimateParams(budget=40, strata=2),
        scores=estimate_pb2.ProxyScores(
            ids=named(np.arange(len(world.rows))),
            values=packed(np.clip(world.rows[:, 0] + 0.5, 0, 1)),
        ),
    )
    return world.estimate.StartEstimateSession(request)


def start_groups(world: Any) -> session_pb2.Session:
    ids = named(np.arange(len(world.rows)))
    request = estimate_pb2.StartGroupSessionRequest(
        index="w", params=estimate_pb2.EstimateParams(budget=40, strata=2)
    )
    for name, column in (("left", 0), ("right", 1)):
        proxy = request.groups.add(name=name).scores
        proxy.ids.CopyFrom(ids)
        proxy.values = packed(np.clip(world.rows[:, column] + 0.5, 0, 1))
    return world.estimate.StartGroupSession(request)


def answer_groups(world: Any, session: str) -> int:
    """Label one batch of a group session; how many it had."""
    reply = world.estimate.NextGroupBatches(
        estimate_pb2.NextGroupBatchesRequest(session=session)
    )
    if not reply.batches:
        return 0
    (batch,) = reply.batches
    wanted = ints(batch.items.ids)
    groups = np.where(world.rows[wanted, 0] > 0, 0, 1)
    world.estimate.SubmitGroupLabels(
        estimate_pb2.SubmitGroupLabelsRequest(
            session=session,
            ids=named(wanted),
            groups=estimate_pb2.GroupNumbers(numbers=groups.astype("<i8").tobytes()),
        )
    )
    return len(wanted)


def answer(world: Any, session: str) -> int:
    """Label one batch of an estimate; how many it had."""
    batch = world.estimate.NextEstimateBatch(
        estimate_pb2.NextEstimateBatchRequest(session=session)
    )
    wanted = ints(batch.items.ids)
    if wanted:
        world.estimate.SubmitEstimateLabels(
            estimate_pb2.SubmitEstimateLabelsRequest(
                session=session,
                ids=named(wanted),
                positives=(world.rows[wanted, 0] > 0).astype(np.uint8).tobytes(),
            )
        )
    return len(wanted)


@rpc("gleann.v1.CoresetService/CreateSelectionJob")
def create_selection_job(world: Any) -> None:
    request = coreset_pb2.CreateSelectionJobRequest(index="w", k=4)
    request.farthest_first.seed = 1
    selection = coreset_pb2.Selection()
    operation = finish(world, world.coreset.CreateSelectionJob(request))
    assert operation.response.Unpack(selection)
    assert (selection.count, selection.method) == (4, "farthest_first")
    summary = json.loads(selection.summary_json)
    assert min(summary["radius"], summary["random_radius"]) > 0


@rpc("gleann.v1.CoresetService/GetSelection")
def get_selection(world: Any) -> None:
    made = random_selection(world, k=3)
    request = coreset_pb2.GetSelectionRequest(name=made.name)
    assert world.coreset.GetSelection(request) == made
    assert json.loads(made.provenance_json)["seed"] == 0


@rpc("gleann.v1.CoresetService/ListSelectedItems")
def list_selected_items(world: Any) -> None:
    made = random_selection(world, k=5)
    ids, token = [], ""
    while True:
        request = coreset_pb2.ListSelectedItemsRequest(
            name=made.name, page_size=2, page_token=token
        )
        page = world.coreset.ListSelectedItems(request)
        ids += ints(page.items.ids)
        if not (token := page.next_page_token):
            break
    assert len(set(ids)) == 5
    assert set(ids) <= set(range(len(world.rows)))


@rpc("gleann.v1.CoresetService/ListSelections")
def list_selections(world: Any) -> None:
    made = [random_selection(world, k=k) for k in (2, 3)]
    found, token = [], ""
    while True:
        request = coreset_pb2.ListSelectionsRequest(
            index="w", page_size=1, page_token=token
        )
        page = world.coreset.ListSelections(request)
        found += list(page.selections)
        if not (token := page.next_page_token):
            break
    assert found[-2:] == made


@rpc("gleann.v1.CoresetService/DeleteSelection")
def delete_selection(world: Any) -> None:
    name = random_selection(world, k=2).name
    world.coreset.DeleteSelection(coreset_pb2.DeleteSelectionRequest(name=name))
    with pytest.raises(grpc.RpcError) as caught:
        world.coreset.GetSelection(coreset_pb2.GetSelectionRequest(name=name))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def random_selection(world: Any, *, k: int) -> coreset_pb2.Selection:
    request = coreset_pb2.CreateSelectionJobRequest(index="w", k=k)
    request.random.seed = 0
    selection = coreset_pb2.Selection()
    finish(world, world.coreset.CreateSelectionJob(request)).response.Unpack(selection)
    return selection


@rpc("gleann.v1.ActiveLearningService/StartActiveSession")
def start_active_session(world: Any) -> None:
    session = start_active(world)
    assert (session.kind, session.labelled, session.sealed_version) == ("active", 2, 1)


@rpc("gleann.v1.ActiveLearningService/NextBatch")
def next_batch(world: Any) -> None:
    request = active_pb2.NextBatchRequest(session=start_active(world).name)
    first = world.active.NextBatch(request)
    assert len(ints(first.items.ids)) == 4
    assert world.active.NextBatch(request) == first


@rpc("gleann.v1.ActiveLearningService/SubmitLabels")
def submit_labels(world: Any) -> None:
    name = start_active(world).name
    batch = world.active.NextBatch(active_pb2.NextBatchRequest(session=name))
    wanted = ints(batch.items.ids)
    labels = (world.rows[wanted, 0] > 0).astype("<i8")
    request = active_pb2.SubmitLabelsRequest(
        session=name, ids=named(wanted), labels=labels.tobytes()
    )
    assert world.active.SubmitLabels(request).session.labelled == 2 + 4


@rpc("gleann.v1.ActiveLearningService/IgnoreIds")
def ignore_ids(world: Any) -> None:
    name = start_active(world).name
    wanted = active_pb2.NextBatchRequest(session=name)
    batch = ints(world.active.NextBatch(wanted).items.ids)
    request = active_pb2.IgnoreIdsRequest(session=name, ids=named(batch[:1]))
    assert world.active.IgnoreIds(request).session.name == name
    assert batch[0] not in ints(world.active.NextBatch(wanted).items.ids)


@rpc("gleann.v1.ActiveLearningService/GetStopAdvice")
def get_stop_advice(world: Any) -> None:
    request = active_pb2.GetStopAdviceRequest(session=start_active(world).name)
    advice = world.active.GetStopAdvice(request)
    assert advice.reason
    assert not advice.stop


@rpc("gleann.v1.ActiveLearningService/ScoreItems")
def score_items(world: Any) -> None:
    name = start_active(world).name
    request = active_pb2.ScoreItemsRequest(session=name, ids=named([5, 6]))
    reply = world.active.ScoreItems(request)
    assert ints(reply.ids) == [5, 6]
    assert np.frombuffer(reply.classes, "<i8").tolist() == [0, 1]
    probabilities = floats(reply.probabilities).reshape(2, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)


def start_given(world: Any) -> str:
    request = active_pb2.StartActiveSessionRequest(
        index="w",
        params=active_pb2.ActiveParams(
            batch=4, neighbours=10, model=active_pb2.ACTIVE_MODEL_GIVEN
        ),
        ids=named([5, 6]),
        labels=np.array([1, 0], "<i8").tobytes(),
    )
    return world.active.StartActiveSession(request).name


@rpc("gleann.v1.ActiveLearningService/ListWantedIds")
def list_wanted_ids(world: Any) -> None:
    request = active_pb2.ListWantedIdsRequest(session=start_given(world))
    wanted = ints(world.active.ListWantedIds(request).ids)
    assert 10 <= len(wanted) <= 20
    request.session = start_active(world).name
    assert not ints(world.active.ListWantedIds(request).ids)


@rpc("gleann.v1.ActiveLearningService/SubmitProbabilities")
def submit_probabilities(world: Any) -> None:
    name = start_given(world)
    asked = active_pb2.ListWantedIdsRequest(session=name)
    wanted = ints(world.active.ListWantedIds(asked).ids)
    p = np.linspace(0.3, 0.9, len(wanted))
    request = active_pb2.SubmitProbabilitiesRequest(
        session=name,
        ids=named(wanted),
        probabilities=packed(np.stack([1 - p, p], axis=1).ravel()),
    )
    assert world.active.SubmitProbabilities(request).session.labelled == 2
    assert not ints(world.active.ListWantedIds(asked).ids)
    batch = world.active.NextBatch(active_pb2.NextBatchRequest(session=name))
    doubt = np.argsort(np.abs(p - 0.5), kind="stable")[:4]
    assert sorted(ints(batch.items.ids)) == sorted(np.array(wanted)[doubt].tolist())


@rpc("gleann.v1.ActiveLearningService/GetCoverage")
def get_coverage(world: Any) -> None:
    name = start_active(world).name
    world.active.NextBatch(active_pb2.NextBatchRequest(session=name))
    request = active_pb2.GetCoverageRequest(session=name)
    covered = world.active.GetCoverage(request)
    assert covered.top == 4
    assert covered.open_rows == len(world.rows) - 2
    assert covered.random_score < covered.score <= covered.baseline_score + 1e-12


def start_rounds(world: Any) -> session_pb2.Session:
    seed = list(range(30))
    labels = (world.rows[seed, 0] > 0).astype("<i8")
    request = rounds_pb2.StartRoundsSessionRequest(
        index="w",
        params=rounds_pb2.RoundsParams(
            batch=4, picker=rounds_pb2.ROUNDS_PICKER_CLUSTER_MARGIN
        ),
        ids=named(seed),
        labels=labels.tobytes(),
    )
    return world.rounds.StartRoundsSession(request)


@rpc("gleann.v1.RoundsService/StartRoundsSession")
def start_rounds_session(world: Any) -> None:
    session = start_rounds(world)
    assert (session.kind, session.labelled, session.sealed_version) == ("rounds", 30, 1)


@rpc("gleann.v1.RoundsService/NextBatch")
def next_round(world: Any) -> None:
    request = active_pb2.NextBatchRequest(session=start_rounds(world).name)
    first = world.rounds.NextBatch(request)
    assert len(ints(first.items.ids)) == 4
    assert not set(ints(first.items.ids)) & set(range(30))
    assert json.loads(first.summary_json)["method"] == "cluster_margin"
    assert world.rounds.NextBatch(request) == first


@rpc("gleann.v1.RoundsService/SubmitLabels")
def submit_round_labels(world: Any) -> None:
    name = start_rounds(world).name
    request = active_pb2.SubmitLabelsRequest(
        session=name, ids=named([31, 32]), labels=np.array([7, 0], "<i8").tobytes()
    )
    assert world.rounds.SubmitLabels(request).session.labelled == 32


@rpc("gleann.v1.RoundsService/IgnoreIds")
def ignore_round_ids(world: Any) -> None:
    name = start_rounds(world).name
    wanted = active_pb2.NextBatchRequest(session=name)
    before = ints(world.rounds.NextBatch(wanted).items.ids)
    request = active_pb2.IgnoreIdsRequest(session=name, ids=named(before[:1]))
    world.rounds.IgnoreIds(request)
    assert ints(world.rounds.NextBatch(wanted).items.ids) == before[1:]


@rpc("gleann.v1.RoundsService/ScoreItems")
def score_round_items(world: Any) -> None:
    name = start_rounds(world).name
    request = active_pb2.ScoreItemsRequest(session=name, ids=named([3, 4]))
    reply = world.rounds.ScoreItems(request)
    table = floats(reply.probabilities).reshape(2, 2)
    np.testing.assert_allclose(table.sum(axis=1), 1)
    request.concept = "x"
    with pytest.raises(grpc.RpcError, match="no concepts"):
        world.rounds.ScoreItems(request)


@rpc("gleann.v1.EstimateService/StartEstimateSession")
def start_estimate_session(world: Any) -> None:
    session = start_estimate(world)
    assert (session.kind, session.labelled) == ("estimate", 0)


@rpc("gleann.v1.EstimateService/NextEstimateBatch")
def next_estimate_batch(world: Any) -> None:
    request = estimate_pb2.NextEstimateBatchRequest(session=start_estimate(world).name)
    first = world.estimate.NextEstimateBatch(request)
    assert len(ints(first.items.ids)) > 0
    assert world.estimate.NextEstimateBatch(request) == first


@rpc("gleann.v1.EstimateService/SubmitEstimateLabels")
def submit_estimate_labels(world: Any) -> None:
    name = start_estimate(world).name
    count = answer(world, name)
    request = session_pb2.GetSessionRequest(name=name)
    assert world.session.GetSession(request).labelled == count > 0


@rpc("gleann.v1.EstimateService/GetEstimate")
def get_estimate(world: Any) -> None:
    name = start_estimate(world).name
    while answer(world, name):
        pass
    estimate = world.estimate.GetEstimate(estimate_pb2.GetEstimateRequest(session=name))
    assert estimate.target == estimate_pb2.ESTIMATE_TARGET_COUNT
    assert estimate.labels_used == 40
    assert estimate.low <= estimate.value <= estimate.high
    assert sum(stratum.size for stratum in estimate.by_stratum) == len(world.rows)


@rpc("gleann.v1.EstimateService/StartGroupSession")
def start_group_session(world: Any) -> None:
    session = start_groups(world)
    assert (session.kind, session.labelled) == ("groups", 0)


@rpc("gleann.v1.EstimateService/NextGroupBatches")
def next_group_batches(world: Any) -> None:
    name = start_groups(world).name
    request = estimate_pb2.NextGroupBatchesRequest(session=name)
    first = world.estimate.NextGroupBatches(request)
    assert [batch.group for batch in first.batches] == [""]
    assert len(ints(first.batches[0].items.ids)) > 0
    assert world.estimate.NextGroupBatches(request) == first


@rpc("gleann.v1.EstimateService/SubmitGroupLabels")
def submit_group_labels(world: Any) -> None:
    name = start_groups(world).name
    count = answer_groups(world, name)
    request = session_pb2.GetSessionRequest(name=name)
    assert world.session.GetSession(request).labelled == count > 0


@rpc("gleann.v1.EstimateService/GetGroupEstimates")
def get_group_estimates(world: Any) -> None:
    name = start_groups(world).name
    while answer_groups(world, name):
        pass
    request = estimate_pb2.GetGroupEstimatesRequest(session=name)
    made = world.estimate.GetGroupEstimates(request).estimates
    assert [one.group for one in made] == ["left", "right"]
    for one in made:
        assert one.estimate.low <= one.estimate.value <= one.estimate.high


@rpc("gleann.v1.SessionService/GetSession")
def get_session(world: Any) -> None:
    session = start_active(world)
    request = session_pb2.GetSessionRequest(name=session.name)
    assert world.session.GetSession(request) == session


@rpc("gleann.v1.SessionService/ListSessions")
def list_sessions(world: Any) -> None:
    started = [start_active(world).name, start_estimate(world).name]
    names, token = [], ""
    while True:
        request = session_pb2.ListSessionsRequest(
            index="w", page_size=1, page_token=token
        )
        page = world.session.ListSessions(request)
        names += [session.name for session in page.sessions]
        if not (token := page.next_page_token):
            break
    assert names[-2:] == started


@rpc("gleann.v1.SessionService/CloseSession")
def close_session(world: Any) -> None:
    name = start_active(world).name
    world.session.CloseSession(session_pb2.CloseSessionRequest(name=name))
    with pytest.raises(grpc.RpcError) as caught:
        world.session.GetSession(session_pb2.GetSessionRequest(name=name))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
