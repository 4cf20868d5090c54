"""Admission of a call: check its key, reserve a place, read its message, run it.

Until its message arrives, a call holds no thread, only a few kilobytes; calls whose
message does not arrive are ended. A call without the key is refused before that.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from secrets import token_hex
from threading import Timer
from typing import NamedTuple, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message

from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    LimitError,
    PermissionDeniedError,
    ServiceError,
    UnauthenticatedError,
)
from gleann.service.calls.context import CallContext, answering
from gleann.service.security.gate import Gate
from gleann.service.security.key_ring import KeyRefusal, Metadatum
from gleann.service.server.connections import Connections, Silence
from gleann.service.server.lanes import Lane
from gleann.service.server.rate_limited_log import RareLog, host_of
from gleann.service.server.rpc import Rpc, handler

Take: TypeAlias = Callable[[Rpc, bytes], None]
"""Takes over a call with its message; raises `GleannError` to refuse it."""

CALL_ID_HEADER = "x-request-id"
_CALL_ID = re.compile("[!-~]{1,128}")

_log = logging.getLogger(__name__)


class Method(NamedTuple):
    """A unary method of a servicer.

    `allow` raises `PermissionDeniedError` where the caller lacks a right.
    """

    name: str
    read: Callable[[bytes], Message]
    allow: Callable[[Message], None]
    answer: Callable[[Message, None], Message]
    write: Callable[[Message], bytes]


class Front(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc is untyped
    """Routes each call to its handler."""

    def __init__(
        self,
        takes: Mapping[str, Take],
        streams: Mapping[str, grpc.RpcMethodHandler],
        *,
        gate: Gate,
        connections: Connections,
        silence: Silence,
        rare: RareLog,
    ) -> None:
        """Prepare the routes.

        Args:
            takes: handlers of unary calls, by method.
            streams: handlers of other methods.
            gate: lets calls in by their keys.
            connections: counts the calls of each connection.
            silence: ends calls whose message does not arrive.
            rare: log for refused keys.
        """
        self._gate = gate
        self._rare = rare
        self._connections = connections
        self._silence = silence
        self._streams = streams
        self._takes = takes

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a call before its message; called by the polling thread."""
        method, metadata = details.method, details.invocation_metadata
        try:
            caller = self._gate.caller(method, metadata)
        except KeyRefusal as refusal:
            return handler(partial(self._refuse_key, why=str(refusal)))
        except PermissionDeniedError as error:
            return handler(partial(self._refuse, error=error))
        take = self._takes.get(method)
        if take is None:
            return self._streams.get(method)
        call = CallContext(caller=caller, method=method, call_id=call_id_of(metadata))
        return handler(partial(self._begin, take=take, call=call))

    def _begin(self, rpc: Rpc, *, take: Take, call: CallContext) -> None:
        peer = rpc.peer
        rpc.context = replace(
            call, peer=peer, ends=rpc.ends, is_active=lambda: rpc.active
        )
        try:
            self._connections.enter(peer)
        except LimitError as error:
            rpc.fail(error)
            return
        rpc.when_ended(partial(self._connections.leave, peer))
        silent = self._silence.add(partial(_end_silent, rpc))

        def heard(message: bytes | None) -> None:
            self._silence.remove(silent)
            if message is None:
                rpc.fail(InvalidInputError("the call has no message"))
                return
            try:
                take(rpc, message)
            except GleannError as error:
                rpc.fail(error)

        rpc.read(heard)

    def _refuse_key(self, rpc: Rpc, *, why: str) -> None:
        host = host_of(rpc.peer)
        self._rare.warn(f"{why} {host}", f"refused a call with {why} from {host}")
        rpc.fail(UnauthenticatedError("the server wants a key: set api_key"))

    def _refuse(self, rpc: Rpc, *, error: GleannError) -> None:
        rpc.fail(error)


def call_id_of(metadata: Iterable[Metadatum]) -> str:
    """The id that a call was given, or a new one."""
    for item in metadata:
        if item.key == CALL_ID_HEADER and _CALL_ID.fullmatch(str(item.value)):
            return str(item.value)
    return token_hex(8)


def computed(method: Method, lane: Lane, rare: RareLog) -> Take:
    """Run a servicer's method in a thread of `lane`.

    Invalid request bytes are logged in `rare`.
    """

    def take(rpc: Rpc, message: bytes) -> None:
        lane.submit(partial(_answer, method, rpc, message, rare))

    return take


def _answer(method: Method, rpc: Rpc, message: bytes, rare: RareLog) -> None:
    if not rpc.active:
        return  # the caller has left while the call was queued
    try:
        with answering(rpc.context):
            request = _read(method, rpc, message, rare)
            method.allow(request)
            rpc.finish(method.write(method.answer(request, None)))
    except GleannError as error:
        rpc.fail(error)
    except MemoryError:
        _log.error("%s: out of memory", method.name)
        rpc.fail(LimitError("the server has not enough memory to answer this call"))
    except Exception:  # noqa: BLE001  the edge: nothing may leak out
        _log.exception("%s failed inside", method.name)
        rpc.fail(ServiceError("internal error"))


def _read(method: Method, rpc: Rpc, message: bytes, rare: RareLog) -> Message:
    try:
        return method.read(message)
    except DecodeError as error:
        host = host_of(rpc.peer)
        text = f"{method.name}: {len(message)} bytes that are no request of it"
        rare.warn(f"bytes {host}", f"{text}, from {host}")
        raise InvalidInputError(text) from error


def _end_silent(rpc: Rpc, why: str) -> None:
    rpc.fail(ServiceError(why), grpc.StatusCode.DEADLINE_EXCEEDED)


REFLECTION_SECONDS = 60.0


def in_pool(
    method: grpc.RpcMethodHandler, pool: ThreadPoolExecutor
) -> grpc.RpcMethodHandler:
    """The handler of a stream that waits for messages in a thread of `pool`.

    A stream ends after a minute, so that no client keeps the threads.
    """

    def stream(
        requests: Iterator[Message], context: grpc.ServicerContext
    ) -> Iterator[Message]:
        timer = Timer(REFLECTION_SECONDS, context.cancel)
        timer.daemon = True
        timer.start()
        context.add_callback(timer.cancel)
        yield from method.stream_stream(requests, context)

    stream.experimental_thread_pool = pool  # type: ignore[attr-defined]  # grpcio's
    return grpc.stream_stream_rpc_method_handler(
        stream, method.request_deserializer, method.response_serializer
    )
