"""`gleann cluster search`: search an index in shards that a cluster holds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import click
import numpy as np
from numpy.typing import ArrayLike

from gleann.index import SearchParams
from gleann.index.arrays import HeldIds, Mask, Rows
from gleann.index.found import FoundRows, RowsWithin
from gleann.index.ids.held import joined_ids, take_ids
from gleann.index.params import RowFilter
from gleann.index.payload.payload import Payload
from gleann.index.shards.manifest import read
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cli import options
from gleann.service.cli.cluster.holding import HoldingOptions, holding_options
from gleann.service.cli.cluster.joining import cluster_options, held_by
from gleann.service.cli.files import inputs, output_paths, outputs, payload
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.searching import (
    COLUMNS,
    SearchOptions,
    columns_of,
    require_radius_alone,
    require_where,
    say_searched,
    search_blocks,
    search_options,
    summed,
    warn,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSearchJob(SearchOptions, HoldingOptions):
    """Parameters of `gleann cluster search`."""

    engine: str
    threads: int


@click.command(
    "search",
    short_help="Search an index in shards that a cluster holds.",
    epilog=options.examples(
        "gleann cluster search pages.shards queries.npy --out found.parquet",
        "gleann cluster search /mnt/all/pages queries.npy --address auto --replicas 2"
        " --out found.parquet",
        "gleann cluster search pages.shards queries.npy --partial --seconds 5"
        " --out found.parquet",
    ),
)
@click.argument("index", type=options.PATH)
@click.argument("queries", type=options.PATH)
@search_options
@cluster_options
@holding_options
@options.engine_options
@options.overwrite_option
@options.progress_option
@options.verbose_option
@options.takes(ClusterSearchJob)
def command(job: ClusterSearchJob) -> None:
    """Find the neighbours of QUERIES (.npy or parquet) in INDEX, which is in shards.

    Writes what `gleann search` does, with ties in the order of the ids. A process a
    shard opens it and is asked; one that is lost is started again.
    """
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        inputs=(job.index, job.queries),
        overwrite=job.overwrite,
    )
    require_radius_alone(job)
    require_where(job)
    record = JobRecord("cluster search", job)
    manifest = read(job.index)
    record.add_index(job.index, manifest.checksum)
    record.add_file(job.queries)
    from gleann.service.cluster.search.replicas import Holding

    holding = Holding(
        replicas=job.replicas, engine=job.engine, threads=job.threads or None
    )
    with held_by(
        job, job.index, holding=holding, waiting=job.waiting, bars=job.progress
    ) as index:
        search_into(job, index, record)


def search_into(job: ClusterSearchJob, index: ShardedIndex, record: JobRecord) -> None:
    """Search, write the table and its record, and say what it took."""
    read_ = inputs.read_vectors(
        job.queries, vectors_column=job.vectors_column, id_column=job.id_column
    )
    allowed = None
    if job.where is not None:
        allowed = index.allow_where(job.where, job.parameters)
    # No row is found beyond the last, and nothing is written for it.
    params = replace(job.params, k=min(job.params.k, len(index)), allowed=allowed)
    asking = _Asking(index, index.schema.select(payload.names_of(job.columns)).names)
    with record.timed("search"), progress_bars(wanted=job.progress) as report:
        blocks = search_blocks(asking, read_.vectors, job, params, report)
    names = np.arange(len(read_.vectors)) if read_.ids is None else read_.ids
    seconds, stats = record.seconds("search"), summed(blocks)
    with outputs.staged() as files:
        table = columns_of(blocks, names, joined_ids(asking.ids))
        files.add_table(job.out, table | _payload(job, asking.payload))
        results = {"queries": len(names), "qps": len(names) / seconds, **stats}
        record.add_to(files, job.out, results)
    say_searched(job, params, stats, count=len(names), seconds=seconds)
    worst = min((found.stats for found in blocks), key=lambda one: one.covered)
    if worst.covered < 1:
        warn(index.recall_warning(worst, params), hint=" (without --partial)")
    elif job.radius is None:
        warn(index.recall_warning(worst, params))


class _Asking:
    """An index that keeps what is written of each hit: later its shard may be lost.

    Attributes:
        ids: of the hits of each search.
        payload: of the same; empty without columns.
    """

    def __init__(self, index: ShardedIndex, columns: Sequence[str]) -> None:
        self._index = index
        self._columns = columns
        self.ids: list[HeldIds] = []
        self.payload: list[Payload] = []

    def find_rows(self, queries: ArrayLike, params: SearchParams) -> FoundRows:
        """See `Searched.find_rows`."""
        answer = self._index.nearest(queries, params)
        rows, distances = answer.found.rows, answer.found.distances
        self._keep(rows.ravel(), answer.found.ids)
        return FoundRows(rows=rows, distances=distances, stats=answer.stats)

    def find_within(
        self,
        queries: ArrayLike,
        radius: float,
        *,
        target_recall: float = 1.0,
        limit: int | None = None,
        allowed: Mask | RowFilter | None = None,
    ) -> RowsWithin:
        """See `Searched.find_within`."""
        found = self._index.within(
            queries, radius, target_recall=target_recall, limit=limit, allowed=allowed
        )
        self._keep(found.rows, found.ids)
        return found.by_row()

    def _keep(self, rows: Rows, ids: HeldIds) -> None:
        there = np.flatnonzero(rows >= 0)
        self.ids.append(take_ids(ids, there))
        if self._columns:
            self.payload.append(self._index.payload_at(rows[there], self._columns))


def _payload(
    job: ClusterSearchJob, blocks: Sequence[Payload]
) -> dict[str, outputs.Values]:
    if not blocks:
        return {}
    return payload.written(Payload.concat(blocks), job.out, taken=COLUMNS)
