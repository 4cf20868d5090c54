"""A server in another process, with its own port and data directory."""

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
def running_server(
    data_dir: Path, import_root: Path, *, listen: str = "127.0.0.1:0"
) -> Iterator[str]:
    """Run `gleann serve`; yield its address, such as "grpc://127.0.0.1:port".

    Args:
        data_dir: of the server.
        import_root: under which it may import files.
        listen: a free port, or "unix:path".

    Raises:
        NotReadyError: the server exited before it listened.
    """
    command = [
        sys.executable,
        "-c",
        "from gleann.service.cli.main import main; main()",
        "serve",
        *("--data", str(data_dir)),
        *("--listen", listen),
        *("--import-root", str(import_root)),
        *("--log-level", "warning"),
    ]
    # The child must import this same gleann, also when run from a source root.
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
