"""Round trips of snapshots, through a real server."""

from typing import Any

import grpc
import numpy as np
import pytest
from google.longrunning import operations_pb2
from round_trips import create, finish, rpc, upsert

from gleann.v1 import index_pb2, payload_pb2, snapshot_pb2


def taken(world: Any, index: str) -> snapshot_pb2.Snapshot:
    """A snapshot of a new index of 20 rows."""
    create(world, index, metric=3)
    upsert(world, index, np.arange(20), world.rows[:20])
    request = snapshot_pb2.CreateSnapshotRequest(index=index)
    return answer(world, world.snapshot.CreateSnapshot(request))


def answer(world: Any, operation: operations_pb2.Operation) -> snapshot_pb2.Snapshot:
    snapshot = snapshot_pb2.Snapshot()
    assert finish(world, operation).response.Unpack(snapshot)
    return snapshot


@rpc("gleann.v1.SnapshotService/CreateSnapshot")
def create_snapshot(world: Any) -> None:
    snapshot = taken(world, "kept")
    assert (snapshot.index, snapshot.dim, snapshot.count) == ("kept", 8, 20)
    assert (snapshot.metric, snapshot.version.sequence) == (3, 1)
    assert snapshot.size_bytes > 20 * 32
    assert len(snapshot.checksum) == 64
    assert snapshot.create_time.seconds > 1_700_000_000
    request = snapshot_pb2.CreateSnapshotRequest(
        index="kept", filter=payload_pb2.Filter(where="id < 5")
    )
    few = answer(world, world.snapshot.CreateSnapshot(request))
    assert (few.count, few.where) == (5, "id < 5")


@rpc("gleann.v1.SnapshotService/GetSnapshot")
def get_snapshot(world: Any) -> None:
    snapshot = taken(world, "kept-get")
    request = snapshot_pb2.GetSnapshotRequest(name=snapshot.name)
    assert world.snapshot.GetSnapshot(request) == snapshot


@rpc("gleann.v1.SnapshotService/ListSnapshots")
def list_snapshots(world: Any) -> None:
    first = taken(world, "kept-list")
    again = snapshot_pb2.CreateSnapshotRequest(index="kept-list")
    second = answer(world, world.snapshot.CreateSnapshot(again))
    request = snapshot_pb2.ListSnapshotsRequest(index="kept-list", page_size=1)
    page = world.snapshot.ListSnapshots(request)
    assert list(page.snapshots) == [first]
    request.page_token = page.next_page_token
    page = world.snapshot.ListSnapshots(request)
    assert list(page.snapshots) == [second]
    assert not page.next_page_token


@rpc("gleann.v1.SnapshotService/DeleteSnapshot")
def delete_snapshot(world: Any) -> None:
    name = taken(world, "kept-delete").name
    world.snapshot.DeleteSnapshot(snapshot_pb2.DeleteSnapshotRequest(name=name))
    with pytest.raises(grpc.RpcError) as caught:
        world.snapshot.GetSnapshot(snapshot_pb2.GetSnapshotRequest(name=name))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@rpc("gleann.v1.SnapshotService/VerifySnapshot")
def verify_snapshot(world: Any) -> None:
    snapshot = taken(world, "kept-verify")
    request = snapshot_pb2.VerifySnapshotRequest(name=snapshot.name)
    assert answer(world, world.snapshot.VerifySnapshot(request)) == snapshot
    file = world.folder / "data" / snapshot.name / "newer.arrow"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    operation = world.snapshot.VerifySnapshot(request)
    wait = operations_pb2.WaitOperationRequest(name=operation.name)
    wait.timeout.FromSeconds(10)
    error = world.operations.WaitOperation(wait).error
    assert error.code == grpc.StatusCode.DATA_LOSS.value[0]
    assert "newer.arrow" in error.message


@rpc("gleann.v1.SnapshotService/RestoreSnapshot")
def restore_snapshot(world: Any) -> None:
    name = taken(world, "kept-restore").name
    request = snapshot_pb2.RestoreSnapshotRequest(name=name, index="restored")
    index = index_pb2.Index()
    operation = finish(world, world.snapshot.RestoreSnapshot(request))
    assert operation.response.Unpack(index)
    assert (index.name, index.count, index.id_type) == ("restored", 20, "int64")
    with pytest.raises(grpc.RpcError) as caught:
        world.snapshot.RestoreSnapshot(request)
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS


@rpc("gleann.v1.SnapshotService/ExportSnapshot")
def export_snapshot(world: Any) -> None:
    snapshot = taken(world, "kept-export")
    path = world.folder / "exported.tar"
    request = snapshot_pb2.ExportSnapshotRequest(name=snapshot.name, path=str(path))
    assert answer(world, world.snapshot.ExportSnapshot(request)) == snapshot
    assert path.stat().st_size > snapshot.size_bytes


@rpc("gleann.v1.SnapshotService/ImportSnapshot")
def import_snapshot(world: Any) -> None:
    snapshot = taken(world, "kept-import")
    path = str(world.folder / "imported")
    exported = snapshot_pb2.ExportSnapshotRequest(name=snapshot.name, path=path)
    finish(world, world.snapshot.ExportSnapshot(exported))
    deleted = snapshot_pb2.DeleteSnapshotRequest(name=snapshot.name)
    world.snapshot.DeleteSnapshot(deleted)
    request = snapshot_pb2.ImportSnapshotRequest(path=path)
    assert answer(world, world.snapshot.ImportSnapshot(request)) == snapshot
