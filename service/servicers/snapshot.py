"""SnapshotService."""

import re
from collections.abc import Callable

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from gleann.service.application import Application
from gleann.service.calls.visible import may_read
from gleann.service.snapshots.description import snapshot_to_wire
from gleann.service.snapshots.manifest import SnapshotManifest
from gleann.service.wire.page_tokens import name_position, name_token, page_size
from gleann.v1 import snapshot_pb2, snapshot_pb2_grpc


class SnapshotServicer(snapshot_pb2_grpc.SnapshotServiceServicer):
    """Servicer of snapshots."""

    def __init__(self, application: Application) -> None:
        self._snapshots = application.snapshots
        self._receipts = application.receipts

    def CreateSnapshot(  # noqa: N802
        self, request: snapshot_pb2.CreateSnapshotRequest, _: object
    ) -> operations_pb2.Operation:
        """Start a snapshot."""
        return self._receipts.once(
            request, self._snapshots.asked_to_create, operations_pb2.Operation
        )

    def GetSnapshot(  # noqa: N802
        self, request: snapshot_pb2.GetSnapshotRequest, _: object
    ) -> snapshot_pb2.Snapshot:
        """Describe a snapshot."""
        return snapshot_to_wire(self._snapshots.shelf.get(request.name))

    def ListSnapshots(  # noqa: N802
        self, request: snapshot_pb2.ListSnapshotsRequest, _: object
    ) -> snapshot_pb2.ListSnapshotsResponse:
        """Describe a page of snapshots, oldest first."""
        after = name_position(request.page_token, _PLACE)
        size = page_size(request.page_size, default=100, most=1000)
        listed = self._snapshots.shelf.listed(request.index)
        found = [
            manifest
            for manifest in listed
            if may_read(manifest.index) and _place(manifest) > after
        ]
        page = found[:size]
        return snapshot_pb2.ListSnapshotsResponse(
            snapshots=map(snapshot_to_wire, page),
            next_page_token=name_token(_place(page[-1])) if len(found) > size else "",
        )

    def DeleteSnapshot(  # noqa: N802
        self, request: snapshot_pb2.DeleteSnapshotRequest, _: object
    ) -> Empty:
        """Delete a snapshot."""
        return self._receipts.once(request, self._delete, Empty)

    def VerifySnapshot(  # noqa: N802
        self, request: snapshot_pb2.VerifySnapshotRequest, _: object
    ) -> operations_pb2.Operation:
        """Start a verification."""
        return self._snapshots.asked_to_verify(request)()

    def RestoreSnapshot(  # noqa: N802
        self, request: snapshot_pb2.RestoreSnapshotRequest, _: object
    ) -> operations_pb2.Operation:
        """Start a restore."""
        return self._receipts.once(
            request, self._snapshots.asked_to_restore, operations_pb2.Operation
        )

    def ExportSnapshot(  # noqa: N802
        self, request: snapshot_pb2.ExportSnapshotRequest, _: object
    ) -> operations_pb2.Operation:
        """Start an export."""
        return self._receipts.once(
            request, self._snapshots.asked_to_export, operations_pb2.Operation
        )

    def ImportSnapshot(  # noqa: N802
        self, request: snapshot_pb2.ImportSnapshotRequest, _: object
    ) -> operations_pb2.Operation:
        """Start an import."""
        return self._receipts.once(
            request, self._snapshots.asked_to_import, operations_pb2.Operation
        )

    def _delete(
        self, request: snapshot_pb2.DeleteSnapshotRequest
    ) -> Callable[[], Empty]:
        def delete() -> Empty:
            self._snapshots.delete(request.name)
            return Empty()

        return delete


_PLACE = re.compile(r"\d+\.\d{9} .+")
"""The form of `_place`."""


def _place(manifest: SnapshotManifest) -> str:
    """The place of a snapshot in the list, as a text that sorts like it."""
    return f"{manifest.created:020.9f} {manifest.name}"
