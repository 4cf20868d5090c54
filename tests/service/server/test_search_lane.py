"""Searches that wait together: one scan for those that may share it, as if alone."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lane_world import FakeRpc, Scans, Served

import gleann
from gleann.index import SearchParams, errors, exact, heartbeat
from gleann.index.filters.condition import Condition
from gleann.service import search_operations
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.config.probe import ProbeSettings
from gleann.service.search import view_search, weight
from gleann.service.server.queues import search_lane, waitlist
from gleann.service.wire.filter_messages import condition_to_wire
from gleann.service.wire.payload_messages import payload_of

ROWS, DIM = 2000, 16


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((ROWS, DIM)).astype(np.float32)


@pytest.fixture(scope="module")
def application(
    tmp_path_factory: pytest.TempPathFactory, vectors: np.ndarray
) -> Iterator[Application]:
    data = tmp_path_factory.mktemp("data")
    columns = {"even": [n % 2 == 0 for n in range(ROWS)], "part": [*range(ROWS)]}
    with gleann.Client(data) as client:
        kinds = {"even": "bool", "part": "int64"}
        client.indexes.create("a", dim=DIM, metric="cosine", columns=kinds)
        client.vectors.upsert("a", np.arange(ROWS), vectors, columns)
        client.indexes.build("a").wait()
    # Its exact searches would be counted among those of the tests.
    application = Application(Config(data_dir=data, probe=ProbeSettings(share=0.0)))
    yield application
    application.close()


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scans]:
    scans = Scans()
    monkeypatch.setattr(view_search, "search", scans.search)
    yield scans
    scans.go.set()


@pytest.fixture
def serve(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Served]]:
    # The first search is held, and so the pace is no measure.
    monkeypatch.setattr(search_lane, "BATCH_SECONDS", 60.0)
    made: list[Served] = []

    def make(**bounds: Any) -> Served:
        made.append(Served(application, **bounds))
        return made[-1]

    yield make
    for one in made:
        one.lane.close()


def held(served: Served, scans: Scans, queries: np.ndarray) -> FakeRpc:
    """The first search, which is held in its scan."""
    first = served.search(queries[:1])
    assert scans.begun.wait(60)
    return first


def test_unlike_searches_get_the_answers_that_they_get_alone(
    serve: Callable[..., Served],
    scans: Scans,
    application: Application,
    vectors: np.ndarray,
) -> None:
    served = serve()
    conditions = [None, Condition("even"), Condition("part < $1", (900,))]
    settings = [
        SearchParams(k=3),
        SearchParams(k=11),
        SearchParams(k=11, target_recall=0.99),
        SearchParams(k=5, nprobe=2),
        SearchParams(k=5, exact=True),
    ]
    rng = np.random.default_rng(0)
    held(served, scans, vectors)
    asked = []
    for number in range(90):
        queries = rng.standard_normal((1 + number % 3, DIM)).astype(np.float32)
        condition = conditions[number % 3]
        params = settings[number % 5]
        radius = 0.6 if number % 4 == 0 else None
        wire = condition_to_wire(condition)
        rpc = served.search(queries, params, filter=wire, radius=radius)
        asked.append((rpc, queries, params, condition, radius))
    scans.go.set()
    for rpc, queries, params, condition, radius in asked:
        reply = rpc.reply()
        alone, view = application.search(
            "a", queries, params, condition=condition, radius=radius
        )
        ids = np.frombuffer(reply.ids.int64s, "<i8").reshape(alone.rows.shape)
        assert np.array_equal(ids, view.ids_at(alone.rows.ravel()).reshape(ids.shape))
        assert reply.distances == alone.distances.tobytes()
        assert (reply.count, reply.k) == alone.rows.shape
        assert reply.stats.nprobe == alone.stats.nprobe
        assert reply.version.sealed == view.version
    assert len(scans.sizes) - len(asked) <= 1 + 3 * 5  # the rest ran alone above


def test_exhaustive_searches_share_a_scan_whatever_their_k(
    serve: Callable[..., Served],
    scans: Scans,
    application: Application,
    vectors: np.ndarray,
) -> None:
    served = serve()
    held(served, scans, vectors)
    queries, counts = vectors[:6] + 0.01, (3, 40, 1, 7, 40, 2)
    rpcs = [
        served.search(queries[n : n + 1], SearchParams(k=k, exact=True))
        for n, k in enumerate(counts)
    ]
    scans.go.set()
    replies = [rpc.reply() for rpc in rpcs]
    assert scans.sizes == [1, 6]
    for number, k in enumerate(counts):
        params = SearchParams(k=k, exact=True)
        alone, _ = application.search("a", queries[number : number + 1], params)
        reply = replies[number]
        assert (reply.count, reply.k) == (1, k)
        assert np.frombuffer(reply.ids.int64s, "<i8").tolist() == alone.rows[0].tolist()
        assert reply.distances == alone.distances.tobytes()
        assert reply.stats.exact


def test_equal_filters_share_a_scan(
    serve: Callable[..., Served], scans: Scans, vectors: np.ndarray
) -> None:
    served = serve()
    held(served, scans, vectors)
    filters = [Condition("part < $1", (bound,)) for bound in (700, 700, 800, 700)]
    rpcs = [
        served.search(vectors[:2], filter=condition_to_wire(one)) for one in filters
    ]
    scans.go.set()
    for rpc, condition in zip(rpcs, filters, strict=True):
        ids = np.frombuffer(rpc.reply().ids.int64s, "<i8")
        assert ids.max() < condition.parameters[0]
    assert scans.sizes == [1, 6, 2]


def test_one_client_delays_another_by_one_batch(
    serve: Callable[..., Served], scans: Scans, vectors: np.ndarray, monkeypatch: Any
) -> None:
    monkeypatch.setattr(waitlist, "MOST_CALLS", 32)
    served = serve()
    held(served, scans, vectors)
    flood = [served.search(vectors[n : n + 1], client="many") for n in range(1000)]
    other = served.search(vectors[:1], client="few")
    scans.go.set()
    for rpc in (*flood, other):
        rpc.reply()
    assert served.order.index(other) <= 1 + 32
    assert max(scans.sizes) <= 32


@pytest.mark.alone
def test_refusals_need_no_thread(
    serve: Callable[..., Served], scans: Scans, vectors: np.ndarray
) -> None:
    served = serve(places=10)
    held(served, scans, vectors)
    for number in range(9):
        served.search(vectors[number : number + 1])
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(errors.OverloadedError, match="10 calls under way"):
            served.lane.require_place("d")
    assert (time.monotonic() - began) / 100 < 0.005
    assert served.lane.status().refused == 100


def test_nothing_is_scanned_for_calls_that_are_late_or_left(
    serve: Callable[..., Served], scans: Scans, vectors: np.ndarray
) -> None:
    served = serve()
    first = held(served, scans, vectors)
    # Their time ends while they wait: one that has little of it might be refused.
    late = [served.search(vectors[:1], SearchParams(k=k)) for k in (1, 2, 3)]
    left = [served.search(vectors[:1], SearchParams(k=k)) for k in (4, 5)]
    for rpc in left:
        rpc.active = False
    good = served.search(vectors[:1], SearchParams(k=6))
    for rpc in late:
        rpc.context = replace(rpc.context, ends=time.monotonic())
    scans.go.set()
    assert good.reply().k == 6
    assert len(scans.sizes) == 2
    assert served.lane.status().dropped == len(late) + len(left)
    assert first.reply().count == 1


def test_a_bad_search_spoils_no_other(
    serve: Callable[..., Served], scans: Scans, vectors: np.ndarray
) -> None:
    served = serve()
    held(served, scans, vectors)
    good = [served.search(vectors[n : n + 1]) for n in range(3)]
    zero = served.search(np.zeros((1, DIM), np.float32))
    empty = served.search(vectors[:1, :0])
    narrow = served.search(vectors[:1, :5])
    filtered = served.search(vectors[:1], filter=condition_to_wire(Condition("no = 1")))
    scans.go.set()
    for number, rpc in enumerate(good):
        assert np.frombuffer(rpc.reply().ids.int64s, "<i8")[0] == number
    refused = {
        zero: errors.ZeroVectorError,
        empty: errors.InvalidInputError,
        narrow: errors.DimensionMismatchError,
        filtered: errors.InvalidFilterError,
    }
    for rpc, kind in refused.items():
        with pytest.raises(kind):
            rpc.reply()
    # The batch with the zero vector and the narrow one fail before they compare rows.
    assert scans.sizes == [1, 4, 3, 1]


def test_large_searches_do_not_hold_small_ones(
    serve: Callable[..., Served],
    scans: Scans,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Large by their bytes, or by the rows that they read."""
    monkeypatch.setattr(weight, "LIGHT_NUMBERS", ROWS * DIM)
    scans.holds = lambda count, params: count > 100 or params.exact
    served = serve()
    large = [served.search(np.repeat(vectors, 2, axis=0))]
    large.append(served.search(vectors[:2], SearchParams(exact=True)))
    for number in range(10):
        small = served.search(vectors[number : number + 1])
        assert np.frombuffer(small.reply().ids.int64s, "<i8")[0] == number
    assert not any(rpc.ended.is_set() for rpc in large)
    scans.go.set()
    assert [rpc.reply().count for rpc in large] == [2 * ROWS, 2]


def test_a_search_that_turns_out_large_keeps_its_place(
    serve: Callable[..., Served],
    scans: Scans,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weight, "LIGHT_NUMBERS", 0)
    served = serve(places=3)
    large = [
        served.search(vectors[n : n + 1], SearchParams(k=n + 1, exact=True))
        for n in range(3)
    ]
    assert scans.begun.wait(60)
    with pytest.raises(errors.OverloadedError, match="3 calls under way, at most 3"):
        served.lane.require_place("c")
    scans.go.set()
    assert [rpc.reply().k for rpc in large] == [1, 2, 3]
    deadline = time.monotonic() + 60
    while served.places.held and time.monotonic() < deadline:
        time.sleep(0.01)
    assert served.places.held == 0


def test_a_large_search_stops_when_nobody_waits_any_more(
    serve: Callable[..., Served], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exhaustive search of 12 blocks, whose caller leaves in the first."""
    monkeypatch.setattr(heartbeat, "BETWEEN_BEATS", 0.0)
    monkeypatch.setattr(weight, "LIGHT_NUMBERS", 0)
    served, blocks, asked = serve(), [], []
    real = exact.LeastDistances.of

    def of(self: Any, rows: np.ndarray) -> Any:
        blocks.append(len(rows))
        if asked:
            asked[0].active = False
        return real(self, rows)

    monkeypatch.setattr(exact.LeastDistances, "of", of)
    queries = np.repeat(vectors, 2, axis=0)[: 12 * exact.QUERY_BLOCK]
    whole = served.search(queries, SearchParams(exact=True))
    assert whole.reply().count == len(queries)
    assert len(blocks) >= 12
    blocks.clear()
    asked.append(FakeRpc(served.order))
    served.search(queries, SearchParams(exact=True), rpc=asked[0])
    while served.lane.status().running or served.lane.status().queued:
        time.sleep(0.01)
    assert len(blocks) == 1
    assert not asked[0].ended.is_set()


def test_a_bug_ends_the_calls_and_not_the_lane(
    serve: Callable[..., Served],
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served = serve()
    with monkeypatch.context() as patched:
        patched.setattr(view_search, "search", lambda *_, **__: 1 / 0)
        with pytest.raises(errors.ServiceError, match="internal error"):
            served.search(vectors[:1]).reply()
        patched.setattr(search_lane, "is_light", lambda *_: 1 / 0)
        with pytest.raises(errors.ServiceError, match="internal error"):
            served.search(vectors[:1]).reply()
    assert served.search(vectors[:1]).reply().count == 1


def test_answers_with_payload_and_answers_too_large(
    serve: Callable[..., Served],
    scans: Scans,
    application: Application,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served = serve()
    held(served, scans, vectors)
    plain = [served.search(vectors[n : n + 1]) for n in range(2)]
    both = served.search(vectors[5:6], columns=["part"])
    many = served.search(vectors[:9], SearchParams(k=10))
    room = replace(application.limits, message_bytes=1000 + 64 * 1024)
    monkeypatch.setattr(application, "limits", room)
    monkeypatch.setattr(search_operations, "message_room", lambda _: 500)
    scans.go.set()
    assert [rpc.reply().count for rpc in plain] == [1, 1]
    payload = payload_of(both.reply().payload, None, 10)
    assert payload.to_pylist()[0] == {"part": 5}
    with pytest.raises(errors.AnswerTooLargeError, match="answer to 9 queries"):
        many.reply()
