"""Bytes of a file by offset, wherever the file is."""

import io
import os
import weakref
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import CorruptDataError, MissingFileError
from gleann.index.storage.regular_file import regular_descriptor


class ByteFile(Protocol):
    """A file that is read by offset.

    Attributes:
        name: what messages call it.
        size: its bytes when it was opened.
    """

    name: str
    size: int

    def read_some(self, room: memoryview, at: int) -> int:
        """Read into `room` from offset `at`; the bytes that came, 0 at the end.

        Raises:
            MissingFileError: it cannot be read.
        """


class LocalFile:
    """A regular file of this machine; a `ByteFile`.

    It is not memory-mapped: a map kills the process (SIGBUS) if the file is truncated
    meanwhile, while a read returns fewer bytes, which is an ordinary error.

    Attributes:
        version: differs from that of a file that replaces it, or was written to.
    """

    def __init__(self, path: Path, *, descriptor: int | None = None) -> None:
        """Open the file, which stays open.

        Args:
            path: of the file.
            descriptor: of the file where it is open already; it is closed with this.

        Raises:
            MissingFileError: it does not exist, is no regular file, or is one more than
                the system allows to be open.
        """
        self.name = path.name
        self._path = path
        if descriptor is None:
            try:
                descriptor = regular_descriptor(path)
            except OSError as error:
                raise MissingFileError(f"{path}: {error.strerror}") from error
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        found = os.fstat(descriptor)
        self.size = found.st_size
        self.version = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def read_some(self, room: memoryview, at: int) -> int:
        """Read into `room` from offset `at`; the bytes that came."""
        try:
            return os.preadv(self._descriptor, [room], at)
        except OSError as error:
            raise MissingFileError(f"{self._path}: {error.strerror}") from error


def stream_of(file: ByteFile) -> io.BufferedReader:
    """The bytes of a file, front to back."""
    return io.BufferedReader(_Raw(file))


class _Raw(io.RawIOBase):
    """A `ByteFile` as Python's files are."""

    def __init__(self, file: ByteFile) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self._file.read_some(memoryview(buffer).cast("B"), self._at)
        self._at += got
        return got


def fill(out: NDArray[np.generic], file: ByteFile, at: int) -> None:
    """Fill a C-contiguous array from the bytes of a file, from offset `at` on.

    Raises:
        CorruptDataError: the file was truncated since it was opened.
        MissingFileError: it cannot be read.
    """
    # As bytes: not every dtype supports the buffer protocol.
    room = out.reshape(-1).view(np.uint8).data
    while room:
        if (got := file.read_some(room, at)) == 0:
            raise CorruptDataError(
                f"{file.name} was cut while it was read: it ends before byte"
                f" {at + len(room)}"
            )
        room, at = room[got:], at + got


def head(file: ByteFile, most: int) -> bytes:
    """The first bytes of a file, `most` of them where it has as many."""
    first = np.empty(min(most, file.size), np.uint8)
    fill(first, file, 0)
    return first.tobytes()
