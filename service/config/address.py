"""Addresses to listen on: "host:port", "[v6]:port" and "unix:path"."""

import os
import re
from ipaddress import ip_address
from pathlib import Path

from gleann.index.errors import InvalidParamsError

UNIX = "unix:"
SOCKET_BYTES = 107
"""Longest path of a socket file on Linux."""
_ADDRESS = re.compile(r"\[?(?P<host>[^\[\]]+)\]?:(?P<port>\d{1,5})")


def split_address(address: str, name: str = "listen") -> tuple[str, int]:
    """Split "host:port" or "[v6]:port"; `name` is the setting in messages.

    Raises:
        InvalidParamsError: neither, or a port above 65535.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65_535:
        raise InvalidParamsError(f"{name} must be host:port, got {address!r}")
    return match["host"], int(match["port"])


def socket_path(address: str) -> Path | None:
    """The socket file of "unix:path" or "unix:///path"; None for other addresses.

    Raises:
        InvalidParamsError: no path, or one that is too long for a socket.
    """
    if not address.startswith(UNIX):
        return None
    path = address.removeprefix(UNIX)
    path = path[2:] if path.startswith("//") else path
    size = len(os.fsencode(path))
    if not 0 < size <= SOCKET_BYTES or "\0" in path:
        raise InvalidParamsError(
            f"a socket's path has 1 to {SOCKET_BYTES} bytes, {address!r} has {size}"
        )
    return Path(path)


def is_remote(listen: str, name: str = "listen") -> bool:
    """Whether other machines can reach an address.

    Raises:
        InvalidParamsError: it is no address.
    """
    if socket_path(listen) is not None:
        return False
    host, _ = split_address(listen, name)
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
