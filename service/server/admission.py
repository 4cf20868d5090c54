"""Admission of a call: check its key, reserve a place, read its message, run it.

Until its message arrives, a call holds no thread, only a few kilobytes; calls whose
message does not arrive are ended. A call without the key is refused before that.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Timer
from typing import NamedTuple, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message

from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    LimitError,
    ServiceError,
    UnauthenticatedError,
)
from gleann.service.security import KeyCheck
from gleann.service.server.connections import Connections, Silence
from gleann.service.server.lanes import Lane
from gleann.service.server.rate_limited_log import RareLog, host_of
from gleann.service.server.rpc import Rpc, handler

Take: TypeAlias = Callable[[Rpc, bytes], None]
"""Takes over a call with its message; raises `GleannError` to refuse it."""

_log = logging.getLogger(__name__)


class Method(NamedTuple):
    """A unary method of a servicer."""

    name: str
    read: Callable[[bytes], Message]
    answer: Callable[[Message, None], Message]
    write: Callable[[Message], bytes]


class Front(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc is untyped
    """Routes each call to its handler."""

    def __init__(
        self,
        takes: Mapping[str, Take],
        streams: Mapping[str, grpc.RpcMethodHandler],
        *,
        key: KeyCheck,
        connections: Connections,
        silence: Silence,
        rare: RareLog,
    ) -> None:
        """Prepare the routes.

        Args:
            takes: handlers of unary calls, by method.
            streams: handlers of other methods.
            key: checks API keys.
            connections: counts the calls of each connection.
            silence: ends calls whose message does not arrive.
            rare: log for refused keys.
        """
        self._key = key
        self._rare = rare
        self._connections = connections
        self._silence = silence
        self._handlers = dict(streams) | {
            method: handler(partial(self._begin, take=take))
            for method, take in takes.items()
        }

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a call before its message; called by the polling thread."""
        refusal = self._key.refusal(details.method, details.invocation_metadata)
        if refusal is not None:
            return handler(partial(self._refuse, refusal=refusal))
        return self._handlers.get(details.method)

    def _begin(self, rpc: Rpc, *, take: Take) -> None:
        peer = rpc.peer
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

    def _refuse(self, rpc: Rpc, *, refusal: str) -> None:
        host = host_of(rpc.peer)
        text = f"refused a call with {refusal} from {host}"
        self._rare.warn(f"{refusal} {host}", text)
        rpc.fail(UnauthenticatedError("the server wants a key: set api_key"))


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
        request = _read(method, rpc, message, rare)
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
