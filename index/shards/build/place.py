"""The first pass: a block of a file, checked, prepared, and ordered by shard."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.build.host import HostKernels
from gleann.index.build.on_disk import read_rows
from gleann.index.data.columns import Columns
from gleann.index.data.dataset import Dataset
from gleann.index.data.id_column import ID_ROWS, ids_of_part
from gleann.index.data.npy_file import NpyFile
from gleann.index.data.payload_reader import PayloadReader
from gleann.index.data.row_files import ids_of_npz
from gleann.index.data.vector_columns import reading
from gleann.index.errors import CorruptDataError, InvalidInputError
from gleann.index.ids.checks import hold_ids
from gleann.index.ids.held import joined_ids, take_ids
from gleann.index.kept.half_rows import narrowed
from gleann.index.params import BuildParams
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.shards.build.folder import BuildFolder
from gleann.index.shards.build.sources import Block, SourceFile, Wanted, columns_of
from gleann.index.shards.placing import shards_of
from gleann.index.shards.whole import whole_folder, write_array
from gleann.index.storage.array_file import refusing_disk
from gleann.index.storage.packing import pack_ids
from gleann.index.storage.row_layout import DTYPES, HALVES

COUNTS, ROWS, PAYLOAD = "counts.npy", "rows.npy", "payload.arrow"
"""Files of a placed block: rows of each shard, and what they are, in that order."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """What places blocks.

    Attributes:
        folder: of the build.
        wanted: what is taken of files.
        params: of the build.
        shards: how many there are.
    """

    folder: BuildFolder
    wanted: Wanted
    params: BuildParams
    shards: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Rows of a block, in the order of the file.

    Attributes:
        ids: (m,).
        rows: float32 (m, d), prepared.
        payload: (m,); None without columns.
    """

    ids: HeldIds
    rows: Vectors
    payload: Payload | None


def place_blocks(job: Placing, blocks: Sequence[Block]) -> list[Counts]:
    """Write the rows of blocks by shard, and count those of each shard.

    Each block is written in one step. The file is read front to back: what several
    blocks of a row group have before them is decoded once.

    Args:
        job: where they go.
        blocks: of one file, ascending; those that are placed are not placed again.

    Raises:
        InvalidInputError: rows, ids or values of payload that cannot be; names the
            file and the row.
        CorruptDataError: the file was changed since it was described.
        StorageError: the disk refused.
    """
    source = blocks[0].source
    data: Dataset | None = None
    found = []
    for block in blocks:
        path = job.folder.placed(block.number)
        if path.is_dir():
            found.append(placed_counts(path))
            continue
        if data is None:
            data = opened(source, job.wanted)
        found.append(_place(path, read_block(job, block, data), job, block))
    return found


def _place(path: Path, part: Part, job: Placing, block: Block) -> Counts:
    of_shard = shards_of(part.ids, job.shards)
    order = np.argsort(of_shard, kind="stable")
    counts = np.bincount(of_shard, minlength=job.shards).astype(np.int64)
    with whole_folder(path) as folder:
        _write(folder, part, order, job, block)
        save_array(folder / COUNTS, counts)
    return counts


def placed_counts(path: Path) -> Counts:
    """Rows of each shard (shards,) in a placed block."""
    counts: Counts = np.load(path / COUNTS)
    return counts


def opened(source: SourceFile, wanted: Wanted) -> Dataset:
    """The file, as it was described.

    Raises:
        CorruptDataError: it has another shape.
    """
    data = source.file.opened(wanted.vectors)
    if (len(data), data.dim) != (source.n, source.dim):
        raise CorruptDataError(
            f"{source.file.name} was changed since the build began: it had {source.n}"
            f" vectors of {source.dim} dimensions, and has {len(data)} of {data.dim}"
        )
    return data


def read_block(job: Placing, block: Block, data: Dataset) -> Part:
    """The rows of a block, checked and prepared; errors as of `place_blocks`."""
    source = block.source
    with naming(source.file.name):
        rows = read_rows(
            data.vectors,
            slice(block.start, block.stop),
            job.params.metric,
            HostKernels(1),
        )
        table = columns_of(data)
        part = Part(
            ids=_ids(block, table, job.wanted),
            rows=rows,
            payload=_payload(block, table, job.wanted.schema),
        )
    source.require_unchanged()
    return part


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Begin messages about what is in a file with its name."""
    try:
        yield
    except InvalidInputError as error:
        if name in str(error):
            raise
        raise type(error)(f"{name}: {error}") from error


def _ids(block: Block, table: Columns | None, wanted: Wanted) -> HeldIds:
    source = block.source
    if wanted.ids is not None:
        given = NpyFile(wanted.ids)[block.first : block.first + len(block)]
        named = f"{wanted.ids} from row {block.first} on"
        return hold_ids(given, n=len(block), name=named)
    if source.id_column is None:
        return np.arange(block.first, block.first + len(block))
    named = f"{source.id_column} from row {block.start} on"
    if table is None:
        read = ids_of_npz(source.file.files(), wanted.id_column)
        assert read is not None, "it was described with ids"
        return read()[block.start : block.stop]
    found = _ids_of_column(block, table, source.id_column)
    return hold_ids(found, n=len(block), name=named)


def _ids_of_column(block: Block, table: Columns, name: str) -> HeldIds:
    held: list[HeldIds] = []
    missing = len(block)
    parts = table.parts(
        [name], rows=min(ID_ROWS, missing), first=block.start, words=True
    )
    for part in parts:
        with reading(part.shown):
            held.append(ids_of_part(part, name)[:missing])
        missing -= len(held[-1])
        if not missing:
            break
    return joined_ids(held)


def _payload(block: Block, table: Columns | None, schema: Schema) -> Payload | None:
    if not len(schema) or table is None:
        return None
    there = Schema(c for c in schema.columns if c.name in table.names)
    reader = PayloadReader(table.blocks(there, first=block.start))
    return reader.next(len(block)).with_schema(schema)


def _write(folder: Path, part: Part, order: Rows, job: Placing, block: Block) -> None:
    keep = job.params.keep
    rows: NDArray[Any] = part.rows
    if (half := HALVES.get(keep)) is not None:
        with naming(block.source.file.name):
            rows = narrowed(part.rows, half, first_row=block.start)
    save_array(folder / ROWS, rows.view(DTYPES[keep])[order])
    for name, array in pack_ids(take_ids(part.ids, order)).items():
        save_array(folder / f"{name}.npy", array)
    if part.payload is not None:
        some = [part.payload.take(order)]
        Payload.write(folder / PAYLOAD, some, part.payload.schema)


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write a `.npy` file, synced.

    Raises:
        StorageError: the disk refused.
    """
    with refusing_disk(path), path.open("wb") as handle:
        write_array(handle, array)
        handle.flush()
        os.fsync(handle.fileno())
