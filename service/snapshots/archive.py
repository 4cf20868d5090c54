"""A snapshot as a tar file: written and read as a stream, nothing is extracted blindly.

A member is copied only if it is an ordinary file that the manifest, which is the first
member, lists with this name and size; its path in the archive is never a path on disk.
"""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, cast

from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    InvalidInputError,
)
from gleann.index.progress import Report
from gleann.index.storage.manifest import sync_dir
from gleann.index.storage.regular_file import open_without_links
from gleann.service.snapshots.manifest import (
    MANIFEST,
    MOST_MANIFEST_BYTES,
    SnapshotManifest,
    parse_manifest,
)
from gleann.service.snapshots.transfer import (
    CheckedReader,
    Intake,
    Meter,
    opened,
    require_absent,
)
from gleann.service.state.database import disk_errors

SUFFIX = ".tar"
FILE_MODE = 0o600
_NO_ARCHIVE = (tarfile.TarError, ValueError, OverflowError, EOFError, UnicodeError)
"""What the standard library raises for bytes that are no archive."""


def write_archive(
    directory: Path, manifest: SnapshotManifest, file: Path, *, report: Report
) -> None:
    """Write the snapshot in `directory` to a new tar file; each file is checked.

    Raises:
        AlreadyExistsError: `file` exists.
        CorruptDataError: a file of the snapshot is damaged.
        StorageError: the disk refused; no file is left.
    """
    scratch = file.with_name(f".new-{token_hex(8)}")
    try:
        with disk_errors(file):
            require_absent(file)
            with scratch.open("xb") as handle:
                scratch.chmod(FILE_MODE)
                _write(directory, manifest, handle, report)
                handle.flush()
                os.fsync(handle.fileno())
            _publish(scratch, file)
            sync_dir(file.parent)
    finally:
        with suppress(OSError):  # it must not hide the first error
            scratch.unlink()


def _write(
    directory: Path, manifest: SnapshotManifest, handle: BinaryIO, report: Report
) -> None:
    meter = Meter("export", manifest.size_bytes, report)
    real = directory.resolve()
    with tarfile.open(fileobj=handle, mode="w", format=tarfile.GNU_FORMAT) as archive:
        content = manifest.to_json()
        archive.addfile(_member(MANIFEST, len(content), manifest), BytesIO(content))
        for path, expected in manifest.files.items():
            with opened(real, path) as source:
                reader = CheckedReader(
                    source, expected, shown=str(directory / path), meter=meter
                )
                archive.addfile(
                    _member(path, expected.bytes, manifest), cast(BinaryIO, reader)
                )
                reader.require_end()


def _member(path: str, size: int, manifest: SnapshotManifest) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size, member.mtime, member.mode = size, int(manifest.created), FILE_MODE
    return member


def _publish(scratch: Path, file: Path) -> None:
    """Give a finished file its name, unless another has it."""
    try:
        os.link(scratch, file)
    except FileExistsError as error:
        raise AlreadyExistsError(f"{file} exists already: name a new path") from error
    except OSError:
        # A file system without hard links.
        require_absent(file)
        scratch.rename(file)


class Archive:
    """A tar file that is open for reading, and the manifest at its beginning.

    Attributes:
        manifest: what it holds.
    """

    def __init__(self, archive: tarfile.TarFile, file: Path) -> None:
        self._archive, self._file = archive, file
        self.manifest = self._read_manifest()

    def take_all(self, intake: Intake) -> None:
        """Pass every member to `intake`.

        Raises:
            InvalidInputError: a member that no snapshot has: a link, a device, a path
                outside, a file that is not in the manifest, a name twice.
            CorruptDataError: it is cut short, or a file is not as the manifest says.
        """
        with _reading(self._file):
            while (member := self._next()) is not None:
                intake.require_expected(member.name, member.size)
                intake.take(member.name, self._content(member))

    def _read_manifest(self) -> SnapshotManifest:
        with _reading(self._file):
            member = self._next()
            if member is None or member.name != MANIFEST:
                raise InvalidInputError(
                    f"{self._file.name} is not a snapshot: it does not begin with"
                    f" {MANIFEST}"
                )
            if member.size > MOST_MANIFEST_BYTES:
                raise InvalidInputError(
                    f"{self._file.name}: {MANIFEST} has {member.size} bytes, at most"
                    f" {MOST_MANIFEST_BYTES} are read"
                )
            content = self._content(member).read()
        return parse_manifest(content, shown=f"{self._file.name}: {MANIFEST}")

    def _next(self) -> tarfile.TarInfo | None:
        member = self._archive.next()
        # The list of members that tarfile keeps would grow without bound.
        self._archive.members = []  # type: ignore[attr-defined]
        if member is None:
            return None
        ordinary = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
        if not ordinary or member.sparse is not None:
            raise InvalidInputError(
                f"{self._file.name} has {member.name[:200]!r}, which is not an ordinary"
                " file"
            )
        return member

    def _content(self, member: tarfile.TarInfo) -> BinaryIO:
        content = self._archive.extractfile(member)
        assert content is not None, "it is an ordinary file"
        return cast(BinaryIO, content)


@contextmanager
def open_archive(file: Path) -> Iterator[Archive]:
    """Open a tar file without compression.

    Args:
        file: its path has no links.

    Raises:
        ForbiddenPathError: it is a link.
        MissingFileError: it cannot be read.
        InvalidInputError: it is not the tar file of a snapshot.
        CorruptDataError: its manifest is damaged.
    """
    with os.fdopen(open_without_links(file, str(file)), "rb") as handle:
        with _reading(file):
            archive = tarfile.TarFile(
                fileobj=cast(BinaryIO, _Limited(handle)), mode="r", errorlevel=2
            )
        with archive:
            yield Archive(archive, file)


class _Limited:
    """A file of which no single read takes much memory.

    The library reads extended headers whole, whatever size they claim.
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.name = handle.name

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_MANIFEST_BYTES + tarfile.BLOCKSIZE:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._handle.read(size)

    def seek(self, place: int) -> int:
        return self._handle.seek(place)

    def tell(self) -> int:
        return self._handle.tell()


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Convert what the library raises for a damaged archive."""
    try:
        yield
    except (tarfile.ReadError, EOFError) as error:
        # It is raised for a file that is none, and for one that is cut short.
        raise CorruptDataError(
            f"{file.name} cannot be read as a tar file: {error}"
        ) from error
    except _NO_ARCHIVE as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(
            f"{file.name} cannot be read as a tar file: {error}"
        ) from error
