"""Connections of gRPC in the two modes."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from threading import Semaphore
from time import monotonic
from typing import Any, NamedTuple

import grpc
import grpc.aio
from google.protobuf.message import Message

from gleann.index.errors import DeadlineError, ServiceError
from gleann.service.calls.process import call_under_way
from gleann.service.client.link.link import READY_SECONDS, Send
from gleann.service.client.link.streams import (
    AwaitedStream,
    BlockingStream,
    ErrorOf,
    Stream,
)
from gleann.service.client.tls import Tls

MakeStub = Callable[[Any], Any]
"""Makes the stub of a service on a channel."""

MOST_CALLS = 100
"""Calls of a client that are under way at once; further ones wait for a place. A server
refuses more than its `connection_calls` on one connection, 128 unless it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How to open a channel to a server.

    Attributes:
        address: of the server.
        options: of gRPC.
        metadata: of every call; it has the API key.
        tls: how the server is trusted; None without TLS.
        credentials: what gRPC makes of `tls`.
    """

    address: str
    options: list[tuple[str, Any]]
    metadata: tuple[tuple[str, str], ...] = field(repr=False)
    tls: Tls | None
    credentials: grpc.ChannelCredentials | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the files of `tls`; errors as `Tls.credentials`."""
        credentials = None if self.tls is None else self.tls.credentials()
        object.__setattr__(self, "credentials", credentials)

    def open(self, kind: Any) -> Any:
        """A channel; `kind` is `grpc` or `grpc.aio`."""
        if self.tls is None:
            return kind.insecure_channel(self.address, options=self.options)
        options = [*self.options, *self.tls.options()]
        return kind.secure_channel(self.address, self.credentials, options=options)


class BlockingWire:
    """A channel whose calls return when they are answered."""

    def __init__(self, channel: Channel, makes: Mapping[str, MakeStub]) -> None:
        self._channel = channel.open(grpc)
        self._stubs = {name: make(self._channel) for name, make in makes.items()}
        self._metadata = channel.metadata
        self._places = Semaphore(MOST_CALLS)

    def sender(self, service: str, method: str) -> Send:
        """What sends the requests of a method."""
        call, metadata = getattr(self._stubs[service], method), self._metadata
        places = self._places

        async def send(request: Message, timeout: float | None) -> Any:
            if not places.acquire(blocking=False):
                begin = monotonic()
                if not places.acquire(timeout=timeout):
                    raise _no_place(timeout)
                timeout = _left(timeout, since=begin)
            try:
                with call_under_way():
                    return call(request, timeout=timeout, metadata=metadata)
            except ValueError as error:  # raised by a closed channel
                raise ServiceError(f"the client is closed: {error}") from error
            finally:
                places.release()

        return send

    async def stream(self, service: str, method: str, error_of: ErrorOf) -> Stream:
        """Open a call of a method with messages both ways."""
        call = getattr(self._stubs[service], method)
        try:
            return BlockingStream(partial(call, metadata=self._metadata), error_of)
        except ValueError as error:  # raised by a closed channel
            raise ServiceError(f"the client is closed: {error}") from error

    async def ready(self) -> bool:
        """Whether the connection stands, or does so soon."""
        with call_under_way():
            state = grpc.channel_ready_future(self._channel)
            try:
                state.result(READY_SECONDS)
            except grpc.FutureTimeoutError:
                return False
            finally:
                state.cancel()  # otherwise a thread of gRPC would watch it on and on
        return True

    async def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _no_place(timeout: float | None) -> DeadlineError:
    return DeadlineError(
        f"{MOST_CALLS} calls of this client are under way, and none of them has ended"
        f" within {timeout:g} s"
    )


def _left(timeout: float | None, *, since: float) -> float | None:
    """What is left of a timeout that began at a moment of the monotonic clock."""
    return None if timeout is None else max(0.0, timeout - (monotonic() - since))


class _Channel(NamedTuple):
    """A channel of an event loop, its stubs, and places for calls."""

    channel: grpc.aio.Channel
    stubs: dict[str, Any]
    places: asyncio.Semaphore


class AwaitedWire:
    """A channel for each event loop that calls are made in: gRPC ties them to one."""

    def __init__(self, channel: Channel, makes: Mapping[str, MakeStub]) -> None:
        self._channel = channel
        self._makes = makes
        self._closed = False
        self._channels: dict[asyncio.AbstractEventLoop, _Channel] = {}

    def sender(self, service: str, method: str) -> Send:
        """What sends the requests of a method."""
        metadata = self._channel.metadata

        async def send(request: Message, timeout: float | None) -> Any:
            channel = self._current()
            call = getattr(channel.stubs[service], method)
            timeout = await _awaited_place(channel.places, timeout)
            try:
                with call_under_way():
                    return await call(request, timeout=timeout, metadata=metadata)
            except asyncio.CancelledError:
                # The task was not cancelled, but the call: `close` does that.
                task = asyncio.current_task()
                if self._closed and not (task and task.cancelling()):
                    raise ServiceError("the client was closed") from None
                raise
            finally:
                channel.places.release()

        return send

    async def stream(self, service: str, method: str, error_of: ErrorOf) -> Stream:
        """Open a call of a method with messages both ways."""
        opened = getattr(self._current().stubs[service], method)(
            metadata=self._channel.metadata
        )
        # gRPC does not survive a fork while it is open, whether it is read or not.
        until_done = ExitStack()
        until_done.enter_context(call_under_way())
        opened.add_done_callback(lambda _: until_done.close())
        return AwaitedStream(opened, error_of)

    async def ready(self) -> bool:
        """Whether the connection of this event loop stands, or does so soon."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                with call_under_way():
                    await self._current().channel.channel_ready()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Close the channel of this event loop; those of others have ended."""
        self._closed = True
        if (found := self._channels.pop(asyncio.get_running_loop(), None)) is not None:
            await found.channel.close()
        self._channels.clear()

    def _current(self) -> _Channel:
        """The channel of this event loop."""
        loop = asyncio.get_running_loop()
        if (found := self._channels.get(loop)) is None:
            if self._closed:
                raise ServiceError("the client is closed")
            channel = self._channel.open(grpc.aio)
            stubs = {name: make(channel) for name, make in self._makes.items()}
            found = _Channel(channel, stubs, asyncio.Semaphore(MOST_CALLS))
            self._forget_ended()
            self._channels[loop] = found
        return found

    def _forget_ended(self) -> None:
        """Drop the channels of loops that have ended: that closes their connections.

        A channel holds its loop, so that no weak reference would do it.
        """
        for loop in list(self._channels):
            if loop.is_closed():
                self._channels.pop(loop, None)


async def _awaited_place(
    places: asyncio.Semaphore, timeout: float | None
) -> float | None:
    """Take a place for a call; return what is left of its timeout.

    Raises:
        DeadlineError: there is none within the timeout.
    """
    if not places.locked():
        await places.acquire()
        return timeout
    begin = monotonic()
    try:
        async with asyncio.timeout(timeout):
            await places.acquire()
    except TimeoutError:
        raise _no_place(timeout) from None
    return _left(timeout, since=begin)
