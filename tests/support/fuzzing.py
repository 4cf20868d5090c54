"""Requests that go wrong: valid ones with fields or bytes changed, and mere bytes."""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import grpc
import numpy as np
from google.longrunning import operations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import gleann
from gleann.index import SearchParams
from gleann.index.errors import GleannError
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.selection.rounds import RoundsParams
from gleann.v1 import (
    active_pb2,
    admin_pb2,
    coreset_pb2,
    estimate_pb2,
    index_pb2,
    rounds_pb2,
    search_pb2,
    session_pb2,
    snapshot_pb2,
    vector_pb2,
)

NAME, DIM, N = "fuzz", 4, 60
COPY = "fuzz-copy"
COLUMNS: dict[str, str] = {
    "text": "string",
    "whole": "int64",
    "real": "float64",
    "flag": "bool",
    "moment": "timestamp",
    "texts": "strings",
    "json": "json",
}
FILES = (
    index_pb2,
    vector_pb2,
    search_pb2,
    coreset_pb2,
    active_pb2,
    rounds_pb2,
    estimate_pb2,
    session_pb2,
    snapshot_pb2,
    admin_pb2,
    operations_pb2,
)
METHODS: dict[str, Descriptor] = {
    f"/{service.full_name}/{method.name}": method.input_type
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}

Seed = tuple[str, bytes]

WHOLE = (0, 1, 2, 3, 10, 100, -1, 2**15, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
REAL = (
    0.0,
    0.5,
    1.0,
    -1.0,
    1e-300,
    1e25,
    3.4e38,
    -3.4e38,
    1e300,
    np.inf,
    -np.inf,
    np.nan,
)
TEXTS = (
    "",
    NAME,
    "fuzz-2",
    "a",
    "\0",
    "é" * 300,
    "x" * 5000,
    "../..",
    "sessions/active-0",
    "snapshots/fuzz-000000000000",
    "text",
    "*",
    "text = 'a' AND (whole < 5 OR NOT flag)",
    "whole IN ($1, $2) AND contains(texts, $1)",
    "text LIKE 'a%' OR moment > TIMESTAMP '2024-01-01T00:00:00Z'",
    "(" * 100 + "flag" + ")" * 100,
    " AND ".join(["whole = 1"] * 3000),
    "Wy1d",
    "WzUsIngiXQ==",
)
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}


class Recorder(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Keeps the requests of a client."""

    def __init__(self) -> None:
        self.seeds: list[Seed] = []

    def intercept_unary_unary(
        self, continuation: Any, details: Any, request: Message
    ) -> Any:
        self.seeds.append((details.method, request.SerializeToString()))
        return continuation(details, request)


def tour(client: gleann.Client) -> None:
    """Call what a client can; the index "fuzz" is made anew."""
    rows = np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)
    if NAME in [info.name for info in client.list_indexes()]:
        for operation in client.operations.list():
            if not operation.done:
                client.operations.cancel(operation.name)
                with suppress(GleannError):
                    operation.wait(timeout=60)
        for session in client.sessions.list(NAME):
            client.sessions.close(session)
        client.delete_index(NAME)
    client.create_index(NAME, dim=DIM, metric="l2", columns=COLUMNS, request_id="")
    ids = np.arange(N)
    client.upsert(NAME, ids, rows, _payload(N))
    client.build(NAME, gleann.BuildParams(metric="l2", nlist=4, tune_queries=0)).wait()
    client.search(NAME, rows[:3], SearchParams(k=2))
    client.search(NAME, rows[:3], SearchParams(k=2, exact=True), allowed_ids=ids[:9])
    client.get_vectors(NAME, ids[:5])
    client.get_index(NAME)
    client.server_info()
    _change_payload(client, ids, rows)
    _filter(client, rows)
    _select(client, ids)
    _learn(client, ids, rows)
    _pick_rounds(client, ids, rows)
    _estimate(client, ids, rows)
    _keep(client)
    operation = client.operations.list()[-1]
    client.operations.get(operation.name).wait()
    client.operations.cancel(operation.name)
    client.upsert(NAME, ids[:2], rows[:2], request_id="once")
    client.delete_vectors(NAME, [N - 1], request_id="")


def _payload(count: int) -> dict[str, Any]:
    return {
        "text": ["a" if i % 2 else None for i in range(count)],
        "whole": list(range(count)),
        "real": [i / 7 for i in range(count)],
        "flag": [i % 3 == 0 for i in range(count)],
        "moment": ["2024-02-29T12:00:00Z"] * count,
        "texts": [["a", "b"][: i % 3] for i in range(count)],
        "json": ['{"a": 1}'] * count,
    }


def _change_payload(client: gleann.Client, ids: np.ndarray, rows: np.ndarray) -> None:
    client.update_index(NAME, add_columns={"more": "int64"}, request_id="")
    client.update_index(NAME, drop_columns=["more"])
    client.update_payload(NAME, {"text": ["b", None], "texts": [["x"], []]}, ids=[1, 2])
    client.update_payload(
        NAME, {"flag": True, "whole": -1}, where="whole < $1", parameters=[3]
    )
    client.delete_payload(NAME, "real", ids=[4, 5])
    client.delete_payload(NAME, "*", where="whole IN $1", parameters=[[7, 8]])
    client.get_payload(NAME, ids[:5])
    client.upsert(NAME, ids[:5], rows[:5], _payload(5))
    client.delete_vectors(NAME, where=f"whole = {N - 1} AND NOT flag")
    client.upsert(NAME, ids[-1:], rows[-1:], _payload(1))
    client.optimize(NAME).wait()


def _keep(client: gleann.Client) -> None:
    if COPY in [info.name for info in client.list_indexes()]:
        for operation in client.operations.list():
            if operation.index == COPY and not operation.done:
                with suppress(GleannError):
                    operation.wait(timeout=60)
        client.delete_index(COPY)
    for snapshot in client.snapshots.list():
        with suppress(GleannError):
            client.snapshots.delete(snapshot.name)
    name = client.snapshots.create(NAME).wait().name
    few = client.snapshots.create(NAME, where="whole < $1", parameters=[9]).wait()
    client.snapshots.get(name)
    client.snapshots.verify(name).wait()
    client.snapshots.restore(name, COPY, request_id="").wait()
    with suppress(GleannError):  # there are no roots
        client.snapshots.export_to(name, "/tmp/x.tar")
    with suppress(GleannError):
        client.snapshots.import_from("/tmp/x.tar")
    client.snapshots.delete(few.name, request_id="")


def _filter(client: gleann.Client, rows: np.ndarray) -> None:
    where = "(text = $1 OR text IS NULL) AND whole BETWEEN 0 AND $2 AND moment < $3"
    parameters = ["a", 50, datetime(2025, 1, 1, tzinfo=UTC)]
    client.count(NAME, where, parameters)
    for page in client.scroll(NAME, where=where, parameters=parameters, page_size=20):
        assert len(page) <= 20
    list(client.scroll(NAME, columns=["texts"], with_vectors=True, page_size=40))
    client.search(
        NAME,
        rows[:3],
        SearchParams(k=2),
        where="real > $1 AND contains(texts, 'a')",
        parameters=[0.5],
        columns="*",
        radius=9.0,
    )
    client.search_radius(NAME, rows[:3], 2.0, where="flag", columns=["text", "json"])
    client.search_radius(NAME, rows[:3], 2.0, limit=3, target_recall=0.9)


def _select(client: gleann.Client, ids: np.ndarray) -> None:
    costs = (ids, np.linspace(0.1, 0.9, N))
    client.coresets.farthest_first(NAME, k=3).wait()
    client.coresets.weighted_k_center(
        NAME, k=3, costs=costs, groups=(ids, ids % 2)
    ).wait()
    client.coresets.margin(NAME, k=3, costs=costs).wait()
    client.coresets.gist(NAME, k=3, costs=costs, locked_ids=ids[:1]).wait()
    client.coresets.ccs(NAME, k=3, costs=costs, allowed_ids=ids[:40]).wait()
    client.coresets.uniform(NAME, k=3, seed=1).wait()


def _learn(client: gleann.Client, ids: np.ndarray, rows: np.ndarray) -> None:
    labels = (rows[:, 0] > 0).astype(np.int64)
    session = client.active.start(
        NAME, ids=ids[:20], labels=labels[:20], params=ActiveParams(batch=4)
    )
    batch = client.next_batch(session).ids
    client.active.coverage(session)
    client.submit_labels(session, batch, labels[batch])
    client.active.ignore(session, [int(client.next_batch(session).ids[0])])
    client.active.stop_advice(session)
    client.active.score_items(session, ids[:5])
    client.sessions.get(session)


def _pick_rounds(client: gleann.Client, ids: np.ndarray, rows: np.ndarray) -> None:
    labels = (rows[:, 0] > 0).astype(np.int64)
    params = RoundsParams(batch=4, picker="weighted_k_center", weights=(0.0, 1.0))
    session = client.rounds.start(NAME, ids=ids[:20], labels=labels[:20], params=params)
    batch = client.next_batch(session).ids
    client.submit_labels(session, batch, labels[batch])
    client.rounds.ignore(session, [int(client.next_batch(session).ids[0])])
    client.rounds.score_items(session, ids[:5])


def _estimate(client: gleann.Client, ids: np.ndarray, rows: np.ndarray) -> None:
    proxy = np.clip(rows[:, 0] + 0.5, 0, 1)
    session = client.estimates.start(
        NAME, params=EstimateParams(budget=30, strata=2), proxy=(ids, proxy)
    )
    batch = client.next_batch(session).ids
    client.submit_labels(session, batch, rows[batch, 0] > 0)
    client.estimates.get(session)
    groups = client.groups.start(
        NAME,
        params=EstimateParams(budget=40, strata=2),
        proxies={"a": (ids, proxy), "b": (ids, 1 - proxy)},
    )
    client.groups.next_batches(groups)


def requests(seeds: list[Seed], rng: np.random.Generator, count: int) -> Iterator[Seed]:
    """`count` requests of all methods."""
    paths = list(METHODS)
    for _ in range(count):
        way = rng.integers(8)
        if way == 0:
            path = paths[rng.integers(len(paths))]
            yield path, rng.bytes(rng.integers(200))
        elif way < 3:
            path = paths[rng.integers(len(paths))]
            yield path, _random(METHODS[path], rng, depth=0).SerializeToString()
        else:
            path, whole = seeds[rng.integers(len(seeds))]
            yield path, (_changed_bytes if way == 3 else _changed)(path, whole, rng)


def _changed(path: str, whole: bytes, rng: np.random.Generator) -> bytes:
    """A valid request with one to three fields set to something else."""
    message = GetMessageClass(METHODS[path]).FromString(whole)
    for _ in range(rng.integers(1, 4)):
        target = message
        while True:
            fields = target.DESCRIPTOR.fields
            if not fields:
                break
            field = fields[rng.integers(len(fields))]
            inner = field.message_type is not None and not _repeated(field)
            if inner and target.HasField(field.name) and rng.integers(4):
                target = getattr(target, field.name)
                continue
            _set(target, field, rng, depth=2)
            break
    return message.SerializeToString()


def _changed_bytes(_: str, whole: bytes, rng: np.random.Generator) -> bytes:
    """Bytes of a valid request changed, cut off, doubled or inserted."""
    content = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(content) + 1))
        way = rng.integers(4)
        if way == 0 and place < len(content):
            content[place] = rng.integers(256)
        elif way == 1:
            del content[place:]
        elif way == 2:
            content[place:place] = rng.bytes(rng.integers(1, 9))
        else:
            content += content[place : place + 50]
    return bytes(content)


def _random(kind: Descriptor, rng: np.random.Generator, *, depth: int) -> Message:
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if rng.integers(2):
            _set(message, field, rng, depth=depth)
    return message


def _set(
    message: Message, field: FieldDescriptor, rng: np.random.Generator, *, depth: int
) -> None:
    message.ClearField(field.name)
    if field.message_type is not None:
        if depth > 3:
            return
        if field.message_type.GetOptions().map_entry:
            return
        for _ in range(rng.integers(4) if _repeated(field) else 1):
            value = _random(field.message_type, rng, depth=depth + 1)
            held = getattr(message, field.name)
            (held.add() if _repeated(field) else held).CopyFrom(value)
    elif _repeated(field):
        values = [_value(field, rng) for _ in range(rng.integers(4))]
        getattr(message, field.name).extend(values)
    else:
        setattr(message, field.name, _value(field, rng))


def _repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _value(field: FieldDescriptor, rng: np.random.Generator) -> Any:
    if field.type in _INTEGERS:
        least, most = _INTEGERS[field.type]
        return min(max(WHOLE[rng.integers(len(WHOLE))], least), most)
    if field.enum_type is not None:
        return int(rng.integers(-1, len(field.enum_type.values) + 2))
    return _OTHERS[field.type](rng)


def _text(rng: np.random.Generator) -> str:
    return TEXTS[rng.integers(len(TEXTS))]


def _real(rng: np.random.Generator) -> float:
    return REAL[rng.integers(len(REAL))]


def _single(rng: np.random.Generator) -> float:
    value = _real(rng)
    return float(np.clip(value, -3.4e38, 3.4e38)) if np.isfinite(value) else value


def _bytes(rng: np.random.Generator) -> bytes:
    n = int(rng.integers(6))
    ways = [
        rng.bytes(n * 3),
        struct.pack(f"<{n}q", *[WHOLE[rng.integers(len(WHOLE))] for _ in range(n)]),
        struct.pack(f"<{n}d", *[REAL[rng.integers(len(REAL))] for _ in range(n)]),
        np.array([REAL[rng.integers(len(REAL))] for _ in range(n * DIM)], "<f8")
        .clip(-3.4e38, 3.4e38)
        .astype("<f4")
        .tobytes(),
    ]
    return ways[rng.integers(len(ways))]


_OTHERS: dict[int, Callable[[np.random.Generator], Any]] = {
    FieldDescriptor.TYPE_BOOL: lambda rng: bool(rng.integers(2)),
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_DOUBLE: _real,
    FieldDescriptor.TYPE_FLOAT: _single,
}
