"""`Call`: a call with its message, on its way from the polling thread to its answer."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    LimitError,
    ServiceError,
)
from gleann.index.heartbeat import stopping
from gleann.service.calls.context import CallContext, answering
from gleann.service.server.kinds import only_reads
from gleann.service.server.rate_limited_log import RareLog, host_of
from gleann.service.server.rpc import Rpc
from gleann.service.wire.unknown_fields import require_known

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Method(NamedTuple):
    """A unary method of a servicer.

    `allow` raises `PermissionDeniedError` where the caller lacks a right.
    """

    name: str
    read: Callable[[bytes], Message]
    allow: Callable[[CallContext, Message], None]
    answer: Callable[[Message, None], Message]
    write: Callable[[Message], bytes]

    @property
    def stops(self) -> bool:
        """Whether it ends early where nobody waits for its answer any more."""
        return only_reads(self.name)


@dataclass(slots=True, eq=False)
class Call:
    """A call whose message has arrived.

    Attributes:
        rpc: how it is answered.
        method: what answers it.
        message: the serialized request.
        rare: log for bytes that are no request.
        client: who shares places and turns.
        since: when it began to wait, by `time.monotonic`.
        expected: seconds that it takes once it has begun, as estimated.
    """

    rpc: Rpc
    method: Method
    message: bytes
    rare: RareLog
    client: str
    since: float = 0.0
    expected: float = 0.0

    @property
    def context(self) -> CallContext:
        """Who calls, and how long the answer is awaited."""
        return self.rpc.context

    @property
    def size(self) -> int:
        """Bytes of its message: what is known of its work before it is read."""
        return len(self.message)

    def attempt(self, step: Callable[[], T]) -> T | None:
        """Run a step of the answer; where it fails, the call ends with that status.

        Returns:
            None where the call has ended.
        """
        with answering(self.context):
            return self._attempt(step)

    def _attempt(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except GleannError as error:
            self.fail(error)
        except MemoryError:
            _log.error("%s: out of memory", self.method.name)
            self.fail(
                LimitError("the server has not enough memory to answer this call")
            )
        except Exception:  # noqa: BLE001  the edge: nothing may leak out
            _log.exception("%s failed inside", self.method.name)
            self.fail(
                ServiceError(f"internal error; in the log: call {self.context.call_id}")
            )
        return None

    def fail(self, error: GleannError) -> None:
        """End the call with the status of an error."""
        self.rpc.fail(error)

    def request(self) -> Message:
        """The request, once its caller has the rights that it needs.

        Raises:
            InvalidInputError: bytes that are none of this method, or a field that this
                version does not know.
            PermissionDeniedError: the caller lacks a right.
        """
        request = self.read(self.message)
        self.method.allow(self.context, request)
        return request

    def read(self, message: bytes) -> Message:
        """The request in a message.

        Raises:
            InvalidInputError: bytes that are none of this method, or a field that this
                version does not know.
        """
        try:
            request = self.method.read(message)
        except DecodeError as error:
            host = host_of(self.rpc.peer)
            text = f"{self.method.name}: {len(message)} bytes that are no request"
            self.rare.warn(f"bytes {host}", f"{text} of it, from {host}")
            raise InvalidInputError(f"{text} of it") from error
        require_known(request, client=self.context.client)
        return request

    def answer(self) -> None:
        """Read the request, run the method and send its answer, in this thread."""
        self.attempt(self._answer)

    def _answer(self) -> None:
        request = self.request()
        awaited = self.context.require_awaited
        awaited()
        with stopping(awaited if self.method.stops else None):
            reply = self.method.answer(request, None)
        began = monotonic()
        self.rpc.finish(self.method.write(reply))
        if self.context.trace is not None:
            self.context.trace.add("encode", began, monotonic())


def client_of(rpc: Rpc) -> str:
    """Who shares places and turns with a call: its caller by name, else its host."""
    return rpc.context.caller.name or host_of(rpc.peer)
