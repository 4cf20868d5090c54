"""Snapshot job: keep the state of an index as it is at one moment."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from gleann.index import Progress
from gleann.index.arrays import Rows
from gleann.index.errors import GleannError, MissingFileError
from gleann.index.filters.condition import Condition
from gleann.index.progress import Report
from gleann.index.storage.manifest import MANIFEST as INDEX_MANIFEST
from gleann.index.storage.manifest import read_manifest as read_index_manifest
from gleann.index.storage.manifest import sync_dir
from gleann.service import steady_clock
from gleann.service.devices.devices import Devices
from gleann.service.jobs.first_version import first_params
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.rows_on_disk import write_index_of
from gleann.service.jobs.task import Task
from gleann.service.snapshots import row_files
from gleann.service.snapshots.description import snapshot_to_wire
from gleann.service.snapshots.manifest import (
    NEWER,
    PATCHED,
    REMOVED,
    SEALED,
    SnapshotFile,
    SnapshotManifest,
)
from gleann.service.snapshots.shelf import PREFIX, Shelf, name_for
from gleann.service.snapshots.transfer import CHUNK_BYTES, SPARE_BYTES, write_manifest
from gleann.service.state.disk_room import require_room
from gleann.service.state.registry import Registry
from gleann.service.state.versions import Versions
from gleann.service.views.live_index import View
from gleann.service.views.passing import condition_as_json
from gleann.service.wire.filter_messages import condition_of
from gleann.v1 import snapshot_pb2

ATTEMPTS = 5
"""Tries to link the files of the current version, which a build may replace."""


class Creating:
    """Runs jobs that make snapshots."""

    def __init__(
        self,
        registry: Registry,
        versions: Versions,
        shelf: Shelf,
        *,
        threads: int,
        devices: Devices,
    ) -> None:
        self._registry = registry
        self._versions = versions
        self._shelf = shelf
        self._threads = threads
        self._devices = devices

    def demand(self, packed: bytes) -> Demand:
        """Estimate the demand of a snapshot: what it copies, not what it links."""
        request = snapshot_pb2.CreateSnapshotRequest.FromString(packed)

        def size() -> int:
            try:
                view = self._registry.view(request.index)
            except GleannError:
                return 0  # it fails immediately
            rows = view.count if request.HasField("filter") else len(view.delta)
            return rows * view.dim

        return Demand(changes="nothing", size=size)

    def __call__(self, task: Task) -> snapshot_pb2.Snapshot:
        """Make one snapshot."""
        request = snapshot_pb2.CreateSnapshotRequest.FromString(task.request)
        name = name_for(request.index, task.operation)
        # An interrupted run may have made it without recording its end.
        if not self._shelf.holds(name):
            self._create(name, request, task.progress)
        return snapshot_to_wire(self._shelf.get(PREFIX + name))

    def _create(
        self, name: str, request: snapshot_pb2.CreateSnapshotRequest, report: Report
    ) -> None:
        condition = condition_of(request)
        for attempt in range(ATTEMPTS):
            view = self._registry.view(request.index)
            try:
                self._create_from(view, name, condition, report)
                return
            except MissingFileError:
                # A build may have replaced the version that was to be linked.
                current = self._registry.view(request.index).version
                if current == view.version or attempt == ATTEMPTS - 1:
                    raise

    def _create_from(
        self, view: View, name: str, condition: Condition | None, report: Report
    ) -> None:
        with self._shelf.adding(name) as scratch:
            count = self._write(view, condition, scratch, report)
            manifest = self._manifest(name, view, condition, scratch, report)
            write_manifest(scratch, replace(manifest, count=count))
            report(Progress(phase="done", done=count, total=count))

    def _write(
        self, view: View, condition: Condition | None, scratch: Path, report: Report
    ) -> int:
        """Write the files of a snapshot; return the number of its vectors."""
        if condition is None:
            self._write_all(view, scratch, report)
            return view.count
        rows = np.flatnonzero(view.passing(view.bind(condition)))
        if len(rows):
            _require_room(view, len(rows), scratch)
            write_index_of(
                view,
                rows,
                scratch / SEALED,
                anew=first_params(view.metric),
                devices=self._devices,
                threads=self._threads,
                progress=report,
            )
        return len(rows)

    def _write_all(self, view: View, scratch: Path, report: Report) -> None:
        newer = np.flatnonzero(view.delta.alive) + view.sealed_rows
        _require_room(view, len(newer), scratch)
        if view.sealed_count:  # else nothing that is left is in the sealed version
            link_version(
                self._versions.path(view.number, view.version), scratch / SEALED
            )
            _write_changes(view, scratch)
        if len(newer):
            row_files.write_rows(
                scratch / NEWER, _counted(view, newer, report), view.dim
            )

    def _manifest(
        self,
        name: str,
        view: View,
        condition: Condition | None,
        scratch: Path,
        report: Report,
    ) -> SnapshotManifest:
        return SnapshotManifest(
            name=name,
            index=view.name,
            dim=view.dim,
            metric=view.metric,
            id_type=self._registry.info(view).id_type,
            count=0,
            sealed=view.version,
            sequence=view.sequence,
            columns=view.schema.to_json(),
            optimizer=self._registry.optimizer_text(view),
            where="" if condition is None else condition.where,
            parameters=_parameters_of(condition),
            created=steady_clock.now(),
            files=dict(described_files(scratch, report)),
        )


def _parameters_of(condition: Condition | None) -> str:
    if condition is None:
        return "[]"
    return json.dumps(condition_as_json(condition)["parameters"])


def _write_changes(view: View, scratch: Path) -> None:
    """Write what changed of the sealed rows since."""
    if view.alive is not None:
        row_files.write_row_numbers(scratch / REMOVED, np.flatnonzero(~view.alive.mask))
    patched = patched_rows(view)
    if len(patched):
        row_files.write_patches(scratch / PATCHED, view, patched)


def patched_rows(view: View) -> Rows:
    """The live sealed rows whose payload is not what the sealed version has."""
    if view.payload.is_reshaped:
        changed = np.ones(view.sealed_rows, np.bool_)
    else:
        changed = np.zeros(view.sealed_rows, np.bool_)
        for part in view.payload.patches:
            assert part.rows is not None, "a patch names its rows"
            changed[part.rows[part.rows < view.sealed_rows]] = True
    if view.alive is not None:
        changed &= view.alive.mask
    return np.flatnonzero(changed)


def _require_room(view: View, rows: int, directory: Path) -> None:
    needed = rows * (4 * view.dim + 16) + SPARE_BYTES
    require_room(directory, needed=needed, what=f"a snapshot of {view.name!r}")


def _counted(view: View, rows: Rows, report: Report) -> Iterator[row_files.RowBlock]:
    done = 0
    for block in row_files.row_blocks(view, rows):
        yield block
        done += len(block.ids)
        report(Progress(phase="write", done=done, total=len(rows)))


def link_version(source: Path, target: Path) -> None:
    """Make `target` the same sealed version as `source`, with hard links if possible.

    Its files are never changed in place, so both may share them; the manifest, which a
    seal is added to, is copied.

    Raises:
        MissingFileError: there is no version at `source`, or not all of it.
        OSError: the disk refused.
    """
    data = source / str(read_index_manifest(source)["data"])
    (target / data.name).mkdir(parents=True)
    try:
        for file in data.iterdir():
            link_file(file, target / data.name / file.name)
        shutil.copyfile(source / INDEX_MANIFEST, target / INDEX_MANIFEST)
    except FileNotFoundError as error:
        raise MissingFileError(f"{source}: {error.strerror}") from error
    _sync(target / INDEX_MANIFEST)
    sync_dir(target / data.name)
    sync_dir(target)
    # While it is removed, the files that are left are linked without an error.
    there = {f"{data.name}/{file.name}" for file in (target / data.name).iterdir()}
    if missing := sorted(set(_checksums_in(target)) - there):
        raise MissingFileError(f"{source} lacks its file {missing[0]!r}")


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system cannot."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
        _sync(target)


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def described_files(
    directory: Path, report: Report
) -> Iterator[tuple[str, SnapshotFile]]:
    """(path, description) of the files in a snapshot's directory, sorted.

    The checksums of a sealed version's files are those of its manifest: they were
    computed when the files were written, so a later change of a file is noticed.
    """
    known = _known_checksums(directory / SEALED)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    for number, file in enumerate(files):
        path = file.relative_to(directory).as_posix()
        checksum = known.get(path) or sha256_of(file)
        yield path, SnapshotFile(bytes=file.stat().st_size, sha256=checksum)
        report(Progress(phase="describe", done=number + 1, total=len(files)))


def _known_checksums(sealed: Path) -> dict[str, str]:
    if not sealed.is_dir():
        return {}
    found = _checksums_in(sealed)
    return {f"{SEALED}/{path}": checksum for path, checksum in found.items()}


def _checksums_in(version: Path) -> dict[str, str]:
    """The checksums of a version's files, by their paths in it."""
    manifest = read_index_manifest(version)
    folder = str(manifest["data"])
    known = {
        f"{folder}/{name}.npy": str(entry["sha256"])
        for name, entry in manifest["arrays"].items()
    }
    if (payload := manifest.get("payload")) is not None:
        known[f"{folder}/{payload['file']}"] = str(payload["sha256"])
    return known


def sha256_of(file: Path) -> str:
    """The checksum of a file, in hexadecimal; may raise OSError."""
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        while chunk := handle.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
