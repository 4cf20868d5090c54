"""HTTP/2 as no gRPC client speaks it: any bytes as a path, no window to answer into."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_HEADERS, _END_STREAM = 4, 1
_INITIAL_WINDOW_SIZE = 4


@contextmanager
def connection(port: int, *, window: int | None = None) -> Iterator[socket.socket]:
    """A connection that lets the server send `window` bytes a stream."""
    settings = b""
    if window is not None:
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, window)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        link.sendall(_frame(_SETTINGS, 0, 0, settings))
        yield link


def call(
    link: socket.socket,
    stream: int,
    path: bytes,
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    message: bytes | None = None,
) -> None:
    """Begin a call on an odd stream; with its message, if it has one."""
    every = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"x"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *headers,
    )
    block = b"".join(b"\x00" + _text(key) + _text(value) for key, value in every)
    link.sendall(_frame(_HEADERS, _END_HEADERS, stream, block))
    if message is not None:
        body = b"\x00" + struct.pack(">I", len(message)) + message
        link.sendall(_frame(_DATA, _END_STREAM, stream, body))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack(">I", stream) + payload


def _text(value: bytes) -> bytes:
    return bytes([len(value)]) + value
