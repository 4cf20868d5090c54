"""Watch the memory of a process and its children, and a folder: run as a script.

From outside, since work that keeps the interpreter lock would stop a thread, and short
peaks be missed. Only the standard library is imported, so that it starts at once.

    python watch.py PID FOLDER

prints a line when it has begun, and the peaks as JSON when its input ends.
"""

import json
import os
import select
import sys
import time
from pathlib import Path

WAIT_SECONDS = 0.001
DISK_SECONDS = 0.01


def main(process: str, folder: Path) -> None:
    """Watch until the input ends."""
    memory, disk = all_anonymous_bytes(process), folder_bytes(folder)
    peaks = {"memory_bytes": 0, "disk_bytes": 0}
    looked = 0.0
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], WAIT_SECONDS)[0]:
        held = all_anonymous_bytes(process) - memory
        peaks["memory_bytes"] = max(peaks["memory_bytes"], held)
        if time.monotonic() - looked > DISK_SECONDS:
            taken = folder_bytes(folder) - disk
            peaks["disk_bytes"] = max(peaks["disk_bytes"], taken)
            looked = time.monotonic()
    peaks["disk_bytes_after"] = folder_bytes(folder) - disk
    print(json.dumps(peaks), flush=True)


def all_anonymous_bytes(process: str) -> int:
    """Memory of a process and of those that it started, without this one."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    started = {number for one in tasks for number in _text(one).split()}
    started.discard(str(os.getpid()))
    # Between its fork and its start, a process has the pages of its parent.
    parent = _text(Path(f"/proc/{process}/cmdline"))
    started = {one for one in started if _text(Path(f"/proc/{one}/cmdline")) != parent}
    return sum(_anonymous_bytes(number) for number in (process, *started))


def _anonymous_bytes(process: str) -> int:
    """RssAnon of a process; 0 when it has ended."""
    lines = _text(Path(f"/proc/{process}/status")).splitlines()
    found = [int(one.split()[1]) for one in lines if one.startswith("RssAnon")]
    return 1024 * sum(found)


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
