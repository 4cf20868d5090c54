"""What the commands print of an index."""

from dataclasses import asdict
from typing import Any

from gleann.index.tables.tabular import as_json
from gleann.service.cli.collections.declared import shown_column
from gleann.service.cli.collections.tuning import shown_params
from gleann.service.optimizer_params import OptimizerState
from gleann.service.values import IndexInfo


def index_values(info: IndexInfo) -> dict[str, Any]:
    """The description of an index in JSON values."""
    values: dict[str, Any] = as_json(asdict(info))
    return values


def index_line(info: IndexInfo) -> str:
    """An index in one line."""
    if info.broken is not None:
        return f"{info.name}: cannot be served: {info.broken}"
    return (
        f"{info.name}: {info.count:,} x {info.dim}, {info.metric}, {_sealed(info)},"
        f" {len(info.columns)} columns"
    )


def index_lines(info: IndexInfo) -> list[str]:
    """An index in several lines."""
    lines = [index_line(info)]
    if info.broken is not None:
        return lines
    lines.append(f"ids: {info.id_type or 'none yet'}")
    if info.nlist is not None:
        lines.append(f"lists: {info.nlist:,}, spill {info.spill}, engine {info.engine}")
        lines.append(f"data hash: {info.data_hash}")
        lines += memory_lines(info)
    columns = ", ".join(map(shown_column, info.columns))
    lines.append(f"columns: {columns or 'none'}")
    if info.optimizer is not None:
        lines += optimizer_lines(info.optimizer)
    return lines


def memory_lines(info: IndexInfo) -> list[str]:
    """What the sealed version of an index takes, in lines."""
    rows = max(1, info.count - info.pending + info.removed)
    kept = f"keep: {info.keep}, entry codes {info.entry_codes}"
    if info.projection is not None:
        kept += f", projected to {info.projection} dimensions"
    lines = [kept]
    if info.memory:
        total = sum(part.anonymous for part in info.memory)
        lines.append(f"memory: {total:,} bytes, {total / rows:,.1f} a row, and files")
    for part in info.memory:
        shown = [
            f"{size:,} bytes {where} ({size / rows:,.1f} a row)"
            for size, where in (
                (part.anonymous, "in memory"),
                (part.mapped, "mapped"),
                (part.on_disk, "on disk"),
            )
            if size
        ]
        lines.append(f"  {part.part}: {', '.join(shown)}")
    return lines


def optimizer_lines(state: OptimizerState) -> list[str]:
    """The compaction of an index in lines."""
    lines = [f"optimizer: {state.decision}"]
    lines.append(f"optimizer parameters: {shown_params(state.params)}")
    if state.operation is not None:
        lines.append(f"under way: {state.operation}")
    if state.last_time is not None:
        how = f"{state.last_kind} at {state.last_time:%Y-%m-%d %H:%M:%S} UTC"
        failed = f", failed: {state.last_error}" if state.last_error else ""
        lines.append(f"last compaction: {how}{failed}")
    return lines


def _sealed(info: IndexInfo) -> str:
    if not info.version:
        return "never built"
    if info.nlist is None:
        return f"version {info.version} without rows + {info.pending:,} newer"
    return f"version {info.version} + {info.pending:,} newer - {info.removed:,} removed"
