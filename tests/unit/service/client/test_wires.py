"""Places for the calls of a client: a call that waits for one keeps to its timeout."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from gleann.index.errors import DeadlineError
from gleann.service.client.link import streams, wires
from gleann.service.client.link.wires import AwaitedWire, BlockingWire, Channel
from gleann.service.client.modes import run

NOBODY = Channel(address="127.0.0.1:1", options=[], metadata=(), tls=None)


@pytest.fixture(autouse=True)
def one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "MOST_CALLS", 1)


def making(call: Callable[..., Any]) -> dict[str, Callable[[Any], Any]]:
    """The stub of a service with one method."""
    return {"service": lambda _: SimpleNamespace(Method=call)}


def clock(monkeypatch: pytest.MonkeyPatch, *waits: Callable[[], None]) -> None:
    """What a wire goes by: each wait begins with a call, and takes 1.5 seconds."""
    seconds, begins = count(step=1.5), iter(waits)

    def monotonic() -> float:
        next(begins, no_more)()
        return next(seconds)

    monkeypatch.setattr(wires, "monotonic", monotonic)


def no_more() -> None:
    """As the end of a wait: nothing is to be done."""


def test_threads_wait_for_a_place_within_their_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered, leave = threading.Event(), threading.Event()
    clock(monkeypatch, no_more, leave.set)
    timeouts: list[float] = []

    def answer(_: Empty, *, timeout: float, metadata: Any) -> None:
        timeouts.append(timeout)
        entered.set()
        assert leave.wait(60)

    wire = BlockingWire(NOBODY, making(answer))
    send = wire.sender("service", "Method")
    first = threading.Thread(target=lambda: run(send(Empty(), 60.0)))
    first.start()
    assert entered.wait(60)
    with pytest.raises(DeadlineError, match=r"1 calls .* ended within 0\.1 s"):
        run(send(Empty(), 0.1))
    run(send(Empty(), 30.0))
    assert timeouts == [60.0, 28.5]
    first.join()
    run(wire.close())


def test_tasks_wait_for_a_place_within_their_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script() -> None:
        leave, timeouts = asyncio.Event(), []
        clock(monkeypatch, no_more, no_more, leave.set)

        async def answer(_: Empty, *, timeout: float, metadata: Any) -> None:
            timeouts.append(timeout)
            await leave.wait()

        wire = AwaitedWire(NOBODY, making(answer))
        send = wire.sender("service", "Method")
        first = asyncio.create_task(send(Empty(), 60.0))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineError, match=r"1 calls .* ended within 0\.1 s"):
            await send(Empty(), 0.1)
        cancelled = asyncio.create_task(send(Empty(), 60.0))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        await send(Empty(), 30.0)
        assert timeouts == [60.0, 28.5]
        await first
        await wire.close()

    asyncio.run(script())


@pytest.fixture
def under_way(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """As many as calls that are said to be under way: forks meanwhile are told."""
    calls: list[None] = []

    @contextmanager
    def counted() -> Iterator[None]:
        calls.append(None)
        try:
            yield
        finally:
            calls.pop()

    for module in (wires, streams):
        monkeypatch.setattr(module, "call_under_way", counted)
    return calls


def test_blocking_calls_are_counted_while_they_are_under_way(
    under_way: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def answer(*_: Any, **__: Any) -> None:
        seen.append(len(under_way))

    def answers(*_: Any, **__: Any) -> Iterator[int]:
        yield len(under_way)

    state = SimpleNamespace(result=answer, cancel=answer)
    monkeypatch.setattr(grpc, "channel_ready_future", lambda _: state)
    wire = BlockingWire(NOBODY, making(answer))
    run(wire.sender("service", "Method")(Empty(), 60.0))
    assert run(wire.ready())
    assert seen == [1, 1, 1]
    streaming = BlockingWire(NOBODY, making(answers))
    stream = run(streaming.stream("service", "Method", Exception))
    assert under_way == []
    assert run(stream.read()) == 1
    assert run(stream.read()) is None
    # In process there is no call of gRPC.
    assert run(streams.BlockingStream(answers).read()) == 0
    assert under_way == []
    for one in (wire, streaming):
        run(one.close())


def test_awaited_calls_are_counted_and_streams_while_they_are_open(
    under_way: list[None],
) -> None:
    seen: list[int] = []
    ended: list[Callable[[Any], None]] = []

    async def answer(_: Empty, **__: Any) -> None:
        seen.append(len(under_way))

    async def script() -> None:
        wire = AwaitedWire(NOBODY, making(answer))
        await wire.sender("service", "Method")(Empty(), 60.0)
        assert seen == [1]
        assert under_way == []
        await wire.close()
        call = SimpleNamespace(add_done_callback=ended.append)
        streaming = AwaitedWire(NOBODY, making(lambda **_: call))
        await streaming.stream("service", "Method", Exception)
        assert len(under_way) == 1
        ended[0](call)
        assert under_way == []
        await streaming.close()

    asyncio.run(script())
