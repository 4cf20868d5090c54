"""grpc.health.v1, answered by the polling thread, so that no work delays it.

The servicer of grpcio-health-checking holds its lock during a write, until the write is
sent: one client that does not read would block all checks.
"""

from collections.abc import Iterable
from threading import Lock

from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2

from gleann.index.errors import InvalidInputError, NotFoundError, OverloadedError
from gleann.service.calls.caller import Right
from gleann.service.server.call import client_of
from gleann.service.server.queues.places import Bounds, Places
from gleann.service.server.rpc import Rpc
from gleann.service.telemetry.distribution import Distribution

SERVICE_NAME: str = health.SERVICE_NAME
CHECK, WATCH = f"/{SERVICE_NAME}/Check", f"/{SERVICE_NAME}/Watch"
INDEX_HEALTH = "indexes/"
"""A health check of "indexes/words" tells whether the index "words" is served."""
LONGEST_REQUEST = 1024
"""Bytes; a service's name is shorter."""

MOST_WATCHES = 1024
"""Watches at once: they need no key, and each takes some 23 KB."""

RETRY_SECONDS = 1.0
"""After which a watch comes again that found no place."""

_Response = health_pb2.HealthCheckResponse


class Health:
    """Health state of each service."""

    def __init__(self, services: Iterable[str], *, share: float = 1.0) -> None:
        """Report that services are served.

        Args:
            services: their names.
            share: of all watches that one client may have.
        """
        self._guard = Lock()
        bounds = Bounds(places=MOST_WATCHES, share=share)
        self._places = Places("control", bounds, Distribution())
        self._states = dict.fromkeys(services, _Response.SERVING)
        self._watches: dict[Rpc, str | None] = {}
        self._closed = False

    def check(self, rpc: Rpc, message: bytes) -> None:
        """Send the state of one service.

        Raises:
            InvalidInputError: not a valid request.
            NotFoundError: no such service.
        """
        service = _service_of(message)
        state = self._states.get(service) if _may_see(rpc, service) else None
        if state is None:
            raise NotFoundError(f"there is no service {service!r}")
        rpc.finish(_message(state))

    def watch(self, rpc: Rpc, message: bytes) -> None:
        """Send the state of one service, and its changes, until the caller leaves.

        Raises:
            InvalidInputError: not a valid request.
            OverloadedError: there are too many watches, or too many of this client.
        """
        service = _service_of(message)
        seen, client = _may_see(rpc, service), client_of(rpc)
        with self._guard:
            if (why := self._places.why_none(client)) is not None:
                raise OverloadedError(
                    f"health watches: {why}: try again in {RETRY_SECONDS:g} s",
                    retry_seconds=RETRY_SECONDS,
                )
            self._places.enter(client)
            self._watches[rpc] = service if seen else None
            state = _Response.SERVICE_UNKNOWN
            if seen:
                state = self._states.get(service, state)
            # Under the guard: otherwise a concurrent change could be sent first.
            rpc.write(_message(state))
        rpc.when_ended(lambda: self._unwatch(rpc, client))
        if self._closed:
            rpc.finish()

    def set(self, service: str, *, serving: bool) -> None:
        """Change the state of a service and notify its watchers."""
        state = _Response.SERVING if serving else _Response.NOT_SERVING
        with self._guard:
            if self._closed and serving:
                return
            self._states[service] = state
            self._tell(service, state)

    def forget(self, service: str) -> None:
        """Remove a service; its watchers get the state unknown."""
        with self._guard:
            self._states.pop(service, None)
            self._tell(service, _Response.SERVICE_UNKNOWN)

    def close(self) -> None:
        """Report that nothing is served any more, and end the watches."""
        with self._guard:
            self._closed = True
            for service in self._states:
                self._states[service] = _Response.NOT_SERVING
                self._tell(service, _Response.NOT_SERVING)
            watches = list(self._watches)
        for rpc in watches:
            rpc.finish()

    def _tell(self, service: str, state: int) -> None:
        """Notify the watchers of a service; needs the guard; `write` never waits."""
        for rpc, name in self._watches.items():
            if name == service:
                rpc.write(_message(state))

    def _unwatch(self, rpc: Rpc, client: str) -> None:
        with self._guard:
            self._watches.pop(rpc, None)
            self._places.leave(client)


def _may_see(rpc: Rpc, service: str) -> bool:
    """Whether the caller may know of a service; of an index, those who may read it."""
    index = service.removeprefix(INDEX_HEALTH)
    return index == service or rpc.context.caller.may(Right.READ, index)


def _service_of(message: bytes) -> str:
    if len(message) > LONGEST_REQUEST:
        raise InvalidInputError(
            f"a health check has {len(message)} bytes, at most {LONGEST_REQUEST}"
        )
    try:
        service: str = health_pb2.HealthCheckRequest.FromString(message).service
    except DecodeError as error:
        raise InvalidInputError("this is no HealthCheckRequest") from error
    return service


def _message(state: int) -> bytes:
    message: bytes = _Response(status=state).SerializeToString()
    return message
