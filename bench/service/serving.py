"""`gleann serve` in a process of its own, on a free port."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.service.usage import Usage, usage
from gleann.service.demo.server import ANNOUNCEMENT

STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running server.

    Attributes:
        process: its process.
        target: its address for `gleann.Client`, "grpc://127.0.0.1:port".
    """

    process: "subprocess.Popen[str]"
    target: str

    @property
    def address(self) -> str:
        """Its address as gRPC takes it."""
        return self.target.removeprefix("grpc://")

    def usage(self) -> Usage:
        """What it uses now."""
        return usage(self.process.pid)


@contextmanager
def serving(data: Path, *words: str, **settings: str) -> Iterator[Served]:
    """Serve a data directory with further options and variables of `gleann serve`.

    Raises:
        RuntimeError: the server ended before it listened.
    """
    process = begin_serving(data, *words, **settings)
    try:
        yield Served(process, announced(process))
    finally:
        end_serving(process)


def begin_serving(data: Path, *words: str, **settings: str) -> "subprocess.Popen[str]":
    """Start the process; `announced` waits until it listens."""
    code = "from gleann.service.cli.main import main; main()"
    options = ["--data", str(data), "--listen", "127.0.0.1:0", "--log-level", "error"]
    # The child must import this same gleann, also when run from a source root.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-c", code, "serve", *options, *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | settings,
    )


def announced(process: "subprocess.Popen[str]") -> str:
    """The address that a starting server prints."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(ANNOUNCEMENT):
            return line.removeprefix(ANNOUNCEMENT).split(",")[0].strip()
    raise RuntimeError(f"the server ended with {process.wait()} before it listened")


def end_serving(process: "subprocess.Popen[str]") -> None:
    """Stop the process, by force if it does not stop."""
    if process.stdout is not None:
        process.stdout.close()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
