"""What the commands of similar rows share: options, and the index they work on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
import numpy as np

from gleann.index import BuildParams, SoarIndex, as_vectors
from gleann.index.arrays import HeldIds, Vectors
from gleann.index.data.files import is_folder_of_vectors
from gleann.index.params import Metric
from gleann.selection.among import Among
from gleann.service.cli import options, reports
from gleann.service.cli.curate.served.options import ServedOptions, served_options
from gleann.service.cli.files import inputs, sources
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import Report
from gleann.service.cli.reports import FileItems

Callback = TypeVar("Callback", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarJob(ServedOptions):
    """Parameters of every command."""

    source: Path
    out: Path
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    overwrite: bool
    progress: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """The items of a command.

    Attributes:
        source: the items.
        index: of all of them.
        among: those that take part; None for all.
        items: what the report shows of them; None without a report.
    """

    source: sources.Source
    index: SoarIndex
    among: Among | None
    items: FileItems | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Other:
    """Another collection.

    Attributes:
        rows: an index, or vectors (m, d) of a file.
        ids: (m,) of its rows.
    """

    rows: SoarIndex | Vectors
    ids: HeldIds


def source_options(example: str) -> Callable[[Callback], Callback]:
    """The argument and options of `SimilarJob`; `example` is a file to write.

    Those of the report are left to the commands that have one.
    """
    decorators = [
        click.argument("source", type=options.PATH),
        options.out_option(example),
        options.among_options,
        options.column_options,
        options.metric_option,
        served_options,
        options.overwrite_option,
        options.progress_option,
    ]

    def decorate(function: Callback) -> Callback:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def near_options(function: Callback) -> Callback:
    """The options --radius and --similarity."""
    radius = click.option(
        "--radius",
        type=float,
        help="The greatest distance: squared L2, or 1 - cos under cosine.",
    )
    similarity = click.option(
        "--similarity", type=float, help="Under cosine, the least cosine instead."
    )
    return radius(similarity(function))


def opened(job: SimilarJob, record: JobRecord, report: Report) -> Opened:
    """Read the items; those of a file are indexed in memory, with default parameters.

    Args:
        job: of the command.
        record: has the inputs, and the seconds of "read" and "build".
        report: called with the progress of a build.
    """
    with record.timed("read"):
        source = sources.open_source(job, record)
        among = source.among(job, record)
        items = reports.open_items(job, source.names, own=source.path)
    return Opened(
        source=source,
        index=index_of(source, record, report),
        among=among,
        items=items,
    )


def index_of(source: sources.Source, record: JobRecord, report: Report) -> SoarIndex:
    """The index of a folder; of a file, one in memory with default parameters."""
    if source.index is not None:
        return source.index
    with record.timed("build"):
        return SoarIndex.build(
            source.vectors,
            BuildParams(metric=source.metric),
            ids=source.ids,
            progress=report,
        )


def read_other(path: Path | None, record: JobRecord, *, dim: int) -> Other | None:
    """Open an index, or read the vectors of a file, to compare with; None has none.

    Raises:
        DimensionMismatchError: vectors of a file of another dimension than `dim`.
        NonFiniteError: a vector with NaN or infinity.
    """
    if path is None:
        return None
    if path.is_dir() and not is_folder_of_vectors(path):
        index = SoarIndex.load(path)
        record.add_index(path, index.data_hash)
        return Other(rows=index, ids=index.held_ids)
    read = inputs.read_vectors(path)
    record.add_file(path)
    vectors = as_vectors(np.asarray(read.vectors), name=f"{path}: vectors", dim=dim)
    ids = np.arange(len(vectors)) if read.ids is None else read.ids
    return Other(rows=vectors, ids=ids)
