"""`WaitOperation` without one thread for each waiting caller."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic

from google.longrunning import operations_pb2
from google.protobuf.message import DecodeError, Message

from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    OverloadedError,
    ServiceError,
    UnavailableError,
)
from gleann.service.calls.context import CallContext
from gleann.service.server.call import client_of
from gleann.service.server.queues.places import Bounds, Places
from gleann.service.server.rpc import Rpc
from gleann.service.servicers.operations import wait_seconds
from gleann.service.telemetry.distribution import Distribution
from gleann.service.wire.unknown_fields import require_known

_log = logging.getLogger(__name__)

METHOD = "/google.longrunning.Operations/WaitOperation"
MOST = 1024
"""Calls that wait at once."""

RETRY_SECONDS = 1.0
"""After which a call comes again that found no place."""

_FIRST_LOOK, _LAST_LOOK = 0.01, 0.25
_LONGEST_REQUEST = 4096


@dataclass(slots=True, eq=False)
class _Wait:
    rpc: Rpc
    client: str
    request: operations_pb2.WaitOperationRequest
    until: float
    next_look: float
    pause: float = _FIRST_LOOK
    allowed: bool = False


class Waits:
    """Callers of WaitOperation; one thread polls for all of them, four times a second.

    The first polls come sooner, so that short work is reported quickly.
    """

    def __init__(
        self,
        get: Callable[[str], operations_pb2.Operation],
        allow: Callable[[CallContext, Message], None],
        *,
        share: float,
    ) -> None:
        """Start the thread.

        Args:
            get: the state of an operation, by its name.
            allow: raises `PermissionDeniedError` for an operation of others.
            share: of the calls that wait that one client may have.
        """
        self._get = get
        self._allow = allow
        self._news = Condition()
        self._waits: list[_Wait] = []
        bounds = Bounds(places=MOST, share=share)
        self._places = Places("control", bounds, Distribution())
        self._closed = False
        self._looker = Thread(target=self._serve, name="gleann-waits", daemon=True)
        self._looker.start()

    def take(self, rpc: Rpc, message: bytes) -> None:
        """Add a waiting caller.

        Raises:
            InvalidInputError: not a valid request, or one with an unknown field.
            OverloadedError: too many calls wait, or too many of this client.
            UnavailableError: the server is stopping.
        """
        if len(message) > _LONGEST_REQUEST:
            raise InvalidInputError(
                f"the request has {len(message)} bytes, at most {_LONGEST_REQUEST}"
            )
        try:
            request = operations_pb2.WaitOperationRequest.FromString(message)
        except DecodeError as error:
            raise InvalidInputError("this is no WaitOperationRequest") from error
        require_known(request, client=rpc.context.client)
        now, client = monotonic(), client_of(rpc)
        wait = _Wait(rpc, client, request, now + wait_seconds(request), now)
        with self._news:
            if self._closed:
                raise UnavailableError("the server is stopping")
            if (why := self._places.why_none(client)) is not None:
                raise OverloadedError(
                    f"waits for operations: {why}: try again in {RETRY_SECONDS:g} s",
                    retry_seconds=RETRY_SECONDS,
                )
            self._places.enter(client)
            self._waits.append(wait)
            self._news.notify()

    def close(self) -> None:
        """Answer all callers with the current state."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._looker.join()

    def _serve(self) -> None:
        while True:
            with self._news:
                due = self._due()
                if self._closed and not due:
                    return
            for wait in due:
                self._look(wait)

    def _due(self) -> list[_Wait]:
        """The callers to poll now; waits for the first. Needs the lock."""
        while True:
            now = monotonic()
            due = [w for w in self._waits if self._closed or w.next_look <= now]
            if due or self._closed:
                return due
            first = min((w.next_look for w in self._waits), default=None)
            self._news.wait(None if first is None else first - now)

    def _look(self, wait: _Wait) -> None:
        try:
            if not wait.allowed:
                self._allow(wait.rpc.context, wait.request)
                wait.allowed = True
            operation = self._get(wait.request.name)
        except GleannError as error:
            self._fail(wait, error)
            return
        except Exception:  # noqa: BLE001  the edge: it would end the thread of all
            _log.exception("%s failed inside", METHOD)
            self._fail(wait, ServiceError("internal error"))
            return
        now = monotonic()
        late = self._closed or now >= wait.until
        if operation.done or late or not wait.rpc.active:
            self._end(wait)
            wait.rpc.finish(operation.SerializeToString())
            return
        wait.next_look = min(now + wait.pause, wait.until)
        wait.pause = min(2 * wait.pause, _LAST_LOOK)

    def _fail(self, wait: _Wait, error: GleannError) -> None:
        self._end(wait)
        wait.rpc.fail(error)

    def _end(self, wait: _Wait) -> None:
        with self._news:
            self._waits.remove(wait)
            self._places.leave(wait.client)
