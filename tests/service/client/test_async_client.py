"""`AsyncClient`: concurrency, cancellation, event loops; what both clients share."""

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import grpc.aio
import numpy as np
import pytest
from driven_client import finished
from kept_port import kept_port

import gleann
from gleann.index import Progress
from gleann.index.errors import (
    GleannError,
    NotReadyError,
    RecallWarning,
    ServiceError,
    UnavailableError,
    UnknownIndexError,
)
from gleann.service.calls.context import current_call
from gleann.service.client.modes import InMode, Member
from gleann.service.client.operation import AsyncOperation, Operation
from gleann.service.server import Server
from gleann.service.servicers.vector import VectorServicer

Target = str | Path


@pytest.fixture(params=["local", "remote"])
def target(
    request: pytest.FixtureRequest, tmp_path: Path, start_server: Callable[..., Server]
) -> Target:
    return tmp_path / "d" if request.param == "local" else start_server().target


def methods_of(kind: type) -> dict[str, Member[..., Any, Any]]:
    """The public methods of a class that are written once."""
    return {
        name: value
        for name in dir(kind)
        if not name.startswith("_")
        and isinstance(value := inspect.getattr_static(kind, name), Member)
    }


def groups_of(client: Any) -> dict[str, Any]:
    return {"": client} | {
        name: value for name, value in vars(client).items() if isinstance(value, InMode)
    }


def test_both_clients_have_the_same_methods(tmp_path: Path) -> None:
    with gleann.Client(tmp_path / "d") as blocking:
        awaited = gleann.AsyncClient(tmp_path / "e")
        theirs = groups_of(awaited)
        assert groups_of(blocking).keys() == theirs.keys()
        compared = 0
        for group, calls in groups_of(blocking).items():
            for name in methods_of(type(calls)):
                here, there = getattr(calls, name), getattr(theirs[group], name)
                assert inspect.signature(here) == inspect.signature(there)
                assert inspect.getdoc(here) == inspect.getdoc(there)
                assert inspect.getdoc(here), f"{group}.{name} has no text"
                assert not inspect.iscoroutinefunction(here)
                is_iterator = name == "scroll"
                assert inspect.iscoroutinefunction(there) != is_iterator
                compared += 1
        assert compared > 80
    assert methods_of(Operation).keys() == methods_of(AsyncOperation).keys()


def test_what_is_public_is_written_once() -> None:
    """Nothing public beside the methods and the ways to open and close."""
    for kind in (gleann.Client, gleann.AsyncClient):
        public = {name for name in dir(kind) if not name.startswith("_")}
        assert public - methods_of(kind).keys() == {"of_stubs"}
    assert inspect.signature(gleann.Client) == inspect.signature(gleann.AsyncClient)


def test_many_calls_at_once(target: Target, rows: np.ndarray) -> None:
    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            await client.create_index("a", dim=8, metric="l2")
            await asyncio.gather(
                *(client.upsert("a", [i], rows[i : i + 1]) for i in range(100))
            )
            found = await asyncio.gather(
                *(client.search("a", row, gleann.SearchParams(k=1)) for row in rows)
            )
            assert [int(one.ids[0, 0]) for one in found[:100]] == list(range(100))
            build = await client.build("a")
            waits = await asyncio.gather(*(build.wait() for _ in range(50)))
            assert all(info.count == 100 for info in waits)
            with pytest.raises(UnknownIndexError, match="'b'"):
                await client.get_index("b")

    finished(script())


def test_the_event_loop_goes_on_meanwhile(target: Target, rows: np.ndarray) -> None:
    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            await client.create_index("a", dim=8)
            turns = 0

            async def turn() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0.001)

            turning = asyncio.create_task(turn())
            ids = np.arange(20_000)
            await client.upsert("a", ids, np.resize(rows, (20_000, 8)))
            before = turns
            operation = await client.build("a")
            await operation.wait()
            assert turns > before + 3
            turning.cancel()

    finished(script())


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Event, Event, list[bool]]]:
    """Counts of vectors wait, once begun, until they may go on: both events.

    Then they say whether their caller still waits for the answer.
    """
    entered, leave, awaited = Event(), Event(), []
    count = VectorServicer.CountVectors

    def slow(self: VectorServicer, request: Any, context: Any) -> Any:
        entered.set()
        leave.wait(120)
        awaited.append(current_call().is_active())
        return count(self, request, context)

    # Before the server takes the method.
    monkeypatch.setattr(VectorServicer, "CountVectors", slow)
    yield entered, leave, awaited
    leave.set()


def test_cancelling_a_task(
    held: tuple[Event, Event, list[bool]], target: Target, rows: np.ndarray
) -> None:
    """The caller goes on at once, and others are served."""
    entered, leave, awaited = held

    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            await client.create_index("a", dim=8)
            await client.upsert("a", range(5), rows[:5])
            task = asyncio.create_task(client.count("a"))
            while not entered.is_set():
                await asyncio.sleep(0.01)
            task.cancel()
            begin = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.search("a", rows[:1])).ids[0, 0] == 0
            assert time.monotonic() - begin < 60
            leave.set()
            assert await client.count("a") == 5
            while len(awaited) < 2:  # the first ends by itself
                await asyncio.sleep(0.01)
            assert sorted(awaited) == [False, True]

    finished(script())


def test_a_client_in_several_event_loops(target: Target, rows: np.ndarray) -> None:
    client = gleann.AsyncClient(target)

    async def store() -> None:
        await client.create_index("a", dim=8)
        await client.upsert("a", range(5), rows[:5])

    async def count() -> int:
        return await client.count("a")

    finished(store())
    assert finished(count()) == 5
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(finished(count())))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [5, 5, 5]

    async def close() -> None:
        await client.close()
        with pytest.raises(ServiceError, match="closed"):
            await client.count("a")

    finished(close())


def channels() -> int:
    """Those of grpc.aio in this process."""
    gc.collect()
    return sum(isinstance(one, grpc.aio.Channel) for one in gc.get_objects())


def test_loops_that_have_ended_leave_no_channel(
    start_server: Callable[..., Server],
) -> None:
    """Each `asyncio.run` has a loop of its own, and so a channel."""
    client, before = gleann.AsyncClient(start_server().target), channels()

    async def call() -> None:
        assert await client.list_indexes() == []

    for _ in range(5):
        asyncio.run(call())
    assert channels() == before + 1
    finished(client.close())
    assert channels() == before


def test_closing_ends_calls(start_server: Callable[..., Server]) -> None:
    async def script() -> None:
        client = gleann.AsyncClient(start_server().target)
        await client.create_index("a", dim=8)
        await client.upsert("a", [1], np.ones((1, 8)))
        operation = await client.build("a")
        await operation.wait()
        waiting = [asyncio.create_task(client.count("a")) for _ in range(20)]
        await asyncio.sleep(0)
        await client.close()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(one == 1 or isinstance(one, GleannError) for one in ended), ended

    finished(script())


def test_an_iterator_that_is_left(target: Target, rows: np.ndarray) -> None:
    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            await client.create_index("a", dim=8)
            await client.upsert("a", range(100), rows[:100])
            async for page in client.scroll("a", page_size=10):
                assert len(page) == 10
                break
            pages = [page async for page in client.scroll("a", page_size=30)]
            assert [len(page) for page in pages] == [30, 30, 30, 10]

    finished(script())
    with gleann.Client(target) as client:
        for page in client.scroll("a", page_size=10):
            assert len(page) == 10
            break


def test_a_directory_that_is_in_use(tmp_path: Path) -> None:
    async def script() -> None:
        with pytest.raises(NotReadyError):
            async with gleann.AsyncClient(tmp_path / "d"):
                raise AssertionError("it was opened twice")
        assert gleann.AsyncClient(tmp_path / "d").indexes is not None

    with gleann.Client(tmp_path / "d"):
        finished(script())


def test_waiting_until_a_server_is_ready(start_server: Callable[..., Server]) -> None:
    listen = f"127.0.0.1:{kept_port()}"
    first = start_server(listen=listen)
    first.stop(grace=0)
    target = first.target
    blocking = gleann.Client(target)
    begin = time.monotonic()
    with pytest.raises(UnavailableError, match=r"no server is ready at .* after 0.3 s"):
        blocking.wait_ready(0.3)
    assert time.monotonic() - begin < 60
    timer = threading.Timer(0.3, lambda: start_server(listen=listen))
    timer.start()
    blocking.wait_ready(60)
    assert blocking.list_indexes() == []
    timer.join()

    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            await client.wait_ready(60)
            assert await client.list_indexes() == []

    finished(script())


def test_a_server_that_stops_is_not_ready(
    start_server: Callable[..., Server],
) -> None:
    server = start_server()
    with gleann.Client(server.target) as client:
        client.wait_ready(60)
        server.stop(grace=0)
        with pytest.raises(UnavailableError, match="no server is ready"):
            client.wait_ready(0.2)


def test_a_directory_is_ready_at_once(tmp_path: Path) -> None:
    with gleann.Client(tmp_path / "d") as client:
        client.wait_ready(0)

    async def script() -> None:
        async with gleann.AsyncClient(tmp_path / "d") as client:
            await client.wait_ready(0)

    finished(script())


@pytest.mark.parametrize("parallel", [1, 3])
def test_progress_of_an_upload(
    target: Target,
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    parallel: int,
) -> None:
    monkeypatch.setattr("gleann.service.wire.paging.CHUNK_BYTES", 1000)
    reports: list[Progress] = []
    ids = np.arange(len(rows))
    with gleann.Client(target) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", ids, rows, progress=reports.append, parallel=parallel)
        done = [one.done for one in reports]
        assert len(done) > 5
        assert done == sorted(set(done))
        assert done[-1] == len(rows)
        assert {(one.phase, one.total) for one in reports} == {("upsert", len(rows))}
        assert np.array_equal(client.get_vectors("a", ids), rows)
        assert capsys.readouterr().err == ""
        client.upsert("a", ids, rows, progress=True, parallel=parallel)
        assert "upsert: 100%" in capsys.readouterr().err
        client.wait(client.build("a"), progress=True)

    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            reports.clear()
            await client.upsert(
                "a", ids, rows + 1, progress=reports.append, parallel=parallel
            )
            assert reports[-1].done == len(rows)
            assert np.array_equal(await client.get_vectors("a", ids), rows + 1)

    finished(script())


@pytest.mark.parametrize("awaited", [False, True])
def test_an_upload_that_is_refused_stops(
    target: Target, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, awaited: bool
) -> None:
    """The exception of the first message that fails is raised, and few follow it."""
    monkeypatch.setattr("gleann.service.wire.paging.CHUNK_BYTES", 400)
    bad = rows.copy()
    bad[20] = np.nan
    reports: list[Progress] = []
    ids = np.arange(len(rows))

    def check(error: GleannError, count: int) -> None:
        assert "row" in str(error)
        assert count == reports[-1].done if reports else count == 0
        assert count < 100

    with gleann.Client(target) as client:
        client.create_index("a", dim=8)
        if not awaited:
            with pytest.raises(GleannError) as caught:
                client.upsert("a", ids, bad, progress=reports.append, parallel=3)
            check(caught.value, client.count("a"))

    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            with pytest.raises(GleannError) as caught:
                await client.upsert("a", ids, bad, progress=reports.append, parallel=3)
            check(caught.value, await client.count("a"))

    if awaited:
        finished(script())


@pytest.mark.parametrize("awaited", [False, True])
def test_warnings_name_the_line_of_the_caller(
    target: Target, rows: np.ndarray, awaited: bool
) -> None:
    wanted = gleann.SearchParams(k=3, target_recall=0.99)

    async def script() -> None:
        async with gleann.AsyncClient(target) as client:
            await client.search("a", rows[:2], wanted)

    with gleann.Client(target) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", range(len(rows)), rows)
        params = gleann.BuildParams(metric="l2", nlist=8, tune_queries=0)
        client.build("a", params).wait(timeout=60)
        if not awaited:
            with pytest.warns(RecallWarning) as caught:
                client.search("a", rows[:2], wanted)
    if awaited:
        with pytest.warns(RecallWarning) as caught:
            finished(script())
    # Warnings of other threads, such as of what was not closed, are heard too.
    told = [one for one in caught if one.category is RecallWarning]
    assert told[0].filename == __file__
