"""Pages of hits within a distance: each hit once, in order, however they are cut."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams
from gleann.index.errors import (
    AnswerTooLargeError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.service.client.remote import connect
from gleann.service.client.target import REMOTE_SCHEME
from gleann.service.server import Server
from gleann.service.servicers import radius_pages
from gleann.service.stubs import Stubs
from gleann.service.values import Limits
from gleann.service.wire.arrays import ids_of, vectors_to_wire
from gleann.v1 import search_pb2

RNG = np.random.default_rng(11)
# Whole numbers, so that many distances are equal.
ROWS = RNG.integers(0, 3, size=(300, 4)).astype(np.float32)
QUERIES = np.concatenate([ROWS[:7], np.full((1, 4), 50, np.float32), ROWS[7:9]])
SQUARED = ((QUERIES[:, None] - ROWS[None]) ** 2).sum(axis=2)
RADIUS = 1.0


def pages(stubs: Stubs, change: Callable[[], object] = lambda: None, **fields: object):
    """All hits of all pages, as (query, distance, id), and the number of pages."""
    request = search_pb2.SearchRadiusRequest(
        index="r", queries=vectors_to_wire(QUERIES), radius=RADIUS, **fields
    )
    hits, count = [], 0
    while True:
        page = stubs.search.SearchRadius(request)
        counts = np.frombuffer(page.counts, "<i8")
        assert len(counts) == len(QUERIES)
        assert page.complete
        queries = np.repeat(np.arange(len(QUERIES)), counts)
        distances = np.frombuffer(page.distances, "<f4")
        ids = ids_of(page.ids, name="ids").tolist()
        hits += zip(queries.tolist(), distances.tolist(), ids, strict=True)
        count += 1
        if not page.next_page_token:
            return hits, count
        request.page_token = page.next_page_token
        change()


@pytest.fixture(params=["integers", "texts"])
def names(request: pytest.FixtureRequest) -> list:
    """Ids in another order than the rows, and of other lengths as texts."""
    shuffled = RNG.permutation(len(ROWS)) * 7
    return (
        shuffled.tolist()
        if request.param == "integers"
        else [f"é{i}" for i in shuffled]
    )


@pytest.fixture
def held(client: gleann.Client, names: list) -> gleann.Client:
    client.create_index("r", dim=4, metric="l2", columns={"text": "string"})
    client.upsert("r", names[:200], ROWS[:200])
    client.build("r", BuildParams(metric="l2", nlist=4, tune_queries=0)).wait(
        timeout=60
    )
    client.upsert("r", names[200:], ROWS[200:])
    return client


def expected(names: list) -> list:
    found = [
        (query, float(SQUARED[query, row]), names[row])
        for query, row in zip(*np.nonzero(SQUARED <= RADIUS), strict=True)
    ]
    return sorted(found)


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_each_hit_is_on_one_page(
    held: gleann.Client, stubs: Stubs, names: list, size: int, monkeypatch
) -> None:
    monkeypatch.setattr(radius_pages, "QUERY_BLOCK", 3)
    hits, count = pages(stubs, page_size=size)
    assert hits == expected(names)
    assert count >= len(hits) / size


def test_changes_between_pages_move_no_other_hit(
    held: gleann.Client, stubs: Stubs, names: list
) -> None:
    kinds = iter(range(10_000))

    def change() -> None:
        # Far, near and at the same distance as others; and one of those goes again.
        number = next(kinds)
        new = 100_000 + number if isinstance(names[0], int) else f"zz{number:06}"
        held.upsert("r", [new], ROWS[number % 9 : number % 9 + 1])
        if number % 2:
            held.delete_vectors("r", [new])

    hits, count = pages(stubs, change, page_size=50)
    own = [hit for hit in hits if hit[2] in set(names)]
    assert own == expected(names)
    assert len(set(hits)) == len(hits)
    assert count > 3


def test_a_page_of_another_filter_is_refused(held: gleann.Client, stubs: Stubs) -> None:
    request = search_pb2.SearchRadiusRequest(
        index="r", queries=vectors_to_wire(QUERIES), radius=RADIUS, page_size=5
    )
    request.page_token = stubs.search.SearchRadius(request).next_page_token
    request.filter.where = "text IS NULL"  # which all hits pass
    with pytest.raises(InvalidInputError, match="another request"):
        stubs.search.SearchRadius(request)
    request.ClearField("filter")
    request.page_size, request.columns[:] = 6, ["text"]
    assert stubs.search.SearchRadius(request).payload.count == 6


def test_limits_and_the_client(held: gleann.Client, names: list) -> None:
    found = held.search_radius("r", QUERIES, RADIUS, limit=3)
    assert np.diff(found.offsets).tolist() == [3] * 7 + [0] + [3] * 2
    nearest = np.sort(SQUARED, axis=1)[:, :3]
    kept = np.delete(nearest, 7, axis=0).ravel()
    assert np.array_equal(found.distances, kept)
    whole = held.search_radius("r", QUERIES, RADIUS, columns="text")
    assert len(whole.ids) == np.count_nonzero(SQUARED <= RADIUS) == len(whole.payload)
    table = whole.to_arrow()
    assert table.column_names == ["query", "rank", "id", "distance", "text"]
    assert table["rank"].to_pylist()[:3] == [0, 1, 2]
    none = held.search_radius("r", QUERIES[7], RADIUS, where="text = 'x'", columns="*")
    assert none.offsets.tolist() == [0, 0]
    assert none.ids.dtype.kind == np.asarray(names).dtype.kind
    assert none.complete


def test_hits_of_a_search_within_a_distance(held: gleann.Client, names: list) -> None:
    params = SearchParams(k=5, exact=True)
    for found in (
        held.search("r", QUERIES, params, radius=RADIUS, columns="text"),
        held.search("r", QUERIES, replace(params, radius=RADIUS), columns="text"),
    ):
        nearest = np.sort(SQUARED, axis=1)[:, :5]
        near = nearest <= RADIUS
        assert np.array_equal(found.distances, np.where(near, nearest, np.inf))
        none = "" if isinstance(names[0], str) else -1
        assert np.array_equal(found.ids != none, near)
        assert len(found.payload) == near.size
        assert len(found.to_arrow()) == np.count_nonzero(near)
    with pytest.raises(InvalidParamsError, match="radius"):
        held.search("r", QUERIES, params, radius=-1.0)


def test_a_token_of_another_kind_of_ids_is_refused(
    held: gleann.Client, stubs: Stubs, names: list
) -> None:
    request = search_pb2.SearchRadiusRequest(
        index="r", queries=vectors_to_wire(QUERIES), radius=RADIUS, page_size=2
    )
    token = stubs.search.SearchRadius(request).next_page_token
    held.delete_index("r")
    held.create_index("r", dim=4, metric="l2")
    others = [str(i) for i in range(9)] if isinstance(names[0], int) else range(9)
    held.upsert("r", others, ROWS[:9])
    request.page_token = token
    with pytest.raises(InvalidParamsError, match="other ids"):
        stubs.search.SearchRadius(request)


def test_pages_fit_in_a_message(start_server: Callable[..., Server]) -> None:
    server = start_server(limits=Limits(message_bytes=20_000))
    texts = {"text": ["x" * 1000] * len(ROWS)}
    with gleann.Client(server.target) as client:
        client.create_index("r", dim=4, metric="l2", columns={"text": "string"})
        client.upsert("r", np.arange(len(ROWS)), ROWS, texts)
        stubs = connect(
            server.target.removeprefix(REMOTE_SCHEME), api_key=None, timeout=None
        )
        hits, count = pages(stubs, columns=["text"])
        assert hits == expected(list(range(len(ROWS))))
        assert count >= len(hits) / 15
        client.upsert("r", [0], ROWS[:1], {"text": ["x" * 14_000]})
        client.update_index("r", add_columns={"more": "string"})
        client.update_payload("r", {"more": ["y" * 8_000]}, ids=[0])
        with pytest.raises(AnswerTooLargeError, match="fewer columns"):
            pages(stubs, columns=["text", "more"])
        with pytest.raises(AnswerTooLargeError, match="fewer"):
            list(client.scroll("r"))
        with pytest.raises(AnswerTooLargeError):
            client.get_payload("r", [0])
        stubs.close()
