"""The on-disk format of a sealed index; `FORMAT.md` beside this file specifies it.

A saved index is a directory: `manifest.json` names one `data-<16 hex>` folder of `.npy`
files with their checksums. A save writes a new folder first and then replaces the
manifest, so at every moment the directory holds one whole index, the old or the new.
"""

import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    DimensionMismatchError,
    MissingFileError,
    StorageError,
)

FORMAT = "gleann-index"
VERSION = 1
MANIFEST = "manifest.json"
NEW_MANIFEST = f"{MANIFEST}.new"
_DATA_DIR = re.compile(r"data-[0-9a-f]{16}")
_CHUNK = 1 << 22

Array = NDArray[Any]


def write(path: Path, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
    """Write one index to the directory `path`, replacing an index that is there.

    Args:
        path: created when absent.
        arrays: by name; little-endian on disk.
        header: JSON values, stored in the manifest under "index".

    Raises:
        AlreadyExistsError: `path` is a file, or a directory with something else in it.
        StorageError: the disk refused; what was there before is untouched.
    """
    with drafting(path) as draft:
        for name, array in arrays.items():
            draft.add(name, array)
        draft.publish(header)


@contextmanager
def drafting(path: Path) -> Iterator["Draft"]:
    """Make an index in the directory `path` piece by piece.

    What earlier writers left behind unfinished is removed first; and so is what this
    one has written, when the body ends without `Draft.publish`.

    Raises:
        AlreadyExistsError: `path` is a file, or a directory with something else in it.
        StorageError: the disk refused; what was there before is untouched.
    """
    _refuse_foreign(path)
    is_new = not path.exists()
    data_dir = path / f"data-{secrets.token_hex(8)}"
    with _refusing_disk(path):
        data_dir.mkdir(parents=True)
    draft = Draft(path, data_dir)
    try:
        _sweep_unfinished(path, keep=data_dir.name)
        yield draft
    finally:
        # Asked of the disk: what fails, or is interrupted, after the new manifest is in
        # place must not take away what it names.
        if not _is_published(path, data_dir.name):
            shutil.rmtree(data_dir, ignore_errors=True)
            (path / NEW_MANIFEST).unlink(missing_ok=True)
            if is_new:
                with suppress(OSError):
                    path.rmdir()


class Draft:
    """A data folder that nobody reads before it is published; from `drafting`."""

    def __init__(self, path: Path, data_dir: Path) -> None:
        self._path = path
        self._data_dir = data_dir
        self._entries: dict[str, dict[str, Any]] = {}

    def add(self, name: str, array: Array) -> None:
        """Write a whole array.

        Raises:
            StorageError: the disk refused.
        """
        with self.growing(name, dtype=array.dtype, shape=array.shape) as file:
            file.append(array)

    @contextmanager
    def growing(
        self, name: str, *, dtype: DTypeLike, shape: tuple[int, ...]
    ) -> Iterator["GrowingArray"]:
        """Write an array of known shape block by block, in the order of its rows.

        Raises:
            StorageError: the disk refused.
        """
        little = np.dtype(dtype).newbyteorder("<")
        with _refusing_disk(self._path):
            handle = (self._data_dir / f"{name}.npy").open("wb")
        with handle:
            file = GrowingArray(handle, self._path, dtype=little, shape=shape)
            yield file
            file.require_whole()
            with _refusing_disk(self._path):
                handle.flush()
                os.fsync(handle.fileno())
        self._entries[name] = {
            "dtype": little.str,
            "shape": list(shape),
            "sha256": file.sha256,
        }

    def mapped(self, name: str) -> Array:
        """A finished array, memory-mapped, read-only."""
        return np.load(self._data_dir / f"{name}.npy", mmap_mode="r")

    def publish(self, header: Mapping[str, Any]) -> None:
        """Make what was written the index at the path, in one step.

        Raises:
            StorageError: the disk refused; either index may be the one at the path,
                and it is whole.
        """
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "data": self._data_dir.name,
            "arrays": self._entries,
            "index": dict(header),
        }
        with _refusing_disk(self._path):
            _sync_dir(self._data_dir)
            _publish(self._path, manifest)
        _sweep(self._path, keep={self._data_dir.name})


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
        for start in range(0, len(content), _CHUNK):
            self._write(content[start : start + _CHUNK].data)

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
        with _refusing_disk(self._path):
            self._handle.write(content)
        self._digest.update(content)


def read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `write` wrote; the arrays are memory-mapped, read-only.

    Returns:
        The arrays by name, and the header.

    Raises:
        MissingFileError: there is no index at `path`.
        CorruptDataError: a checksum, a shape or the format does not hold.
    """
    manifest = _read_manifest(path / MANIFEST)
    data_dir = path / manifest["data"]
    arrays = {
        name: _read_array(data_dir / f"{name}.npy", entry)
        for name, entry in manifest["arrays"].items()
    }
    return arrays, manifest["index"]


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise AlreadyExistsError(f"{path} is a file, not a directory for an index")
    # A writer that was killed leaves a data folder, and perhaps a manifest to be.
    names = [child.name for child in path.iterdir() if child.name != NEW_MANIFEST]
    if MANIFEST not in names and not all(map(_DATA_DIR.fullmatch, names)):
        raise AlreadyExistsError(
            f"{path} holds {len(names)} files that are not an index; choose another"
        )


@contextmanager
def _refusing_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"could not save to {path}: {reason}") from error


def _sweep_unfinished(path: Path, *, keep: str) -> None:
    """Remove data folders that no manifest names; all stay if it cannot be read."""
    try:
        published = {str(_read_manifest(path / MANIFEST)["data"])}
    except MissingFileError:
        published = set()
    except CorruptDataError:
        return
    _sweep(path, keep=published | {keep})


def _publish(path: Path, manifest: dict[str, Any]) -> None:
    manifest["checksum"] = _manifest_checksum(manifest)
    new = path / NEW_MANIFEST
    with new.open("w", encoding="utf-8") as handle:
        json.dump(manifest, handle, indent=1, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(path / MANIFEST)
    _sync_dir(path)


def _is_published(path: Path, data_name: str) -> bool:
    """Whether the manifest names this data folder, or cannot be read to tell."""
    try:
        return bool(_read_manifest(path / MANIFEST)["data"] == data_name)
    except MissingFileError:
        return False
    except CorruptDataError:
        return True


def _sweep(path: Path, *, keep: set[str]) -> None:
    """Remove other data folders; one that is still memory-mapped stays readable."""
    for child in path.iterdir():
        if _DATA_DIR.fullmatch(child.name) and child.name not in keep:
            shutil.rmtree(child, ignore_errors=True)


def _sync_dir(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFileError(
            f"no index at {file.parent}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise CorruptDataError(f"{file} is not JSON: {error}") from error
    _check_manifest(file, manifest)
    return manifest


def _check_manifest(file: Path, manifest: Any) -> None:
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CorruptDataError(f"{file} is not a {FORMAT} manifest")
    if manifest.get("version") != VERSION:
        raise CorruptDataError(
            f"{file} has format version {manifest.get('version')},"
            f" this gleann reads version {VERSION}"
        )
    if manifest.get("checksum") != _manifest_checksum(manifest):
        raise CorruptDataError(f"{file} does not match its checksum")
    if not _DATA_DIR.fullmatch(str(manifest.get("data"))):
        raise CorruptDataError(f"{file} names a data folder it must not")
    if not all(isinstance(manifest.get(key), dict) for key in ("arrays", "index")):
        raise CorruptDataError(f"{file} lacks its arrays or its header")
    for name, entry in manifest["arrays"].items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "sha256"}:
            raise CorruptDataError(f"{file} does not describe its array {name!r}")


def _manifest_checksum(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_array(file: Path, entry: Mapping[str, Any]) -> Array:
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
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
