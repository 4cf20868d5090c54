"""What the system reports of a process: CPU time, memory, threads, open files."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One reading.

    Attributes:
        cpu_seconds: of all threads, in user and system mode, since the start.
        anonymous_bytes: memory that only swapping frees (RssAnon).
        mapped_bytes: pages of mapped files in memory (RssFile).
        threads: number of threads.
        files: number of open file descriptors.
    """

    cpu_seconds: float
    anonymous_bytes: int
    mapped_bytes: int
    threads: int
    files: int


def usage(pid: int) -> Usage:
    """Read what a process of this user uses now."""
    process = Path("/proc") / str(pid)
    status = dict(
        line.split(":", maxsplit=1)
        for line in (process / "status").read_text().splitlines()
    )
    return Usage(
        cpu_seconds=cpu_seconds(pid),
        anonymous_bytes=_kib(status["RssAnon"]),
        mapped_bytes=_kib(status["RssFile"]),
        threads=int(status["Threads"]),
        files=sum(1 for _ in (process / "fd").iterdir()),
    )


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, in steps of 10 ms."""
    stat = (Path("/proc") / str(pid) / "stat").read_text()
    # The name before the bracket may hold anything, spaces included.
    fields = stat.rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / _TICKS


def _kib(value: str) -> int:
    return 1024 * int(value.split(maxsplit=1)[0])
