"""Cut an index into shards: what a build of shards is compared with.

A build on several machines (`service/cluster`) writes the same directories from rows
that no machine holds together.
"""

from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from gleann.index.access.saved_parts import SavedParts
from gleann.index.arrays import ListNos, Rows
from gleann.index.errors import AlreadyExistsError
from gleann.index.ids.held import kind_of, take_ids
from gleann.index.lists import assignment, invert
from gleann.index.shards.manifest import (
    Shard,
    ShardsManifest,
    describe_shard,
    publish,
    read,
    require_shard_count,
    shard_name,
)
from gleann.index.shards.placing import shards_of
from gleann.index.shards.whole import whole_folder
from gleann.index.soar_index import SoarIndex
from gleann.index.storage.array_file import refusing_disk
from gleann.index.storage.manifest import publish_empty
from gleann.index.storage.packing import Header, pack_header


def cut(index: SoarIndex, path: str | PathLike[str], *, shards: int) -> ShardsManifest:
    """Write `index` to the directory `path` in `shards` parts, by the hash of the id.

    The directory appears in one step, when all is written. The rows of a shard are in
    the order of the index. Memory: those of a shard.

    Raises:
        InvalidParamsError: too few shards or too many.
        AlreadyExistsError: there is something at `path`.
        StorageError: the disk refused.
    """
    require_shard_count(shards)
    folder = Path(path)
    if folder.exists():
        raise AlreadyExistsError(f"there is something at {folder}")
    of_row = shards_of(index.held_ids, shards)
    lists = assignment(index.data.lists, n=len(index))
    with whole_folder(folder) as whole:
        written = tuple(
            _write(index, lists, np.flatnonzero(of_row == number), whole, number)
            for number in range(shards)
        )
        manifest = ShardsManifest(
            n=len(index),
            dim=index.dim,
            id_kind=kind_of(index.held_ids),
            shards=written,
            header=pack_header(index.header, index.data.encoding),
        )
        with refusing_disk(folder):
            publish(whole, manifest)
    if read(folder).shards != manifest.shards:
        raise AlreadyExistsError(f"{folder} was made by somebody else meanwhile")
    return manifest


def shard_header(whole: Header, *, n: int) -> Header:
    """The header of a shard of n rows.

    Without operating points: what was measured holds for all shards together, and a
    shard that is searched alone is not what was measured.
    """
    training = whole.training
    if training is not None:
        training = replace(training, rows=n, kept=n)
    return Header(params=whole.params, training=training)


def _write(
    index: SoarIndex,
    lists: tuple[ListNos, ListNos],
    rows: Rows,
    folder: Path,
    number: int,
) -> Shard:
    directory = shard_name(number)
    if not len(rows):
        with refusing_disk(folder):
            publish_empty(folder / directory)
        return describe_shard(folder, directory, n=0)
    data, (primary, secondary) = index.data, lists
    part = replace(
        data,
        lists=invert(primary[rows], secondary[rows], nlist=data.lists.nlist),
        codes=data.codes[rows],
        vectors=data.vectors[rows],
    )
    SavedParts(
        data=part,
        ids=take_ids(index.held_ids, rows),
        header=shard_header(index.header, n=len(rows)),
        payload=None if index.payload is None else index.payload.take(rows),
    ).write(folder / directory)
    return describe_shard(folder, directory, n=len(rows))
