"""`Disk`: whether the disk of the data directory has room for changes.

Where it has not, the server is read-only: changes are refused before they begin, with
the free bytes and the bytes that are needed. Reads go on, and so does what makes room
or records an end: indexes, snapshots, operations and sessions are removed, versions
that are written already are published. The mode ends by itself.
"""

import errno
import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Lock, Thread

from gleann.index.errors import StorageError

FULL = (errno.ENOSPC, errno.EDQUOT)
TRIED_BYTES = 1 << 20
"""Bytes that must be writable where the disk refused a write."""
MARGIN = 1.25
"""Free bytes at which changes are taken again, as a multiple of the least: a server at
the edge would change its mind with every file that comes and goes."""
SECONDS_BETWEEN = 1.0

_log = logging.getLogger(__name__)

Listener = Callable[[str], None]


class Disk:
    """Looks at the free space of a directory once a second, while open.

    Attributes:
        reason: why changes are refused; "" if they are not.
        count_refused: called for each change that is refused.
        min_free_bytes: free bytes below which changes are refused.
    """

    def __init__(self, directory: Path, *, min_free_bytes: int = 0) -> None:
        self._directory = directory
        self._guard = Lock()
        self._listener: Listener = _ignore
        self._closed = Event()
        self._thread: Thread | None = None
        self.min_free_bytes = min_free_bytes
        self.reason = ""
        self.count_refused: Callable[[], None] = _ignore_refusal

    def open(self) -> None:
        """Look now, and go on in a thread."""
        self.look()
        self._thread = Thread(target=self._serve, name="gleann-disk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def tell(self, listener: Listener) -> None:
        """Call `listener` with the reason, now and whenever it changes."""
        with self._guard:
            self._listener = listener
            listener(self.reason)

    def free(self) -> int:
        """Bytes free for this user; 0 where the kernel does not say."""
        try:
            found = os.statvfs(self._directory)
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize

    def require_room(self) -> None:
        """Refuse a change while there is no room.

        Raises:
            StorageError: with the free bytes, and those needed.
        """
        if self.reason:
            self.count_refused()
            raise StorageError(self.reason)

    def note(self, error: BaseException | None) -> None:
        """Look at once where an error, or its cause, says that a disk is full.

        It may be another disk, such as that of an export: then nothing changes.
        """
        if not self.reason and any(map(_is_full, _causes(error))):
            self.look(refused=True)

    def look(self, *, refused: bool = False) -> None:
        """Begin or end the read-only mode.

        Args:
            refused: whether the disk just refused a write.
        """
        with self._guard:
            before, self.reason = self.reason, self._looked(refused=refused)
            if self.reason != before:
                self._announce(before)

    def _looked(self, *, refused: bool) -> str:
        free, least = self.free(), self.min_free_bytes
        wanted = round(least * MARGIN) if self.reason else least
        if free < wanted:
            return (
                f"{self._directory}: the disk has {free} bytes free, and min_free_bytes"
                f" is {least}: the server is read-only until {round(least * MARGIN)}"
                " are free"
            )
        if (refused or self.reason) and (why := self.refusal()):
            return (
                f"{self._directory}: the disk refuses {TRIED_BYTES} bytes ({why}) with"
                f" {free} bytes free: the server is read-only until it takes them"
            )
        return ""

    def refusal(self) -> str:
        """Why the disk does not take `TRIED_BYTES`, which are tried; "" if it does."""
        try:
            with tempfile.TemporaryFile(dir=self._directory, buffering=0) as file:
                left = TRIED_BYTES
                while left:
                    left -= file.write(bytes(left))
                os.fsync(file.fileno())
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _announce(self, before: str) -> None:
        if not before:
            _log.error("changes are refused: %s", self.reason)
        elif not self.reason:
            _log.warning("changes are taken again: %d bytes are free", self.free())
        if bool(before) != bool(self.reason):
            self._listener(self.reason)

    def _serve(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN):
            self.look()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code == sqlite3.SQLITE_FULL


def _ignore(_reason: str) -> None:
    """Nobody listens."""


def _ignore_refusal() -> None:
    """Nobody counts."""
