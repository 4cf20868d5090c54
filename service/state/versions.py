"""Sealed versions on disk, written once: indexes/<number>/versions/<version>.

Names of indexes never become paths: the store numbers the directories. What nobody can
explain is kept under lost/.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from gleann.index import SoarIndex
from gleann.index.storage.manifest import sync_dir
from gleann.service.devices.devices import Devices
from gleann.service.state.database import disk_errors
from gleann.service.state.permissions import PRIVATE
from gleann.service.state.seal import Seal, write_seal

LOST = "lost"
SCRATCH = ".new-"


class Versions:
    """The sealed versions of one data directory."""

    def __init__(
        self, directory: Path, *, engine: str, threads: int, devices: Devices
    ) -> None:
        self._data = directory
        self._directory = directory / "indexes"
        self._engine = engine
        self._threads = threads
        self._devices = devices

    @contextmanager
    def published(
        self,
        save: Callable[[Path], object],
        *,
        seal: Seal,
        old: SoarIndex | None,
    ) -> Iterator[SoarIndex]:
        """Let `save` write a version that nobody serves yet, seal it, and open it.

        It is whole on disk before it has its name. It takes the place of `old` on the
        device when the block ends, and not if that raises: see `Devices.replacing`.

        Raises:
            StorageError: the disk refused; what was there is untouched.
            and what `serve` raises.
        """
        self._write(save, seal)
        new = self.load(seal.number, seal.version)
        with self._devices.replacing(old, new) as placed:
            yield placed

    def _write(self, save: Callable[[Path], object], seal: Seal) -> None:
        final = self.path(seal.number, seal.version)
        versions = final.parent
        scratch = versions / f"{SCRATCH}{token_hex(8)}"
        try:
            with disk_errors(final):
                self._directory.mkdir(mode=PRIVATE, exist_ok=True)
                versions.mkdir(parents=True, exist_ok=True)
                save(scratch)
                write_seal(scratch, seal)
                if final.exists():
                    # Left by a build that did not get to publish it, as a rule.
                    self.set_aside(final)
                scratch.rename(final)
                for directory in (versions, versions.parent, self._directory):
                    sync_dir(directory)
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
            self.path(number, version),
            engine=self._engine,
            threads=self._threads,
        )

    def drop_older(self, number: int, *, than: int, needed: set[int]) -> None:
        """Remove the versions of an index before `than` that are not `needed`.

        Later and half-written ones stay: a build may be writing them now.
        """
        for version, path in self.numbered(number):
            if version < than and version not in needed:
                self.remove(path)

    def drop(self, number: int, version: int) -> None:
        """Remove a version that was replaced, or never published."""
        self.remove(self.path(number, version))

    def forget(self, number: int) -> None:
        """Remove everything of an index that was deleted."""
        self.remove(self.index_directory(number))

    def remove(self, path: Path) -> None:
        """Remove a directory that is explained; what the disk refuses stays."""
        shutil.rmtree(path, ignore_errors=True)

    def set_aside(self, path: Path) -> Path:
        """Move what cannot be explained to lost/; returns where it lies then.

        Raises:
            StorageError: the disk refused.
        """
        words = path.relative_to(self._data).parts
        with disk_errors(path):
            lost = self._data / LOST
            lost.mkdir(mode=PRIVATE, exist_ok=True)
            kept = lost / f"{'-'.join(words)}-{token_hex(4)}"
            return path.rename(kept)

    def index_directories(self) -> list[Path]:
        """What lies where the directories of the indexes are."""
        return _entries(self._directory)

    def index_directory(self, number: int) -> Path:
        """Where everything of an index lies."""
        return self._directory / str(number)

    def entries(self, number: int) -> list[Path]:
        """What lies where the versions of an index are."""
        return _entries(self.index_directory(number) / "versions")

    def numbered(self, number: int) -> list[tuple[int, Path]]:
        """(version, path) of the versions of an index that lie there."""
        found = [path for path in self.entries(number) if path.name.isdecimal()]
        numbered = sorted((int(path.name), path) for path in found)
        return [(one, path) for one, path in numbered if str(one) == path.name]

    def path(self, number: int, version: int) -> Path:
        """Where a version lies."""
        return self.index_directory(number) / "versions" / str(version)

    def is_scratch(self, path: Path) -> bool:
        """Whether this is what a build was writing, which never got a number."""
        return path.name.startswith(SCRATCH)


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []
