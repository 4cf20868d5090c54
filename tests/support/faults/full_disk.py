"""A small disk, to be filled."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import gleann

MIB = 1 << 20


@contextmanager
def mounted(folder: Path, *, mib: int) -> Iterator[Path]:
    """A file system of so many MiB; the test is skipped where none may be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"this process may mount nothing: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, *, leaving: int) -> Path:
    """Fill the disk by a file, but for some bytes."""
    found = os.statvfs(folder)
    size = found.f_bavail * found.f_frsize - leaving
    file = folder / "ballast"
    file.write_bytes(bytes(size))
    return file


def until(state: str, client: gleann.Client) -> None:
    """Wait until the server says so, at most 60 s."""
    for _ in range(600):
        if client.server_status(["state"]).state == state:
            return
        time.sleep(0.1)
    pytest.fail(f"the server is not {state} within 60 s")
