"""The on-disk format of a sealed index, specified in `FORMAT.md` in this folder.

A saved index is a directory: `manifest.json` names one `data-<16 hex>` folder of `.npy`
files with their checksums. A save writes a new folder first and then replaces the
manifest, so at every moment the directory holds one whole index, the old or the new.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import DTypeLike

from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    MissingFileError,
)
from gleann.index.kept.disk_rows import DiskRows
from gleann.index.storage.array_file import (
    Array,
    ArrayFile,
    GrowingArray,
    HashedFile,
    Held,
    open_array,
    read_array,
    refusing_disk,
)
from gleann.index.storage.manifest import (
    DATA_DIR,
    MANIFEST,
    NEW_MANIFEST,
    is_empty,
    publish_manifest,
    read_manifest,
    sync_dir,
)

Checks = Literal["before", "after"]

MAPPED = ("vectors", "codes")
"""Arrays too large to be read. Nothing in them says where to read on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What `read` found.

    Attributes:
        arrays: by name, read-only; `MAPPED` memory-mapped.
        header: JSON values.
        version: of the format.
        folder: the data folder.
        payload: the entry of the payload file, None if there is none.
        rerank_layout: the entry of rows in another precision, None if there is none.
        deferred: arrays whose numbers are not checked.
    """

    arrays: dict[str, Array | DiskRows]
    header: dict[str, Any]
    version: int
    folder: Path
    payload: dict[str, Any] | None
    rerank_layout: dict[str, Any] | None = None
    deferred: tuple[ArrayFile, ...] = ()


def write(
    path: Path,
    arrays: Mapping[str, Array],
    header: Mapping[str, Any],
    *,
    add: Callable[["Draft"], None] | None = None,
) -> None:
    """Write one index to the directory `path`, replacing an index that is there.

    Args:
        path: created when absent.
        arrays: by name; little-endian on disk.
        header: JSON values, stored in the manifest under "index".
        add: called to write what is no array.

    Raises:
        AlreadyExistsError: `path` is a file, or a directory with something else in it.
        StorageError: the disk refused; what was there before is untouched.
    """
    with drafting(path) as draft:
        for name, array in arrays.items():
            draft.add(name, array)
        if add is not None:
            add(draft)
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
    with refusing_disk(path):
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
        self._others: dict[str, dict[str, Any]] = {}
        self._required: list[str] = []

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
    ) -> Iterator[GrowingArray]:
        """Write an array of known shape block by block, in the order of its rows.

        Raises:
            StorageError: the disk refused.
        """
        little = np.dtype(dtype).newbyteorder("<")
        with self._open(f"{name}.npy") as handle:
            file = GrowingArray(handle, self._path, dtype=little, shape=shape)
            yield file
            file.require_whole()
        self._entries[name] = {
            "dtype": little.str,
            "shape": list(shape),
            "sha256": file.sha256,
        }

    @contextmanager
    def hashed(self, name: str) -> Iterator[HashedFile]:
        """Write another file, of this whole name, front to back; see `describe`.

        Raises:
            StorageError: the disk refused.
        """
        with self._open(name) as handle:
            yield HashedFile(handle, self._path)

    def describe(self, name: str, value: Mapping[str, Any]) -> None:
        """Put JSON values under a key of their own into the manifest to be."""
        self._others[name] = dict(value)

    def require(self, feature: str) -> None:
        """Let only readers that know `feature` open the index."""
        self._required.append(feature)

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        with refusing_disk(self._path):
            handle = (self._data_dir / name).open("wb")
        try:
            yield handle
            with refusing_disk(self._path):
                handle.flush()
                os.fsync(handle.fileno())
        except BaseException:
            with suppress(OSError):  # what the disk refused is tried again, in vain
                handle.close()
            raise
        with refusing_disk(self._path):
            handle.close()

    def mapped(self, name: str) -> Array:
        """A finished array, memory-mapped, read-only."""
        return np.load(self._data_dir / f"{name}.npy", mmap_mode="r")

    @property
    def content(self) -> dict[str, Any]:
        """What the manifest is to say of what was written so far, without a header."""
        content = {
            "data": self._data_dir.name,
            "arrays": self._entries,
            **self._others,
        }
        return content | ({"requires": self._required} if self._required else {})

    def publish(self, header: Mapping[str, Any]) -> None:
        """Make what was written the index at the path, in one step.

        Raises:
            StorageError: the disk refused; either index may be the one at the path,
                and it is whole.
        """
        with refusing_disk(self._path):
            sync_dir(self._data_dir)
            publish_manifest(self._path, {**self.content, "index": dict(header)})
        _sweep(self._path, keep={self._data_dir.name})


def read(path: Path, *, checks: Checks = "before") -> Saved:
    """Read what `write` wrote, but what is no array.

    Args:
        path: of the index.
        checks: when the checksums and numbers of arrays that stay on disk are checked;
            "after" leaves them to `Saved.deferred`.

    Raises:
        MissingFileError: there is no index at `path`.
        CorruptDataError: a checksum, a shape or the format does not hold.
    """
    manifest = read_manifest(path)
    if is_empty(manifest):
        raise MissingFileError(f"no index at {path}: it stands for no rows")
    data_dir = path / manifest["data"]
    arrays: dict[str, Array | DiskRows] = {}
    deferred: list[ArrayFile] = []
    for name, entry in manifest["arrays"].items():
        held = _held(name, manifest["index"])
        if checks == "after" and _can_wait(name, manifest["index"]):
            arrays[name], waiting = open_array(data_dir, name, entry, held=held)
            deferred.append(waiting)
        else:
            arrays[name] = read_array(data_dir, name, entry, held=held)
    return Saved(
        arrays=arrays,
        header=manifest["index"],
        version=manifest["version"],
        folder=data_dir,
        payload=manifest.get("payload"),
        rerank_layout=manifest.get("rerank_layout"),
        deferred=tuple(deferred),
    )


def _can_wait(name: str, header: Mapping[str, Any]) -> bool:
    """Whether an array may be searched before its numbers are checked.

    Where rows are scanned in float32, NaN must not reach the kernels' thresholds.
    """
    return name in MAPPED and header.get("codes") == "int8"


def _held(name: str, header: Mapping[str, Any]) -> Held:
    """Where an array is held, by the header of its index, not checked so far."""
    layout = header.get("layout")
    if name == "vectors" and isinstance(layout, dict) and layout.get("keep") == "disk":
        return "file"
    return "mapped" if name in MAPPED else "memory"


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise AlreadyExistsError(f"{path} is a file, not a directory for an index")
    # A writer that was killed leaves a data folder, and perhaps a manifest to be.
    names = [child.name for child in path.iterdir() if child.name != NEW_MANIFEST]
    if MANIFEST not in names and not all(map(DATA_DIR.fullmatch, names)):
        raise AlreadyExistsError(
            f"{path} holds {len(names)} files that are not an index; choose another"
        )


def _sweep_unfinished(path: Path, *, keep: str) -> None:
    """Remove data folders that no manifest names; all stay if it cannot be read."""
    try:
        published = {str(read_manifest(path)["data"])}
    except MissingFileError:
        published = set()
    except CorruptDataError:
        return
    _sweep(path, keep=published | {keep})


def _is_published(path: Path, data_name: str) -> bool:
    """Whether the manifest names this data folder, or cannot be read to tell."""
    try:
        return bool(read_manifest(path)["data"] == data_name)
    except MissingFileError:
        return False
    except CorruptDataError:
        return True


def _sweep(path: Path, *, keep: set[str]) -> None:
    """Remove other data folders; one that is still memory-mapped stays readable."""
    for child in path.iterdir():
        if DATA_DIR.fullmatch(child.name) and child.name not in keep:
            shutil.rmtree(child, ignore_errors=True)
