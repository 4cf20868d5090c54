"""Restore job: make a new index of a snapshot."""

from collections.abc import Iterator
from pathlib import Path

from gleann.index import Progress
from gleann.index.errors import AlreadyExistsError
from gleann.index.payload.schema import Schema
from gleann.index.progress import Report
from gleann.index.storage.manifest import read_manifest as read_index_manifest
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.task import Task
from gleann.service.snapshots.creating import link_version
from gleann.service.snapshots.manifest import (
    NEWER,
    PATCHED,
    REMOVED,
    SEALED,
    SnapshotManifest,
)
from gleann.service.snapshots.row_files import (
    read_patches,
    read_row_numbers,
    read_rows,
)
from gleann.service.snapshots.shelf import Shelf
from gleann.service.snapshots.transfer import require_files
from gleann.service.snapshots.transferring import read_demand, verify_files
from gleann.service.state.adoption import Adopted
from gleann.service.state.log.change import Change
from gleann.service.state.registry import Registry
from gleann.service.views.live_index import View
from gleann.service.wire import index_messages
from gleann.v1 import index_pb2, snapshot_pb2


class Restoring:
    """Runs jobs that make indexes of snapshots."""

    def __init__(self, registry: Registry, shelf: Shelf) -> None:
        self._registry = registry
        self._shelf = shelf

    def demand(self, packed: bytes) -> Demand:
        """Estimate the demand of a restore: its files are read once."""
        request = snapshot_pb2.RestoreSnapshotRequest.FromString(packed)
        return read_demand(self._shelf, request.name)

    def __call__(self, task: Task) -> index_pb2.Index:
        """Make one index."""
        request = snapshot_pb2.RestoreSnapshotRequest.FromString(task.request)
        manifest = self._shelf.get(request.name)
        if request.index in self._registry.names():
            raise AlreadyExistsError(f"there is an index {request.index!r} already")
        responses: list[index_pb2.Index] = []

        def published(view: View) -> None:
            info = self._registry.info(view)
            responses.append(index_messages.index_info_to_wire(info))
            task.conclude(responses[-1])

        adopted = snapshot_content(
            self._shelf.path(request.name), manifest, report=task.progress
        )
        self._registry.adopt(request.index, adopted, published=published)
        return responses[-1]


def snapshot_content(
    directory: Path, manifest: SnapshotManifest, *, report: Report
) -> Adopted:
    """The content of an index, from the snapshot in a directory.

    Raises:
        CorruptDataError: a file is missing, or does not match its checksum. Those of
            the sealed version are read, and compared, when it is opened.
    """
    require_files(directory, manifest, shown=str(directory))
    _verify_own_files(directory, manifest, report)
    sealed = directory / SEALED

    def save(path: Path) -> None:
        report(Progress(phase="link", done=0, total=len(manifest.files)))
        link_version(sealed, path)

    is_sealed = any(path.startswith(f"{SEALED}/") for path in manifest.files)
    return Adopted(
        dim=manifest.dim,
        metric=manifest.metric,
        id_type=manifest.id_type,
        columns=manifest.columns,
        sealed_columns=_sealed_columns(sealed) if is_sealed else manifest.columns,
        optimizer=manifest.optimizer,
        save=save if is_sealed else None,
        changes=lambda view: _changes(directory, manifest, view, report),
    )


def _verify_own_files(
    directory: Path, manifest: SnapshotManifest, report: Report
) -> None:
    """Compare the files with their checksums that no sealed version has."""
    own = {
        path: file
        for path, file in manifest.files.items()
        if not path.startswith(f"{SEALED}/data-")
    }
    verify_files(directory, own, report=report)


def _sealed_columns(sealed: Path) -> str:
    """JSON of the schema of a sealed version's payload."""
    entry = read_index_manifest(sealed).get("payload")
    return Schema.from_values([] if entry is None else entry["schema"]).to_json()


def _changes(
    directory: Path, manifest: SnapshotManifest, view: View, report: Report
) -> Iterator[Change]:
    """What changed after the sealed version of the snapshot."""
    files, schema = manifest.files, Schema.from_json(manifest.columns)
    if view.schema != schema:
        yield Change(kind="schema", dropped=view.schema.names, added=schema.columns)
    n = view.sealed_rows
    if REMOVED in files:
        rows = read_row_numbers(directory / REMOVED, n=n)
        yield Change(kind="delete", ids=view.ids_at(rows))
    if PATCHED in files:
        for patch in read_patches(directory / PATCHED, n=n, schema=schema):
            ids = view.ids_at(patch.rows)
            yield Change(kind="update payload", ids=ids, payload=patch.payload)
    if NEWER in files:
        done = 0
        for block in read_rows(
            directory / NEWER, dim=view.dim, id_type=manifest.id_type, schema=schema
        ):
            payload = block.payload if schema.columns else None
            yield Change(
                kind="upsert", ids=block.ids, vectors=block.vectors, payload=payload
            )
            done += len(block.ids)
            report(Progress(phase="log", done=done, total=manifest.count))
