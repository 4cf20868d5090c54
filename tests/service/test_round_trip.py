"""Every rpc is called through a real server; one without a call here fails."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gleann.service.config import Config
from gleann.service.server import SERVICES, serve
from gleann.service.wire import ids_to_wire, vectors_to_wire
from gleann.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    index_pb2,
    index_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    selection_pb2,
    selection_pb2_grpc,
    types_pb2,
    vector_pb2,
    vector_pb2_grpc,
)

FILES = (index_pb2, vector_pb2, search_pb2, selection_pb2, admin_pb2)
DESCRIBED = [
    service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()
]
OPERATIONS = operations_pb2.DESCRIPTOR.services_by_name["Operations"]
RPCS = [
    f"{service.full_name}/{method.name}"
    for service in [*DESCRIBED, OPERATIONS]
    for method in service.methods
]

ROUND_TRIPS: dict[str, Callable[[Any], None]] = {}


def rpc(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    def register(call: Callable[[Any], None]) -> Callable[[Any], None]:
        assert name not in ROUND_TRIPS
        ROUND_TRIPS[name] = call
        return call

    return register


@pytest.fixture(scope="module")
def world(
    rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """Stubs, and a server with the index "w" of `rows` under the ids 0, 1, ..."""
    folder = tmp_path_factory.mktemp("world")
    np.save(folder / "more.npy", rows[:5])
    config = Config(
        data_dir=folder / "data", listen="127.0.0.1:0", import_roots=(folder,)
    )
    with serve(config) as server:
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        stubs = {
            "index": index_pb2_grpc.IndexServiceStub(channel),
            "vector": vector_pb2_grpc.VectorServiceStub(channel),
            "search": search_pb2_grpc.SearchServiceStub(channel),
            "selection": selection_pb2_grpc.SelectionServiceStub(channel),
            "admin": admin_pb2_grpc.AdminServiceStub(channel),
            "operations": operations_pb2_grpc.OperationsStub(channel),
        }
        world = SimpleNamespace(**stubs, channel=channel, folder=folder, rows=rows)
        create(world, "w", metric=types_pb2.METRIC_L2)
        upsert(world, "w", np.arange(len(rows)), rows)
        finish(world, build(world, "w"))
        yield world
        channel.close()


def create(world: Any, name: str, *, metric: int = 0) -> index_pb2.Index:
    request = index_pb2.CreateIndexRequest(name=name, dim=8, metric=metric)
    return world.index.CreateIndex(request)


def upsert(world: Any, name: str, ids: np.ndarray, rows: np.ndarray) -> Any:
    request = vector_pb2.UpsertVectorsRequest(
        index=name, ids=ids_to_wire(ids), vectors=vectors_to_wire(rows)
    )
    return world.vector.UpsertVectors(request)


def build(world: Any, name: str) -> operations_pb2.Operation:
    params = index_pb2.BuildParams(nlist=4, tune_queries=0)
    return world.index.BuildIndex(index_pb2.BuildIndexRequest(name=name, params=params))


def finish(world: Any, operation: operations_pb2.Operation) -> operations_pb2.Operation:
    while not operation.done:
        request = operations_pb2.WaitOperationRequest(name=operation.name)
        operation = world.operations.WaitOperation(request)
    assert operation.WhichOneof("result") == "response", operation.error
    return operation


def floats(data: bytes, dtype: str = "<f8") -> np.ndarray:
    return np.frombuffer(data, dtype)


def packed(values: Any) -> bytes:
    return np.asarray(values, "<f8").tobytes()


def named(ids: Any) -> types_pb2.Ids:
    return ids_to_wire(np.asarray(ids, np.int64))


def ints(ids: types_pb2.Ids) -> list[int]:
    return np.frombuffer(ids.int64s, "<i8").tolist()


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


@rpc("gleann.v1.IndexService/CreateIndex")
def create_index(world: Any) -> None:
    index = create(world, "fresh")
    assert (index.name, index.dim, index.count) == ("fresh", 8, 0)
    assert index.metric == types_pb2.METRIC_COSINE


@rpc("gleann.v1.IndexService/GetIndex")
def get_index(world: Any) -> None:
    index = world.index.GetIndex(index_pb2.GetIndexRequest(name="w"))
    assert (index.count, index.nlist, index.id_type) == (len(world.rows), 4, "int64")
    assert (index.version.sealed, index.version.sequence) == (1, 1)


@rpc("gleann.v1.IndexService/ListIndexes")
def list_indexes(world: Any) -> None:
    for name in ("page-a", "page-b", "page-c"):
        create(world, name)
    names, token = [], ""
    while True:
        request = index_pb2.ListIndexesRequest(page_size=2, page_token=token)
        page = world.index.ListIndexes(request)
        names += [index.name for index in page.indexes]
        assert len(page.indexes) <= 2
        if not (token := page.next_page_token):
            break
    assert names == sorted(names)
    assert {"page-a", "page-b", "page-c", "w"} <= set(names)


@rpc("gleann.v1.IndexService/DeleteIndex")
def delete_index(world: Any) -> None:
    create(world, "gone")
    world.index.DeleteIndex(index_pb2.DeleteIndexRequest(name="gone"))
    with pytest.raises(grpc.RpcError) as caught:
        world.index.GetIndex(index_pb2.GetIndexRequest(name="gone"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@rpc("gleann.v1.IndexService/BuildIndex")
def build_index(world: Any) -> None:
    create(world, "to-build")
    upsert(world, "to-build", np.arange(40), world.rows[:40])
    operation = finish(world, build(world, "to-build"))
    index = index_pb2.Index()
    assert operation.response.Unpack(index)
    assert (index.version.sealed, index.pending, index.count) == (1, 0, 40)
    metadata = index_pb2.OperationMetadata()
    assert operation.metadata.Unpack(metadata)
    assert (metadata.kind, metadata.index) == ("build", "to-build")
    assert metadata.end_time.ToNanoseconds() >= metadata.start_time.ToNanoseconds() > 0


@rpc("gleann.v1.VectorService/UpsertVectors")
def upsert_vectors(world: Any) -> None:
    create(world, "to-fill")
    reply = upsert(world, "to-fill", np.arange(3), world.rows[:3])
    assert (reply.count, reply.version.sequence) == (3, 1)


@rpc("gleann.v1.VectorService/ImportVectors")
def import_vectors(world: Any) -> None:
    create(world, "to-import")
    request = vector_pb2.ImportVectorsRequest(index="to-import")
    request.npy.path = str(world.folder / "more.npy")
    operation = finish(world, world.vector.ImportVectors(request))
    imported = vector_pb2.ImportVectorsResponse()
    assert operation.response.Unpack(imported)
    assert (imported.count, imported.index.count) == (5, 5)


@rpc("gleann.v1.VectorService/GetVectors")
def get_vectors(world: Any) -> None:
    request = vector_pb2.GetVectorsRequest(index="w", ids=named([7, 3, 7]))
    vectors = world.vector.GetVectors(request).vectors
    assert (vectors.count, vectors.dim) == (3, 8)
    got = floats(vectors.data, "<f4").reshape(3, 8)
    assert np.array_equal(got, world.rows[[7, 3, 7]])


@rpc("gleann.v1.VectorService/DeleteVectors")
def delete_vectors(world: Any) -> None:
    create(world, "to-thin")
    upsert(world, "to-thin", np.arange(3), world.rows[:3])
    request = vector_pb2.DeleteVectorsRequest(index="to-thin", ids=named([1]))
    assert world.vector.DeleteVectors(request).count == 1
    index = world.index.GetIndex(index_pb2.GetIndexRequest(name="to-thin"))
    assert index.count == 2


@rpc("gleann.v1.SearchService/Search")
def search(world: Any) -> None:
    request = search_pb2.SearchRequest(
        index="w",
        queries=vectors_to_wire(world.rows[:3]),
        params=search_pb2.SearchParams(k=2, nprobe=4),
    )
    reply = world.search.Search(request)
    assert (reply.count, reply.k, reply.version.sealed) == (3, 2, 1)
    assert ints(reply.ids)[::2] == [0, 1, 2]
    distances = floats(reply.distances, "<f4").reshape(3, 2)
    assert (distances[:, 0] == 0).all()
    assert (distances[:, 1] > 0).all()
    assert reply.stats.nprobe == 4


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


@rpc("gleann.v1.AdminService/GetServerInfo")
def get_server_info(world: Any) -> None:
    info = world.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
    assert info.limits.message_bytes == 64 * 1024 * 1024
    assert "import:parquet" in info.features
    assert info.index_count >= 1


@rpc("google.longrunning.Operations/GetOperation")
def get_operation(world: Any) -> None:
    finished = finish(world, build(world, "w"))
    request = operations_pb2.GetOperationRequest(name=finished.name)
    assert world.operations.GetOperation(request) == finished


@rpc("google.longrunning.Operations/ListOperations")
def list_operations(world: Any) -> None:
    made = [finish(world, build(world, "w")).name for _ in range(2)]
    names, token = [], ""
    while True:
        request = operations_pb2.ListOperationsRequest(page_size=1, page_token=token)
        page = world.operations.ListOperations(request)
        names += [operation.name for operation in page.operations]
        if not (token := page.next_page_token):
            break
    assert names[-2:] == made


@rpc("google.longrunning.Operations/WaitOperation")
def wait_operation(world: Any) -> None:
    request = operations_pb2.WaitOperationRequest(name=build(world, "w").name)
    request.timeout.FromSeconds(10)
    assert world.operations.WaitOperation(request).done


@rpc("google.longrunning.Operations/CancelOperation")
def cancel_operation(world: Any) -> None:
    finished = finish(world, build(world, "w"))
    request = operations_pb2.CancelOperationRequest(name=finished.name)
    world.operations.CancelOperation(request)
    # What has ended stays as it ended.
    wanted = operations_pb2.GetOperationRequest(name=finished.name)
    assert world.operations.GetOperation(wanted) == finished


@rpc("google.longrunning.Operations/DeleteOperation")
def delete_operation(world: Any) -> None:
    name = finish(world, build(world, "w")).name
    world.operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=name))
    with pytest.raises(grpc.RpcError) as caught:
        world.operations.GetOperation(operations_pb2.GetOperationRequest(name=name))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", RPCS)
def test_every_rpc(name: str, world: SimpleNamespace) -> None:
    assert name in ROUND_TRIPS, f"{name} has no round trip"
    ROUND_TRIPS[name](world)


def test_no_round_trip_of_an_rpc_that_is_gone() -> None:
    assert set(ROUND_TRIPS) == set(RPCS)


def test_every_service_is_served() -> None:
    assert set(SERVICES) == {s.full_name for s in [*DESCRIBED, OPERATIONS]}


def test_health_of_every_service(world: SimpleNamespace) -> None:
    stub = health_pb2_grpc.HealthStub(world.channel)
    for service in ("", *SERVICES):
        request = health_pb2.HealthCheckRequest(service=service)
        status = stub.Check(request).status
        assert status == health_pb2.HealthCheckResponse.SERVING, service
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="gleann.v1.NoService"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection_lists_every_service(world: SimpleNamespace) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(world.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    reply = next(stub.ServerReflectionInfo(iter([request])))
    names = {service.name for service in reply.list_services_response.service}
    assert set(SERVICES) <= names
