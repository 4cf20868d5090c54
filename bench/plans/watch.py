"""Watch the memory of a process and its children, and a folder: run as a script.

From outside, since work that keeps the interpreter lock would stop a thread. Peaks that
are shorter than the time between two looks are seen too: the kernel notes the highest
memory of a process until it is told to begin anew, which is done at each look. Its
pages of mapped files are taken off. Only the standard library is imported, so that it
starts at once.

    python watch.py PID FOLDER

prints a line when it has begun, and the peaks as JSON when its input ends.
"""

import json
import os
import select
import sys
import time
from contextlib import suppress
from pathlib import Path

WAIT_SECONDS = 0.001
LOOK_SECONDS = 0.01
"""Between two looks at the folder, and for processes that were started."""

FIRST = os.sched_param(1)
PRIORITY = -10
"""Where it may not come before all others."""
PAGE = os.sysconf("SC_PAGE_SIZE")


def main(process: str, folder: Path) -> None:
    """Watch until the input ends."""
    _come_first()
    memory = _Memory(with_children(process))
    memory.highest()  # of all that was before
    start, disk = memory.highest(), folder_bytes(folder)
    peaks = {"memory_bytes": 0, "disk_bytes": 0}
    looked = 0.0
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], WAIT_SECONDS)[0]:
        peaks["memory_bytes"] = max(peaks["memory_bytes"], memory.highest() - start)
        if time.monotonic() - looked > LOOK_SECONDS:
            memory.processes = with_children(process)
            taken = folder_bytes(folder) - disk
            peaks["disk_bytes"] = max(peaks["disk_bytes"], taken)
            looked = time.monotonic()
    peaks["memory_bytes"] = max(peaks["memory_bytes"], memory.highest() - start)
    peaks["disk_bytes_after"] = folder_bytes(folder) - disk
    print(json.dumps(peaks), flush=True)


def _come_first() -> None:
    """Look in time where all cores are busy.

    Looks that are late take off what was mapped after the peak, and peaks are missed.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, FIRST)
    except OSError:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


class _Memory:
    """The memory of some processes without mapped files, at its highest.

    Args:
        processes: their numbers, which may change.
    """

    def __init__(self, processes: list[str]) -> None:
        self.processes = processes
        self._mapped: dict[str, int] = {}

    def highest(self) -> int:
        """Bytes since the last call."""
        return sum(map(self._highest_of, self.processes))

    def _highest_of(self, process: str) -> int:
        place = Path(f"/proc/{process}")
        highest = _kib(_text(place / "status"), "VmHWM")
        with suppress(OSError):
            (place / "clear_refs").write_text("5")
        pages = _text(place / "statm").split()
        if not highest or len(pages) < 3:
            return 0  # it has ended
        mapped = PAGE * int(pages[2])
        before = self._mapped.get(process, mapped)
        self._mapped[process] = mapped
        return max(0, highest - max(mapped, before))


def _kib(status: str, name: str) -> int:
    lines = [one for one in status.splitlines() if one.startswith(name)]
    return 1024 * sum(int(one.split()[1]) for one in lines)


def with_children(process: str) -> list[str]:
    """A process and those that it started, without this one."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    started = {number for one in tasks for number in _text(one).split()}
    started.discard(str(os.getpid()))
    # Between its fork and its start, a process has the pages of its parent.
    parent = _text(Path(f"/proc/{process}/cmdline"))
    own = [one for one in started if _text(Path(f"/proc/{one}/cmdline")) != parent]
    return [process, *own]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # it has ended meanwhile


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(at, name)).st_size  # noqa: PTH116, PTH118
            except FileNotFoundError:
                continue  # removed meanwhile
    return total


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
