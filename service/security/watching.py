"""`Watch`: reads files again when they change."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TypeAlias

from gleann.index.errors import GleannError

SECONDS_BETWEEN = 1.0
"""Between two looks at the files."""

_log = logging.getLogger(__name__)

_State: TypeAlias = tuple[tuple[int, int, int, int] | None, ...]
"""Device, inode, size and time of change in nanoseconds of each file."""


@dataclass(slots=True)
class Watched:
    """Files that are read together; it is made before they are read at first.

    Attributes:
        files: the files.
        read: reads them; an error leaves in force what was read before.
        seen: their state before they were read the last time.
        complaint: the error of the last reading, so that it is logged once.
    """

    files: Sequence[Path]
    read: Callable[[], None]
    seen: _State = field(init=False)
    complaint: str = ""

    def __post_init__(self) -> None:
        self.seen = _state(self.files)


class Watch:
    """A thread that looks at files once a second, and reads those that have changed.

    What cannot be read leaves in force what was read before, is logged once, and is
    tried again at the next look.
    """

    def __init__(self, watched: Sequence[Watched], *, also: Callable[[], None]) -> None:
        """Start the thread, if there is something to watch.

        Args:
            watched: the files; they have been read.
            also: called after each look.
        """
        self._watched = watched
        self._also = also
        self._turn = Lock()
        self._closed = Event()
        self._thread = Thread(target=self._serve, name="gleann-watch", daemon=True)
        if watched:
            self._thread.start()

    def look(self, *, anyway: bool = False) -> None:
        """Read the files that have changed; with `anyway`, the others as well."""
        with self._turn:
            for one in self._watched:
                state = _state(one.files)
                if anyway or one.complaint or state != one.seen:
                    self._read(one, state)

    def close(self) -> None:
        """Stop."""
        self._closed.set()
        if self._watched:
            self._thread.join()

    def _serve(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN):
            try:
                self.look()
                self._also()
            except Exception:  # noqa: BLE001  the edge: it would end the thread
                _log.exception("files cannot be watched")

    def _read(self, one: Watched, state: _State) -> None:
        names = ", ".join(map(str, one.files))
        try:
            one.read()
        except GleannError as error:
            if str(error) != one.complaint:
                _log.error("%s; what was read before stays in force", error)
            one.complaint = str(error)
        else:
            _log.info("read again: %s", names)
            one.complaint = ""
        one.seen = state


def _state(files: Sequence[Path]) -> _State:
    return tuple(map(_state_of, files))


def _state_of(file: Path) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116  Path.stat is the same, and slower
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
