"""Admission of a call: check its key, look for a place, read its message, queue it.

Until its message arrives, a call holds no thread, only a few kilobytes; calls whose
message does not arrive are ended. A call without the key, or without a place in its
queue, is refused before that.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Timer
from time import monotonic
from typing import Protocol

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from gleann.service.calls.context import CallContext
from gleann.service.security.key_ring import KeyRefusal, Metadatum
from gleann.service.server.access import Access
from gleann.service.server.audit import BAD_KEY
from gleann.service.server.call import Call, Method
from gleann.service.server.connections import Connections, Silence
from gleann.service.server.observed import call_id_of, observe, trace_of
from gleann.service.server.queues.lanes import Lane
from gleann.service.server.rate_limited_log import RareLog, host_of
from gleann.service.server.rpc import Rpc, ending_many, handler
from gleann.service.status import reason_of, status_of
from gleann.service.telemetry.telemetry import Telemetry
from gleann.service.wire.protocol import CLIENT_HEADER

_CLIENT = re.compile("[ -~]{1,64}")


class Route(Protocol):
    """Where the calls of a method go; both run in the polling thread."""

    def require_place(self, client: str) -> None:
        """Refuse a call before its message is read, with a `GleannError`."""

    def take(self, rpc: Rpc, message: bytes, client: str) -> None:
        """Take over a call with its message, or refuse it with a `GleannError`."""


class Front(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc is untyped
    """Routes each call to its handler."""

    def __init__(  # noqa: PLR0913  each is one check or count of a call
        self,
        routes: Mapping[str, Route],
        streams: Mapping[str, grpc.RpcMethodHandler],
        *,
        access: Access,
        connections: Connections,
        silence: Silence,
        rare: RareLog,
        telemetry: Telemetry,
    ) -> None:
        """Prepare the routes.

        Args:
            routes: of unary calls, by method.
            streams: handlers of other methods.
            access: lets calls in by their keys.
            connections: counts the calls of each connection.
            silence: ends calls whose message does not arrive.
            rare: log for refused keys.
            telemetry: counts calls.
        """
        self._telemetry = telemetry
        self._gate = access.gate
        self._audit = access.audit
        self._rare = rare
        self._connections = connections
        self._silence = silence
        self._routes = routes
        self._streams = streams

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a call before its message; called by the polling thread."""
        with ending_many:
            pass
        method, metadata = details.method, details.invocation_metadata
        route, call_id = self._routes.get(method), call_id_of(metadata)
        try:
            caller = self._gate.caller(method, metadata)
            call = CallContext(caller=caller, method=method, call_id=call_id)
            self._gate.require_right(method, caller)
        except KeyRefusal as refusal:
            call = CallContext(method=method, call_id=call_id)
            return handler(partial(self._refuse_key, why=str(refusal), call=call))
        except PermissionDeniedError as error:
            return handler(partial(self._refuse, error=error, call=call))
        if route is None:
            return self._streams.get(method)
        made = partial(
            CallContext,
            caller=caller,
            method=method,
            call_id=call_id,
            client=client_of(metadata),
            trace=trace_of(method, metadata, self._telemetry),
        )
        return handler(partial(self._begin, route=route, made=made))

    def _begin(
        self, rpc: Rpc, *, route: Route, made: Callable[..., CallContext]
    ) -> None:
        peer = rpc.peer
        rpc.context = made(
            peer=peer,
            ends=rpc.ends,
            is_active=rpc.awaited,
            arrived=monotonic(),
        )
        observe(rpc, self._telemetry)
        client = rpc.context.caller.name or host_of(peer)
        try:
            route.require_place(client)
            self._connections.enter(peer)
        except GleannError as error:
            rpc.fail(error)
            return
        rpc.when_ended(partial(self._connections.leave, peer))
        silent = self._silence.add(rpc.fail)

        def heard(message: bytes | None) -> None:
            self._silence.remove(silent)
            if message is None:
                rpc.fail(InvalidInputError("the call has no message"))
                return
            try:
                route.take(rpc, message, client)
            except GleannError as error:
                rpc.fail(error)

        rpc.read(heard)

    def _refuse_key(self, rpc: Rpc, *, why: str, call: CallContext) -> None:
        host = host_of(rpc.peer)
        self._rare.warn(f"{why} {host}", f"refused a call with {why} from {host}")
        error = UnauthenticatedError("the server wants a key: set api_key")
        self._refuse(rpc, error=error, call=call)

    def _refuse(self, rpc: Rpc, *, error: GleannError, call: CallContext) -> None:
        rpc.context = replace(call, peer=rpc.peer)
        is_stranger = isinstance(error, UnauthenticatedError)
        reason = BAD_KEY if is_stranger else reason_of(type(error))
        self._audit.refused(rpc.context, reason)
        # What strangers call may have any name.
        if call.method in self._routes:
            observe(rpc, self._telemetry)
        rpc.fail(error)


def client_of(metadata: Iterable[Metadatum]) -> str:
    """Version and protocol as the client names them; "" if it does not."""
    for item in metadata:
        if item.key == CLIENT_HEADER and _CLIENT.fullmatch(str(item.value)):
            return str(item.value)
    return ""


class LaneRoute:
    """The route of a method whose calls are answered in a lane.

    Args:
        method: the method.
        lane: of its kind.
        rare: log for bytes that are no request.
    """

    def __init__(self, method: Method, lane: Lane, rare: RareLog) -> None:
        self._method = method
        self._lane = lane
        self._rare = rare
        self.require_place = lane.require_place

    def take(self, rpc: Rpc, message: bytes, client: str) -> None:
        """Queue a call."""
        self._lane.submit(Call(rpc, self._method, message, self._rare, client))


class InlineRoute:
    """The route of a method that the polling thread answers, or hands to a poller."""

    def __init__(self, take: Callable[[Rpc, bytes], None]) -> None:
        self._take = take

    def require_place(self, client: str) -> None:
        """There is always a place: nothing waits."""

    def take(self, rpc: Rpc, message: bytes, client: str) -> None:
        """Answer a call, or hand it over."""
        del client
        self._take(rpc, message)


REFLECTION_SECONDS = 60.0


def in_pool(
    method: grpc.RpcMethodHandler, pool: ThreadPoolExecutor
) -> grpc.RpcMethodHandler:
    """The handler of a stream that waits for messages in a thread of `pool`.

    A stream ends after a minute, so that no client keeps the threads.
    """

    def stream(
        messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[Message]:
        timer = Timer(REFLECTION_SECONDS, context.cancel)
        timer.daemon = True
        timer.start()
        context.add_callback(timer.cancel)
        requests = _decoded(messages, method, context)
        yield from method.stream_stream(requests, context)

    stream.experimental_thread_pool = pool  # type: ignore[attr-defined]  # grpcio's
    # grpcio would log the stack of each message that it cannot decode.
    return grpc.stream_stream_rpc_method_handler(
        stream, None, method.response_serializer
    )


def _decoded(
    messages: Iterator[bytes],
    method: grpc.RpcMethodHandler,
    context: grpc.ServicerContext,
) -> Iterator[Message]:
    """The messages of a stream; ends the call at one that cannot be decoded."""
    for message in messages:
        try:
            request = method.request_deserializer(message)
        except DecodeError as error:
            wrong = InvalidInputError(
                f"{len(message)} bytes that are no request: {error}"
            )
            context.abort_with_status(rpc_status.to_status(status_of(wrong)))
        yield request
