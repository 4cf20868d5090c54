"""Sealed versions on disk: indexes/<number>/versions/<version>, written once.

Names of indexes never become paths: the store numbers the directories.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from gleann.index import SoarIndex
from gleann.index.errors import StorageError
from gleann.service.devices import Devices


class Versions:
    """The sealed versions of one data directory."""

    def __init__(
        self, directory: Path, *, engine: str, threads: int, devices: Devices
    ) -> None:
        self._directory = directory / "indexes"
        self._engine = engine
        self._threads = threads
        self._devices = devices

    @contextmanager
    def published(
        self,
        number: int,
        version: int,
        save: Callable[[Path], object],
        *,
        old: SoarIndex | None,
    ) -> Iterator[SoarIndex]:
        """Let `save` write a version that nobody serves yet, and open it.

        It is whole on disk before it has its name. It takes the place of `old` on the
        device when the block ends, and not if that raises: see `Devices.replacing`.

        Raises:
            StorageError: the disk refused; what was there is untouched.
            and what `serve` raises.
        """
        self._write(number, version, save)
        new = self.load(number, version)
        with self._devices.replacing(old, new) as placed:
            yield placed

    def _write(self, number: int, version: int, save: Callable[[Path], object]) -> None:
        versions = self._versions(number)
        scratch, final = versions / f".new-{token_hex(8)}", versions / str(version)
        try:
            with _disk_errors():
                versions.mkdir(parents=True, exist_ok=True)
                save(scratch)
                # What has the name already was cut off before it was published.
                shutil.rmtree(final, ignore_errors=True)
                scratch.rename(final)
                for directory in (versions, versions.parent, self._directory):
                    _sync(directory)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def serve(self, number: int, version: int) -> SoarIndex:
        """Open a version to be searched, on the device that `--device` says.

        Raises:
            DeviceMemoryError: it does not fit there, and must not fall back.
            DeviceLostError: the device failed before.
            and what `load` raises.
        """
        return self._devices.place(self.load(number, version))

    def load(self, number: int, version: int) -> SoarIndex:
        """Open a version on the CPU; its vectors stay memory-mapped.

        Raises:
            MissingFileError: it is not there.
            CorruptDataError: a checksum or the format does not hold.
        """
        return SoarIndex.load(
            self._versions(number) / str(version),
            engine=self._engine,
            threads=self._threads,
        )

    def drop_older(self, number: int, *, than: int, needed: set[int]) -> None:
        """Remove the versions of an index before `than` that are not `needed`.

        Later and half-written ones stay: a build may be writing them now.
        """
        for path in _entries(self._versions(number)):
            if path.name.isdigit() and int(path.name) < than:
                _remove_unless(path, needed)

    def drop(self, number: int, version: int) -> None:
        """Remove a version that was not published."""
        shutil.rmtree(self._versions(number) / str(version), ignore_errors=True)

    def keep_only(self, number: int, needed: set[int]) -> None:
        """Remove all versions but those `needed`, while nothing is being built."""
        for path in _entries(self._versions(number)):
            _remove_unless(path, needed)

    def keep_indexes(self, numbers: set[int]) -> None:
        """Remove everything of all indexes but these."""
        for path in _entries(self._directory):
            _remove_unless(path, numbers)

    def forget(self, number: int) -> None:
        """Remove everything of an index."""
        shutil.rmtree(self._directory / str(number), ignore_errors=True)

    def _versions(self, number: int) -> Path:
        return self._directory / str(number) / "versions"


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def _remove_unless(path: Path, needed: set[int]) -> None:
    if path.name not in {str(number) for number in needed}:
        shutil.rmtree(path, ignore_errors=True)


def _sync(directory: Path) -> None:
    """Put a directory's entries on disk, so that a rename survives a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{error.filename}: {error.strerror}") from error
