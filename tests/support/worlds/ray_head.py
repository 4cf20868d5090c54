"""A Ray that runs by itself, for processes that join it from elsewhere."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

SECONDS = 60.0
"""For it to start, and to end."""

ENVIRONMENT = {"GRPC_ENABLE_FORK_SUPPORT": "0"}
"""Ray forks a server for each client while threads call into gRPC, whose handlers of
forks end the fork now and then: one start in three, on a busy machine."""


@contextmanager
def head(*, mode: str) -> Iterator[str]:
    """Start one; yields the address for Ray's client.

    Args:
        mode: RAY_AUTH_MODE, "token" or "disabled".
    """
    # Not in the folder of a test, as the paths of sockets may have 107 bytes.
    with TemporaryDirectory(prefix="gleann-", ignore_cleanup_errors=True) as folder:
        yield from _running(Path(folder).resolve(), mode)


def _running(folder: Path, mode: str) -> Iterator[str]:
    port = _free_port()
    settings = ["--head", "--block", "--port=0", "--num-cpus=2"]
    settings += [f"--ray-client-server-port={port}", "--include-dashboard=false"]
    settings += [f"--object-store-memory={100 << 20}", f"--temp-dir={folder}"]
    ray = str(Path(sys.executable).with_name("ray"))
    with (folder / "head.log").open("w") as log:
        process = subprocess.Popen(
            [ray, "start", *settings],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT, "RAY_AUTH_MODE": mode},
            start_new_session=True,
        )
    try:
        _wait_for(port, process, folder / "head.log")
        yield f"ray://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS)
        with suppress(ProcessLookupError):  # nothing of it is left, as it should be
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"no Ray: {log.read_text()[-2000:]}")
