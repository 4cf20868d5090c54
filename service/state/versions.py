"""Sealed versions on disk, written once: indexes/<number>/versions/<version>.

Index names are never paths: the store numbers the directories. Unexplained directories
are moved to lost/.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from gleann.index import BuildParams, SoarIndex
from gleann.index.build.on_disk import fitted
from gleann.index.storage.manifest import is_empty, read_manifest, sync_dir
from gleann.service.devices.devices import Devices
from gleann.service.state.database import disk_errors
from gleann.service.state.permissions import PRIVATE
from gleann.service.state.seal import Seal, write_seal
from gleann.service.views.live_index import View

LOST = "lost"
SCRATCH = ".new-"


LATER_BYTES = 1 << 28
"""Size from which a version is served before the checksums of its rows are known: some
seconds of reading. A smaller one is checked first, and damage is known at the start."""


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
    ) -> Iterator[SoarIndex | None]:
        """Write a new version with `save`, seal it, and open it; None without rows.

        It is complete on disk before it gets its name. It replaces `old` on the device
        when the block ends without an exception: see `Devices.replacing`.

        Raises:
            StorageError: a disk error; existing versions are unchanged.
            and the errors of `serve`.
        """
        self._write(save, seal)
        if self.is_empty(seal.number, seal.version):
            with self._devices.removing(old):
                yield None
            return
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
                    # Usually left by a build that was not published.
                    self.set_aside(final)
                scratch.rename(final)
                made = (versions, versions.parent, self._directory)
                for directory in (*made, self._directory.parent):
                    sync_dir(directory)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def is_empty(self, number: int, version: int) -> bool:
        """Whether a version has no rows, and so no index to load.

        Raises:
            MissingFileError: it does not exist.
            CorruptDataError: its manifest is invalid.
        """
        return is_empty(read_manifest(self.path(number, version)))

    def fitted(self, view: View, params: BuildParams) -> BuildParams:
        """Parameters of a version of the live rows, as `build.on_disk.fitted` has them.

        Raises:
            InvalidParamsError: no layout that is searched here fits in `memory`; or a
                projection that rows or engine refuse; or more lists than rows.
        """
        ids = None
        if params.memory is not None:
            ids = view.ids_at(view.live_rows())
        return fitted(params, (view.count, view.dim), ids, engine=self._engine)

    def serve(self, number: int, version: int) -> SoarIndex:
        """Open a version for search on the device chosen by `--device`.

        Raises:
            DeviceMemoryError: it does not fit the device, and no fallback is allowed.
            DeviceLostError: the device failed before.
            and the errors of `load`.
        """
        return self._devices.place(self.load(number, version))

    def load(self, number: int, version: int) -> SoarIndex:
        """Open a version on the CPU; its vectors stay memory-mapped.

        The checksums of rows and codes of a large one are computed while it serves: see
        `SoarIndex.load`.

        Raises:
            MissingFileError: it does not exist.
            CorruptDataError: a wrong checksum or an invalid format.
        """
        path = self.path(number, version)
        return SoarIndex.load(
            path,
            engine=self._engine,
            threads=self._threads,
            checks="after" if _size(path) >= LATER_BYTES else "before",
        )

    def drop_older(self, number: int, *, than: int, needed: set[int]) -> None:
        """Remove the versions of an index before `than` that are not `needed`.

        Later and incomplete ones stay: a build may be writing them.
        """
        for version, path in self.numbered(number):
            if version < than and version not in needed:
                self.remove(path)

    def drop(self, number: int, version: int) -> None:
        """Remove a version that was replaced, or never published."""
        self.remove(self.path(number, version))

    def forget(self, number: int) -> None:
        """Remove all files of a deleted index."""
        self.remove(self.index_directory(number))

    def remove(self, path: Path) -> None:
        """Remove an explained directory; on a disk error, the rest stays."""
        shutil.rmtree(path, ignore_errors=True)

    def set_aside(self, path: Path) -> Path:
        """Move an unexplained path to lost/; returns its new path.

        Raises:
            StorageError: a disk error.
        """
        words = path.relative_to(self._data).parts
        with disk_errors(path):
            lost = self._data / LOST
            lost.mkdir(mode=PRIVATE, exist_ok=True)
            kept = lost / f"{'-'.join(words)}-{token_hex(4)}"
            return path.rename(kept)

    def index_directories(self) -> list[Path]:
        """Entries of the folder of index directories."""
        return _entries(self._directory)

    def index_directory(self, number: int) -> Path:
        """The directory of an index."""
        return self._directory / str(number)

    def entries(self, number: int) -> list[Path]:
        """Entries of the versions folder of an index."""
        return _entries(self.index_directory(number) / "versions")

    def numbered(self, number: int) -> list[tuple[int, Path]]:
        """(version, path) of the versions of an index on disk."""
        found = [path for path in self.entries(number) if path.name.isdecimal()]
        numbered = sorted((int(path.name), path) for path in found)
        return [(one, path) for one, path in numbered if str(one) == path.name]

    def path(self, number: int, version: int) -> Path:
        """The directory of a version."""
        return self.index_directory(number) / "versions" / str(version)

    def is_scratch(self, path: Path) -> bool:
        """Whether this is the unfinished directory of a build, without a number."""
        return path.name.startswith(SCRATCH)


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _size(path: Path) -> int:
    """Bytes of the files of a version; 0 for those that cannot be looked at."""
    size = 0
    for file in path.glob("data-*/*"):
        with suppress(OSError):
            size += file.stat().st_size
    return size
