"""Shared by the client calls: stubs, limits, operations and pages."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from google.longrunning import operations_pb2
from google.protobuf.message import Message

from gleann.index.errors import LimitError
from gleann.index.payload.schema import Schema
from gleann.service.client.modes import InMode, M, Mode
from gleann.service.client.operation import Handle, handle_of
from gleann.service.stubs import Stubs
from gleann.service.values import Limits, SessionInfo
from gleann.service.wire import index_messages
from gleann.v1 import admin_pb2


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
        self._limits: Limits | None = None

    async def limits(self) -> Limits:
        """Limits of the server; fetched once."""
        if self._limits is None:
            request = admin_pb2.GetServerInfoRequest()
            reply = await self.stubs.admin.GetServerInfo(request)
            self._limits = index_messages.server_info_of(reply).limits
        return self._limits

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
