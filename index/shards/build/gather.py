"""The second pass: the rows of a shard out of all blocks, in the order of the input."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from gleann.index.arrays import HeldIds
from gleann.index.data.columns import PAYLOAD_ROWS
from gleann.index.errors import DuplicateIdError
from gleann.index.ids.held import joined_ids, repeated_id, shown_id
from gleann.index.params import Keep
from gleann.index.payload.payload import Payload
from gleann.index.payload.saved import add_payload
from gleann.index.payload.schema import Schema
from gleann.index.shards.build.folder import BuildFolder
from gleann.index.shards.build.place import PAYLOAD, ROWS, Counts
from gleann.index.shards.build.sources import Block, IdKind
from gleann.index.shards.rows import FileRows, JoinedRows
from gleann.index.shards.whole import read_json, whole_folder, write_json
from gleann.index.storage.files import Draft
from gleann.index.storage.packing import pack_ids
from gleann.index.storage.row_files import ROWS as VECTORS
from gleann.index.storage.row_files import rows_file
from gleann.index.storage.row_layout import unpack_rows
from gleann.index.texts import Texts

CONTENT = "content.json"
"""What the manifest of a shard is to say of the files that are there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathering:
    """What puts shards together.

    Attributes:
        folder: of the build.
        blocks: all blocks, in order.
        counts: int64 (blocks, shards), rows of each block in each shard.
        dim: dimensions of a row.
        id_kind: what the ids are.
        keep: how rows are kept.
        schema: the columns of payload.
        build: what tells this build from others.
    """

    folder: BuildFolder
    blocks: tuple[Block, ...]
    counts: Counts
    dim: int
    id_kind: IdKind
    keep: Keep
    schema: Schema
    build: str

    def slices(self, shard: int) -> Iterator[tuple[Block, slice]]:
        """The rows of a shard in each block that has some."""
        starts = self.counts[:, :shard].sum(axis=1)
        for block, start, count in zip(
            self.blocks, starts.tolist(), self.counts[:, shard].tolist(), strict=True
        ):
            if count:
                yield block, slice(start, start + count)


def data_name(build: str, shard: int) -> str:
    """The data folder of a shard, the same wherever it is written."""
    digest = blake2b(f"{build} {shard}".encode(), digest_size=8)
    return f"data-{digest.hexdigest()}"


def gather_shard(job: Gathering, shard: int) -> None:
    """Write rows, ids and payload of a shard, in one step.

    Memory: the ids of the shard, and a block of its rows.

    Raises:
        DuplicateIdError: an id twice; names both files.
        StorageError: the disk refused.
    """
    path = job.folder.shard(shard)
    if path.is_dir():
        return
    n = int(job.counts[:, shard].sum())
    with whole_folder(path) as folder:
        content: dict[str, Any] = {}
        if n:
            content = _written(job, shard, folder, n=n)
        write_json(folder / CONTENT, {"n": n, "content": content})


def _written(job: Gathering, shard: int, folder: Path, *, n: int) -> dict[str, Any]:
    ids = _distinct_ids(job, shard)
    data = folder / data_name(job.build, shard)
    data.mkdir()
    draft = Draft(folder, data)
    with rows_file(draft, job.keep, shape=(n, job.dim)) as file:
        for block, some in job.slices(shard):
            stored = np.load(job.folder.placed(block.number) / ROWS, mmap_mode="r")
            file.append(np.asarray(unpack_rows(stored, job.keep)[some]))
    for name, array in pack_ids(ids).items():
        draft.add(name, array)
    if len(job.schema):
        add_payload(draft, _payload(job, shard), job.schema, n=n)
    return draft.content


def _distinct_ids(job: Gathering, shard: int) -> HeldIds:
    """The ids of a shard, which has all equal ones of the whole.

    Raises:
        DuplicateIdError: one is there twice.
    """
    parts = [
        _block_ids(job.folder.placed(block.number), some, job.id_kind)
        for block, some in job.slices(shard)
    ]
    ids = joined_ids(parts)
    if (repeated := repeated_id(ids)) is None:
        return ids
    twice, times, repeats = repeated
    files: list[str] = []
    for (block, _), part in zip(job.slices(shard), parts, strict=True):
        if twice in part.tolist():
            files.append(block.source.file.name)
    distinct = list(dict.fromkeys(files))
    where = distinct[0] if len(distinct) == 1 else " and ".join(distinct[:3])
    raise DuplicateIdError(
        f"the id {shown_id(twice)} is there {times} times, in {where}"
        f" ({repeats} of the {len(ids)} ids of shard {shard} are repeats)"
    )


def _block_ids(path: Path, some: slice, kind: IdKind) -> HeldIds:
    if kind == "integers":
        found: HeldIds = np.array(np.load(path / "ids.npy", mmap_mode="r")[some])
        return found
    offsets = np.load(path / "id_offsets.npy", mmap_mode="r")
    wanted = np.array(offsets[some.start : some.stop + 1])
    text = np.load(path / "id_bytes.npy", mmap_mode="r")[wanted[0] : wanted[-1]]
    return Texts.of_packed(text.tobytes(), np.diff(wanted))


def _payload(job: Gathering, shard: int) -> Iterator[Payload]:
    """The payload of a shard, in blocks that do not depend on those of the files."""
    held: list[Payload] = []
    for block, some in job.slices(shard):
        file = job.folder.placed(block.number) / PAYLOAD
        held.append(_placed_payload(file, job.schema).slice(some.start, some.stop))
        if sum(map(len, held)) >= PAYLOAD_ROWS:
            yield Payload.concat(held)
            held = []
    if held:
        yield Payload.concat(held)


def _placed_payload(file: Path, schema: Schema) -> Payload:
    """The payload of a block, mapped; its values were checked when it was placed."""
    import pyarrow as pa

    with pa.ipc.open_file(pa.memory_map(str(file))) as reader:
        table = reader.read_all()
    return Payload(table, schema, n=len(table))


def shard_content(folder: BuildFolder, shard: int) -> tuple[int, dict[str, Any]]:
    """Rows of a gathered shard, and what is there of its manifest."""
    found = read_json(folder.shard(shard) / CONTENT)
    return int(found["n"]), dict(found["content"])


def gathered_rows(
    folder: BuildFolder, *, shards: int, dim: int, keep: Keep
) -> JoinedRows:
    """The rows of all shards, one after the other."""
    parts = []
    for shard in range(shards):
        n, content = shard_content(folder, shard)
        if n:
            file = folder.shard(shard) / content["data"] / f"{VECTORS}.npy"
            parts.append(FileRows(file, keep, (n, dim)))
    return JoinedRows(parts, dim=dim)
