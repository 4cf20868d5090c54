"""`Snapshots`: all operations on the snapshots of one data directory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from google.longrunning import operations_pb2

from gleann.index.errors import AlreadyExistsError, InvalidParamsError, NotReadyError
from gleann.service.calls.caller import Right
from gleann.service.calls.context import current_call
from gleann.service.devices.devices import Devices
from gleann.service.files.roots import allowed_source, allowed_target
from gleann.service.jobs.jobs import Jobs
from gleann.service.snapshots.creating import Creating
from gleann.service.snapshots.restoring import Restoring
from gleann.service.snapshots.shelf import PREFIX, Shelf, taken_error
from gleann.service.snapshots.transferring import (
    Exporting,
    Importing,
    Verifying,
    is_snapshot_at,
    manifest_at,
)
from gleann.service.state.commits.group import Transaction
from gleann.service.state.index_names import NAME
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions
from gleann.service.wire.filter_messages import condition_of
from gleann.v1 import snapshot_pb2

Asked: TypeAlias = Callable[[], operations_pb2.Operation]
"""Puts long work into the queue: a quick call, for a transaction."""

Work: TypeAlias = Creating | Restoring | Verifying | Exporting | Importing

CREATE, RESTORE, VERIFY = "snapshot", "restore", "verify"
EXPORT, IMPORT = "export", "import-snapshot"

_USERS: Mapping[str, Callable[[bytes], str]] = {
    RESTORE: lambda packed: snapshot_pb2.RestoreSnapshotRequest.FromString(packed).name,
    VERIFY: lambda packed: snapshot_pb2.VerifySnapshotRequest.FromString(packed).name,
    EXPORT: lambda packed: snapshot_pb2.ExportSnapshotRequest.FromString(packed).name,
}
"""The snapshot that a request uses, by kind of operation."""


class Snapshots:
    """The snapshots of one data directory."""

    def __init__(  # noqa: PLR0913  what its jobs work with
        self,
        registry: Registry,
        store: Store,
        versions: Versions,
        jobs: Jobs,
        *,
        directory: Path,
        threads: int,
        devices: Devices,
        import_roots: tuple[Path, ...],
        export_roots: tuple[Path, ...],
    ) -> None:
        self._registry = registry
        self._store = store
        self._jobs = jobs
        self._import_roots = import_roots
        self._export_roots = export_roots
        self.shelf = Shelf(directory)
        self.works: Mapping[str, Work] = {
            CREATE: Creating(
                registry, versions, self.shelf, threads=threads, devices=devices
            ),
            RESTORE: Restoring(registry, self.shelf),
            VERIFY: Verifying(self.shelf),
            EXPORT: Exporting(self.shelf, export_roots),
            IMPORT: Importing(self.shelf, import_roots),
        }

    def asked_to_create(self, request: snapshot_pb2.CreateSnapshotRequest) -> Asked:
        """Check the request; return the function that starts a snapshot.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: the filter does not fit the index.
        """
        view = self._registry.view(request.index)
        if (condition := condition_of(request)) is not None:
            view.bind(condition)
        return self._jobs.asked(CREATE, index=request.index, request=request)

    def asked_to_restore(self, request: snapshot_pb2.RestoreSnapshotRequest) -> Asked:
        """Check the request; return the function that starts a restore.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            InvalidParamsError: a bad name of an index.
            AlreadyExistsError: the name is taken.
        """
        self.shelf.get(request.name)
        if not NAME.fullmatch(request.index):
            raise InvalidParamsError(
                f"index must match ^[a-z][a-z0-9-]{{0,62}}$, got {request.index[:80]!r}"
            )
        if request.index in self._registry.names():
            raise AlreadyExistsError(f"there is an index {request.index!r} already")
        return self._jobs.asked(RESTORE, index=request.index, request=request)

    def asked_to_verify(self, request: snapshot_pb2.VerifySnapshotRequest) -> Asked:
        """Return the function that starts a verification.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
        """
        self.shelf.path(request.name)
        return self._jobs.asked(VERIFY, index=request.name, request=request)

    def asked_to_export(self, request: snapshot_pb2.ExportSnapshotRequest) -> Asked:
        """Check the request; return the function that starts an export.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            ForbiddenPathError: the path is outside the export roots.
            AlreadyExistsError: it exists.
        """
        self.shelf.get(request.name)
        allowed_target(request.path, self._export_roots)
        return self._jobs.asked(EXPORT, index=request.name, request=request)

    def asked_to_import(self, request: snapshot_pb2.ImportSnapshotRequest) -> Asked:
        """Check the request; return the function that starts an import.

        Raises:
            ForbiddenPathError: the path is outside the import roots.
            PermissionDeniedError: the caller is no admin of the snapshot's index.
            MissingFileError: there is nothing.
            InvalidInputError: it is no snapshot.
            AlreadyExistsError: there is another snapshot of its name.
        """
        manifest = manifest_at(allowed_source(request.path, self._import_roots))
        current_call().caller.require(Right.ADMIN, manifest.index)
        there = self.shelf.folder / manifest.name
        if self.shelf.holds(manifest.name) and not is_snapshot_at(there, manifest):
            raise taken_error(manifest.name)
        return self._jobs.asked(IMPORT, index=PREFIX + manifest.name, request=request)

    def delete(self, name: str) -> None:
        """Remove a snapshot.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            NotReadyError: an operation uses it.
        """
        self.shelf.path(name)
        with self._store.transaction() as transaction:
            self._require_unused(transaction, name)
            gone = self.shelf.remove(name)
            # Not while other writers wait: it takes seconds for a large one.
            transaction.after_commit(lambda: self.shelf.clear(gone))

    def _require_unused(self, transaction: Transaction, name: str) -> None:
        rows = transaction.run(
            "SELECT name, kind, request FROM operations"
            " WHERE state IN ('queued', 'running', 'paused')"
        ).fetchall()
        for row in rows:
            used = _USERS.get(row["kind"])
            if used is not None and used(row["request"]) == name:
                raise NotReadyError(
                    f"{name!r} is in use by {row['name']!r} ({row['kind']}): wait for"
                    " it, or cancel it first"
                )
