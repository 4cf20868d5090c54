"""Seeded collections, and the requests that search them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.measures.on_disk import write_rows
from bench.say import say
from gleann import Client
from gleann.index import BuildParams, SearchParams
from gleann.index.arrays import Vectors
from gleann.service.wire.arrays import ids_to_wire, vectors_to_wire
from gleann.service.wire.index_messages import search_params_to_wire
from gleann.v1 import search_pb2, vector_pb2

NAME = "bench"
QUERIES = 4096
BLOCK_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Rows of a collection: seeded, around common centres."""

    rows: int
    dim: int
    seed: int = 0


def write_vectors(folder: Path, shape: Shape) -> tuple[Vectors, Vectors]:
    """Mapped rows (n, d) and queries (4096, d) of one distribution, in a file."""
    file = folder / "vectors.npy"
    write_rows(file, (shape.rows + QUERIES, shape.dim), seed=shape.seed)
    whole = np.load(file, mmap_mode="r")
    return whole[:-QUERIES], np.array(whole[-QUERIES:])


def make_collection(data: Path, rows: Vectors, *, name: str = NAME) -> None:
    """Store and build a collection in a data directory that no server has open."""
    say(f"building {name}: {len(rows)} x {rows.shape[1]}")
    with Client(data) as client:
        client.create_index(name, dim=rows.shape[1], metric="l2")
        store(client, name, rows)
        client.build(name, BuildParams(metric="l2")).wait()


def store(client: Client, name: str, rows: Vectors) -> None:
    """Upsert rows under their numbers."""
    for start in range(0, len(rows), BLOCK_ROWS):
        block = np.asarray(rows[start : start + BLOCK_ROWS])
        client.upsert(name, np.arange(start, start + len(block)), block)


def searches(
    queries: Vectors, params: SearchParams, *, size: int, count: int, name: str = NAME
) -> list[bytes]:
    """`count` serialised search requests of `size` queries each."""
    starts = np.arange(count) * size % (len(queries) - size + 1)
    sent = search_params_to_wire(params)
    return [
        search_pb2.SearchRequest(
            index=name,
            queries=vectors_to_wire(queries[start : start + size]),
            params=sent,
        ).SerializeToString()
        for start in starts
    ]


def upserts(rows: Vectors, *, size: int, count: int, name: str = NAME) -> list[bytes]:
    """`count` serialised upserts of `size` rows each, the first ones in order."""
    return [
        vector_pb2.UpsertVectorsRequest(
            index=name,
            ids=ids_to_wire(np.arange(start, start + size)),
            vectors=vectors_to_wire(np.asarray(rows[start : start + size])),
        ).SerializeToString()
        for start in np.arange(count) * size % (len(rows) - size + 1)
    ]
