"""Free memory goes back to the system."""

import ctypes
import subprocess
import sys
from threading import Thread, current_thread
from time import monotonic, sleep

import pytest

from gleann.service.server import free_memory

SCATTERED = """
from pathlib import Path
from gleann.service.server.free_memory import give_back

def held():
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024

pieces = [bytearray(4000) for _ in range(30_000)]
pieces = pieces[::64]
before = held()
assert give_back()
print(before - held())
"""


def test_pages_between_what_is_used_are_given_back() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("only glibc has malloc_trim")
    run = subprocess.run(
        [sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) > 50  # MiB, of 114


def test_it_is_done_again_and_again_until_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[Thread] = []
    monkeypatch.setattr(
        free_memory, "give_back", lambda: threads.append(current_thread())
    )
    free = free_memory.FreeMemory(seconds=0.01)
    deadline = monotonic() + 60
    while len(threads) < 3:
        assert monotonic() < deadline
        sleep(0.01)
    free.close()
    assert not any(thread.is_alive() for thread in threads)
