"""Round trips of payload, filters and columns, through a real server."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from round_trips import create, finish, floats, ints, named, rpc, upsert

from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.service.wire.arrays import vectors_to_wire
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.payload.columns import columns_to_wire
from gleann.service.wire.payload_messages import payload_of, payload_to_wire
from gleann.v1 import index_pb2, payload_pb2, search_pb2, vector_pb2

SCHEMA = Schema.of({"split": "string", "score": "float64", "tags": "strings"})
N = 60


def payload() -> Payload:
    return Payload.of(
        {
            "split": ["train" if i % 3 else "test" for i in range(N)],
            "score": [i / N if i % 2 else None for i in range(N)],
            "tags": [["even"] if i % 2 == 0 else [] for i in range(N)],
        },
        SCHEMA,
    )


def filled(world: Any, name: str) -> None:
    """Make an index with the first N rows and their payload."""
    create(world, name, metric=3)
    world.index.UpdateIndex(
        index_pb2.UpdateIndexRequest(
            name=name, add_columns=columns_to_wire(SCHEMA.columns)
        )
    )
    reply = world.vector.UpsertVectors(
        vector_pb2.UpsertVectorsRequest(
            index=name,
            ids=named(range(N)),
            vectors=vectors_to_wire(world.rows[:N]),
            payload=payload_to_wire(payload()),
        )
    )
    assert reply.count == N


def values(message: payload_pb2.Payload) -> list[dict[str, Any]]:
    return payload_of(message, None, message.count).to_pylist()


@rpc("gleann.v1.IndexService/UpdateIndex")
def update_index(world: Any) -> None:
    filled(world, "to-update")
    request = index_pb2.UpdateIndexRequest(
        name="to-update",
        drop_columns=["score"],
        add_columns=columns_to_wire(Schema.of({"year": "int64"}).columns),
        optimizer=index_pb2.OptimizerParams(drift=3.5),
    )
    index = world.index.UpdateIndex(request)
    assert [column.name for column in index.columns] == ["split", "tags", "year"]
    assert index.columns[2].type == payload_pb2.COLUMN_TYPE_INT64
    got = world.index.GetIndex(index_pb2.GetIndexRequest(name="to-update"))
    assert got.columns == index.columns
    assert got.optimizer.params.drift == 3.5
    assert got.optimizer.params.HasField("pending_share")


@rpc("gleann.v1.IndexService/OptimizeIndex")
def optimize_index(world: Any) -> None:
    filled(world, "to-optimize")
    request = index_pb2.OptimizeIndexRequest(
        name="to-optimize", kind=index_pb2.COMPACTION_KIND_REBUILD
    )
    operation = finish(world, world.index.OptimizeIndex(request))
    index = index_pb2.Index()
    assert operation.response.Unpack(index)
    assert (index.count, index.pending, index.version.sealed) == (N, 0, 1)
    metadata = index_pb2.OperationMetadata()
    assert operation.metadata.Unpack(metadata)
    assert metadata.kind == "optimize"
    count = vector_pb2.CountVectorsRequest(
        index="to-optimize", filter=filter_to_wire("split = 'test'")
    )
    assert world.vector.CountVectors(count).count == N // 3


@rpc("gleann.v1.VectorService/UpdatePayload")
def update_payload(world: Any) -> None:
    filled(world, "to-change")
    one = Payload.of({"split": ["val"]}, Schema.of({"split": "string"}))
    request = vector_pb2.UpdatePayloadRequest(
        index="to-change", ids=named([7]), payload=payload_to_wire(one)
    )
    first = world.vector.UpdatePayload(request)
    assert first.count == 1
    request = vector_pb2.UpdatePayloadRequest(
        index="to-change",
        filter=filter_to_wire("score > $1", [0.5]),
        payload=payload_to_wire(one),
    )
    reply = world.vector.UpdatePayload(request)
    assert reply.count == 15  # the odd rows above the half
    assert reply.version.sequence == first.version.sequence + 1
    got = world.vector.GetVectors(
        vector_pb2.GetVectorsRequest(
            index="to-change",
            ids=named([7, 8, 31]),
            columns=["*"],
            without_vectors=True,
        )
    )
    assert not got.HasField("vectors")
    assert [row["split"] for row in values(got.payload)] == ["val", "train", "val"]
    assert values(got.payload)[0]["score"] == 7 / N


@rpc("gleann.v1.VectorService/DeletePayload")
def delete_payload(world: Any) -> None:
    filled(world, "to-empty")
    request = vector_pb2.DeletePayloadRequest(
        index="to-empty", ids=named([0, 2]), columns=["tags"]
    )
    assert world.vector.DeletePayload(request).count == 2
    request = vector_pb2.DeletePayloadRequest(
        index="to-empty", filter=filter_to_wire("split = 'test'"), columns=["*"]
    )
    assert world.vector.DeletePayload(request).count == N // 3
    got = world.vector.GetVectors(
        vector_pb2.GetVectorsRequest(
            index="to-empty", ids=named([3, 2]), columns=["tags", "split"]
        )
    )
    assert got.vectors.count == 2
    assert values(got.payload) == [
        {"tags": None, "split": None},
        {"tags": None, "split": "train"},
    ]


@rpc("gleann.v1.VectorService/ScrollVectors")
def scroll_vectors(world: Any) -> None:
    filled(world, "to-scroll")
    ids, rows, token, pages = [], [], "", 0
    while True:
        page = world.vector.ScrollVectors(
            vector_pb2.ScrollVectorsRequest(
                index="to-scroll",
                filter=filter_to_wire("contains(tags, 'even')"),
                columns=["split"],
                with_vectors=True,
                page_size=7,
                page_token=token,
            )
        )
        pages += 1
        ids += ints(page.ids)
        rows.append(floats(page.vectors.data, "<f4").reshape(-1, 8))
        assert [row["split"] for row in values(page.payload)] == [
            "train" if i % 3 else "test" for i in ints(page.ids)
        ]
        upsert(world, "to-scroll", np.array([1000 + pages]), world.rows[:1])
        if not (token := page.next_page_token):
            break
    assert ids == list(range(0, N, 2))
    assert pages == 5
    assert np.array_equal(np.concatenate(rows), world.rows[0:N:2])


@rpc("gleann.v1.VectorService/CountVectors")
def count_vectors(world: Any) -> None:
    filled(world, "to-count")
    request = vector_pb2.CountVectorsRequest(index="to-count")
    whole = world.vector.CountVectors(request)
    assert (whole.count, whole.version.sequence) == (N, 2)
    request.filter.CopyFrom(filter_to_wire("score IS NULL AND split = $1", ["test"]))
    assert world.vector.CountVectors(request).count == N // 6


def radius_pages(
    world: Any, radius: float
) -> Iterator[search_pb2.SearchRadiusResponse]:
    """Pages of at most 8 hits of three rows, until there are no more."""
    token = ""
    while True:
        page = world.search.SearchRadius(
            search_pb2.SearchRadiusRequest(
                index="to-measure",
                queries=vectors_to_wire(world.rows[:3]),
                radius=radius,
                filter=filter_to_wire("split = 'train'"),
                columns=["split"],
                page_size=8,
                page_token=token,
            )
        )
        yield page
        if not (token := page.next_page_token):
            return


@rpc("gleann.v1.SearchService/SearchRadius")
def search_radius(world: Any) -> None:
    filled(world, "to-measure")
    rows = world.rows[:N].astype(np.float64)
    squared = ((rows[:3, None] - rows[None]) ** 2).sum(axis=2)
    radius = float(np.median(squared))
    got: list[list[int]] = [[], [], []]
    pages = list(radius_pages(world, radius))
    for page in pages:
        counts = floats(page.counts, "<i8")
        assert counts.sum() == page.payload.count <= 8
        queries = np.repeat(np.arange(3), counts)
        distances = floats(page.distances, "<f4")
        for query, one in zip(queries, ints(page.ids), strict=True):
            got[query].append(one)
        expected = squared[queries, ints(page.ids)]
        assert np.allclose(distances, expected, rtol=1e-4, atol=1e-5)
        assert {row["split"] for row in values(page.payload)} <= {"train"}
        assert page.complete
    train = np.arange(N) % 3 > 0
    for query in range(3):
        wanted = np.flatnonzero(train & (squared[query] < radius * (1 - 1e-5)))
        assert set(wanted) <= set(got[query])
        assert len(set(got[query])) == len(got[query])
        assert (squared[query, got[query]] <= radius * (1 + 1e-5)).all()
    assert len(pages) > 2
    with pytest.raises(grpc.RpcError) as caught:
        world.search.SearchRadius(
            search_pb2.SearchRadiusRequest(
                index="to-measure",
                queries=vectors_to_wire(world.rows[:3]),
                page_token="nonsense",
            )
        )
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
