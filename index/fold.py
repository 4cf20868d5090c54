"""Fold newer rows into an index and leave removed ones out: a new index on disk."""

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Mask, Vectors
from gleann.index.build.fold import Folding, FoldSummary, expected_training, fold
from gleann.index.build.kernels import kernels_on
from gleann.index.build.on_disk import RowSource
from gleann.index.errors import InvalidInputError
from gleann.index.heartbeat import repeating
from gleann.index.parallel.blocks import block_slices
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.progress import Report, ignore
from gleann.index.soar_index import SoarIndex
from gleann.index.training import Training

PAYLOAD_ROWS = 1 << 16
"""Rows whose payload is in memory at once."""


def fold_on_disk(  # noqa: PLR0913  all but three are optional
    old: SoarIndex,
    newer: RowSource | None,
    path: str | PathLike[str],
    *,
    ids: ArrayLike | None = None,
    keep: Mask | None = None,
    payload: Iterable[Payload] | None = None,
    schema: Schema | None = None,
    progress: Report | None = None,
    threads: int = 0,
    device: str | None = None,
) -> FoldSummary:
    """Write an index of the rows of `old` and newer ones, in the lists of `old`.

    Rows that stay are copied with their codes and lists, in their order; newer rows
    follow them, in the lists whose centroids are nearest to them, by the rule of the
    build. Nothing is trained or measured: operating points stay as they are, with the
    entries scaled, and `Header.training` says how well the newer rows fit. Memory and
    failures are as in `SoarIndex.build_on_disk`.

    Args:
        old: the index; it stays as it is.
        newer: (m, d), as in `build_on_disk`; None for none.
        path: the directory to write, as in `SoarIndex.save`; not that of `old`.
        ids: (m,) ids of the newer rows, of the kind that `old` has; none of them is of
            a row that stays.
        keep: bool (n,), the rows of `old` that stay; None for all.
        payload: of all rows of the new index in their order, in blocks of any size,
            read once. None keeps that of the rows that stay, if they have any, and
            gives the newer ones nulls.
        schema: that of all blocks; needed with `payload`.
        progress: as in `SoarIndex.build`.
        threads: as in `SoarIndex.build`.
        device: as in `SoarIndex.build`; it assigns and encodes the newer rows.

    Raises:
        InvalidInputError: as in `SoarIndex.build`; a mask of another shape; no row is
            left.
        InvalidParamsError: fewer rows than lists are left: build anew.
        AlreadyExistsError: `path` holds something that is not an index.
        CorruptDataError: a file of `old` was cut or grew.
        StorageError: the disk refused.
    """
    if payload is not None and schema is None:
        raise InvalidInputError("blocks of payload need a schema")
    if payload is None and old.payload is not None:
        schema = old.payload.schema
        coming = 0 if newer is None else newer.shape[0]
        nulls = Payload.nulls(schema, coming)
        payload = joined_payload(old.payload, keep, [nulls])
    folding = Folding(
        data=old.data,
        header=old.header,
        ids=old.held_ids,
        keep=keep,
        newer=newer,
        newer_ids=ids,
        payload=payload,
        schema=schema,
    )
    with repeating(progress or ignore) as report:
        kernels = kernels_on(device, threads=threads)
        return fold(folding, Path(path), report=report, kernels=kernels)


def training_after(
    old: SoarIndex, some: Vectors, *, newer: int, keep: Mask | None = None
) -> Training | None:
    """What `Header.training` would be after a fold, its drift from a sample.

    Args:
        old: the index.
        some: (s, d) prepared rows, a sample of the newer ones; they are compared with
            the centroids in one thread.
        newer: number of newer rows.
        keep: as in `fold_on_disk`.

    Returns:
        None where the index has no training (an older gleann built it).
    """
    folding = Folding(
        data=old.data,
        header=old.header,
        ids=old.held_ids,
        keep=keep,
        newer=None,
        newer_ids=None,
    )
    kernels = kernels_on(None, threads=1)
    return expected_training(folding, some, newer=newer, kernels=kernels)


def joined_payload(
    old: Payload, keep: Mask | None, newer: Iterable[Payload]
) -> Iterator[Payload]:
    """The payload of the rows that `keep` keeps, and that of newer ones, in blocks."""
    for block in block_slices(len(old), PAYLOAD_ROWS):
        part = old.slice(block.start, block.stop)
        yield part if keep is None else part.take(np.flatnonzero(keep[block]))
    yield from newer
