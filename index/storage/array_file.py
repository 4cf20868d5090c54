"""Array files of a saved index: written and read with their checksums."""

import hashlib
import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from io import FileIO
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, Literal
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from gleann.index.codes import CODE_MAX
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    MissingFileError,
    StorageError,
)
from gleann.index.kept.disk_rows import ROW_TYPE, DiskRows
from gleann.index.storage.mapped_file import MappedFile
from gleann.index.storage.regular_file import regular_descriptor

Array = NDArray[Any]
CHUNK_BYTES = 1 << 20
BFLOAT_END = np.uint16(0x7F80)
"""The exponent of infinity and NaN in bfloat16, which arrays of uint16 hold."""
NPY_START = b"\x93NUMPY\x01\x00"
NPY_HEADER = re.compile(
    r"\{'descr': '(?P<dtype>[<|][fiu][1248])', 'fortran_order': False,"
    r" 'shape': \((?P<shape>\d{1,18},|\d{1,18}, \d{1,18})\), *\} *\n"
)


class HashedFile:
    """A file written front to back, and its checksum.

    By writes, not through a memory map: a full disk is an error there, and a fatal
    signal here.
    """

    closed = False  # Arrow asks

    def __init__(self, handle: BinaryIO, path: Path) -> None:
        self._handle = handle
        self._path = path
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of the bytes written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, content: bytes | memoryview) -> int:
        """Write the bytes that follow, and return their number.

        Raises:
            StorageError: the disk refused.
        """
        with refusing_disk(self._path):
            self._handle.write(content)
        self._digest.update(content)
        return len(content)

    def flush(self) -> None:
        """Nothing: the bytes are synced when all are written."""


class GrowingArray(HashedFile):
    """A `.npy` file written from its first row to its last, and its checksum."""

    def __init__(
        self,
        handle: BinaryIO,
        path: Path,
        *,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
    ) -> None:
        super().__init__(handle, path)
        self._dtype = dtype
        self._missing = math.prod(shape) * dtype.itemsize
        header = io.BytesIO()
        described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, described)
        self.write(header.getvalue())

    def append(self, rows: Array) -> None:
        """Write the rows that follow those written so far.

        Raises:
            StorageError: the disk refused.
        """
        packed = np.ascontiguousarray(rows, self._dtype)
        content = packed.reshape(-1).view(np.uint8)
        self._missing -= len(content)
        for start in range(0, len(content), CHUNK_BYTES):
            self.write(content[start : start + CHUNK_BYTES].data)

    def require_whole(self) -> None:
        """Check that the data written match the header.

        Raises:
            DimensionMismatchError: more or less was.
        """
        if self._missing:
            amount = "few" if self._missing > 0 else "many"
            raise DimensionMismatchError(
                f"{abs(self._missing)} bytes too {amount} were written for the shape"
                " that was announced"
            )


Held = Literal["memory", "mapped", "file"]


def read_array(
    folder: Path, name: str, entry: Mapping[str, Any], *, held: Held
) -> Array | DiskRows:
    """An array, read-only, as its entry of the manifest describes it.

    The file is read once, for its checksum; its numbers are looked at on the way.

    Args:
        folder: the folder of the file.
        name: of the array.
        entry: its dtype, shape and sha256.
        held: where it is afterwards: "memory"; or on disk, "mapped", or in a "file"
            from which rows are read when they are needed.

    Raises:
        CorruptDataError: it is not there, is not what the entry says, or holds what no
            array of an index does: NaN, infinity, a code of -128.
    """
    with _opened(folder, name, entry) as array:
        if held == "memory":
            content = np.empty(array.length, np.uint8)
            array.check(Event(), into=content)
            return array.shaped(content)
        array.check(Event())
        return array.on_disk(held)


def open_array(
    folder: Path, name: str, entry: Mapping[str, Any], *, held: Held
) -> tuple[Array | DiskRows, "ArrayFile"]:
    """An array that stays on disk, and what is left to check of its numbers.

    Its header, type, shape and length are checked at once; see `read_array`.

    Raises:
        CorruptDataError: these do not hold.
    """
    with _opened(folder, name, entry) as array:
        return array.on_disk(held), array.kept_open()


class ArrayFile:
    """An open `.npy` file whose header is as the manifest says.

    Attributes:
        length: bytes of its numbers.
    """

    def __init__(self, handle: FileIO, file: Path, entry: Mapping[str, Any]) -> None:
        """Read the header.

        Raises:
            CorruptDataError: it is not what `entry` says.
        """
        self._handle = handle
        self._file = file
        self._sha256 = str(entry["sha256"])
        size = os.fstat(handle.fileno()).st_size
        self._header, self._dtype, self._shape = _read_header(handle, file)
        if self._dtype.str != entry["dtype"] or list(self._shape) != entry["shape"]:
            raise CorruptDataError(
                f"{file} holds {self._dtype.str} {list(self._shape)}, its manifest says"
                f" {entry['dtype']} {entry['shape']}"
            )
        self.length = math.prod(self._shape) * self._dtype.itemsize
        if size != len(self._header) + self.length:
            raise CorruptDataError(
                f"{file} has {size} bytes, its header says"
                f" {len(self._header) + self.length}"
            )

    def kept_open(self) -> "ArrayFile":
        """The same with a descriptor of its own, for a check after this one closes."""
        other = copy(self)
        descriptor = os.dup(self._handle.fileno())
        other._handle = FileIO(descriptor, closefd=False)
        finalize(other, os.close, descriptor)
        return other

    def check(self, stop: Event, *, into: Array | None = None) -> None:
        """Check the checksum and the numbers, unless `stop` is set on the way.

        Args:
            stop: ends the check early, without an outcome.
            into: uint8 (length,), takes the numbers.

        Raises:
            CorruptDataError: they do not hold.
        """
        digest = hashlib.sha256(self._header)
        for chunk in _chunks(self._handle, self._file, self.length, into=into):
            digest.update(chunk.data)
            _require_numbers(chunk.view(self._dtype), self._file)
            if stop.is_set():
                return
        if digest.hexdigest() != self._sha256:
            raise CorruptDataError(
                f"{self._file} has sha256 {digest.hexdigest()[:12]}..., its manifest"
                f" says {self._sha256[:12]}..."
            )

    def shaped(self, content: Array) -> Array:
        """The array of its bytes."""
        content.flags.writeable = False
        return content.view(self._dtype).reshape(self._shape)

    def on_disk(self, held: Held) -> Array | DiskRows:
        """The array, mapped or in its file."""
        if held == "file":
            return _rows_in(
                self._handle, self._file, self._dtype, self._shape, len(self._header)
            )
        whole = MappedFile.of(self._handle, self._file)
        return self.shaped(np.frombuffer(whole, np.uint8, offset=len(self._header)))


@contextmanager
def _opened(folder: Path, name: str, entry: Mapping[str, Any]) -> Iterator[ArrayFile]:
    if not re.fullmatch(r"[a-z_]+", name):
        raise CorruptDataError(f"{folder}: the manifest names an array {name!r}")
    file = folder / f"{name}.npy"
    try:
        with FileIO(regular_descriptor(file)) as handle:
            yield ArrayFile(handle, file, entry)
    except MissingFileError as error:
        raise CorruptDataError(str(error)) from error
    except OSError as error:
        raise CorruptDataError(f"{file} cannot be read: {error.strerror}") from error


def _rows_in(
    handle: FileIO, file: Path, dtype: np.dtype[Any], shape: tuple[int, ...], start: int
) -> DiskRows:
    if dtype != ROW_TYPE or len(shape) != 2:
        raise CorruptDataError(f"{file} holds {dtype.str} {list(shape)}, and no rows")
    n, d = shape
    return DiskRows(handle.fileno(), file, start=start, shape=(n, d))


def _read_header(
    handle: FileIO, file: Path
) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    """The header of a `.npy` file in format 1.0, and its fields.

    Not by NumPy, which evaluates it as Python and fails in as many ways as that can.
    """
    start = handle.read(len(NPY_START) + 2)
    length = int.from_bytes(start[len(NPY_START) :], "little")
    header = start + handle.read(length)
    said = NPY_HEADER.fullmatch(header[len(start) :].decode("latin-1"))
    whole = len(header) == len(start) + length and start.startswith(NPY_START)
    if said is None or not whole:
        raise CorruptDataError(f"{file} is not an array file in .npy format 1.0")
    dtype = np.dtype(said["dtype"])
    if len(header) % dtype.itemsize:
        raise CorruptDataError(f"{file} begins its numbers at byte {len(header)}")
    shape = tuple(int(n) for n in re.findall(r"\d+", said["shape"]))
    return header, dtype, shape


def _chunks(
    handle: FileIO, file: Path, length: int, *, into: Array | None
) -> Iterator[Array]:
    """The next `length` bytes, a chunk at a time; kept in `into` (length,) if given."""
    room = np.empty(min(length, CHUNK_BYTES), np.uint8) if into is None else into
    for start in range(0, length, CHUNK_BYTES):
        size = min(CHUNK_BYTES, length - start)
        place = 0 if into is None else start
        chunk = room[place : place + size]
        done = 0
        while done < size:
            got = handle.readinto(chunk[done:].data)
            if not got:
                raise CorruptDataError(f"{file} was cut while it was read")
            done += got
        yield chunk


def _require_numbers(values: Array, file: Path) -> None:
    """No array of an index has NaN or infinity, nor a code without its negative."""
    if values.dtype.kind == "f":
        # Either end is NaN if any value is.
        if not np.isfinite([values.min(), values.max()]).all():
            raise CorruptDataError(f"{file} has NaN or infinity")
    elif values.dtype == np.int8 and values.min(initial=0) < -CODE_MAX:
        raise CorruptDataError(f"{file} has a code of -128")
    elif values.dtype == np.uint16 and ((values & BFLOAT_END) == BFLOAT_END).any():
        raise CorruptDataError(f"{file} has NaN or infinity")


@contextmanager
def refusing_disk(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into `StorageError`, with the index it was for."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"could not save to {path}: {reason}") from error
