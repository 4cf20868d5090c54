"""Conversion of messages and values for snapshots."""

from datetime import UTC, datetime

from gleann.index.payload import Schema
from gleann.service.snapshots.manifest import SnapshotManifest
from gleann.service.values import IndexVersion, SnapshotInfo
from gleann.service.wire.fields import enum_text, fill, time_of, time_to_wire
from gleann.service.wire.payload_messages import columns_to_wire, schema_of
from gleann.v1 import snapshot_pb2, types_pb2

PREFIX = "snapshots/"


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
    names = ("index", "dim", "metric", "count", "size_bytes", "checksum", "where")
    fill(message, {name: getattr(manifest, name) for name in names})
    return message


def snapshot_info_of(message: snapshot_pb2.Snapshot) -> SnapshotInfo:
    """Read the description of a snapshot."""
    return SnapshotInfo(
        name=message.name,
        index=message.index,
        dim=message.dim,
        metric=enum_text(types_pb2.Metric.DESCRIPTOR, message.metric),
        count=message.count,
        version=IndexVersion(
            sealed=message.version.sealed, sequence=message.version.sequence
        ),
        columns=schema_of(message.columns).columns,
        size_bytes=message.size_bytes,
        checksum=message.checksum,
        created_at=time_of(message.create_time),
        where=message.where,
    )
