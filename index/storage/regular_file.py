"""Opening files that others placed: never a pipe or a device."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from gleann.index.errors import MissingFileError


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
