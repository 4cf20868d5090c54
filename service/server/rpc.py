"""Calls of grpcio's synchronous server, received and answered without a thread.

The public API of that server reads a message, and writes one of a stream, in a thread
of its pool, which a client can hold without limit. Here the thread that polls for
events runs callbacks instead. This is the only module that uses private names of
grpcio (`service/DECISIONS.md` 13);
`tests/faults/test_half_open.py` fails when one of them changes.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from functools import lru_cache, partial
from math import isinf
from threading import Lock
from time import monotonic
from typing import TypeAlias

import grpc
from grpc import _server
from grpc._cython import cygrpc
from grpc_status import rpc_status

from gleann.index.errors import GleannError, OverloadedError
from gleann.service.calls.context import IN_PROCESS, CallContext
from gleann.service.security.key_ring import Metadatum
from gleann.service.status import CALL_ID_HEADER, status_of

_log = logging.getLogger(__name__)

_NO_FLAGS = 0
_READ, _WRITE, _END = "gleann read", "gleann write", "gleann end"

ending_many = Lock()
"""Held by a thread that ends many calls at once: the polling thread waits meanwhile.

Each operation of gRPC lets go of the interpreter lock, and would wait for it while the
polling thread is busy with the events of these calls.
"""

Heard: TypeAlias = Callable[[bytes | None], None]
Begin: TypeAlias = Callable[["Rpc"], None]


class Rpc:
    """One call. Its methods return at once; any thread may use them.

    Attributes:
        context: who calls, and how long the answer is awaited; set by the front.
    """

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context
        self._call = context._rpc_event.call
        self._state = context._state
        self._unsent: deque[bytes] = deque()
        self._then: Callable[[], object] | None = None
        self.context: CallContext = IN_PROCESS
        self._status_name = ""

    @property
    def ends(self) -> float | None:
        """The deadline by `time.monotonic`; None without one."""
        left: float = self._context.time_remaining()
        return None if isinf(left) else monotonic() + left

    @property
    def peer(self) -> str:
        """The remote address of the connection, such as "ipv4:127.0.0.1:50000"."""
        peer: str = self._context.peer()
        return peer

    @property
    def metadata(self) -> Iterable[Metadatum]:
        """The headers of the call."""
        found: Iterable[Metadatum] = self._context.invocation_metadata()
        return found

    @property
    def status_name(self) -> str:
        """The name of the status it ended with, such as "OK"."""
        if self._status_name:
            return self._status_name
        ends = self.context.ends
        late = ends is not None and monotonic() >= ends
        return "DEADLINE_EXCEEDED" if late else "CANCELLED"

    @property
    def active(self) -> bool:
        """Whether the caller still waits for the answer."""
        active: bool = _server._is_rpc_state_active(self._state)
        return active

    @property
    def awaited(self) -> Callable[[], bool]:
        """A function for `active`, which does not hold this object.

        What a call holds must not hold the call: the cycle would keep its stream of
        the connection until the garbage collector runs, and a connection has few.
        """
        return partial(_server._is_rpc_state_active, self._state)

    def when_ended(self, then: Callable[[], object]) -> None:
        """Call `then` once when the call has ended, for whatever reason."""
        if not self._context.add_callback(then):
            then()

    def read(self, heard: Heard) -> None:
        """Call `heard` with the next message, or with None if there is none.

        The polling thread calls it once, also when the call ends.
        """
        with self._state.condition:
            if self.active:
                operation = cygrpc.ReceiveMessageOperation(_NO_FLAGS)
                self._start(_READ, [operation], lambda it: heard(it.message()))
                return
        heard(None)

    def write(self, message: bytes) -> None:
        """Send a message of a stream; it replaces those that are still queued."""
        with self._state.condition:
            self._unsent.clear()
            self.send(message)

    def send(self, message: bytes) -> None:
        """Send a message of a stream after those that are queued."""
        with self._state.condition:
            self._unsent.append(message)
            self._send_next()

    @property
    def unsent(self) -> int:
        """Messages of a stream that the connection has not taken yet."""
        return len(self._unsent) + (_WRITE in self._state.due)

    def when_sent(self, then: Callable[[], object]) -> None:
        """Call `then` when the connection has taken all messages; it replaces another.

        It is not called if the call ends before.
        """
        with self._state.condition:
            if self.unsent:
                self._then = then
                return
        then()

    def cancel(self) -> None:
        """End without a status, whatever is still queued."""
        self._context.cancel()

    def finish(self, message: bytes | None = None) -> None:
        """End with status OK and the response, or without a message in a stream."""
        state = self._state
        with state.condition:
            if not self.active:
                return
            self._status_name = "OK"
            self._send_call_id(())
            # As `_server._status` does, but for the callback.
            operations = [
                cygrpc.SendStatusFromServerOperation(
                    state.trailing_metadata, cygrpc.StatusCode.ok, b"", _NO_FLAGS
                )
            ]
            if state.initial_metadata_allowed:
                beginning = cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS)
                operations.append(beginning)
            if message is not None:
                operations.append(cygrpc.SendMessageOperation(message, _NO_FLAGS))
            state.statused = True
            self._start(_END, operations, _nothing)

    def fail(self, error: GleannError) -> None:
        """End with the status of an error."""
        status = _sent(error)
        with self._state.condition:
            if self.active:
                self._context.set_code(status.code)
                self._context.set_details(status.details)
                self._status_name = status.code.name
                self._send_call_id(status.trailing_metadata)
                _server._status(self._context._rpc_event, self._state, None)

    def _send_call_id(self, trailers: Iterable[tuple[str, str | bytes]]) -> None:
        """Set what is sent after the answer."""
        call_id = self.context.call_id
        mine = ((CALL_ID_HEADER, call_id),) if call_id else ()
        self._context.set_trailing_metadata((*trailers, *mine))

    def _send_next(self) -> None:
        """Send the oldest message that is queued, unless one is on its way."""
        if not self.active:
            self._unsent.clear()
            return
        if _WRITE in self._state.due or not self._unsent:
            return
        message = self._unsent.popleft()
        operations = [cygrpc.SendMessageOperation(message, _NO_FLAGS)]
        if self._state.initial_metadata_allowed:
            self._state.initial_metadata_allowed = False
            beginning = cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS)
            operations.insert(0, beginning)
        self._start(_WRITE, operations, lambda _: self._sent())

    def _sent(self) -> None:
        with self._state.condition:
            self._send_next()
            then = None
            if not self.unsent:
                then, self._then = self._then, None
        if then is not None:
            then()

    def _start(
        self,
        token: str,
        operations: "list[cygrpc.Operation]",
        then: Callable[..., None],
    ) -> None:
        def done(event: "cygrpc.BatchOperationEvent") -> object:
            with ending_many:
                pass  # before the condition, which the thread that holds it may want
            with self._state.condition:
                finished = _server._possibly_finish_call(self._state, token)
            try:
                then(event.batch_operations[0])
            except Exception:  # noqa: BLE001  the edge: it would end the polling thread
                _log.exception("a call from %s failed inside", self.peer)
            return finished

        self._call.start_server_batch(operations, done)
        self._state.due.add(token)


def _sent(error: GleannError) -> grpc.Status:
    """The status of an error as it is sent; refusals come by the thousand."""
    if type(error) is OverloadedError:
        return _refusal(str(error), error.retry_seconds)
    return rpc_status.to_status(status_of(error))


@lru_cache(maxsize=256)
def _refusal(message: str, retry_seconds: float) -> grpc.Status:
    error = OverloadedError(message, retry_seconds=retry_seconds)
    return rpc_status.to_status(status_of(error))


def _nothing(_: object) -> None:
    """What follows the end of a call."""


class Inline(Executor):
    """Executor that runs the server's tasks inline: they start calls and never wait."""

    def submit(  # type: ignore[override]  # the signature that the server uses
        self, work: Callable[..., object], /, *arguments: object
    ) -> "Future[None]":
        """Run `work` now."""
        work(*arguments)
        done: Future[None] = Future()
        done.set_result(None)
        return done


class _Beginning:
    """Called by the server when a call has arrived, before its message."""

    experimental_non_blocking = True

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    def __call__(
        self, _requests: object, context: grpc.ServicerContext, _send: object
    ) -> None:
        self._begin(Rpc(context))


def handler(begin: Begin) -> grpc.RpcMethodHandler:
    """A handler for any kind of method, which passes the whole call to `begin`."""
    return grpc.stream_stream_rpc_method_handler(_Beginning(begin))
