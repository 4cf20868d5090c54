"""Reads of a snapshot's files, each checked against the manifest on its way."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from gleann.index import Progress
from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    InvalidInputError,
)
from gleann.index.progress import Report
from gleann.index.storage.manifest import sync_dir
from gleann.index.storage.regular_file import open_without_links
from gleann.service.snapshots.manifest import MANIFEST, SnapshotFile, SnapshotManifest
from gleann.service.state.database import disk_errors
from gleann.service.state.disk_room import require_room
from gleann.service.state.permissions import PRIVATE

CHUNK_BYTES = 1 << 20
SPARE_BYTES = 1 << 20
"""What directories and the manifest take beside the files."""
MOST_ENTRIES = 10_000
"""Entries of a directory that are looked at; a snapshot has some twenty."""


class Meter:
    """Reports the bytes done of a phase."""

    def __init__(self, phase: str, total: int, report: Report) -> None:
        self._phase, self._total, self._report = phase, total, report
        self._done = 0
        self.add(0)

    def add(self, size: int) -> None:
        """Count `size` more bytes; raises what the report raises."""
        self._done += size
        self._report(Progress(phase=self._phase, done=self._done, total=self._total))


class CheckedReader:
    """A file that must have the size and the SHA-256 of its entry in the manifest.

    `read` returns no byte beyond that size, and `require_end` checks the rest.
    """

    def __init__(
        self, source: BinaryIO, expected: SnapshotFile, *, shown: str, meter: Meter
    ) -> None:
        self._source, self._expected = source, expected
        self._shown, self._meter = shown, meter
        self._digest, self._left = hashlib.sha256(), expected.bytes

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`.

        Raises:
            CorruptDataError: the file ends too early.
        """
        chunk = self._source.read(min(size, self._left))
        if not chunk and self._left and size:
            raise CorruptDataError(
                f"{self._shown} has {self._expected.bytes - self._left} bytes, its"
                f" manifest says {self._expected.bytes}"
            )
        self._left -= len(chunk)
        self._digest.update(chunk)
        self._meter.add(len(chunk))
        return chunk

    def chunks(self) -> Iterator[bytes]:
        """All bytes, which are checked when they have been read.

        Raises:
            CorruptDataError: another size or another SHA-256.
        """
        while chunk := self.read(CHUNK_BYTES):
            yield chunk
        self.require_end()

    def require_end(self) -> None:
        """Check that all was read, and that it is what the manifest says.

        Raises:
            CorruptDataError: another size or another SHA-256.
        """
        if self._left or self._source.read(1):
            raise CorruptDataError(
                f"{self._shown} has not {self._expected.bytes} bytes, as its manifest"
                " says"
            )
        found = self._digest.hexdigest()
        if found != self._expected.sha256:
            raise CorruptDataError(
                f"{self._shown} has sha256 {found[:12]}..., its manifest says"
                f" {self._expected.sha256[:12]}..."
            )


class Intake:
    """The files of one snapshot, checked one by one and written to a directory."""

    def __init__(
        self,
        manifest: SnapshotManifest,
        directory: Path | None,
        *,
        shown: str,
        meter: Meter,
    ) -> None:
        """Begin to take files.

        Args:
            manifest: lists the files.
            directory: where they go, an empty one; None only checks them.
            shown: the source, as messages name it.
            meter: counts the bytes.
        """
        self._manifest, self._directory = manifest, directory
        self._shown, self._meter = shown, meter
        self._taken: set[str] = set()

    def require_expected(self, path: str, size: int) -> None:
        """Refuse a file that is not in the manifest, comes twice or has another size.

        Raises:
            InvalidInputError: it is not in the manifest, or came before.
            CorruptDataError: its size.
        """
        expected = self._manifest.files.get(path)
        if expected is None or path in self._taken:
            why = "twice" if path in self._taken else "that is not in its manifest"
            raise InvalidInputError(f"{self._shown} has a file {path[:200]!r} {why}")
        if size != expected.bytes:
            raise CorruptDataError(
                f"{self._shown}: {path} has {size} bytes, its manifest says"
                f" {expected.bytes}"
            )

    def take(self, path: str, source: BinaryIO) -> None:
        """Check the content of a file that is expected, and copy it to its place.

        Raises:
            CorruptDataError: its content is not what the manifest says.
            OSError: the disk refused.
        """
        self._taken.add(path)
        reader = CheckedReader(
            source,
            self._manifest.files[path],
            shown=f"{self._shown}: {path}",
            meter=self._meter,
        )
        if self._directory is None:
            for _ in reader.chunks():
                pass
            return
        target = self._directory / path
        target.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        with target.open("xb") as handle:
            for chunk in reader.chunks():
                handle.write(chunk)
            handle.flush()
            os.fsync(handle.fileno())

    def finish(self) -> None:
        """Require that all files came, and write the manifest.

        Raises:
            CorruptDataError: a file is missing.
        """
        if missing := sorted(set(self._manifest.files) - self._taken):
            raise CorruptDataError(f"{self._shown} lacks its file {missing[0]!r}")
        if self._directory is not None:
            write_manifest(self._directory, self._manifest)


def write_manifest(directory: Path, manifest: SnapshotManifest) -> None:
    """Write the manifest beside the files of a snapshot, and sync all folders."""
    with (directory / MANIFEST).open("xb") as handle:
        handle.write(manifest.to_json())
        handle.flush()
        os.fsync(handle.fileno())
    for folder in sorted({(directory / path).parent for path in manifest.files}):
        sync_dir(folder)
    sync_dir(directory)


def require_space(manifest: SnapshotManifest, directory: Path) -> None:
    """Refuse a copy for which the disk has no room.

    Raises:
        StorageError: with both numbers.
    """
    needed = manifest.size_bytes + SPARE_BYTES
    require_room(directory, needed=needed, what=f"a copy of {manifest.name!r}")


def require_files(directory: Path, manifest: SnapshotManifest, *, shown: str) -> None:
    """Check that a directory holds the files of a manifest, of their sizes, only.

    Raises:
        InvalidInputError: another file, a link or a device.
        CorruptDataError: a file is missing or has another size.
    """
    found = dict(_regular_files(directory, shown=shown))
    found.pop(MANIFEST, None)
    if unknown := sorted(set(found) - set(manifest.files)):
        raise InvalidInputError(
            f"{shown} has a file {unknown[0][:200]!r} that is not in its manifest"
        )
    for path, expected in manifest.files.items():
        if path not in found:
            raise CorruptDataError(f"{shown} lacks its file {path!r}")
        if found[path] != expected.bytes:
            raise CorruptDataError(
                f"{shown}: {path} has {found[path]} bytes, its manifest says"
                f" {expected.bytes}"
            )


def _regular_files(directory: Path, *, shown: str) -> Iterator[tuple[str, int]]:
    """(path, bytes) of the files in a directory tree; links are not followed."""
    entries = directory.rglob("*")
    for number, entry in enumerate(entries):
        path = entry.relative_to(directory).as_posix()
        if number == MOST_ENTRIES:
            raise InvalidInputError(f"{shown} has more than {MOST_ENTRIES} files")
        found = entry.lstat()
        if stat.S_ISREG(found.st_mode):
            yield path, found.st_size
        elif not stat.S_ISDIR(found.st_mode):
            raise InvalidInputError(
                f"{shown} has {path[:200]!r}, which is neither a file nor a directory"
            )


@contextmanager
def opened(directory: Path, path: str) -> Iterator[BinaryIO]:
    """Open a file of a snapshot for reading; no link is followed.

    Args:
        directory: of the snapshot; its path has no links.
        path: of the file below it.

    Raises:
        ForbiddenPathError: it is a link.
        MissingFileError: it cannot be read.
    """
    file = directory / path
    descriptor = open_without_links(file, str(file))
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        yield handle


@contextmanager
def new_directory(final: Path) -> Iterator[Path]:
    """A scratch directory that becomes `final` when the block ends, or is removed.

    Raises:
        AlreadyExistsError: `final` exists.
        StorageError: the disk refused; nothing is left.
    """
    scratch = final.with_name(f".new-{token_hex(8)}")
    try:
        with disk_errors(final):
            require_absent(final)
            scratch.mkdir(mode=PRIVATE)
            yield scratch
            require_absent(final)
            scratch.rename(final)
            sync_dir(final.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def require_absent(path: Path) -> None:
    """Refuse a path that exists.

    Raises:
        AlreadyExistsError: it does.
    """
    if os.path.lexists(path):
        raise AlreadyExistsError(f"{path} exists already: name a new path")
