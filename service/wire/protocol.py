"""The revision of the protocol, and how clients and servers name theirs."""

from gleann import __version__

PROTOCOL = 2
"""The revision of this version of gleann; a revision adds fields and methods."""

OLDEST_PROTOCOL = 1
"""The oldest revision of clients that are served."""

CLIENT_HEADER = "gleann-client"
"""Metadata of each call: version and revision of the client, such as "0.1.0 2"."""


def client_header() -> tuple[str, str]:
    """The metadata by which this client names itself."""
    return CLIENT_HEADER, f"{__version__} {PROTOCOL}"


def unlike(version: str, protocol: int, *, what: str) -> str:
    """What to say of a server of another version, and what to do.

    Args:
        version: of the server.
        protocol: its revision of the protocol.
        what: it does not know, or what it said.
    """
    behind = "server" if protocol <= PROTOCOL else "client"
    return (
        f"the server is gleann {version} (protocol {protocol}), this client gleann"
        f" {__version__} (protocol {PROTOCOL}): {what} is not known there; upgrade the"
        f" {behind}, or use gleann {version} here"
    )
