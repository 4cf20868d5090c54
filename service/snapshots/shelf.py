"""The snapshots of one data directory: snapshots/<name>, each with its manifest.

The list is read from the directories, so it survives a lost database.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    GleannError,
    MissingFileError,
    UnknownSnapshotError,
)
from gleann.index.storage.manifest import sync_dir
from gleann.service.snapshots.manifest import (
    MANIFEST,
    NAME,
    SnapshotManifest,
    read_manifest,
)
from gleann.service.snapshots.transfer import new_directory
from gleann.service.state.database import disk_errors
from gleann.service.state.permissions import private_folder

FOLDER = "snapshots"
PREFIX = f"{FOLDER}/"
HEX_DIGITS = 12
_GONE = ".gone-"
_log = logging.getLogger(__name__)


class Shelf:
    """The directories of the snapshots; no state in memory."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER

    @property
    def folder(self) -> Path:
        """The directory of all snapshots, created if missing.

        Raises:
            StorageError: the disk refused.
        """
        return private_folder(self._folder)

    def sweep(self) -> None:
        """Remove what interrupted work has left; no other may be under way."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path.name.startswith("."):
                _log.info("%s is removed: it was left unfinished", path)
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def adding(self, name: str) -> Iterator[Path]:
        """A scratch directory that becomes the snapshot `name` when the block ends.

        Raises:
            AlreadyExistsError: there is a snapshot of this name.
            StorageError: the disk refused; nothing is left.
        """
        try:
            with new_directory(self.folder / name) as scratch:
                yield scratch
        except AlreadyExistsError as error:
            if not self.holds(name):
                raise
            raise taken_error(name) from error

    def holds(self, name: str) -> bool:
        """Whether there is a snapshot of this name, damaged or not."""
        return (self._folder / name / MANIFEST).is_file()

    def path(self, name: str) -> Path:
        """The directory of a snapshot; `name` is "snapshots/words-3f2a9c418d20".

        Raises:
            UnknownSnapshotError: no snapshot has this name.
        """
        short = short_name(name)
        if not self.holds(short):
            raise UnknownSnapshotError(f"there is no snapshot {name[:80]!r}")
        return self._folder / short

    def get(self, name: str) -> SnapshotManifest:
        """The manifest of a snapshot.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            CorruptDataError: its manifest is damaged, or another's.
        """
        path = self.path(name)
        try:
            manifest = read_manifest(path.resolve())
        except MissingFileError as error:
            raise UnknownSnapshotError(f"there is no snapshot {name[:80]!r}") from error
        if manifest.name != path.name:
            raise CorruptDataError(
                f"{path / MANIFEST} is that of {manifest.name!r}: the directory was"
                " renamed or its manifest replaced"
            )
        return manifest

    def listed(self, index: str = "") -> list[SnapshotManifest]:
        """All snapshots, oldest first; those of one index if it is not "".

        A damaged one is left out and logged; `get` tells what is wrong with it.
        """
        if not self._folder.is_dir():
            return []
        found = []
        for path in self._folder.iterdir():
            if not NAME.fullmatch(path.name):
                continue
            try:
                manifest = self.get(PREFIX + path.name)
            except GleannError as error:
                _log.error("a snapshot is left out of a list: %s", error)
                continue
            if index in ("", manifest.index):
                found.append(manifest)
        return sorted(found, key=lambda one: (one.created, one.name))

    def remove(self, name: str) -> Path:
        """Remove a snapshot from the list, also a damaged one.

        Returns:
            Where its files are now: for `clear`, or for the next `sweep`.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            StorageError: the disk refused; it is still there.
        """
        path = self.path(name)
        gone = self._folder / f"{_GONE}{token_hex(8)}"
        with disk_errors(path):
            path.rename(gone)
            sync_dir(self._folder)
        return gone

    def clear(self, gone: Path) -> None:
        """Delete the files of a removed snapshot; on a disk error, the rest stays."""
        shutil.rmtree(gone, ignore_errors=True)


def taken_error(name: str) -> AlreadyExistsError:
    """The error for a snapshot that is to be added where another has its name."""
    return AlreadyExistsError(
        f"there is a snapshot {PREFIX + name!r} already, with other content or damaged:"
        " delete it first"
    )


def short_name(name: str) -> str:
    """The directory's name of the snapshot "snapshots/words-3f2a9c418d20".

    Raises:
        UnknownSnapshotError: no snapshot can have this name.
    """
    short = name.removeprefix(PREFIX)
    if not NAME.fullmatch(short):
        raise UnknownSnapshotError(f"there is no snapshot {name[:80]!r}")
    return short


def name_for(index: str, operation: str) -> str:
    """The name of the snapshot of an index that an operation makes.

    Named after the operation, so that a rerun finds what an earlier run has made.
    """
    return f"{index}-{operation.removeprefix('operations/')[:HEX_DIGITS]}"
