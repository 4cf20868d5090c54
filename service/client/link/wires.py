"""Connections of gRPC in the two modes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import grpc
import grpc.aio
from google.protobuf.message import Message

from gleann.index.errors import ServiceError
from gleann.service.client.link.link import READY_SECONDS, Send

MakeStub = Callable[[Any], Any]
"""Makes the stub of a service on a channel."""

Metadata = tuple[tuple[str, str], ...]


class BlockingWire:
    """A channel whose calls return when they are answered."""

    def __init__(
        self, channel: grpc.Channel, makes: Mapping[str, MakeStub], metadata: Metadata
    ) -> None:
        self._channel = channel
        self._stubs = {name: make(channel) for name, make in makes.items()}
        self._metadata = metadata

    def sender(self, service: str, method: str) -> Send:
        """What sends the requests of a method."""
        call, metadata = getattr(self._stubs[service], method), self._metadata

        async def send(request: Message, timeout: float | None) -> Any:
            try:
                return call(request, timeout=timeout, metadata=metadata)
            except ValueError as error:  # raised by a closed channel
                raise ServiceError(f"the client is closed: {error}") from error

        return send

    async def ready(self) -> bool:
        """Whether the connection stands, or does so soon."""
        try:
            grpc.channel_ready_future(self._channel).result(READY_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class AwaitedWire:
    """A channel for each event loop that calls are made in: gRPC ties them to one."""

    def __init__(
        self,
        open_channel: Callable[[], grpc.aio.Channel],
        makes: Mapping[str, MakeStub],
        metadata: Metadata,
    ) -> None:
        self._open_channel = open_channel
        self._makes = makes
        self._metadata = metadata
        self._closed = False
        self._channels: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[grpc.aio.Channel, dict[str, Any]]
        ] = WeakKeyDictionary()

    def sender(self, service: str, method: str) -> Send:
        """What sends the requests of a method."""
        metadata = self._metadata

        async def send(request: Message, timeout: float | None) -> Any:
            call = getattr(self._current()[1][service], method)
            try:
                return await call(request, timeout=timeout, metadata=metadata)
            except asyncio.CancelledError:
                # The task was not cancelled, but the call: `close` does that.
                task = asyncio.current_task()
                if self._closed and not (task and task.cancelling()):
                    raise ServiceError("the client was closed") from None
                raise

        return send

    async def ready(self) -> bool:
        """Whether the connection of this event loop stands, or does so soon."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._current()[0].channel_ready()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Close the channel of this event loop; those of others have ended."""
        self._closed = True
        if (found := self._channels.pop(asyncio.get_running_loop(), None)) is not None:
            await found[0].close()
        self._channels.clear()

    def _current(self) -> tuple[grpc.aio.Channel, dict[str, Any]]:
        """The channel of this event loop, and its stubs."""
        loop = asyncio.get_running_loop()
        if (found := self._channels.get(loop)) is None:
            if self._closed:
                raise ServiceError("the client is closed")
            channel = self._open_channel()
            found = channel, {name: make(channel) for name, make in self._makes.items()}
            self._channels[loop] = found
        return found
