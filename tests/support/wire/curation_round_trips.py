"""A round trip of every rpc of the curation service; importing registers them."""

import json
from typing import Any

import grpc
import pyarrow as pa
import pytest
from round_trips import finish, rpc

from gleann.v1 import curation_pb2, duplicates_pb2, index_pb2

SERVICE = "gleann.v1.CurationService"


def curate(world: Any, radius: float = 0.2) -> curation_pb2.Curation:
    request = curation_pb2.CreateCurationJobRequest(
        index="w", near_duplicates=duplicates_pb2.NearDuplicates(radius=radius)
    )
    operation = finish(world, world.curation.CreateCurationJob(request))
    metadata, made = index_pb2.OperationMetadata(), curation_pb2.Curation()
    assert operation.metadata.Unpack(metadata)
    assert (metadata.kind, metadata.index) == ("curate", "w")
    assert operation.response.Unpack(made)
    return made


@rpc(f"{SERVICE}/CreateCurationJob")
def create_curation_job(world: Any) -> None:
    made = curate(world)
    summary = json.loads(made.summary_json)
    assert summary["rows"] == len(world.rows)
    assert summary["kept"] + summary["dropped"] == len(world.rows)
    assert (made.index, made.method) == ("w", "near_duplicates")
    assert (made.version.sealed, made.version.sequence) == (1, 1)


@rpc(f"{SERVICE}/GetCuration")
def get_curation(world: Any) -> None:
    made = curate(world)
    request = curation_pb2.GetCurationRequest(name=made.name)
    assert world.curation.GetCuration(request) == made


@rpc(f"{SERVICE}/ListCurations")
def list_curations(world: Any) -> None:
    made = [curate(world).name for _ in range(2)]
    names, token = [], ""
    while True:
        request = curation_pb2.ListCurationsRequest(page_size=1, page_token=token)
        page = world.curation.ListCurations(request)
        names += [one.name for one in page.curations]
        if not (token := page.next_page_token):
            break
    assert names[-2:] == made


@rpc(f"{SERVICE}/ReadCurationTable")
def read_curation_table(world: Any) -> None:
    made = curate(world)
    request = curation_pb2.ReadCurationTableRequest(
        name=made.name, table="rows", columns=["id", "kept"], page_size=100
    )
    reply = world.curation.ReadCurationTable(request)
    page = pa.ipc.open_stream(reply.arrow).read_all()
    assert page.column("id").to_pylist() == list(range(100))
    assert page.schema.names == ["id", "kept"]
    assert reply.next_page_token


@rpc(f"{SERVICE}/DeleteCuration")
def delete_curation(world: Any) -> None:
    made = curate(world)
    world.curation.DeleteCuration(curation_pb2.DeleteCurationRequest(name=made.name))
    with pytest.raises(grpc.RpcError) as caught:
        world.curation.GetCuration(curation_pb2.GetCurationRequest(name=made.name))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
