"""Conversion of messages to values for snapshots."""

import json

from gleann.service.values import IndexVersion, SnapshotInfo
from gleann.service.wire.fields import enum_text, time_of
from gleann.service.wire.payload.columns import schema_of
from gleann.v1 import snapshot_pb2, types_pb2


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
        parameters=tuple(json.loads(message.parameters or "[]")),
    )
