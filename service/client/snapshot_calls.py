"""Client calls on snapshots."""

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from gleann.service.client.connection import Calls, pages_of
from gleann.service.client.modes import M, method
from gleann.service.client.operation import Handle, operation_method
from gleann.service.values import IndexInfo, SnapshotInfo
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.snapshot_messages import snapshot_info_of
from gleann.v1 import snapshot_pb2


class SnapshotCalls(Calls[M]):
    """Calls on snapshots: `client.snapshots`."""

    @operation_method
    async def create(
        self,
        index: str,
        *,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> Handle[Any, SnapshotInfo]:
        """Keep the state of an index as it is when the operation runs.

        Searches and changes go on meanwhile. Files of the sealed version are shared
        with the index where the file system has hard links.

        Args:
            index: the index.
            where: a condition on payload; only vectors that pass are kept.
            parameters: the values of $1, $2 and so on in it.
            request_id: a repeat with the same string returns the same operation.

        Raises:
            UnknownIndexError: no such index.
            InvalidFilterError: the condition does not fit the index.
        """
        request = snapshot_pb2.CreateSnapshotRequest(
            index=index,
            filter=filter_to_wire(where, parameters),
            request_id=request_id,
        )
        return self._connection.operation(
            await self._stubs.snapshot.CreateSnapshot(request)
        )

    @method
    async def get(self, name: str) -> SnapshotInfo:
        """Describe a snapshot.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            CorruptDataError: its manifest is damaged.
        """
        request = snapshot_pb2.GetSnapshotRequest(name=name)
        return snapshot_info_of(await self._stubs.snapshot.GetSnapshot(request))

    @method
    async def list(self, index: str = "") -> list[SnapshotInfo]:
        """Describe the snapshots, oldest first; those of one index if it is given."""
        request = snapshot_pb2.ListSnapshotsRequest(index=index)
        return [
            snapshot_info_of(one)
            async for page in pages_of(self._stubs.snapshot.ListSnapshots, request)
            for one in page.snapshots
        ]

    @method
    async def delete(self, name: str, *, request_id: str = "") -> None:
        """Remove a snapshot.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            NotReadyError: an operation uses it.
        """
        request = snapshot_pb2.DeleteSnapshotRequest(name=name, request_id=request_id)
        await self._stubs.snapshot.DeleteSnapshot(request)

    @operation_method
    async def verify(self, name: str) -> Handle[Any, SnapshotInfo]:
        """Compare every file of a snapshot with its checksum.

        The operation fails with `CorruptDataError`, naming the first file that differs.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
        """
        request = snapshot_pb2.VerifySnapshotRequest(name=name)
        return self._connection.operation(
            await self._stubs.snapshot.VerifySnapshot(request)
        )

    @operation_method
    async def restore(
        self, name: str, index: str, *, request_id: str = ""
    ) -> Handle[Any, IndexInfo]:
        """Make a new index of a snapshot: the same vectors, payload and answers.

        Args:
            name: the snapshot.
            index: the name of the new index.
            request_id: a repeat with the same string returns the same operation.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            AlreadyExistsError: the name is taken.
            InvalidParamsError: it is no name of an index.
        """
        request = snapshot_pb2.RestoreSnapshotRequest(
            name=name, index=index, request_id=request_id
        )
        return self._connection.operation(
            await self._stubs.snapshot.RestoreSnapshot(request)
        )

    @operation_method
    async def export_to(
        self, name: str, path: str | PathLike[str], *, request_id: str = ""
    ) -> Handle[Any, SnapshotInfo]:
        """Write a snapshot to a new directory, or to a tar file if it ends in .tar.

        Args:
            name: the snapshot.
            path: on the server's machine and under one of its export roots (in
                process, any path).
            request_id: a repeat with the same string returns the same operation.

        Raises:
            UnknownSnapshotError: no snapshot has this name.
            ForbiddenPathError: the path is outside the export roots.
            AlreadyExistsError: it exists.
        """
        request = snapshot_pb2.ExportSnapshotRequest(
            name=name, path=fspath(path), request_id=request_id
        )
        return self._connection.operation(
            await self._stubs.snapshot.ExportSnapshot(request)
        )

    @operation_method
    async def import_from(
        self, path: str | PathLike[str], *, request_id: str = ""
    ) -> Handle[Any, SnapshotInfo]:
        """Take in a snapshot that `export_to` wrote, on this or another machine.

        If this very snapshot is there, nothing is copied.

        Args:
            path: on the server's machine and under one of its import roots (in
                process, any path).
            request_id: a repeat with the same string returns the same operation.

        Raises:
            ForbiddenPathError: the path is outside the import roots.
            MissingFileError: there is nothing.
            InvalidInputError: it is no snapshot.
            CorruptDataError: its manifest is damaged.
            AlreadyExistsError: there is another snapshot of its name, or a damaged one.
        """
        request = snapshot_pb2.ImportSnapshotRequest(
            path=fspath(path), request_id=request_id
        )
        return self._connection.operation(
            await self._stubs.snapshot.ImportSnapshot(request)
        )
