"""One script, in process and through gRPC, blocking and awaited: the same values."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import getattr_static
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from called_collections import (
    collecting,
    filtering,
    keeping,
    measuring,
    planning,
    reading,
    storing_and_searching,
    storing_away,
    streaming,
)
from called_selections import (
    answering,
    curating,
    estimating,
    grouping,
    labelling,
    promising,
    rounds,
    selecting,
    step_by_step,
)
from called_values import PARAMS, plain
from driven_client import Driven

import gleann
from gleann.index import BuildParams, SearchParams, exact_search
from gleann.index.errors import (
    LimitError,
)
from gleann.service.client.bulk import searches
from gleann.service.client.modes import InMode, Member
from gleann.service.client.operation import AsyncOperation
from gleann.service.server import Server
from gleann.service.values import Limits
from gleann.service.wire import paging


def script(
    client: gleann.Client, rows: np.ndarray, labels_of: Any, folder: Path
) -> Iterator[Any]:
    """Use every method; yield what does not depend on time or on random names."""
    yield from keeping(client, rows, folder)
    yield from storing_away(client, rows, folder)
    yield from planning(client)
    yield from curating(client, rows)
    yield from step_by_step(client, labels_of)
    yield from storing_and_searching(client, rows)
    yield from collecting(client, rows)
    yield from reading(client, rows)
    yield from streaming(client, rows)
    client.delete_index("s")
    yield from measuring(client, rows)
    client.build("a", PARAMS).wait(timeout=60)
    yield from selecting(client, rows)
    client.delete_vectors("a", [5])
    client.build("a", PARAMS).wait(timeout=60)
    yield from labelling(client, rows, labels_of)
    yield from rounds(client, rows, labels_of)
    yield from filtering(client, rows, labels_of)
    yield from answering(client, labels_of)
    yield from estimating(client, rows, labels_of)
    yield from grouping(client, rows, labels_of)
    yield from promising(client, rows, labels_of)
    yield [(info.kind, info.labelled) for info in client.sessions.list("a")]
    for session in client.sessions.list():
        client.sessions.close(session)
    yield [(op.kind, op.done) for op in client.operations.list()]
    client.delete_index("a")
    yield [info.name for info in client.list_indexes()]


def test_the_same_values(
    tmp_path: Path,
    start_server: Callable[..., Server],
    rows: np.ndarray,
    labels_of: Any,
) -> None:
    roots = {"export_roots": (tmp_path,)}

    def values(client: Any, folder: str) -> list[Any]:
        return list(map(plain, script(client, rows, labels_of, tmp_path / folder)))

    with gleann.Client(tmp_path / "local") as client:
        expected = values(client, "1")
    with gleann.Client(start_server(**roots).target) as client:
        require_equal(values(client, "2"), expected)
    with awaited(tmp_path / "awaited") as client:
        require_equal(values(client, "3"), expected)
        require_all_called(client)
    with awaited(start_server("awaited server", **roots).target) as client:
        require_equal(values(client, "4"), expected)
        require_all_called(client)


def require_equal(values: list[Any], expected: list[Any]) -> None:
    for step, (value, wanted) in enumerate(zip(values, expected, strict=True)):
        assert value == wanted, f"step {step}"


def require_all_called(client: Driven) -> None:
    """No method is there that the script leaves out."""
    called = {function.__qualname__ for function in client.called}
    kinds = {type(value) for value in vars(client.of).values()}
    kinds |= {type(client.of), AsyncOperation}
    missing = {
        member.body.__qualname__
        for kind in kinds
        if issubclass(kind, InMode)
        for name in dir(kind)
        if isinstance(member := getattr_static(kind, name), Member)
    } - called
    assert missing == {"ClientMethods.close"}  # by `awaited`


@contextmanager
def awaited(place: Path | str) -> Iterator[Any]:
    """An `AsyncClient` that is called as a `Client` is."""
    with asyncio.Runner() as runner:
        driven = Driven(gleann.AsyncClient(place), runner.get_loop(), set())
        yield driven
        driven.close()


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("kind", [np.int64, np.str_])
def test_neighbours_are_right(
    client: gleann.Client, rows: np.ndarray, metric: Any, kind: type
) -> None:
    """Sealed, newer and removed vectors together give what exhaustive search gives."""
    names = (np.arange(len(rows)) + 1000).astype(kind)
    client.create_index("m", dim=8, metric=metric)
    client.upsert("m", names[:150], rows[:150])
    client.build("m", BuildParams(metric=metric, nlist=4, tune_queries=0)).wait(
        None, 60
    )
    moved = rows[:30] + 1  # ids that the sealed version holds at another place
    client.upsert("m", names[:30], moved)
    client.upsert("m", names[150:], rows[150:])
    client.delete_vectors("m", names[40:60])
    now = np.concatenate([moved, rows[30:40], rows[60:]])
    now_names = np.delete(names, np.arange(40, 60))
    assert client.get_index("m").count == len(now)
    for count in (len(now), 7):
        for exact in (True, False):
            nprobe = None if exact else 4
            params = SearchParams(k=count, nprobe=nprobe, exact=exact)
            found = client.search("m", rows[:20], params)
            expected, distances = exact_search(rows[:20], now, metric=metric, k=count)
            assert np.allclose(found.distances, distances, atol=1e-5)
            assert found.ids.dtype.kind == names.dtype.kind
            near = np.isclose(distances[:, :-1], distances[:, 1:], atol=1e-5)
            clear = ~(np.pad(near, ((0, 0), (1, 0))) | np.pad(near, ((0, 0), (0, 1))))
            assert (found.ids == now_names[expected])[clear].all()
            assert all(len(set(ids)) == count for ids in found.ids.tolist())


def test_large_batches_are_sent_in_several_messages(
    client: gleann.Client, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(searches, "CHUNK_HITS", 20)
    client.create_index("c", dim=8, metric="l2")
    assert client.upsert("c", np.arange(len(rows)), rows) == len(rows)
    assert client.get_index("c").sequence > 5
    found = client.search("c", rows, SearchParams(k=3))
    expected, distances = exact_search(rows, rows, metric="l2", k=3)
    assert np.array_equal(found.ids, expected)
    assert np.array_equal(found.distances, distances)
    assert found.stats.entries_scanned == len(rows) ** 2
    assert np.array_equal(client.get_vectors("c", np.arange(len(rows))), rows)


def test_large_payload_is_sent_in_several_messages(
    start_server: Callable[..., Server],
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = Limits(message_bytes=200_000)
    texts = [str(i) * (3000 // len(str(i))) for i in range(len(rows))]
    ids = np.arange(len(rows))
    with gleann.Client(start_server(limits=limits).target) as client:
        client.create_index("c", dim=8, metric="l2", columns={"text": "string"})
        client.upsert("c", ids, rows, {"text": texts})
        assert client.get_index("c").sequence > 5
        assert client.get_payload("c", ids)["text"].to_pylist() == texts
        pages = list(client.scroll("c", page_size=len(rows)))
        assert len(pages) > 3
        assert [t for page in pages for t in page.payload["text"].to_pylist()] == texts
        found = client.search("c", rows, SearchParams(k=3), columns=["text"])
        assert found.payload["text"].to_pylist() == [
            texts[i] for i in found.ids.ravel()
        ]
        assert found.ids.shape == (len(rows), 3)
        reversed_texts = texts[::-1]
        client.update_payload("c", {"text": reversed_texts}, ids=ids)
        assert client.get_payload("c", ids)["text"].to_pylist() == reversed_texts
        with pytest.raises(LimitError, match="row 0 takes"):
            client.upsert("c", [0], rows[:1], {"text": ["x" * 200_000]})
