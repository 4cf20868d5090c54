"""Shared by the client calls: stubs, limits, operations and pages."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

from google.longrunning import operations_pb2
from google.protobuf.message import Message

from gleann.index.errors import LimitError, UnsupportedError
from gleann.index.payload.schema import Schema
from gleann.service.client.modes import InMode, M, Mode
from gleann.service.client.operation import Handle, handle_of
from gleann.service.stubs import Stubs
from gleann.service.values import Limits, ServerInfo, SessionInfo
from gleann.service.wire import index_messages
from gleann.service.wire.protocol import unlike
from gleann.v1 import admin_pb2

FRESH_SECONDS = 60.0
"""For so long a server's description is believed."""


class PageRequest(Protocol):
    """A request for a page."""

    page_token: str


class Page(Protocol):
    """A response with a page."""

    next_page_token: str


Request = TypeVar("Request", bound=PageRequest)
Reply = TypeVar("Reply", bound=Page)


class Connection:
    """Stubs of a server or a data directory, and its limits.

    Attributes:
        stubs: one per gRPC service; their methods are awaited.
        mode: how the methods of the client return.
        schemas: columns of payload of indexes, as they were seen last.
    """

    def __init__(self, stubs: Stubs, mode: Mode) -> None:
        self.stubs = stubs
        self.mode: Any = mode
        self.schemas: dict[str, Schema] = {}
        self._server: ServerInfo | None = None
        self._fetched = 0.0

    async def server(self) -> ServerInfo:
        """What the server says of itself; fetched again once it is a minute old.

        Another server may answer at the address since then.
        """
        if (known := self._server) and monotonic() - self._fetched < FRESH_SECONDS:
            return known
        reply = await self.stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
        self._server, self._fetched = index_messages.server_info_of(reply), monotonic()
        return self._server

    async def limits(self) -> Limits:
        """Limits of the server."""
        return (await self.server()).limits

    async def require_protocol(self, revision: int, what: str) -> None:
        """Refuse what a server would not understand: it would leave out new fields.

        Args:
            revision: the revision of the protocol that has it.
            what: the option or method, such as "validate_only".

        Raises:
            UnsupportedError: the server speaks an older revision; with both versions.
        """
        info = await self.server()
        if info.protocol < revision:
            raise UnsupportedError(unlike(info.version, info.protocol, what=what))

    async def require_sendable(self, request: Message) -> None:
        """Refuse a request that cannot be split and exceeds the message limit.

        Raises:
            LimitError: with both numbers.
        """
        size, cap = request.ByteSize(), (await self.limits()).message_bytes
        if size > cap:
            raise LimitError(
                f"{request.DESCRIPTOR.name} takes {size} bytes, a message may have"
                f" {cap}: name fewer ids, or raise limits.message_bytes of the server"
            )

    def operation(self, message: operations_pb2.Operation) -> Handle[Any, Any]:
        """The operation of a response, in the mode of the client."""
        return handle_of(message, self.stubs, self.mode)


class Calls(InMode[M], Generic[M]):
    """Calls of one kind, such as those on indexes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stubs = connection.stubs
        self._mode = connection.mode


def name_of(session: str | SessionInfo) -> str:
    """The name of a session, from its name or info."""
    return session if isinstance(session, str) else session.name


def part_id(request_id: str, part: slice) -> str:
    """The request_id of a part of a call; the first part has that of the call."""
    return f"{request_id}/{part.start}" if request_id and part.start else request_id


async def pages_of(
    call: Callable[[Request], Awaitable[Reply]], request: Request
) -> AsyncGenerator[Reply, None]:
    """All pages of a response; `request` is not modified."""
    request.page_token = ""
    while True:
        page = await call(request)
        yield page
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return


async def all_pages_of(
    call: Callable[[Request], Awaitable[Reply]], request: Request
) -> list[Reply]:
    """All pages of a response, in a list."""
    return [page async for page in pages_of(call, request)]
