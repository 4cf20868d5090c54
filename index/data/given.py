"""What `SoarIndex.build` is given: arrays as they are, all else through one door."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from gleann._needed import needing
from gleann.index.data.dataset import Dataset
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema

VectorSource: TypeAlias = ArrayLike | Dataset | str | PathLike[str] | Any
"""Rows (n, d), or what `gleann.data.open` takes."""

TABLE_PACKAGES = (
    "pandas",
    "polars",
    "datasets",
    "modin",
    "ibis",
    "narwhals",
    "pyarrow",
)
"""Packages with tables that lack the PyCapsule interface, some of them or of old."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """What an index is built from in memory.

    Attributes:
        vectors: (n, d), or anything that `as_vectors` takes.
        ids: (n,), or None for row numbers.
        payload: (n,), or None.
        copy: whether others may write to the vectors.
    """

    vectors: Any
    ids: Any
    payload: Any
    copy: bool


def in_memory(vectors: Any, *, ids: Any, payload: Any, copy: bool) -> Given:
    """What `SoarIndex.build` was given, with a source read into memory.

    Args:
        vectors: an array, or a source of `gleann.data.open`.
        ids: in place of those of the source.
        payload: in place of that of the source.
        copy: as of `SoarIndex.build`.

    Raises:
        As `gleann.data.open`.
    """
    source = opened(vectors)
    if source is None:
        return Given(vectors=vectors, ids=ids, payload=payload, copy=copy)
    read = not isinstance(source.vectors, np.ndarray)
    return Given(
        vectors=np.asarray(source.vectors),
        ids=source.held_ids if ids is None else ids,
        payload=source.payload() if payload is None else payload,
        copy=copy and not read,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GivenBlocks:
    """What an index is built from on disk; as `Given`.

    Attributes:
        vectors: rows by slices.
        ids: (n,), or None for row numbers.
        payload: blocks of (n,), or None.
        schema: of the blocks.
    """

    vectors: Any
    ids: Any
    payload: Any
    schema: Schema | None


def by_blocks(
    vectors: Any, *, ids: Any, payload: Any, schema: Schema | None
) -> GivenBlocks:
    """What `SoarIndex.build_on_disk` was given, with a source that is read later.

    Args:
        vectors: rows by slices, or a source of `gleann.data.open`.
        ids: in place of those of the source.
        payload: in place of that of the source; a single one is a block.
        schema: of the blocks.

    Raises:
        As `gleann.data.open`.
    """
    if isinstance(payload, Payload):
        payload, schema = [payload], payload.schema
    source = opened(vectors)
    if source is None:
        return GivenBlocks(vectors=vectors, ids=ids, payload=payload, schema=schema)
    if payload is None and len(source.schema):
        payload, schema = source.payload_blocks(), source.schema
    return GivenBlocks(
        vectors=source.vectors,
        ids=source.held_ids if ids is None else ids,
        payload=payload,
        schema=schema,
    )


def opened(vectors: Any) -> Dataset | None:
    """A source as a dataset; None for what holds rows already, such as an array.

    A table of numbers alone is the matrix that NumPy makes of it.

    Raises:
        As `gleann.data.open`.
    """
    if isinstance(vectors, Dataset):
        return vectors
    if isinstance(vectors, str | PathLike | Mapping):
        with needing("a file or a table of vectors"):
            from gleann.index.data.open import open_dataset

        return open_dataset(vectors)
    if not _may_be_table(vectors):
        return None
    from gleann.index.data.open import dataset_of_table
    from gleann.index.data.tables import columns_of_table

    table = columns_of_table(vectors)
    if table is None or (hasattr(vectors, "__array__") and not table.vector_names):
        return None
    return dataset_of_table(table)


def _may_be_table(values: object) -> bool:
    """Whether it is worth a closer look, by its type alone."""
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return True
    return type(values).__module__.partition(".")[0] in TABLE_PACKAGES
