"""Streams of the client: resuming, errors, progress, and what it keeps."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from driven_client import finished
from kept_port import kept_port

import gleann
from gleann.index import Progress
from gleann.index.errors import (
    ConflictError,
    DimensionMismatchError,
    ServiceError,
    UnavailableError,
    UnknownIndexError,
)
from gleann.service.values import Limits


def numbered(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of 10 rows; the values of each are its number."""
    for number in range(count):
        yield np.arange(10) + 10 * number, np.full((10, 8), number, np.float32)


def test_a_stream_goes_on_when_the_server_is_started_again(
    serve_index: Any, start_server: Any
) -> None:
    address = f"127.0.0.1:{kept_port()}"
    server, client = serve_index(listen=address)
    with client.vectors.stream("w") as stream:
        for number, (ids, rows) in enumerate(numbered(60)):
            if number == 30:
                server.stop(grace=1)
                later = threading.Timer(1.0, start_server, kwargs={"listen": address})
                later.start()
            stream.send(ids, rows)
        assert stream.flush() == 600
    later.join()
    assert client.count("w") == 600
    assert client.get_index("w").sequence == 60


def test_patience_ends(serve_index: Any) -> None:
    server, client = serve_index()
    begin = time.monotonic()
    stream = client.vectors.stream("w", patience=1.0)
    stream.send([1], np.ones((1, 8)))
    stream.flush()
    server.stop(grace=1)
    stream.send([2], np.ones((1, 8)))
    with pytest.raises(UnavailableError):
        stream.flush()
    with pytest.raises(ServiceError, match="the stream has failed"):
        stream.send([3], np.ones((1, 8)))
    stream.cancel()
    assert time.monotonic() - begin < 60


def test_a_lost_position_is_an_error(serve_index: Any) -> None:
    """An index that was made anew has none of what was acknowledged."""
    server, client = serve_index()
    stream = client.vectors.stream("w", stream_id="a")
    stream.send([1], np.ones((1, 8)))
    stream.flush()
    client.delete_index("w")
    client.create_index("w", dim=8, metric="l2")
    server.upserts.streams()[0].end(UnavailableError("the test ends it"))
    stream.send([2], np.ones((1, 8)))
    with pytest.raises(ConflictError, match="had answered 1"):
        stream.flush()
    stream.cancel()
    assert client.count("w") == 0


def test_batches_of_another_client_are_not_taken_for_own_ones(
    serve_index: Any,
) -> None:
    """Otherwise what has their numbers would be acknowledged, and not stored."""
    server, client = serve_index()
    mine = client.vectors.stream("w", stream_id="a")
    mine.send([1], np.ones((1, 8)))
    mine.flush()
    server.upserts.streams()[0].end(UnavailableError("the test ends it"))
    with client.vectors.stream("w", stream_id="a") as other:
        for number in range(5):
            other.send([100 + number], np.ones((1, 8)))
    mine.send([2], np.ones((1, 8)))
    with pytest.raises(ConflictError, match="batch 6 as its last, and 2 are sent here"):
        mine.flush()
    mine.cancel()
    assert client.count("w") == 6


def test_unknown_indexes_and_wrong_rows(serve_index: Any) -> None:
    _, client = serve_index()
    with pytest.raises(UnknownIndexError), client.vectors.stream("nothing"):
        pass
    with client.vectors.stream("w") as stream:
        with pytest.raises(DimensionMismatchError, match="2"):
            stream.send([1, 2], np.ones((3, 8)))  # nothing is sent
        stream.send([1, 2], np.ones((2, 8)))
    assert stream.count == 2


def test_an_error_in_the_block_is_not_hidden(serve_index: Any) -> None:
    server, client = serve_index()

    def fail() -> None:
        with client.vectors.stream("w") as stream:
            stream.send([1], np.ones((1, 8)))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    last = time.monotonic() + 60
    while server.upserts.streams():
        assert time.monotonic() < last
        time.sleep(0.02)


def test_a_stream_that_has_ended_takes_no_more(serve_index: Any) -> None:
    """It would be sent by a new call, which nobody waits for."""
    server, client = serve_index()
    with client.vectors.stream("w") as stream:
        stream.send([1], np.ones((1, 8)))
    with pytest.raises(ServiceError, match="the stream has ended"):
        stream.send([2], np.ones((1, 8)))
    with client.vectors.stream("w") as stream:
        stream.cancel()
    assert client.count("w") == 1
    assert server.upserts.streams() == []


def test_large_batches_are_split(serve_index: Any) -> None:
    _, client = serve_index(limits=Limits(message_bytes=100_000, rows=700))
    rows = np.arange(40_000, dtype=np.float32).reshape(5000, 8)
    with client.vectors.stream("w") as stream:
        stream.send(np.arange(5000), rows)
    assert stream.sequence >= 8
    assert client.count("w") == 5000
    assert np.array_equal(client.get_vectors("w", [4999, 3]), rows[[4999, 3]])


def test_progress(serve_index: Any) -> None:
    _, client = serve_index()
    seen: list[Progress] = []
    assert client.upload("w", numbered(40), progress=seen.append) == 400
    assert {one.phase for one in seen} == {"upsert"}
    done = [one.done for one in seen]
    assert done == sorted(done)
    assert done[-1] == 400


def test_an_upload_leaves_out_what_is_stored(serve_index: Any) -> None:
    _, client = serve_index()

    def breaking() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from numbered(23)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        client.upload("w", breaking(), stream_id="a")
    stored = client.get_index("w").sequence
    assert 0 < stored <= 23
    assert client.upload("w", numbered(40), stream_id="a") == 400
    assert client.get_index("w").sequence == 40
    with pytest.raises(ConflictError, match="other data"):
        client.upload("w", numbered(39), stream_id="a")


def test_many_streams_at_once(serve_index: Any) -> None:
    server, client = serve_index()

    async def upload_all() -> list[int]:
        async def batches(first: int) -> AsyncIterator[tuple[np.ndarray, np.ndarray]]:
            for ids, rows in numbered(12):
                yield ids + first, rows

        async with gleann.AsyncClient(server.target) as many:
            works = [many.upload("w", batches(1000 * k)) for k in range(16)]
            return list(await asyncio.gather(*works))

    assert finished(upload_all()) == [120] * 16
    assert client.count("w") == 16 * 120


def test_a_cancelled_task_ends_its_stream(serve_index: Any) -> None:
    server, client = serve_index()

    async def cancel_one() -> None:

        async with gleann.AsyncClient(server.target) as many:

            async def work() -> None:
                async with many.vectors.stream("w") as stream:
                    await stream.send([1], np.ones((1, 8)))
                    await asyncio.sleep(60)

            task = asyncio.create_task(work())
            while not server.upserts.streams():
                await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while server.upserts.streams():
                await asyncio.sleep(0.02)

    finished(cancel_one())
    assert client.count("w") <= 1
