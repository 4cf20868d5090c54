"""Jobs that verify a snapshot, write it outside the data directory, and take it in."""

from collections.abc import Mapping
from pathlib import Path

from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    GleannError,
    UnknownSnapshotError,
)
from gleann.index.progress import Report
from gleann.service.files.roots import allowed_source, allowed_target
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.task import Task
from gleann.service.snapshots.archive import SUFFIX, open_archive, write_archive
from gleann.service.snapshots.description import snapshot_to_wire
from gleann.service.snapshots.manifest import (
    SnapshotFile,
    SnapshotManifest,
    read_manifest,
)
from gleann.service.snapshots.shelf import Shelf
from gleann.service.snapshots.transfer import (
    CheckedReader,
    Intake,
    Meter,
    new_directory,
    opened,
    require_files,
    require_space,
)
from gleann.v1 import snapshot_pb2


def manifest_at(source: Path) -> SnapshotManifest:
    """The manifest of the snapshot in a directory or a tar file.

    Args:
        source: its path has no links.

    Raises:
        MissingFileError: there is nothing.
        InvalidInputError: it is no snapshot.
        CorruptDataError: its manifest is damaged.
    """
    if source.is_dir():
        return read_manifest(source)
    with open_archive(source) as archive:
        return archive.manifest


def verify_directory(
    directory: Path, manifest: SnapshotManifest, *, report: Report
) -> None:
    """Compare every file of the snapshot in a directory with its checksum.

    Raises:
        CorruptDataError: naming the first file that does not match.
        InvalidInputError: a file that is not in the manifest, or none.
    """
    require_files(directory, manifest, shown=str(directory))
    verify_files(directory, manifest.files, report=report)


def verify_files(
    directory: Path, files: Mapping[str, SnapshotFile], *, report: Report
) -> None:
    """Compare some files in a directory with their checksums.

    Raises:
        CorruptDataError: naming the first file that does not match.
        MissingFileError: a file cannot be read.
    """
    meter = Meter("verify", sum(file.bytes for file in files.values()), report)
    real = directory.resolve()
    for path, expected in files.items():
        with opened(real, path) as source:
            reader = CheckedReader(
                source, expected, shown=f"{directory}: {path}", meter=meter
            )
            for _ in reader.chunks():
                pass


def verify_archive(file: Path, *, report: Report) -> SnapshotManifest:
    """Compare every file in a tar file with its checksum; as `verify_directory`."""
    with open_archive(file.resolve()) as archive:
        meter = Meter("verify", archive.manifest.size_bytes, report)
        intake = Intake(archive.manifest, None, shown=file.name, meter=meter)
        archive.take_all(intake)
        intake.finish()
        return archive.manifest


def export_snapshot(
    directory: Path, manifest: SnapshotManifest, target: Path, *, report: Report
) -> None:
    """Write the snapshot in `directory` to a new tar file or directory.

    Raises:
        AlreadyExistsError: `target` exists.
        CorruptDataError: a file of the snapshot is damaged.
        StorageError: the disk refused, or has no room; nothing is left.
    """
    require_space(manifest, target.parent)
    if target.suffix == SUFFIX:
        write_archive(directory, manifest, target, report=report)
        return
    real = directory.resolve()
    with new_directory(target) as scratch:
        copy_directory(real, manifest, scratch, phase="export", report=report)


def copy_directory(
    directory: Path,
    manifest: SnapshotManifest,
    target: Path,
    *,
    phase: str,
    report: Report,
) -> None:
    """Copy the snapshot in `directory` to the empty directory `target`, checked.

    No link is followed, so the path of `directory` must have none.
    """
    require_files(directory, manifest, shown=str(directory))
    meter = Meter(phase, manifest.size_bytes, report)
    intake = Intake(manifest, target, shown=str(directory), meter=meter)
    for path in manifest.files:
        with opened(directory, path) as source:
            intake.take(path, source)
    intake.finish()


def import_snapshot(source: Path, shelf: Shelf, *, report: Report) -> SnapshotManifest:
    """Take in a snapshot from a directory or a tar file.

    Raises:
        AlreadyExistsError: there is a snapshot of its name.
        MissingFileError: there is none at `source`.
        InvalidInputError: it has files that no snapshot has.
        CorruptDataError: a file is damaged or missing.
        StorageError: the disk refused, or has no room; nothing is left.
    """
    if source.is_dir():
        manifest = read_manifest(source)
        require_space(manifest, shelf.folder)
        with shelf.adding(manifest.name) as scratch:
            copy_directory(source, manifest, scratch, phase="import", report=report)
        return manifest
    with open_archive(source) as archive:
        manifest = archive.manifest
        require_space(manifest, shelf.folder)
        with shelf.adding(manifest.name) as scratch:
            meter = Meter("import", manifest.size_bytes, report)
            intake = Intake(manifest, scratch, shown=source.name, meter=meter)
            archive.take_all(intake)
            intake.finish()
    return manifest


class Verifying:
    """Runs jobs that verify snapshots."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def demand(self, packed: bytes) -> Demand:
        """Estimate the demand of a verification."""
        request = snapshot_pb2.VerifySnapshotRequest.FromString(packed)
        return read_demand(self._shelf, request.name)

    def __call__(self, task: Task) -> snapshot_pb2.Snapshot:
        """Verify one snapshot."""
        request = snapshot_pb2.VerifySnapshotRequest.FromString(task.request)
        manifest = self._shelf.get(request.name)
        verify_directory(self._shelf.path(request.name), manifest, report=task.progress)
        return snapshot_to_wire(manifest)


class Exporting:
    """Runs jobs that export snapshots."""

    def __init__(self, shelf: Shelf, roots: tuple[Path, ...]) -> None:
        self._shelf = shelf
        self._roots = roots

    def demand(self, packed: bytes) -> Demand:
        """Estimate the demand of an export."""
        request = snapshot_pb2.ExportSnapshotRequest.FromString(packed)
        return read_demand(self._shelf, request.name)

    def __call__(self, task: Task) -> snapshot_pb2.Snapshot:
        """Export one snapshot."""
        request = snapshot_pb2.ExportSnapshotRequest.FromString(task.request)
        manifest = self._shelf.get(request.name)
        try:
            target = allowed_target(request.path, self._roots)
        except AlreadyExistsError:
            # An interrupted run may have written it without recording its end.
            if not (task.is_rerun and is_snapshot_at(Path(request.path), manifest)):
                raise
        else:
            source = self._shelf.path(request.name)
            export_snapshot(source, manifest, target, report=task.progress)
        return snapshot_to_wire(manifest)


class Importing:
    """Runs jobs that import snapshots."""

    def __init__(self, shelf: Shelf, roots: tuple[Path, ...]) -> None:
        self._shelf = shelf
        self._roots = roots

    def demand(self, packed: bytes) -> Demand:
        """Nothing is known of an import before it runs."""
        del packed
        return Demand(changes="nothing")

    def __call__(self, task: Task) -> snapshot_pb2.Snapshot:
        """Import one snapshot, unless this very one is there."""
        request = snapshot_pb2.ImportSnapshotRequest.FromString(task.request)
        source = allowed_source(request.path, self._roots)
        manifest = manifest_at(source)
        if not is_snapshot_at(self._shelf.folder / manifest.name, manifest):
            manifest = import_snapshot(source, self._shelf, report=task.progress)
        return snapshot_to_wire(manifest)


def is_snapshot_at(path: Path, manifest: SnapshotManifest) -> bool:
    """Whether there is this very snapshot."""
    try:
        return manifest_at(path.resolve()).checksum == manifest.checksum
    except GleannError:
        return False


def read_demand(shelf: Shelf, name: str) -> Demand:
    """The demand of work that reads a snapshot once."""
    try:
        size = shelf.get(name).size_bytes // 4
    except (UnknownSnapshotError, CorruptDataError):
        size = 0  # it fails immediately
    return Demand(changes="nothing", size=lambda: size)
