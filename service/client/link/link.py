"""`Link`: how a call is sent to a server, and what is done when it fails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Protocol
from uuid import uuid4

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from gleann import __version__
from gleann.index.errors import (
    GleannError,
    OverloadedError,
    UnavailableError,
    UnsupportedError,
)
from gleann.service.calls.process import OwnProcess
from gleann.service.client.link.repeats import overload_pause
from gleann.service.client.link.streams import ErrorOf, Stream
from gleann.service.client.link.tls_errors import why_not_connected
from gleann.service.client.modes import Mode
from gleann.service.client.tls import Tls
from gleann.service.status import error_of_call
from gleann.service.wire.protocol import unlike
from gleann.v1 import admin_pb2

Send = Callable[[Message, float | None], Awaitable[Any]]
"""Sends a request, with a timeout in seconds; raises `grpc.RpcError`."""

READY_SECONDS = 0.1
"""For the state of a connection, once a call to it has timed out."""

HEALTH = "health"
"""The name of grpc.health.v1 among the services of a wire."""

CHECK_SECONDS = 2.0
"""For the answer to a health check."""

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds between two health checks."""

ASK_SECONDS = 5.0
"""For the version of a server that did not know a method."""


class Wire(Protocol):
    """A connection in one of the modes."""

    def sender(self, service: str, method: str) -> Send:
        """What sends the requests of a method."""

    async def stream(self, service: str, method: str, error_of: ErrorOf) -> Stream:
        """Open a call of a method with messages both ways."""

    async def ready(self) -> bool:
        """Whether the connection stands, or does so soon."""

    async def close(self) -> None:
        """Close it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The connection of a client, and what its calls have in common.

    Attributes:
        address: of the server.
        timeout: of a call, in seconds, or None.
        retries: repeats of a call that the server refused for having too much to do;
            those that no server answered are repeated by gRPC.
        mode: how calls wait.
        wire: sends them.
        tls: how the server is trusted; None without TLS.
        process: the process that may use it.
    """

    address: str
    timeout: float | None
    retries: int
    mode: Mode
    wire: Wire
    tls: Tls | None = None
    process: OwnProcess = field(default_factory=OwnProcess)

    async def answer(self, send: Send, request: Message, *, changes: bool) -> Any:
        """The answer to a request.

        Args:
            send: sends the request of its method.
            request: the request.
            changes: whether it has a request_id; one is made where it is empty, so that
                a repeat is carried out once.

        Raises:
            GleannError: as the server raised it.
            UnavailableError: no server answers.
        """
        self.process.require()
        if not changes or not self.retries or request.request_id:  # type: ignore[attr-defined]
            return await self._repeated(send, request)
        request.request_id = uuid4().hex  # type: ignore[attr-defined]
        try:
            return await self._repeated(send, request)
        finally:
            # The caller may use the message for its next request.
            request.ClearField("request_id")

    async def stream(self, service: str, method: str) -> Stream:
        """Open a call of a method with messages both ways; it has no timeout."""
        self.process.require()
        return await self.wire.stream(service, method, self.error_of)

    async def ready(self, seconds: float) -> None:
        """Wait until the server says that it serves.

        Raises:
            UnavailableError: it does not within so many seconds; with its last answer.
        """
        self.process.require()
        send, request = (
            self.wire.sender(HEALTH, "Check"),
            health_pb2.HealthCheckRequest(),
        )
        ends, pause = monotonic() + seconds, FIRST_PAUSE
        while True:
            left = max(ends - monotonic(), READY_SECONDS)
            try:
                reply = await send(request, min(left, CHECK_SECONDS))
            except grpc.RpcError as call:
                said = str(error_of_call(call))
            else:
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                said = "it does not serve yet, or is stopping"
            if monotonic() + pause >= ends:
                raise UnavailableError(
                    f"no server is ready at {self.address} after {seconds:g} s: {said}"
                )
            await self.mode.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def close(self) -> None:
        """Close the connection; in a fork, leave it to the process that opened it."""
        if not self.process.forked:
            await self.wire.close()

    async def _repeated(self, send: Send, request: Message) -> Any:
        timeout, left = self.timeout, self.retries
        ends = None if timeout is None else monotonic() + timeout
        while True:
            try:
                return await send(request, timeout)
            except grpc.RpcError as call:
                error = await self.error_of(call)
                if not isinstance(error, OverloadedError) or left == 0:
                    raise error from call
                pause = overload_pause(error)
                if ends is not None and (timeout := ends - monotonic() - pause) <= 0:
                    raise error from call
            left -= 1
            await self.mode.sleep(pause)

    async def error_of(self, call: grpc.RpcError) -> GleannError:
        """The exception of a failed call; a server that is not there is named."""
        error = error_of_call(call)
        if isinstance(error, UnavailableError) and not error.call_id:
            why = await self.mode.aside(
                partial(why_not_connected, str(error), self.address, self.tls)
            )
            return UnavailableError(
                f"no server answers at {self.address}: {why or error}"
            )
        if isinstance(error, UnsupportedError):
            return await self._unsupported(error)
        late = call.code() == grpc.StatusCode.DEADLINE_EXCEEDED and not error.call_id
        if late and not await self.wire.ready():
            within = "" if self.timeout is None else f" within {self.timeout:g} s"
            return UnavailableError(f"no server answers at {self.address}{within}")
        return error

    async def _unsupported(self, error: UnsupportedError) -> UnsupportedError:
        """The same exception with both versions."""
        send = self.wire.sender("admin", "GetServerInfo")
        try:
            info = await send(admin_pb2.GetServerInfoRequest(), ASK_SECONDS)
        except grpc.RpcError:
            return UnsupportedError(
                f"what answers at {self.address} is no gleann server, or one that this"
                f" client (gleann {__version__}) does not know: {error}"
            )
        return UnsupportedError(
            unlike(info.version, info.protocol or 1, what=str(error))
        )
