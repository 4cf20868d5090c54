"""Opening files that others placed: never a pipe or a device."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

from gleann.index.errors import ForbiddenPathError, MissingFileError

_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
)
"""O_PATH: folders that one may only go through are gone through."""
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

Opening: TypeAlias = Callable[[], BinaryIO]
"""Opens a file for reading."""


def open_regular(path: Path, flags: int = 0, *, buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading, without waiting for a writer of a pipe.

    Args:
        path: of the file.
        flags: of `os.open` besides, such as `os.O_NOFOLLOW`.
        buffering: as of `open`.

    Raises:
        MissingFileError: it cannot be opened, or is no regular file.
    """
    try:
        return os.fdopen(regular_descriptor(path, flags), "rb", buffering=buffering)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise MissingFileError(f"{path}: {reason}") from error


def regular_descriptor(path: Path, flags: int = 0) -> int:
    """A descriptor of a regular file, for reading; OSError as `os.open`.

    Raises:
        MissingFileError: it is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    return require_regular(descriptor, str(path))


def require_regular(descriptor: int, shown: str) -> int:
    """The descriptor of a regular file; another one is closed.

    Raises:
        MissingFileError: it is no regular file.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MissingFileError(f"{shown} is not a regular file")
    return descriptor


def open_without_links(path: Path, shown: str) -> int:
    """A descriptor of the regular file at a path without links, part by part.

    A link that was put there since the path was resolved is not followed.

    Raises:
        ForbiddenPathError: it is a link.
        MissingFileError: it is not there, in no folder, or no regular file.
    """
    *folders, last = path.parts[1:] or ("",)
    at = os.open(path.anchor, _FOLDER)
    try:
        for part in folders:
            before, at = at, os.open(part, _FOLDER, dir_fd=at)
            os.close(before)
        found = os.open(last, _FILE, dir_fd=at)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ForbiddenPathError(
                f"{shown!r:.200} was made a link while it was opened"
            ) from error
        raise MissingFileError(f"{shown!r:.200}: {error.strerror}") from error
    finally:
        os.close(at)
    return require_regular(found, shown)
