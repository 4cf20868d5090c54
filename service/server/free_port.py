"""Whether a server can listen on an address, and why not."""

from errno import EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT
from pathlib import Path
from socket import (
    AF_UNIX,
    SO_REUSEADDR,
    SOCK_STREAM,
    SOL_SOCKET,
    gaierror,
    getaddrinfo,
    socket,
)
from typing import Any

from gleann.index.errors import ServiceError
from gleann.service.config.address import socket_path, split_address


def require_free(address: str) -> None:
    """Refuse an address that is in use, or whose host is not of this machine.

    gRPC logs why it fails and does not tell, and is content with one of the two
    addresses of "localhost" while another server has the other.

    Args:
        address: "host:port", where port 0 is always free, or "unix:path".

    Raises:
        ServiceError: the host is not known, nothing can listen there, or the path is
            that of something else than an abandoned socket.
    """
    if (path := socket_path(address)) is not None:
        _require_free_path(path)
        return
    host, port = split_address(address)
    try:
        places = getaddrinfo(host, port, type=SOCK_STREAM)
    except (gaierror, UnicodeError) as error:
        raise ServiceError(f"cannot listen on {address}: unknown host") from error
    failures = [_failure(family, place) for family, _, _, _, place in places]
    absent = [e for e in failures if e and e.errno in (EADDRNOTAVAIL, EAFNOSUPPORT)]
    if len(absent) < len(places):
        # One kind of address may be switched off, such as that of IPv6.
        failures = [error for error in failures if error not in absent]
    for failure in failures:
        if failure is not None:
            used = failure.errno == EADDRINUSE
            why = f"port {port} is in use" if used else failure.strerror
            raise ServiceError(f"cannot listen on {address}: {why}") from failure


def _require_free_path(path: Path) -> None:
    """Refuse a path where something else is; gRPC would remove a socket of others."""
    if not path.exists():
        if not path.parent.is_dir():
            raise ServiceError(f"cannot listen on {path}: there is no {path.parent}")
        return
    if not path.is_socket():
        raise ServiceError(f"cannot listen on {path}: it exists and is no socket")
    with socket(AF_UNIX, SOCK_STREAM) as trial:
        if trial.connect_ex(str(path)) == 0:
            raise ServiceError(f"cannot listen on {path}: another server does")


def _failure(family: int, place: Any) -> OSError | None:
    try:
        with socket(family, SOCK_STREAM) as trial:
            # As gRPC sets it: ports of closed connections are free.
            trial.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            trial.bind(place)
    except OSError as error:
        return error
    return None
