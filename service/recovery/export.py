"""Export the rows of an index, even if damaged, to a file for `import`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.errors import CorruptDataError, GleannError, StorageError
from gleann.index.params import Metric
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.storage.array_file import Held, read_array
from gleann.index.storage.manifest import (
    PAYLOAD_FILE,
    RERANK_LAYOUT,
    is_empty,
    read_manifest,
)
from gleann.index.storage.row_layout import keep_of, unpack_rows
from gleann.service.recovery.examination import ExaminedIndex
from gleann.service.recovery.snapshot import Snapshot
from gleann.service.state.index_names import NAME
from gleann.service.state.log.change import Change, fitting, read_change
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import View
from gleann.service.views.live_payload import LivePayload

BLOCK_ROWS = 8192

Name = int | str
Names = list[Name]
"""Ids as Python values, integers or texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The export of one index.

    Attributes:
        file: parquet, with the columns id and vector and those of payload.
        count: rows in it.
        left_out: reasons for missing rows; empty if complete.
    """

    file: Path
    count: int
    left_out: tuple[str, ...]


def export_index(snapshot: Snapshot, index: ExaminedIndex, folder: Path) -> Exported:
    """Write all verified rows, without deleted ones, to `folder`.

    The sealed version contributes rows if its vectors and ids match their checksums,
    even if its other files are damaged; the log contributes its undamaged changes.

    Raises:
        CorruptDataError: its dimension is unknown.
        StorageError: a disk error.
    """
    source = _source(index)
    left_out: list[str] = list(index.log.damaged)
    if not index.is_whole and index.row is not None:
        left_out.append("the changes since: its row of the table indexes is damaged")
    rows = _Rows(schema=Schema.from_json(source.columns))
    if source.version:
        left_out += _add_sealed(rows, source.path(snapshot.directory))
    for change in _changes(snapshot, index, source):
        rows.apply(change)
    name = index.name if NAME.fullmatch(index.name) else f"index-{index.number}"
    file = folder / f"{name}.parquet"
    _write(file, source.dim, rows)
    return Exported(file=file, count=len(rows.places), left_out=tuple(left_out))


def _add_sealed(rows: "_Rows", path: Path) -> Iterator[str]:
    """Add the rows of a sealed version, before any change; yield what is left out."""
    try:
        if is_empty(read_manifest(path)):
            return
        names, vectors = _sealed_rows(path)
    except GleannError as error:
        yield f"the rows of version {path.name}: {error}"
        return
    payload = None
    try:
        payload = _sealed_payload(path)
        if payload is not None and len(payload) != len(names):
            raise CorruptDataError(
                f"{path} has payload of {len(payload)} rows for {len(names)} ids"
            )
    except GleannError as error:
        payload = None
        yield f"the payload of version {path.name}: {error}"
    rows.add(names, vectors, payload)


def _sealed_payload(path: Path) -> Payload | None:
    manifest = read_manifest(path)
    entry = manifest.get("payload")
    if entry is None:
        return None
    file = path / str(manifest["data"]) / PAYLOAD_FILE
    schema = Schema.from_values(entry["schema"])
    return Payload.open(file, schema, sha256=str(entry["sha256"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Sources of an index's rows: a sealed version and later changes."""

    number: int
    dim: int
    metric: Metric
    version: int
    columns: str

    def path(self, directory: Path) -> Path:
        versions = directory / "indexes" / str(self.number) / "versions"
        return versions / str(self.version)


def _source(index: ExaminedIndex) -> _Source:
    seal = index.seals[-1] if index.seals else None
    row = index.row if index.is_whole else None
    if row is None and seal is None:
        raise CorruptDataError(f"{index.name!r}: nothing tells what its rows are")
    if seal is not None and (row is None or seal.sequence > row["sequence"]):
        values: Any = {"dim": seal.dim, "metric": seal.metric, "version": seal.version}
        values["columns"] = seal.columns
    else:
        assert row is not None
        values = {key: row[key] for key in ("dim", "metric", "version")}
        values["columns"] = dict(row).get("sealed_columns", "[]")
    return _Source(number=index.number, **values)


def _sealed_rows(path: Path) -> tuple[Names, RowMatrix]:
    manifest = read_manifest(path)
    arrays: Mapping[str, Any] = manifest["arrays"]

    def array(name: str) -> Any:
        if name not in arrays:
            raise CorruptDataError(f"{path}: its manifest lacks the array {name!r}")
        folder = path / str(manifest["data"])
        held: Held = "mapped" if name == "vectors" else "memory"
        return read_array(folder, name, arrays[name], held=held)

    vectors = unpack_rows(array("vectors"), keep_of(manifest.get(RERANK_LAYOUT)))
    if "ids" in arrays:
        return array("ids").tolist(), vectors
    offsets, content = array("id_offsets").tolist(), array("id_bytes").tobytes()
    spans = pairwise(offsets)
    return [content[start:end].decode() for start, end in spans], vectors


class _Rows:
    """The rows of an index while its changes are applied.

    Attributes:
        places: the number of the live row of each id, in order of arrival.
        payload: of all rows.
    """

    def __init__(self, *, schema: Schema) -> None:
        self.places: dict[Name, int] = {}
        self.payload = LivePayload(schema=schema)
        self._parts: list[RowMatrix] = []
        self._starts: list[int] = [0]

    def apply(self, change: Change) -> None:
        """Apply an undamaged change."""
        names: Names = list(change.ids.tolist())
        if change.kind == "delete":
            for name in names:
                self.places.pop(name, None)
        elif change.kind == "upsert":
            assert change.vectors is not None
            self.add(names, change.vectors, change.payload)
        elif change.kind == "schema":
            drop, add = change.reshaping(self.payload.schema)
            self.payload = self.payload.reshaped(drop=drop, add=add)
        else:
            self._set(names, change.new_values(self.payload.schema))

    def vectors_at(self, rows: list[int]) -> Vectors:
        """The vectors (m, dim) of rows."""
        parts = np.searchsorted(self._starts, rows, side="right") - 1
        return np.stack(
            [
                self._parts[part][row - self._starts[part]]
                for part, row in zip(parts.tolist(), rows, strict=True)
            ]
        )

    def add(self, names: Names, vectors: RowMatrix, payload: Payload | None) -> None:
        """Add rows; they take the places of those of the same ids."""
        if payload is not None:
            payload = fitting(payload, self.payload.schema)
        start = self._starts[-1]
        self.places.update((name, row) for row, name in enumerate(names, start=start))
        self.payload = self.payload.extended(payload, len(names))
        self._parts.append(vectors)
        self._starts.append(start + len(names))

    def _set(self, names: Names, values: Payload) -> None:
        there = [at for at, name in enumerate(names) if name in self.places]
        if len(values) == len(names):
            values = values.take(there)
        rows = np.array([self.places[names[at]] for at in there], np.int64)
        self.payload = self.payload.patched(rows, values)


def _changes(
    snapshot: Snapshot, index: ExaminedIndex, source: _Source
) -> Iterator[Change]:
    view = View(
        number=index.number,
        name=index.name,
        dim=source.dim,
        metric=source.metric,
        delta=Delta(source.dim),
    )
    for _, number in index.log.whole:
        change = snapshot.change(number)
        if change is not None:
            yield read_change(change, view).change


def _write(file: Path, dim: int, rows: _Rows) -> None:
    texts = any(isinstance(name, str) for name in rows.places)
    id_type = pa.string() if texts else pa.int64()
    names, numbers = list(rows.places), list(rows.places.values())
    vector = pa.field("vector", pa.list_(pa.float32(), dim))
    columns = rows.payload.at(np.empty(0, np.int64)).to_arrow().schema
    schema = pa.schema([pa.field("id", id_type), vector, *columns])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with pa.parquet.ParquetWriter(file, schema) as writer:
            for start in range(0, len(names), BLOCK_ROWS):
                block = slice(start, start + BLOCK_ROWS)
                vectors = pa.FixedSizeListArray.from_arrays(
                    pa.array(rows.vectors_at(numbers[block]).ravel()), dim
                )
                values = rows.payload.at(np.array(numbers[block])).to_arrow()
                listed = [pa.array(names[block], id_type), vectors, *values.columns]
                writer.write_table(pa.table(listed, schema=schema))
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {file}: {reason}") from error
