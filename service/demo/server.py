"""A real server of one's own: another process, a loopback port, a folder of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gleann.index.errors import NotReadyError

ANNOUNCEMENT = "listening on "
STOP_SECONDS = 20


@contextmanager
def running_server(data_dir: Path, import_root: Path) -> Iterator[str]:
    """Run `gleann serve` on a free port; yield its address, "grpc://127.0.0.1:port".

    Raises:
        NotReadyError: it ended before it listened.
    """
    command = [
        sys.executable,
        "-c",
        "from gleann.service.cli.main import main; main()",
        "serve",
        *("--data", str(data_dir)),
        *("--listen", "127.0.0.1:0"),
        *("--import-root", str(import_root)),
        *("--log-level", "warning"),
    ]
    # The child must find this very gleann, also when it is run from a source root.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield _address(process)
    finally:
        if process.stdout is not None:
            process.stdout.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[str]") -> str:
    if process.stdout is not None:
        for line in process.stdout:
            if line.startswith(ANNOUNCEMENT):
                return line.removeprefix(ANNOUNCEMENT).split(",")[0].strip()
    raise NotReadyError(
        f"the server ended with code {process.wait()} before it listened"
    )
