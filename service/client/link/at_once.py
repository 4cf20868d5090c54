"""Blocking stubs in the form that the calls of a client await."""

from collections.abc import Awaitable, Callable
from dataclasses import fields
from functools import partial
from typing import Any

from google.protobuf.message import Message

from gleann.service.client.link.streams import STREAMS, BlockingStream
from gleann.service.stubs import Stubs

SERVICES = tuple(
    field.name for field in fields(Stubs) if field.name not in ("close", "ready")
)
"""The names of the services in `Stubs`."""


def at_once(stubs: Stubs) -> Stubs:
    """The same stubs with methods that are awaited; awaiting them never waits."""
    services = {name: _AtOnce(getattr(stubs, name)) for name in SERVICES}

    async def close() -> None:
        stubs.close()

    async def ready(seconds: float) -> None:
        stubs.ready(seconds)

    return Stubs(**services, close=close, ready=ready)


class _AtOnce:
    """The methods of a blocking stub as coroutines."""

    def __init__(self, stub: object) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        answer = getattr(self._stub, name)
        if name in STREAMS:
            return partial(_opened, answer)

        async def call(request: Message) -> Any:
            return answer(request)

        setattr(self, name, call)  # the next use finds it without __getattr__
        return call


async def _opened(answer: Callable[[Any], Any]) -> BlockingStream:
    return BlockingStream(answer)
