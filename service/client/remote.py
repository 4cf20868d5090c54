"""Stubs that call a server and raise the exceptions that the server raised."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import grpc
import grpc.aio
from google.longrunning import operations_pb2_grpc
from google.protobuf.message import Message

from gleann.index.errors import (
    GleannError,
    InvalidParamsError,
    ServiceError,
    UnavailableError,
)
from gleann.service.client.tls import Tls, warn_of_plaintext_key
from gleann.service.client.tls_errors import why_not_connected
from gleann.service.security.headers import KEY_HEADER, bearer, require_sendable_key
from gleann.service.status import error_of_call
from gleann.service.stubs import Stubs
from gleann.v1 import (
    active_pb2_grpc,
    admin_pb2_grpc,
    coreset_pb2_grpc,
    estimate_pb2_grpc,
    index_pb2_grpc,
    job_pb2_grpc,
    rounds_pb2_grpc,
    search_pb2_grpc,
    session_pb2_grpc,
    snapshot_pb2_grpc,
    vector_pb2_grpc,
)

OPTIONS = [
    # The server enforces its own caps; a client limit could only differ.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]

_STUBS: dict[str, Callable[[Any], object]] = {
    "index": index_pb2_grpc.IndexServiceStub,
    "vector": vector_pb2_grpc.VectorServiceStub,
    "search": search_pb2_grpc.SearchServiceStub,
    "coreset": coreset_pb2_grpc.CoresetServiceStub,
    "active": active_pb2_grpc.ActiveLearningServiceStub,
    "rounds": rounds_pb2_grpc.RoundsServiceStub,
    "estimate": estimate_pb2_grpc.EstimateServiceStub,
    "session": session_pb2_grpc.SessionServiceStub,
    "snapshot": snapshot_pb2_grpc.SnapshotServiceStub,
    "admin": admin_pb2_grpc.AdminServiceStub,
    "job": job_pb2_grpc.JobServiceStub,
    "operations": operations_pb2_grpc.OperationsStub,
}


READY_SECONDS = 0.1
"""For the state of a connection, once a call to it has timed out."""


def connect(
    address: str,
    *,
    api_key: str | None,
    timeout: float | None,
    tls: Tls | None = None,
) -> Stubs:
    """Stubs of the server at an address; the first call connects.

    Args:
        address: of the server, as gRPC takes it; see `gleann.service.client.target`.
        api_key: the server's API key, if it has one.
        timeout: seconds after which a call fails; None waits without limit.
        tls: for a connection by TLS.

    Raises:
        MissingFileError: a file of `tls` cannot be read.
        InvalidParamsError: a key that no server can have, or a timeout that is not
            above 0.
    """
    link = _link(address, api_key=api_key, timeout=timeout, tls=tls)
    channel = link.channel(grpc)
    stubs = {
        name: _Remote(make(channel), link, channel) for name, make in _STUBS.items()
    }
    return Stubs(**stubs, close=channel.close)


def connect_awaited(
    address: str,
    *,
    api_key: str | None,
    timeout: float | None,
    tls: Tls | None = None,
) -> Stubs:
    """As `connect`, with methods that are awaited; also `close` is."""
    link = _link(address, api_key=api_key, timeout=timeout, tls=tls)
    channels = _Channels(link)
    stubs = {name: _Awaited(name, link, channels) for name in _STUBS}
    return Stubs(**stubs, close=channels.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """What calls to a server have in common.

    Attributes:
        address: of the server.
        timeout: of a call, in seconds, or None.
        metadata: of every call; it has the API key.
        tls: how the server is trusted; None without TLS.
        credentials: what gRPC makes of `tls`.
    """

    address: str
    timeout: float | None
    metadata: list[tuple[str, str]] = field(repr=False)
    tls: Tls | None
    credentials: grpc.ChannelCredentials | None

    def channel(self, kind: Any) -> Any:
        """A channel to the server; `kind` is `grpc` or `grpc.aio`."""
        if self.tls is None:
            return kind.insecure_channel(self.address, options=OPTIONS)
        options = [*OPTIONS, *self.tls.options()]
        return kind.secure_channel(self.address, self.credentials, options=options)

    def error_of(self, call: grpc.RpcError) -> GleannError:
        """The exception of a failed call; a server that is not there is named."""
        error = error_of_call(call)
        if isinstance(error, UnavailableError):
            why = why_not_connected(str(error), self.address, self.tls)
            return UnavailableError(
                f"no server answers at {self.address}: {why or error}"
            )
        return error

    def no_answer(self) -> UnavailableError:
        """The exception of a call that ended before there was a connection."""
        return UnavailableError(
            f"no server answers at {self.address} within {self.timeout:g} s"
        )


def _link(
    address: str, *, api_key: str | None, timeout: float | None, tls: Tls | None
) -> _Link:
    if timeout is not None and not timeout > 0:
        raise InvalidParamsError(f"timeout must be above 0 seconds, got {timeout}")
    metadata = []
    if api_key is not None:
        require_sendable_key(api_key)
        metadata = [(KEY_HEADER, bearer(api_key))]
        if tls is None:
            warn_of_plaintext_key(address)
    return _Link(
        address=address,
        timeout=timeout,
        metadata=metadata,
        tls=tls,
        credentials=None if tls is None else tls.credentials(),
    )


def _late(error: grpc.RpcError) -> bool:
    return error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def _closed(error: Exception) -> ServiceError:
    return ServiceError(f"the client is closed: {error}")


class _Remote:
    """Calls the methods of a stub and raises gleann's exceptions."""

    def __init__(self, stub: object, link: _Link, channel: grpc.Channel) -> None:
        self._stub = stub
        self._link = link
        self._channel = channel

    def __getattr__(self, name: str) -> Callable[[Message], Message]:
        method = getattr(self._stub, name)
        link = self._link

        def call(request: Message) -> Message:
            try:
                return method(request, timeout=link.timeout, metadata=link.metadata)
            except grpc.RpcError as error:
                if _late(error) and not self._ready():
                    raise link.no_answer() from error
                raise link.error_of(error) from error
            except ValueError as error:  # raised by a closed channel
                raise _closed(error) from error

        setattr(self, name, call)
        return call

    def _ready(self) -> bool:
        """Whether the connection stands."""
        try:
            grpc.channel_ready_future(self._channel).result(READY_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        return True


class _Channels:
    """Channels to a server, one per event loop, as gRPC ties them to one."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._closed = False
        self._stubs: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[grpc.aio.Channel, dict[str, Any]]
        ] = WeakKeyDictionary()

    def current(self) -> tuple[grpc.aio.Channel, dict[str, Any]]:
        """The channel of the running event loop, and its stubs."""
        loop = asyncio.get_running_loop()
        if (found := self._stubs.get(loop)) is None:
            if self._closed:
                raise ServiceError("the client is closed")
            channel = self._link.channel(grpc.aio)
            found = channel, {name: make(channel) for name, make in _STUBS.items()}
            self._stubs[loop] = found
        return found

    async def close(self) -> None:
        """Close the channel of the running event loop; those of others are gone."""
        self._closed = True
        if (found := self._stubs.pop(asyncio.get_running_loop(), None)) is not None:
            await found[0].close()
        self._stubs.clear()


class _Awaited:
    """Calls the methods of a service, and raises gleann's exceptions."""

    def __init__(self, service: str, link: _Link, channels: _Channels) -> None:
        self._service = service
        self._link = link
        self._channels = channels

    def __getattr__(self, name: str) -> Callable[[Message], Awaitable[Message]]:
        link, service = self._link, self._service

        async def call(request: Message) -> Message:
            channel, stubs = self._channels.current()
            method = getattr(stubs[service], name)
            try:
                reply: Message = await method(
                    request, timeout=link.timeout, metadata=link.metadata
                )
            except grpc.RpcError as error:
                if _late(error) and not await _ready(channel):
                    raise link.no_answer() from error
                raise link.error_of(error) from error
            return reply

        setattr(self, name, call)
        return call


async def _ready(channel: grpc.aio.Channel) -> bool:
    """Whether the connection stands."""
    try:
        await asyncio.wait_for(channel.channel_ready(), READY_SECONDS)
    except TimeoutError:
        return False
    return True
