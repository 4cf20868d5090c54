"""What is wrong with a connection, from what gRPC says of it."""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gleann.service.client.tls import Tls
from gleann.service.config.address import socket_path, split_address

PROBE_SECONDS = 1.0
"""Each of connecting, sending and receiving."""
TLS_RECORDS = (b"\x15", b"\x16")
"""First byte of an alert and of a handshake; HTTP/2 begins with a length (RFC 9113)."""

_UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED: ([^:\"]+)")
_TLS_WANTED = "the server speaks TLS: use grpcs:// and say which ca to trust"
_ENDED = (
    "the server ended the connection during the handshake: it may want a certificate of"
    " an authority that it trusts"
)
_REASONS = {
    "Hostname Verification": "the server's certificate is not for {name}: connect by a"
    " name that is in it, or set Tls(server_name=...)",
    "WRONG_VERSION_NUMBER": "the server does not speak TLS: use grpc://",
    "create security handshaker": "cert and key of the client do not fit each other",
}
"""What is wrong, by words of gRPC."""
_CLOSED = ("Socket closed", "Connection reset", "GOAWAY", "Broken pipe")


def why_not_connected(said: str, address: str, tls: Tls | None) -> str | None:
    """What to do about a connection that failed; None if TLS is not the reason.

    Args:
        said: details of the failed call.
        address: of the server.
        tls: of the client; None without TLS.
    """
    closed = any(word in said for word in _CLOSED)
    if tls is None:
        return _TLS_WANTED if closed and _speaks_tls(address) else None
    if found := _UNTRUSTED.search(said):
        return _untrusted(found[1].strip(), tls)
    for words, why in _REASONS.items():
        if words in said:
            return why.format(name=tls.server_name or address)
    shown = "none is set" if tls.cert is None else f"it was shown {tls.cert}"
    return f"{_ENDED} ({shown})" if closed else None


def _untrusted(reason: str, tls: Tls) -> str:
    if "expired" in reason or "not yet valid" in reason:
        return f"the server's certificate is not good now: {reason}"
    trusted = "the public authorities" if tls.ca is None else str(tls.ca)
    return (
        f"the server's certificate is not signed by one that the client trusts"
        f" ({trusted}): {reason}; set Tls(ca=...)"
    )


def _speaks_tls(address: str) -> bool:
    """Whether a server answers a TLS hello in TLS; it takes some seconds at most."""
    with suppress(OSError, ValueError), _connected(address) as plain:
        plain.sendall(_hello())
        return plain.recv(1) in TLS_RECORDS
    return False


def _hello() -> bytes:
    """What a TLS client sends first.

    Of a hello in memory: `SSLContext.wrap_socket` leaks the socket where the server
    resets the connection before it (CPython 3.11).
    """
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        _anyone().wrap_bio(ssl.MemoryBIO(), sent).do_handshake()
    return sent.read()


def _anyone() -> ssl.SSLContext:
    """TLS with a server whoever it is: nothing is sent but the hello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _connected(address: str) -> Iterator[socket.socket]:
    if (path := socket_path(address)) is None:
        host, port = split_address(address.rpartition("///")[2])
        with socket.create_connection((host, port), PROBE_SECONDS) as plain:
            yield plain
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plain:
        plain.settimeout(PROBE_SECONDS)
        plain.connect(str(path))
        yield plain
