"""The description of a snapshot for clients."""

from datetime import UTC, datetime

from gleann.index.payload.schema import Schema
from gleann.service.snapshots.manifest import SnapshotManifest
from gleann.service.snapshots.shelf import PREFIX
from gleann.service.wire.fields import fill, time_to_wire
from gleann.service.wire.payload.columns import columns_to_wire
from gleann.v1 import snapshot_pb2, types_pb2


def snapshot_to_wire(manifest: SnapshotManifest) -> snapshot_pb2.Snapshot:
    """Describe a snapshot."""
    message = snapshot_pb2.Snapshot(
        name=PREFIX + manifest.name,
        version=types_pb2.IndexVersion(
            sealed=manifest.sealed, sequence=manifest.sequence
        ),
        columns=columns_to_wire(Schema.from_json(manifest.columns).columns),
        create_time=time_to_wire(datetime.fromtimestamp(manifest.created, UTC)),
    )
    numbers = ("dim", "count", "size_bytes")
    texts = ("index", "metric", "checksum", "where", "parameters")
    fill(message, {name: getattr(manifest, name) for name in numbers + texts})
    return message
