"""What the client's calls share: the stubs, the limits, operations, pages."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Protocol, TypeVar

from google.longrunning import operations_pb2
from google.protobuf.message import Message

from gleann.index.errors import LimitError
from gleann.service.client.operation import Operation
from gleann.service.stubs import Stubs
from gleann.service.values import Limits, SessionInfo
from gleann.service.wire import index_messages
from gleann.v1 import admin_pb2


class PageRequest(Protocol):
    """A message that asks for a page."""

    page_token: str


class Page(Protocol):
    """A message that answers with a page."""

    next_page_token: str


Request = TypeVar("Request", bound=PageRequest)
Reply = TypeVar("Reply", bound=Page)


class Connection:
    """The stubs of a server, or of a data directory, and its limits.

    Attributes:
        stubs: what carries the calls out.
    """

    def __init__(self, stubs: Stubs) -> None:
        self.stubs = stubs

    @cached_property
    def limits(self) -> Limits:
        """What the server takes; asked for once."""
        reply = self.stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
        return index_messages.server_info_of(reply).limits

    def require_sendable(self, request: Message) -> None:
        """Refuse a request that has to be one message and is too large for one.

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
        """Long work that the server answered with."""
        return Operation(message, self.stubs)


def name_of(session: str | SessionInfo) -> str:
    """The name of a session, however it is given."""
    return session if isinstance(session, str) else session.name


def part_id(request_id: str, part: slice) -> str:
    """The request_id of a part of a call: that of the call for the first one."""
    return f"{request_id}/{part.start}" if request_id and part.start else request_id


def pages_of(call: Callable[[Request], Reply], request: Request) -> Iterator[Reply]:
    """All pages of what `call` answers; leaves `request` as it was."""
    request.page_token = ""
    while True:
        page = call(request)
        yield page
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return
