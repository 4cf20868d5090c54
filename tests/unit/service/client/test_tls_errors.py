"""Whether a server speaks TLS is found without TLS, and leaves no socket open."""

import gc
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gleann.service.client.link import tls_errors
from gleann.service.client.link.tls_errors import why_not_connected

CLOSED = "Stream removed (Socket closed)"
Answer = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for an answer longer than a busy machine keeps this server from one."""
    monkeypatch.setattr(tls_errors, "PROBE_SECONDS", 60.0)


def reset(caller: socket.socket) -> None:
    """End a connection as a killed process does: by a reset, not by an end."""
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()


def settings(caller: socket.socket) -> None:
    """What a plain HTTP/2 server says first."""
    caller.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    caller.recv(1)


def alert(caller: socket.socket) -> None:
    """What a TLS server says to a hello that it does not take."""
    caller.recv(1)
    caller.sendall(b"\x15\x03\x03\x00\x02\x02\x28")


@contextmanager
def answering(answer: Answer, listener: socket.socket, calls: int) -> Iterator[None]:
    def serve() -> None:
        for _ in range(calls):
            caller, _ = listener.accept()
            with caller:
                answer(caller)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


def why(answer: Answer) -> str | None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        answering(answer, listener, calls=1),
    ):
        return why_not_connected(CLOSED, f"127.0.0.1:{listener.getsockname()[1]}", None)


@pytest.mark.parametrize(
    ("answer", "speaks"), [(reset, False), (settings, False), (alert, True)]
)
def test_what_the_server_says_first_tells(answer: Answer, speaks: bool) -> None:
    assert (why(answer) is not None) == speaks


def test_a_reset_before_the_hello_leaves_no_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = socket.create_connection

    def slowly(address: tuple[str, int], timeout: float) -> socket.socket:
        connected = connect(address, timeout)
        time.sleep(0.2)  # the reset has come
        return connected

    monkeypatch.setattr(socket, "create_connection", slowly)
    gc.collect()  # what other tests left does not count
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert why(reset) is None
        gc.collect()
    said = [str(warning.message) for warning in warned]
    assert [one for one in said if "socket" in one] == []


def test_a_socket_of_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    absent = why_not_connected(CLOSED, f"unix://{path}", None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        with answering(alert, listener, calls=1):
            said = why_not_connected(CLOSED, f"unix://{path}", None)
    assert absent is None
    assert said is not None
    assert "grpcs://" in said
