"""The source of a selection command: an index or a file of vectors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex, as_vectors
from gleann.index.arrays import HeldIds, Vectors
from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap
from gleann.selection.coreset import metric_vectors
from gleann.service.cli.files import inputs
from gleann.service.cli.files.manifest import JobRecord


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """The items to choose among.

    Attributes:
        vectors: float32 (n, d); for an index, as prepared for search.
        names: their ids, and the rows of ids.
        index: the source index, or None for a file.
    """

    vectors: Vectors
    names: IdMap
    index: SoarIndex | None

    @property
    def ids(self) -> HeldIds:
        """The caller's ids (n,)."""
        return self.names.held

    @property
    def has_metric(self) -> bool:
        """Whether the distance is a metric; False for "ip"."""
        return self.index is None or self.index.metric != "ip"

    def metric_vectors(self) -> Vectors:
        """Vectors whose L2 distance is the metric; refused for "ip"."""
        return self.vectors if self.index is None else metric_vectors(self.index)


def open_source(
    path: Path,
    record: JobRecord,
    *,
    vectors_column: str | None = None,
    id_column: str | None = None,
) -> Source:
    """Open an index directory or read a file of vectors, and add it to `record`."""
    if path.is_dir():
        if vectors_column or id_column:
            raise InvalidInputError(f"{path} is an index and has no columns")
        index = SoarIndex.load(path)
        record.add_index(path, index.data_hash)
        names = IdMap(index.held_ids, n=len(index))
        return Source(vectors=index.vectors, names=names, index=index)
    read = inputs.read_vectors(path, vectors_column=vectors_column, id_column=id_column)
    record.add_file(path)
    vectors = as_vectors(np.asarray(read.vectors))
    names = IdMap(read.ids, n=len(vectors))
    return Source(vectors=vectors, names=names, index=None)


def read_ids(path: Path) -> NDArray[np.generic]:
    """Read ids: a `.npy` array, or the column "id" of a csv or parquet file."""
    if path.suffix == ".npy":
        return np.asarray(inputs.read_array(path))
    table = inputs.read_table(path, columns=("id",))
    return inputs.column_array(path, table, "id")
