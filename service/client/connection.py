"""Shared by the client calls: stubs, limits, operations and pages."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Protocol, TypeVar

from google.longrunning import operations_pb2
from google.protobuf.message import Message

from gleann.index.errors import LimitError
from gleann.index.payload.schema import Schema
from gleann.service.client.operation import Operation
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
        stubs: one per gRPC service.
        schemas: columns of payload of indexes, as they were seen last.
    """

    def __init__(self, stubs: Stubs) -> None:
        self.stubs = stubs
        self.schemas: dict[str, Schema] = {}

    @cached_property
    def limits(self) -> Limits:
        """Limits of the server; fetched once."""
        reply = self.stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
        return index_messages.server_info_of(reply).limits

    def require_sendable(self, request: Message) -> None:
        """Refuse a request that cannot be split and exceeds the message limit.

        Raises:
            LimitError: with both numbers.
        """
        size, cap = request.ByteSize(), self.limits.message_bytes
        if size > cap:
            raise LimitError(
                f"{request.DESCRIPTOR.name} takes {size} bytes, a message may have"
                f" {cap}: name fewer ids, or raise limits.message_bytes of the server"
            )

    def operation(self, message: operations_pb2.Operation) -> Operation[Any]:
        """The operation of a response."""
        return Operation(message, self.stubs)


def name_of(session: str | SessionInfo) -> str:
    """The name of a session, from its name or info."""
    return session if isinstance(session, str) else session.name


def part_id(request_id: str, part: slice) -> str:
    """The request_id of a part of a call; the first part has that of the call."""
    return f"{request_id}/{part.start}" if request_id and part.start else request_id


def pages_of(call: Callable[[Request], Reply], request: Request) -> Iterator[Reply]:
    """All pages of a response; `request` is not modified."""
    request.page_token = ""
    while True:
        page = call(request)
        yield page
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return
