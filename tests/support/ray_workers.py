"""The workers of the Ray that a process started, found by its children alone."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep


def workers_of(parent: int | None = None) -> list[int]:
    """Processes that carry out tasks of Ray, or wait for some, below a process.

    Its agents, without which a machine is lost, are none.
    """
    return [
        pid
        for pid in descendants(parent or os.getpid())
        if _name(pid).startswith("ray::") and not _name(pid).endswith("Agent")
    ]


def descendants(parent: int) -> list[int]:
    """All processes below one."""
    below: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                below.setdefault(int(stat[1]), []).append(int(folder.name))
    found = list(below.get(parent, []))
    for pid in found:
        found += below.get(pid, [])
    return found


def rss_anon(pid: int) -> int:
    """Bytes of memory of a process that no file holds; 0 where it is gone."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) << 10
    return 0


@contextmanager
def killed_at_random(seed: int, *, kills: int, most: float) -> Iterator[list[int]]:
    """Kill so many workers that are at work, at random moments, while the body runs.

    Args:
        seed: of the moments and of the workers.
        kills: how many.
        most: seconds between two of them.
    """
    rng, dead, ended = random.Random(seed), list[int](), threading.Event()

    def kill() -> None:
        while len(dead) < kills and not ended.wait(rng.uniform(0.05, most)):
            busy = [pid for pid in workers_of() if "IDLE" not in _name(pid)]
            if busy:
                pid = rng.choice(busy)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    dead.append(pid)

    with _meanwhile(kill, ended):
        yield dead


@contextmanager
def most_memory() -> Iterator[dict[int, int]]:
    """The most `rss_anon` of each worker while the body runs."""
    most: dict[int, int] = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            for pid in workers_of():
                most[pid] = max(most.get(pid, 0), rss_anon(pid))

    with _meanwhile(look, ended):
        yield most


@contextmanager
def _meanwhile(work: Callable[[], None], ended: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    return ""


def wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether something comes about in time."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        sleep(0.02)
    return False
