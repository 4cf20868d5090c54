"""What all of the client's calls share."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from google.protobuf.message import Message

from gleann.index.errors import LimitError
from gleann.service.stubs import Stubs
from gleann.service.values import Limits
from gleann.service.wire import index_messages
from gleann.v1 import admin_pb2


class Calls:
    """The stubs, and what the server takes; `Client` is the class to use."""

    def __init__(self, stubs: Stubs) -> None:
        self._stubs = stubs

    @cached_property
    def _limits(self) -> Limits:
        reply = self._stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
        return index_messages.server_info_of(reply).limits

    def _require_sendable(self, request: Message) -> None:
        """Refuse a request that has to be one message and is too large for one.

        Raises:
            LimitError: with both numbers.
        """
        size, cap = request.ByteSize(), self._limits.message_bytes
        if size > cap:
            raise LimitError(
                f"{request.DESCRIPTOR.name} takes {size} bytes, a message may have"
                f" {cap}: name fewer ids, or raise limits.message_bytes of the server"
            )


def part_id(request_id: str, part: slice) -> str:
    """The request_id of a part of a call: that of the call for the first one."""
    return f"{request_id}/{part.start}" if request_id and part.start else request_id


def pages_of(call: Callable[[Any], Any], request: Any) -> Iterator[Any]:
    """All pages of what `call` answers; leaves `request` as it was."""
    request.page_token = ""
    while True:
        page = call(request)
        yield page
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return
