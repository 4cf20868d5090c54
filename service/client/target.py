"""What a client's target is: a directory of this machine, or a server's address."""

import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address
from os import PathLike, fspath
from pathlib import Path

from gleann.index.errors import InvalidParamsError
from gleann.service.config.address import socket_path, split_address

REMOTE_SCHEME = "grpc://"
TLS_SCHEME = "grpcs://"
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_ADDRESS = re.compile(r"\s*(\[[0-9A-Fa-f:.%]+\]|[^\s/\\:]*):\d{1,5}/?\s*")
_NO_SLASHES = re.compile(
    r"(?P<scheme>grpcs?|https?|tcp|ipv[46]|xds|vsock|unix-abstract):(?P<rest>.*)",
    re.DOTALL | re.IGNORECASE,
)
"""Schemes of gRPC and of the web without their slashes."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server.

    Attributes:
        address: as gRPC takes it, such as "127.0.0.1:50051", "dns:///host:50051" or
            "unix:/run/gleann.sock".
        tls: whether it is reached by TLS.
    """

    address: str
    tls: bool = False


def read_target(target: str | PathLike[str]) -> Server | Path:
    """The server or the directory that a client is to open.

    Args:
        target: "grpc://host:port", "grpcs://host:port" by TLS, "dns:///host:port" (or
            "dns:host:port"), "unix:path" (or "unix:///path") for a server; any other
            text, and any path object, is a directory.

    Raises:
        InvalidParamsError: an address without its scheme, another scheme, an empty
            text, or a port that no server can have.
    """
    if isinstance(target, PathLike):
        target = fspath(target)
        if isinstance(target, str):
            return Path(target)
    _require_text(target)
    for scheme in (REMOTE_SCHEME, TLS_SCHEME):
        if target.startswith(scheme):
            address = _host_and_port(target.removeprefix(scheme), target)
            return Server(address, tls=scheme == TLS_SCHEME)
    if target.startswith("dns:"):
        _host_and_port(target.removeprefix("dns:").rpartition("/")[2], target)
        return Server(target)
    if socket_path(target) is not None:
        return Server(target)
    _refuse_address(target)
    return Path(target)


def require_directories() -> None:
    """Refuse to open a directory where its files cannot be locked.

    Raises:
        InvalidParamsError: this system, such as Windows, has no POSIX file locks.
    """
    if find_spec("fcntl") is None:
        raise InvalidParamsError(
            f"a directory cannot be opened on {sys.platform}, which has no POSIX file"
            f" locks: connect to a server, {REMOTE_SCHEME}host:port"
        )


def _require_text(target: object) -> None:
    if not isinstance(target, str):
        raise InvalidParamsError(
            f"the target of a client is a text or a path, got {target!r}"
        )
    if not target or "\0" in target:
        raise InvalidParamsError(
            f"the target of a client is a directory or grpc://host:port, got {target!r}"
        )


def _host_and_port(address: str, target: str) -> str:
    address = address.removesuffix("/")
    try:
        _, port = split_address(address)
    except InvalidParamsError as error:
        raise InvalidParamsError(
            f"the address of a server is host:port, got {target!r}"
        ) from error
    if port == 0:
        raise InvalidParamsError(f"a server never listens on port 0: {target!r}")
    return address


def _refuse_address(target: str) -> None:
    """Refuse what looks like an address: as a directory it would silently be made."""
    match = _SCHEME.fullmatch(target) or _NO_SLASHES.fullmatch(target)
    if match is not None:
        secured = match["scheme"].lower() in ("https", "grpcs")
        why = f"use {TLS_SCHEME if secured else REMOTE_SCHEME}"
        begin = target[: match.start("rest")]
        raise InvalidParamsError(f"{begin} is not served: {why}")
    if _ADDRESS.fullmatch(target):
        raise InvalidParamsError(
            f"{target!r} looks like an address: for a server use"
            f" {REMOTE_SCHEME}{target.strip().removesuffix('/')}, for a directory"
            f" ./{target}"
        )
    if _is_host(target):
        raise InvalidParamsError(
            f"{target!r} looks like a host without a port: for a server use"
            f" {REMOTE_SCHEME}{target}:50051, for a directory ./{target}"
        )


def _is_host(target: str) -> bool:
    """Whether a text is an IP address or this machine's name."""
    with suppress(ValueError):
        return bool(ip_address(target.strip("[]")))
    return target == "localhost"
