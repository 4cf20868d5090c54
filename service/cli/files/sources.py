"""The source of a selection command: an index or a file of vectors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index import BuildParams, SoarIndex, as_vectors
from gleann.index.arrays import HeldIds, Vectors
from gleann.index.data.files import is_folder_of_vectors
from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
    ZeroVectorError,
)
from gleann.index.metric import prepare
from gleann.index.params import Metric
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.service.cli.files import inputs
from gleann.service.cli.files.among import rows_among
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.options import AmongOptions

FILE_METRIC: Metric = BuildParams().metric
"""Metric of a file of vectors: that of an index built from it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """The items to choose among.

    Attributes:
        vectors: float32 (n, d), as an index of this metric holds them.
        names: their ids, and the rows of ids.
        metric: that of the index, or the one for a file.
        index: the source index, or None for a file.
        path: of the file, or None for an index.
    """

    vectors: Vectors
    names: IdMap
    metric: Metric
    index: SoarIndex | None
    path: Path | None = None

    def among(self, job: AmongOptions, record: JobRecord) -> Among | None:
        """The items that pass --where; see `rows_among`."""
        return rows_among(job, record, self.names, index=self.index, own=self.path)

    @property
    def ids(self) -> HeldIds:
        """The caller's ids (n,)."""
        return self.names.held

    @property
    def has_metric(self) -> bool:
        """Whether the distance is a metric; False for "ip"."""
        return self.metric != "ip"

    def as_queries(self, vectors: NDArray[np.generic], path: Path) -> Vectors:
        """Vectors (m, d) of another file, checked beside these.

        Raises:
            DimensionMismatchError: another dimension; names the file.
            NonFiniteError: NaN or infinity; names the file and the row.
        """
        return as_vectors(vectors, name=f"{path}: vectors", dim=self.vectors.shape[1])

    def metric_vectors(self) -> Vectors:
        """Vectors whose L2 distance is the metric.

        Raises:
            InvalidParamsError: the metric is "ip".
        """
        if not self.has_metric:
            raise InvalidParamsError(
                "distances need a true metric, cosine or l2, but the metric is ip"
            )
        return self.vectors


class SourceOptions(Protocol):
    """Parameters of a command that name its items."""

    @property
    def source(self) -> Path:
        """Directory of an index, or file of vectors."""

    @property
    def vectors_column(self) -> str | None:
        """Of a parquet file, as `inputs.read_vectors`."""

    @property
    def id_column(self) -> str | None:
        """Of a parquet file, as `inputs.read_vectors`."""

    @property
    def metric(self) -> Metric | None:
        """None for that of the index.

        For a file it stands for `FILE_METRIC`, or for l2 if that is cosine and a row is
        a zero vector.
        """


def open_source(job: SourceOptions, record: JobRecord) -> Source:
    """Open an index directory or read a file of vectors, and add it to `record`.

    Args:
        job: its options.
        record: stores its hash.

    Raises:
        InvalidInputError: the index has another metric, or has no columns.
    """
    path = job.source
    if path.is_dir() and not is_folder_of_vectors(path):
        if job.vectors_column or job.id_column:
            raise InvalidInputError(f"{path} is an index and has no columns")
        return _open_index(path, record, job.metric)
    read = inputs.read_vectors(
        path, vectors_column=job.vectors_column, id_column=job.id_column
    )
    record.add_file(path)
    rows = as_vectors(np.asarray(read.vectors), name=f"{path}: vectors")
    vectors, metric = _prepared(rows, path, job.metric)
    names = IdMap(read.ids, n=len(vectors))
    return Source(vectors=vectors, names=names, metric=metric, index=None, path=path)


def _prepared(
    rows: Vectors, path: Path, wanted: Metric | None
) -> tuple[Vectors, Metric]:
    """Rows as an index holds them, and their metric.

    Without a wish, l2 takes the place of a cosine that a zero vector does not have.
    """
    metric = wanted or FILE_METRIC
    try:
        return prepare(rows, metric), metric
    except ZeroVectorError as error:
        if wanted is not None:
            raise ZeroVectorError(f"{path}: {error}; --metric l2 allows it") from error
        click.echo(f"gleann: note: {path}: {error}: distances are l2", err=True)
        return prepare(rows, "l2"), "l2"


def _open_index(path: Path, record: JobRecord, metric: Metric | None) -> Source:
    index = SoarIndex.load(path)
    if metric not in (None, index.metric):
        raise InvalidInputError(
            f"--metric is {metric}, but the index {path} was built with {index.metric}"
        )
    record.add_index(path, index.data_hash)
    names = IdMap(index.held_ids, n=len(index))
    return Source(vectors=index.vectors, names=names, metric=index.metric, index=index)
