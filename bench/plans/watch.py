"""Watch the memory of a process and its children, and a folder: run as a script.

From outside, since work that keeps the interpreter lock would stop a thread. The kernel
knows the highest memory of the process itself, also where a peak is shorter than the
time between two looks, but only with the pages of mapped files: so these are taken off,
at their most. Only the standard library is imported, so that it starts at once.

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

PRIORITY = -10
PAGE = os.sysconf("SC_PAGE_SIZE")


def main(process: str, folder: Path) -> None:
    """Watch until the input ends."""
    with suppress(PermissionError):  # where both cores are busy, peaks are missed
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    processes = with_children(process)
    memory, disk = _anonymous_bytes(processes), folder_bytes(folder)
    mapped = _mapped_bytes(process)
    peaks = {"memory_bytes": 0, "disk_bytes": 0}
    looked = 0.0
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], WAIT_SECONDS)[0]:
        held = _anonymous_bytes(processes) - memory
        peaks["memory_bytes"] = max(peaks["memory_bytes"], held)
        mapped = max(mapped, _mapped_bytes(process))
        if time.monotonic() - looked > LOOK_SECONDS:
            processes = with_children(process)
            taken = folder_bytes(folder) - disk
            peaks["disk_bytes"] = max(peaks["disk_bytes"], taken)
            looked = time.monotonic()
    highest = _highest_bytes(process) - mapped - memory
    peaks["memory_bytes"] = max(peaks["memory_bytes"], highest)
    peaks["disk_bytes_after"] = folder_bytes(folder) - disk
    print(json.dumps(peaks), flush=True)


def with_children(process: str) -> list[str]:
    """A process and those that it started, without this one."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    started = {number for one in tasks for number in _text(one).split()}
    started.discard(str(os.getpid()))
    # Between its fork and its start, a process has the pages of its parent.
    parent = _text(Path(f"/proc/{process}/cmdline"))
    own = [one for one in started if _text(Path(f"/proc/{one}/cmdline")) != parent]
    return [process, *own]


def _highest_bytes(process: str) -> int:
    """The most memory of a process since `forget_peak` there, mapped files included."""
    lines = _text(Path(f"/proc/{process}/status")).splitlines()
    return 1024 * sum(int(one.split()[1]) for one in lines if one.startswith("VmHWM"))


def forget_peak() -> None:
    """Begin anew to note the most memory of this process."""
    Path("/proc/self/clear_refs").write_text("5")


def _mapped_bytes(process: str) -> int:
    """Pages of mapped files in memory."""
    return PAGE * int(_text(Path(f"/proc/{process}/statm")).split()[2])


def _anonymous_bytes(processes: list[str]) -> int:
    """RssAnon of processes; 0 for one that has ended."""
    pages = 0
    for process in processes:
        _, resident, shared, *_ = [
            *_text(Path(f"/proc/{process}/statm")).split(),
            0,
            0,
            0,
        ]
        pages += int(resident) - int(shared)
    return PAGE * pages


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
