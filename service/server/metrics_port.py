"""The port for Prometheus: GET /metrics and GET /healthz over HTTP/1.1.

One request a connection. What strangers can hold is bounded: the connections (the
oldest gives way), the bytes of a request, and the seconds until its answer has ended.
"""

import hmac
import io
import logging
import socket
from collections.abc import Callable, Collection
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, SocketType
from threading import Lock, Thread
from time import monotonic
from typing import Any

from gleann.index.errors import (
    GleannError,
    InvalidParamsError,
    ServiceError,
    StorageError,
)
from gleann.service.config.address import split_address
from gleann.service.config.metrics import MetricsSettings
from gleann.service.monitoring.monitor import EVERYTHING
from gleann.service.server_status import ServerStatus
from gleann.service.telemetry.exposition import Exposition
from gleann.service.telemetry.telemetry import Telemetry

MOST_CONNECTIONS = 16
MOST_REQUEST_BYTES = 16 * 1024
MOST_SECONDS = 10.0
"""From the acceptance of a connection to the end of its answer."""
LEAST_TOKEN = 16
"""Letters of a token; a shorter one could be guessed."""

_log = logging.getLogger(__name__)

Status = Callable[[Collection[str]], ServerStatus]
"""Gives the fields of a status that are asked for."""


class MetricsPort:
    """Serves metrics in threads of its own.

    Attributes:
        port: that it listens on.
    """

    def __init__(
        self, settings: MetricsSettings, telemetry: Telemetry, status: Status
    ) -> None:
        """Listen.

        Raises:
            ServiceError: listening failed.
            StorageError: the token file cannot be read.
            InvalidParamsError: its token is too short.
        """
        assert settings.listen is not None, "there is a port to listen on"
        token = token_of(settings.token_file)
        exposition = Exposition(telemetry, lambda: status(EVERYTHING))
        self._http = _Server(settings.listen, exposition, status)
        self._http.token = token
        self.port: int = self._http.server_address[1]
        self._thread = Thread(
            target=self._http.serve_forever, name="gleann-metrics", daemon=True
        )
        self._thread.start()

    def reload(self, settings: MetricsSettings) -> None:
        """Read the token again.

        Raises:
            StorageError: the token file cannot be read; the old token stays.
            InvalidParamsError: its token is too short; likewise.
        """
        self._http.token = token_of(settings.token_file)

    def close(self) -> None:
        """Close the port and its connections."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._http.end_all()


def token_of(file: Path | None) -> bytes | None:
    """The token in a file; None without a file.

    Raises:
        StorageError: it cannot be read.
        InvalidParamsError: a token of fewer than `LEAST_TOKEN` letters.
    """
    if file is None:
        return None
    try:
        token = file.read_bytes().strip()
    except OSError as error:
        raise StorageError(f"metrics.token_file {file}: {error.strerror}") from error
    if len(token) < LEAST_TOKEN:
        raise InvalidParamsError(
            f"metrics.token_file {file} has a token of {len(token)} letters, at least"
            f" {LEAST_TOKEN} are needed"
        )
    return token


class _Server(ThreadingHTTPServer):
    """A server with few connections, each of few seconds."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, listen: str, exposition: Exposition, status: Status) -> None:
        host, port = split_address(listen, "metrics.listen")
        self.exposition = exposition
        self.status = status
        self.token: bytes | None = None
        self._guard = Lock()
        self._open: dict[SocketType, float] = {}
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise ServiceError(
                f"cannot listen on metrics.listen {listen}: {error.strerror}"
            ) from error

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread; the oldest gives way to it."""
        with self._guard:
            crowded = len(self._open) >= MOST_CONNECTIONS
            oldest = min(self._open, key=lambda one: self._open[one], default=None)
            self._open[request] = monotonic()
        if crowded and oldest is not None:
            self._end(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End connections that last too long; called twice a second."""
        now = monotonic()
        with self._guard:
            late = [one for one, at in self._open.items() if now - at >= MOST_SECONDS]
        for one in late:
            self._end(one)

    def end_all(self) -> None:
        """End all connections."""
        with self._guard:
            left = list(self._open)
        for one in left:
            self._end(one)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error at a low level: any stranger can cause one."""
        del request
        _log.debug("a connection from %s failed", client_address, exc_info=True)

    def _end(self, connection: SocketType) -> None:
        with self._guard:
            self._open.pop(connection, None)
        try:
            connection.shutdown(SHUT_RDWR)
        except OSError:
            return  # it has ended meanwhile


class _Bounded(io.RawIOBase):
    """The bytes of a request, up to a limit; behind it there are none."""

    def __init__(self, connection: SocketType) -> None:
        self._connection = connection
        self._left = MOST_REQUEST_BYTES

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        room = memoryview(buffer)[: self._left]
        count = self._connection.recv_into(room) if room else 0
        self._left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "gleann"
    sys_version = ""
    timeout = MOST_SECONDS

    def setup(self) -> None:
        """Read through a bound."""
        super().setup()
        self.rfile = io.BufferedReader(_Bounded(self.connection))

    def do_GET(self) -> None:
        """Answer a GET."""
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._answer_health()
        elif path != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, b"GET /metrics or /healthz\n")
        elif not self._is_allowed():
            self._answer(HTTPStatus.UNAUTHORIZED, b"a bearer token is required\n")
        else:
            self._answer_metrics()

    def log_message(self, format: str, *args: Any) -> None:
        """Log a request at a low level."""
        _log.debug("%s: %s", self.client_address[0], format % args)

    def _is_allowed(self) -> bool:
        token = self.server.token
        given = self.headers.get("Authorization", "").encode()
        return token is None or hmac.compare_digest(given, b"Bearer " + token)

    def _answer_metrics(self) -> None:
        try:
            text, kind = self.server.exposition.text(self.headers.get("Accept", ""))
        except GleannError as error:  # it is stopping, or its disk fails
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n".encode())
        except Exception:  # noqa: BLE001  the edge: the next scrape may succeed
            _log.exception("the metrics cannot be shown")
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"see the server's log\n")
        else:
            self._answer(HTTPStatus.OK, text, kind)

    def _answer_health(self) -> None:
        """200 while searches are answered, read-only or not; 503 when it stops."""
        # Anybody may ask, as often as a probe does: the rest of a status takes longer.
        status = self.server.status(("state",))
        stopping = status.state == "stopping"
        code = HTTPStatus.SERVICE_UNAVAILABLE if stopping else HTTPStatus.OK
        self._answer(code, f"{status.state}\n".encode())

    def _answer(
        self, code: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8"
    ) -> None:
        self.close_connection = True
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        if code == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)
