"""Every rpc is called through a real server; one without a call here fails."""

from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from round_trips import (
    ROUND_TRIPS,
    build,
    create,
    finish,
    floats,
    ints,
    named,
    rpc,
    upsert,
)

from gleann.service.config import Config
from gleann.service.server.grpc_server import SERVICES, serve
from gleann.service.wire.arrays import vectors_to_wire
from gleann.v1 import (
    active_pb2,
    active_pb2_grpc,
    admin_pb2,
    admin_pb2_grpc,
    coreset_pb2,
    coreset_pb2_grpc,
    curation_pb2,
    curation_pb2_grpc,
    estimate_pb2,
    estimate_pb2_grpc,
    index_pb2,
    index_pb2_grpc,
    job_pb2,
    job_pb2_grpc,
    rounds_pb2,
    rounds_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    snapshot_pb2,
    snapshot_pb2_grpc,
    types_pb2,
    vector_pb2,
    vector_pb2_grpc,
)

for module in (
    "selection_round_trips",
    "collection_round_trips",
    "curation_round_trips",
    "snapshot_round_trips",
    "job_round_trips",
):
    pytest.register_assert_rewrite(module)
    import_module(module)  # registers its round trips

FILES = (
    index_pb2,
    vector_pb2,
    search_pb2,
    coreset_pb2,
    curation_pb2,
    active_pb2,
    rounds_pb2,
    estimate_pb2,
    session_pb2,
    snapshot_pb2,
    admin_pb2,
    job_pb2,
)
DESCRIBED = [
    service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()
]
OPERATIONS = operations_pb2.DESCRIPTOR.services_by_name["Operations"]
RPCS = [
    f"{service.full_name}/{method.name}"
    for service in [*DESCRIBED, OPERATIONS]
    for method in service.methods
]


@pytest.fixture(scope="module")
def world(
    rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """Stubs, and a server with the index "w" of `rows` under the ids 0, 1, ..."""
    folder = tmp_path_factory.mktemp("world")
    np.save(folder / "more.npy", rows[:5])
    config = Config(
        data_dir=folder / "data",
        listen="127.0.0.1:0",
        import_roots=(folder,),
        export_roots=(folder,),
    )
    with serve(config) as server:
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        stubs = {
            "index": index_pb2_grpc.IndexServiceStub(channel),
            "vector": vector_pb2_grpc.VectorServiceStub(channel),
            "search": search_pb2_grpc.SearchServiceStub(channel),
            "coreset": coreset_pb2_grpc.CoresetServiceStub(channel),
            "curation": curation_pb2_grpc.CurationServiceStub(channel),
            "active": active_pb2_grpc.ActiveLearningServiceStub(channel),
            "rounds": rounds_pb2_grpc.RoundsServiceStub(channel),
            "estimate": estimate_pb2_grpc.EstimateServiceStub(channel),
            "session": session_pb2_grpc.SessionServiceStub(channel),
            "snapshot": snapshot_pb2_grpc.SnapshotServiceStub(channel),
            "admin": admin_pb2_grpc.AdminServiceStub(channel),
            "job": job_pb2_grpc.JobServiceStub(channel),
            "operations": operations_pb2_grpc.OperationsStub(channel),
        }
        world = SimpleNamespace(**stubs, channel=channel, folder=folder, rows=rows)
        create(world, "w", metric=types_pb2.METRIC_L2)
        upsert(world, "w", np.arange(len(rows)), rows)
        finish(world, build(world, "w"))
        yield world
        channel.close()


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


@rpc("gleann.v1.VectorService/StreamUpsertVectors")
def stream_upsert_vectors(world: Any) -> None:
    create(world, "to-stream")
    message = vector_pb2.StreamUpsertVectorsRequest
    sent = [message(start=vector_pb2.UpsertStart(index="to-stream", stream_id="a"))]
    for number in (1, 2, 3):
        rows = world.rows[: 3 if number != 2 else 2]  # the second has too few vectors
        batch = vector_pb2.UpsertBatch(
            sequence=number,
            ids=named([3 * number, 3 * number + 1, 3 * number + 2]),
            vectors=vectors_to_wire(rows),
        )
        sent.append(message(batch=batch))
    sent.append(message(end=vector_pb2.UpsertEnd()))
    started, *answers = world.vector.StreamUpsertVectors(iter(sent))
    assert (started.started.sequence, started.started.count) == (0, 0)
    assert started.started.window >= 1
    assert [one.WhichOneof("message") for one in answers[-2:]] == [
        "refused",
        "acknowledged",
    ]
    assert answers[-2].refused.sequence == 2
    assert answers[-2].refused.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    last = answers[-1].acknowledged
    assert (last.sequence, last.count, last.version.sequence) == (3, 6, 2)


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


@rpc("gleann.v1.AdminService/GetServerInfo")
def get_server_info(world: Any) -> None:
    info = world.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
    assert info.limits.message_bytes == 64 * 1024 * 1024
    assert "import:parquet" in info.features
    assert info.index_count >= 1


@rpc("gleann.v1.AdminService/GetServerStatus")
def get_server_status(world: Any) -> None:
    status = world.admin.GetServerStatus(admin_pb2.GetServerStatusRequest())
    assert status.state == admin_pb2.SERVER_STATE_SERVING
    assert {queue.kind for queue in status.queues} >= {"search", "read", "write"}
    assert "w" in {index.name for index in status.indexes}


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
