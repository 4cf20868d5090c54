"""What a block of work takes: CPU seconds, memory and disk, children included."""

import ctypes
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

from bench.plans import watch

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
"""Of malloc.h. Otherwise glibc raises them to 32 and 64 MiB when large blocks are
freed, and threads keep as much, which `malloc_trim` does not give back."""


class Used:
    """CPU seconds, and the most memory and disk above the start.

    Attributes:
        seconds: of CPU, of this process and of those it starts that end.
        memory_bytes: most of RssAnon above that at the start.
        disk_bytes: most of the files of the folder, above those at the start.
        disk_bytes_after: likewise, at the end.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seconds = 0.0
        self.memory_bytes = self.disk_bytes = self.disk_bytes_after = 0

    def __enter__(self) -> "Used":
        give_back_memory()
        self._watch = subprocess.Popen(
            [sys.executable, "-S", watch.__file__, str(os.getpid()), self._folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._watch.stdout is not None
        assert self._watch.stdout.readline() == "begun\n"
        self._cpu = cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        # The CPU time of the watch is not counted: it has not ended yet.
        self.seconds = cpu_seconds() - self._cpu
        peaks = json.loads(self._watch.communicate()[0])
        self.memory_bytes = peaks["memory_bytes"]
        self.disk_bytes = peaks["disk_bytes"]
        self.disk_bytes_after = peaks["disk_bytes_after"]


def give_back_memory() -> None:
    """Let the allocator keep nothing, which would be used again and not be seen."""
    gc.collect()
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, 4 << 20)
    libc.mallopt(M_TRIM_THRESHOLD, 1 << 17)
    libc.malloc_trim(0)


def cpu_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    times = os.times()
    return sum((times.user, times.system, times.children_user, times.children_system))
