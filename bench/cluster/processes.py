"""The processes that a command started: their memory, and how one of them is lost."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOOK_SECONDS = 0.05
WORKER = "ray::"
"""What the title of a worker of Ray begins with."""

AGENTS = "Agent"
"""What the titles of its agents end with: where one is lost, Ray ends the machine's."""

DRIVER = "driver"
OTHERS = "services of Ray"


def descendants(process: int) -> dict[int, str]:
    """Those that a process started, and those that these started: their titles."""
    found: dict[int, str] = {}
    children = [process]
    while children:
        parent = children.pop()
        for task in _listed(Path(f"/proc/{parent}/task")):
            for child in _text(task / "children").split():
                if (number := int(child)) not in found:
                    title = _text(Path(f"/proc/{number}/cmdline"))
                    found[number] = title.replace("\0", " ").strip()
                    children.append(number)
    return found


def workers(process: int, name: str = "") -> list[int]:
    """The workers of Ray among the descendants whose title begins with `name`."""
    return sorted(
        number
        for number, title in descendants(process).items()
        if is_worker(title) and title.startswith(WORKER + name)
    )


def is_worker(title: str) -> bool:
    """Whether a process with this title runs tasks or is an actor."""
    return title.startswith(WORKER) and not title.endswith(AGENTS)


def lose(process: int) -> None:
    """End a process without a word to it (kill -9); one that has ended stays so."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@contextmanager
def watching(process: int, peaks: dict[str, int]) -> Iterator[None]:
    """Note the greatest RssAnon of the process, of any worker, and of Ray's services.

    Args:
        process: the driver.
        peaks: bytes by `DRIVER`, `WORKER` (of one worker) and `OTHERS` (of one).
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            _note(peaks, DRIVER, process)
            for number, title in descendants(process).items():
                name = WORKER if is_worker(title) else OTHERS
                _note(peaks, name, number)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _note(peaks: dict[str, int], name: str, process: int) -> None:
    for line in _text(Path(f"/proc/{process}/status")).splitlines():
        if line.startswith("RssAnon:"):
            taken = 1024 * int(line.split()[1])
            peaks[name] = max(peaks.get(name, 0), taken)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it has ended
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
