"""A client takes the columns it saw last, and those there are now if they differ."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

import gleann
from gleann.index.errors import InvalidInputError, UnknownColumnError, UnknownIndexError
from gleann.service.server import Server
from gleann.service.stubs import Stubs

Clients = tuple[gleann.Client, gleann.Client]
ROWS = np.random.default_rng(3).normal(size=(3, 4)).astype(np.float32)


@pytest.fixture
def clients(
    start_server: Callable[..., Server],
) -> Iterator[Clients]:
    """Two clients of a server; the first one has seen the columns of "a"."""
    target = start_server().target
    with gleann.Client(target) as mine, gleann.Client(target) as other:
        mine.create_index("a", dim=4, metric="l2", columns={"x": "int64"})
        mine.upsert("a", range(3), ROWS, {"x": [1, 2, 3]})
        yield mine, other


def values(client: gleann.Client, name: str) -> list[object]:
    return client.get_payload("a", range(3), name)[name].to_pylist()


def test_columns_that_another_client_adds(clients: Clients) -> None:
    mine, other = clients
    other.update_index("a", add_columns={"y": "string"})
    mine.update_payload("a", {"y": ["p", "q", None]}, ids=range(3))
    assert values(mine, "y") == ["p", "q", None]
    assert values(mine, "x") == [1, 2, 3]


def test_columns_that_another_client_gives_another_type(clients: Clients) -> None:
    mine, other = clients
    other.update_index("a", drop_columns="x")
    with pytest.raises(UnknownColumnError, match="'x'"):
        mine.upsert("a", range(3), ROWS, {"x": [1, 2, 3]})
    other.update_index("a", add_columns={"x": "float64"})
    mine.upsert("a", range(3), ROWS, {"x": [1, 2, 3]}, request_id="once")
    assert values(mine, "x") == [1.0, 2.0, 3.0]
    other.update_index("a", drop_columns="x")
    other.update_index("a", add_columns={"x": "timestamp"})
    mine.update_payload("a", {"x": "2024-01-01T00:00:00Z"}, where="id < 2")
    assert mine.count("a", "x IS NOT NULL") == 2
    assert other.get_index("a").count == 3


def test_what_is_refused_is_refused_still(clients: Clients) -> None:
    mine, other = clients
    before = other.get_index("a").sequence
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="'x'"):
            mine.upsert("a", range(3), ROWS, {"x": ["a", "b", "c"]})
        with pytest.raises(UnknownColumnError, match="'nope'"):
            mine.update_payload("a", {"nope": [1]}, ids=[1])
    assert other.get_index("a").sequence == before
    other.delete_index("a")
    with pytest.raises(UnknownIndexError):
        mine.upsert("a", range(3), ROWS, {"x": [1, 2, 3]})
    with pytest.raises(UnknownIndexError):
        mine.upsert("b", range(3), ROWS, {"x": [1, 2, 3]})


def test_the_columns_are_asked_for_once(stubs: Stubs) -> None:
    asked: list[str] = []

    class Counted:
        def __getattr__(self, name: str) -> object:
            asked.append(name)
            return getattr(stubs.index, name)

    with gleann.Client.of_stubs(replace(stubs, index=Counted())) as client:
        client.create_index("a", dim=4, metric="l2", columns={"x": "int64"})
        for number in range(3):
            client.upsert("a", range(3), ROWS, {"x": [number] * 3})
            client.update_payload("a", {"x": number}, where="true")
    assert asked == ["CreateIndex", "GetIndex"]
