"""Places for the calls of a client: a call that waits for one keeps to its timeout."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty

from gleann.index.errors import DeadlineError
from gleann.service.client.link import wires
from gleann.service.client.link.wires import AwaitedWire, BlockingWire, Channel
from gleann.service.client.modes import run

NOBODY = Channel(address="127.0.0.1:1", options=[], metadata=(), tls=None)


@pytest.fixture(autouse=True)
def one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "MOST_CALLS", 1)


def making(call: Callable[..., Any]) -> dict[str, Callable[[Any], Any]]:
    """The stub of a service with one method."""
    return {"service": lambda _: SimpleNamespace(Method=call)}


def test_threads_wait_for_a_place_within_their_timeout() -> None:
    entered, leave = threading.Event(), threading.Event()
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
    later = threading.Timer(1.0, leave.set)
    later.start()
    run(send(Empty(), 30.0))
    assert timeouts[0] == 60.0
    assert 5 < timeouts[1] <= 29.9
    first.join()
    run(wire.close())


def test_tasks_wait_for_a_place_within_their_timeout() -> None:
    async def script() -> None:
        leave, timeouts = asyncio.Event(), []

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
        asyncio.get_running_loop().call_later(1.0, leave.set)
        await send(Empty(), 30.0)
        assert timeouts[0] == 60.0
        assert 5 < timeouts[1] <= 29.9
        await first
        await wire.close()

    asyncio.run(script())
