"""Array files of a saved index: written and read with their checksums."""

import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    StorageError,
)

Array = NDArray[Any]
CHUNK_BYTES = 1 << 22


class GrowingArray:
    """A `.npy` file written from its first row to its last, and its checksum.

    By writes, not through a memory map: a full disk is an error there, and a fatal
    signal here.
    """

    def __init__(
        self,
        handle: BinaryIO,
        path: Path,
        *,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
    ) -> None:
        self._handle = handle
        self._path = path
        self._dtype = dtype
        self._missing = math.prod(shape) * dtype.itemsize
        self._digest = hashlib.sha256()
        header = io.BytesIO()
        described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, described)
        self._write(header.getvalue())

    @property
    def sha256(self) -> str:
        """Of the bytes written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def append(self, rows: Array) -> None:
        """Write the rows that follow those written so far.

        Raises:
            StorageError: the disk refused.
        """
        packed = np.ascontiguousarray(rows, self._dtype)
        content = packed.reshape(-1).view(np.uint8)
        self._missing -= len(content)
        for start in range(0, len(content), CHUNK_BYTES):
            self._write(content[start : start + CHUNK_BYTES].data)

    def require_whole(self) -> None:
        """Check that as much was written as the header says.

        Raises:
            DimensionMismatchError: more or less was.
        """
        if self._missing:
            amount = "few" if self._missing > 0 else "many"
            raise DimensionMismatchError(
                f"{abs(self._missing)} bytes too {amount} were written for the shape"
                " that was announced"
            )

    def _write(self, content: bytes | memoryview) -> None:
        with refusing_disk(self._path):
            self._handle.write(content)
        self._digest.update(content)


def read_array(file: Path, entry: Mapping[str, Any]) -> Array:
    """A memory-mapped array, read-only, as its entry of the manifest describes it.

    Raises:
        CorruptDataError: it is not there, or is not what the entry says.
    """
    if not re.fullmatch(r"[a-z_]+\.npy", file.name):
        raise CorruptDataError(f"the manifest names an array file {file.name!r}")
    try:
        found = _sha256(file)
        if found != entry["sha256"]:
            raise CorruptDataError(
                f"{file} has sha256 {found[:12]}..., its manifest says"
                f" {str(entry['sha256'])[:12]}..."
            )
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise CorruptDataError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CorruptDataError(f"{file} is not an array: {error}") from error
    if array.dtype.str != entry["dtype"] or list(array.shape) != entry["shape"]:
        raise CorruptDataError(
            f"{file} holds {array.dtype.str} {list(array.shape)}, its manifest says"
            f" {entry['dtype']} {entry['shape']}"
        )
    return array


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        while chunk := handle.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def refusing_disk(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into `StorageError`, with the index it was for."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"could not save to {path}: {reason}") from error
