"""Count of acknowledged commits, in a file next to the database.

SQLite ends a write-ahead log at the first invalid frame, and creates a new database if
the file is missing: acknowledged changes would be lost without notice. The database
counts its commits, and a small file repeats the count after each commit. It is not
synced each time: the kernel keeps it if the process is killed, and after a power cut it
may lag behind the database, never the other way round.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from zlib import crc32

NAME = "acknowledged"
_LINE = re.compile(r"commits (\d{20}) ([0-9a-f]{8})\n")


class Acknowledged:
    """Writer of the count of acknowledged commits of one data directory."""

    def __init__(self, directory: Path) -> None:
        self._descriptor = os.open(directory / NAME, os.O_RDWR | os.O_CREAT, 0o600)

    def write(self, count: int) -> None:
        """Write a count; a disk error loses the check, not the commit."""
        with suppress(OSError):
            os.pwrite(self._descriptor, _line(count).encode(), 0)

    def close(self) -> None:
        """Sync the file and close it."""
        with suppress(OSError):
            os.fsync(self._descriptor)
        os.close(self._descriptor)


def read_acknowledged(directory: Path) -> int | None:
    """The written count; None if missing or invalid."""
    try:
        text = (directory / NAME).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = _LINE.match(text)
    if found is None or text != _line(int(found[1])):
        return None
    return int(found[1])


def _line(count: int) -> str:
    text = f"commits {count:020d}"
    return f"{text} {crc32(text.encode()):08x}\n"
