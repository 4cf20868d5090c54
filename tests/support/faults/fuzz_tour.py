"""A client that does a bit of everything, and a recorder of what it sends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import grpc
import numpy as np
import pytest
from curating_tour import OTHER, PLANNED, curate, forget_stored, plan, promise
from fuzzing import COPY, DIM, NAME, N, Seed
from google.protobuf.message import Message

import gleann
from gleann.index import SearchParams
from gleann.index.errors import GleannError
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.selection.rounds import RoundsParams
from gleann.service.wire.packed.search_message import SearchMessage

SPARE = "fuzz-spare"

COLUMNS: dict[str, str] = {
    "text": "string",
    "whole": "int64",
    "real": "float64",
    "flag": "bool",
    "moment": "timestamp",
    "texts": "strings",
    "json": "json",
}


class Recorder(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
    grpc.StreamStreamClientInterceptor,  # type: ignore[misc]
):
    """Keeps the requests of a client: of each call its messages."""

    def __init__(self) -> None:
        self.seeds: list[Seed] = []

    def intercept_unary_unary(
        self, continuation: Any, details: Any, request: Message | SearchMessage
    ) -> Any:
        self.seeds.append((details.method, (_bytes_of(request),)))
        return continuation(details, request)

    def intercept_stream_stream(
        self, continuation: Any, details: Any, requests: Iterator[Message]
    ) -> Any:
        number = len(self.seeds)
        self.seeds.append((details.method, ()))

        def noted() -> Iterator[Message]:
            for request in requests:
                path, sent = self.seeds[number]
                self.seeds[number] = (path, (*sent, request.SerializeToString()))
                yield request

        return continuation(details, noted())


@contextmanager
def intercepted(monkeypatch: pytest.MonkeyPatch, by: Any) -> Iterator[None]:
    """Clients that are opened meanwhile have `by`, an interceptor of grpc."""
    plain = grpc.insecure_channel

    def channel(*arguments: object, **settings: object) -> grpc.Channel:
        return grpc.intercept_channel(plain(*arguments, **settings), by)

    with monkeypatch.context() as patched:
        patched.setattr(grpc, "insecure_channel", channel)
        yield


def _bytes_of(request: Message | SearchMessage) -> bytes:
    if isinstance(request, SearchMessage):
        return request.packed()
    return request.SerializeToString()


def tour(client: gleann.Client) -> None:
    """Call what a client can; the index "fuzz" is made anew."""
    rows = np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)
    _forget(client)
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
    curate(client, ids, rows)
    promise(client, ids, rows)
    plan(client, rows)
    _keep(client)
    _control(client)
    client.upsert(NAME, ids[:2], rows[:2], request_id="once")
    client.delete_vectors(NAME, [N - 1], request_id="")


def _forget(client: gleann.Client) -> None:
    """Remove what an earlier tour left, and what requests with its names made."""
    for operation in client.operations.list():
        if not operation.done:
            client.operations.cancel(operation.name)
            with suppress(GleannError):
                operation.wait(timeout=60)
    for info in client.list_indexes():
        if info.name in (NAME, OTHER, PLANNED, SPARE):
            for session in client.sessions.list(info.name):
                client.sessions.close(session)
            client.delete_index(info.name)
    forget_stored(client)


def _control(client: gleann.Client) -> None:
    client.server_status()
    name = client.operations.list()[-1].name
    client.operations.get(name).wait()
    client.operations.cancel(name)
    client.jobs.list("state = 'done'")
    client.jobs.log(name)
    for change in (client.jobs.pause, client.jobs.resume, client.jobs.retry):
        with suppress(GleannError):  # it has ended well
            change(name)
    client.operations.delete(client.operations.list()[0].name)
    client.create_index(SPARE, dim=3)
    client.delete_index(SPARE)


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
    batches = [(ids[:3], rows[:3], _payload(3)), (ids[3:6], rows[3:6], _payload(3))]
    client.upload(NAME, batches, stream_id=f"tour-{client.get_index(NAME).sequence}")
    client.delete_vectors(NAME, where="whole = 59 AND NOT flag")
    client.upsert(NAME, ids[-1:], rows[-1:], _payload(1))
    client.vectors.upload(NAME, [(ids[:3], rows[:3]), (ids[3:9], rows[3:9])])
    with suppress(GleannError):  # there are no roots
        client.import_vectors(NAME, "/tmp/x.npy")
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
    name = client.coresets.uniform(NAME, k=3, seed=1).wait().name
    client.coresets.delete(client.coresets.get(name))
    assert client.coresets.list(NAME)


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
    client.sessions.close(client.sessions.get(session))
    assert session.name not in [one.name for one in client.sessions.list(NAME)]
    given = client.active.start(
        NAME,
        ids=ids[:2],
        labels=[1, 1],
        params=ActiveParams(batch=4, neighbours=9, model="given", classes=(0, 1)),
    )
    wanted = client.active.wanted_ids(given)
    p = (wanted % 7) / 7
    client.active.submit_probabilities(given, wanted, np.stack([1 - p, p], axis=1))
    client.next_batch(given)


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
    while batches := client.groups.next_batches(groups):
        for group, batch in batches.items():
            client.groups.submit_labels(
                groups, batch.ids, rows[batch.ids, 1] > 0, group=group or None
            )
    client.groups.get(groups)
