"""`gleann serve` in a process of its own, to be killed, stopped and measured."""

import os
import signal
import subprocess
import sys
from pathlib import Path

SERVE = (
    "import sys; from gleann.service.cli.main import run; sys.exit(run(sys.argv[1:]))"
)


class ServerProcess:
    """A server, on a free port by default; what it says on stderr goes to a file."""

    def __init__(
        self, data: Path, *words: str, is_kept: bool = True, **environment: str
    ) -> None:
        """Start it on a directory, with further options and variables.

        Where the directory is not kept, it is only the name of the file of its log.
        """
        line = ["serve", "--log-level", "error", *words]
        if is_kept:
            line += ["--data", str(data)]
        if "--listen" not in words:
            line += ["--listen", "127.0.0.1:0"]
        self._target = ""
        self._log = data.with_name(f"{data.name}.log")
        paths = os.pathsep.join(filter(None, sys.path))
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, *line],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"PYTHONPATH": paths} | environment,
            )

    def target(self) -> str:
        """Where it listens, once it does."""
        if not self._target:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            if not line.startswith("listening"):
                self.process.wait()
                raise AssertionError(f"the server did not start: {self.said()}")
            self._target = line.split()[2].rstrip(",")
        return self._target

    def said(self) -> str:
        """All that it and its predecessors on the directory said on stderr."""
        return self._log.read_text()

    def kill(self) -> None:
        """End it without notice, if it has not ended."""
        self.process.kill()
        self._close()

    def stop(self, seconds: float = 30) -> int:
        """Tell it to stop, as an operator does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        self._close()
        return status

    def _close(self) -> None:
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def status(self, name: str) -> int:
        """A number of /proc/PID/status, such as "Threads"; bytes where it has kB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                value, *unit = line.split()[1:]
                return int(value) * (1024 if unit == ["kB"] else 1)
        raise AssertionError(f"no {name}")

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> int:
        """Number of its open file descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())
