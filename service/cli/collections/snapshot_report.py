"""What the commands print of a snapshot."""

from dataclasses import asdict
from typing import Any

from gleann.index.tables.tabular import as_json
from gleann.service.values import SnapshotInfo


def snapshot_line(info: SnapshotInfo) -> str:
    """A snapshot in one line."""
    chosen = f", where {info.where}" if info.where else ""
    return (
        f"{info.name}: {info.count:,} x {info.dim}, {info.metric},"
        f" {len(info.columns)} columns, {info.size_bytes:,} bytes,"
        f" {info.created_at:%Y-%m-%d %H:%M:%S} UTC{chosen}"
    )


def snapshot_values(info: SnapshotInfo) -> dict[str, Any]:
    """The description of a snapshot in JSON values."""
    values: dict[str, Any] = as_json(asdict(info))
    return values
