"""Export the rows of an index, even if damaged, to a file for `import`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from gleann.index.arrays import Vectors
from gleann.index.errors import CorruptDataError, GleannError, StorageError
from gleann.index.params import Metric
from gleann.index.storage.array_file import read_array
from gleann.index.storage.manifest import read_manifest
from gleann.service.recovery.examination import ExaminedIndex
from gleann.service.recovery.snapshot import Snapshot
from gleann.service.state.changes import Change, read_change
from gleann.service.state.delta import Delta
from gleann.service.state.live_index import View
from gleann.service.state.registry import NAME

BLOCK_ROWS = 8192

Name = int | str
Names = list[Name]
"""Ids as Python values, integers or texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The export of one index.

    Attributes:
        file: parquet, with the columns id and vector.
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
    parts: list[Vectors] = []
    places: dict[Name, tuple[int, int]] = {}
    if source.version:
        try:
            names, vectors = _sealed_rows(source.path(snapshot.directory))
        except GleannError as error:
            left_out.append(f"the rows of version {source.version}: {error}")
        else:
            parts.append(vectors)
            places = {name: (0, at) for at, name in enumerate(names)}
    for change in _changes(snapshot, index, source):
        _apply(change, parts, places)
    name = index.name if NAME.fullmatch(index.name) else f"index-{index.number}"
    file = folder / f"{name}.parquet"
    _write(file, source.dim, parts, places)
    return Exported(file=file, count=len(places), left_out=tuple(left_out))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Sources of an index's rows: a sealed version and later changes."""

    number: int
    dim: int
    metric: Metric
    version: int

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
    else:
        assert row is not None
        values = {key: row[key] for key in ("dim", "metric", "version")}
    return _Source(number=index.number, **values)


def _sealed_rows(path: Path) -> tuple[Names, Vectors]:
    manifest = read_manifest(path)
    arrays: Mapping[str, Any] = manifest["arrays"]

    def array(name: str) -> Any:
        if name not in arrays:
            raise CorruptDataError(f"{path}: its manifest lacks the array {name!r}")
        folder = path / str(manifest["data"])
        return read_array(folder, name, arrays[name], mapped=name == "vectors")

    vectors = array("vectors")
    if "ids" in arrays:
        return array("ids").tolist(), vectors
    offsets, content = array("id_offsets").tolist(), array("id_bytes").tobytes()
    spans = pairwise(offsets)
    return [content[start:end].decode() for start, end in spans], vectors


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
            yield read_change(change, view)


def _apply(
    change: Change, parts: list[Vectors], places: dict[Name, tuple[int, int]]
) -> None:
    names = change.ids.tolist()
    if change.vectors is None:
        for name in names:
            places.pop(name, None)
        return
    parts.append(change.vectors)
    places.update((name, (len(parts) - 1, at)) for at, name in enumerate(names))


def _write(
    file: Path, dim: int, parts: list[Vectors], places: dict[Name, tuple[int, int]]
) -> None:
    texts = any(isinstance(name, str) for name in places)
    schema = pa.schema(
        {
            "id": pa.string() if texts else pa.int64(),
            "vector": pa.list_(pa.float32(), dim),
        }
    )
    names, at = list(places), list(places.values())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with pa.parquet.ParquetWriter(file, schema) as writer:
            for start in range(0, len(names), BLOCK_ROWS):
                block = at[start : start + BLOCK_ROWS]
                rows = np.stack([parts[part][row] for part, row in block])
                vectors = pa.FixedSizeListArray.from_arrays(
                    pa.array(rows.ravel(), pa.float32()), dim
                )
                chosen = pa.array(names[start : start + BLOCK_ROWS], schema[0].type)
                writer.write_table(pa.table([chosen, vectors], schema=schema))
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {file}: {reason}") from error
