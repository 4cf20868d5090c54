"""Parameters, input files and answer of `gleann curate negatives`."""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from gleann.index.arrays import Ids, Rows
from gleann.index.errors import InvalidInputError, UnknownIdError
from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.held import id_at, shown_id
from gleann.index.nouns import number_of
from gleann.index.params import Metric
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.curation.negatives import (
    NegativesRequest,
    Positives,
    Sampling,
)
from gleann.service.cli import reports
from gleann.service.cli.curate.served.options import ServedOptions
from gleann.service.cli.files import columns, inputs, sources
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.tables import Table, read_table
from gleann.service.cli.reports import FileItems

QUERY_COLUMN = "query"


class WindowType(click.ParamType[tuple[int, int]]):
    """Two ranks with a comma between them, such as 0,200."""

    name = "FIRST,END"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, int]:
        """The two ranks, or a message that shows what was given."""
        if isinstance(value, tuple):
            return value
        try:
            first, end = (int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} must be two ranks such as 0,200", param, ctx)
        return first, end


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativesJob(ServedOptions):
    """Parameters of `gleann curate negatives`."""

    source: Path
    out: Path
    positives: Path
    per_query: int
    queries: Path | None
    query_ids: Path | None
    window: tuple[int, int]
    max_similarity: float | None
    margin: float | None
    relative_margin: float | None
    duplicate_radius: float | None
    sampling: Sampling
    shortfall: Path | None
    target_recall: float
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    seed: int
    overwrite: bool
    progress: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NegativesInputs:
    """Contents of a job's input files.

    Attributes:
        source: the items.
        request: for the library.
        names: (m,) what the queries are called: their ids, or numbers.
        query_rows: int64 (m,), the row of each query; None where they are vectors only.
        offsets: int64 (m + 1,), where in `positive_rows` those of each query begin.
        positive_rows: int64 (p,).
        among: the items to mine; None for all.
        items: what the report shows of the items; None without a report.
    """

    source: sources.Source
    request: NegativesRequest
    names: Ids
    query_rows: Rows | None
    offsets: Rows
    positive_rows: Rows
    among: Among | None
    items: FileItems | None

    def positives_of(self, query: int) -> Rows:
        """The positive rows of a query."""
        return self.positive_rows[self.offsets[query] : self.offsets[query + 1]]


def read(job: NegativesJob, record: JobRecord) -> NegativesInputs:
    """Read all files of a job and record them.

    Raises:
        InvalidInputError: inconsistent files.
        UnknownIdError: an id of no item or of no query; names its row.
        DuplicateIdError: a query twice.
    """
    source = sources.open_source(job, record)
    require_queries(job)
    names, vectors, rows = _queries(job, record, source)
    offsets, positive_rows = _positives(job, record, names, source.names)
    among = source.among(job, record)
    ids = names.ids_of(np.arange(len(names)))
    return NegativesInputs(
        source=source,
        request=NegativesRequest(
            queries=vectors,
            query_ids=None if rows is None else ids,
            positives=Positives(
                offsets=offsets, ids=source.names.ids_of(positive_rows)
            ),
            per_query=job.per_query,
            window=job.window,
            max_similarity=job.max_similarity,
            margin=job.margin,
            relative_margin=job.relative_margin,
            duplicate_radius=job.duplicate_radius,
            sampling=job.sampling,
            among=among,
            target_recall=job.target_recall,
            seed=job.seed,
        ),
        names=ids,
        query_rows=rows,
        offsets=offsets,
        positive_rows=positive_rows,
        among=among,
        items=reports.open_items(job, source.names, own=job.source),
    )


def require_queries(job: NegativesJob) -> None:
    """Refuse a job without queries, or with two kinds of them.

    Raises:
        InvalidInputError: with what is given.
    """
    if (job.queries is None) == (job.query_ids is None):
        given = "neither" if job.queries is None else "both"
        raise InvalidInputError(f"give --queries or --query-ids, got {given}")


def _queries(
    job: NegativesJob, record: JobRecord, source: sources.Source
) -> tuple[IdMap, np.ndarray | None, Rows | None]:
    """What the queries are called, and their vectors or their rows."""
    items = source.names
    if job.query_ids is not None:
        record.add_file(job.query_ids)
        rows = inputs.read_id_rows(job.query_ids, items)
        return IdMap(items.ids_of(rows), n=len(rows)), None, rows
    assert job.queries is not None
    read_in = inputs.read_vectors(job.queries)
    record.add_file(job.queries)
    vectors = source.as_queries(np.asarray(read_in.vectors), job.queries)
    return IdMap(read_in.ids, n=len(vectors)), vectors, None


def _positives(
    job: NegativesJob, record: JobRecord, queries: IdMap, items: IdMap
) -> tuple[Rows, Rows]:
    """Offsets (m + 1,) and rows of the positives, query after query."""
    require_some(queries)
    table = read_table(job.positives, columns=(QUERY_COLUMN, ID_COLUMN))
    if job.positives != job.query_ids:
        record.add_file(job.positives)
    of_query = known_rows(table, QUERY_COLUMN, queries, what="query")
    rows = known_rows(table, ID_COLUMN, items, what="item")
    order = np.argsort(of_query, kind="stable")
    offsets = np.searchsorted(of_query[order], np.arange(len(queries) + 1))
    return offsets.astype(np.int64), rows[order]


def require_some(queries: IdMap) -> None:
    """Refuse queries that are none, before their positives are read.

    Raises:
        InvalidInputError: there is no query.
    """
    if not len(queries):
        raise InvalidInputError("the queries have 0 ids, at least 1 is needed")


def known_rows(table: Table, name: str, pool: IdMap, *, what: str) -> Rows:
    """Rows of `pool` that a column names, each any number of times.

    Raises:
        UnknownIdError: an id that is none; names its row.
    """
    held = columns.ids_like(table, name, pool.held)
    rows = pool.lookup.find(hold_id_array(held))
    if (absent := np.flatnonzero(rows < 0)).size:
        row = int(absent[0])
        raise UnknownIdError(
            f"{table.where(row)}: there is no {what} {shown_id(id_at(held, row))} among"
            f" the {len(pool)} ({absent.size} of {number_of(len(rows), 'rows')} name"
            " none)"
        )
    return rows
