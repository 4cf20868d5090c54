"""`gleann cluster search`: search an index in shards that a cluster holds."""

from dataclasses import dataclass, replace
from hashlib import sha256

import click
import numpy as np

from gleann.index.shards.manifest import ShardsManifest, read
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cli import options
from gleann.service.cli.cluster.holding import HoldingOptions, holding_options
from gleann.service.cli.cluster.joining import cluster_options
from gleann.service.cli.files import inputs, output_paths, outputs, payload
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.searching import (
    COLUMNS,
    Blocks,
    SearchOptions,
    columns_of,
    require_radius_alone,
    require_where,
    rows_of,
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
    record.add_index(job.index, hash_of(manifest))
    record.add_file(job.queries)
    from gleann.service.cluster.search.cluster_shards import Waiting
    from gleann.service.cluster.search.opened import held
    from gleann.service.cluster.search.replicas import Holding
    from gleann.service.cluster.session import joined

    holding = Holding(
        replicas=job.replicas, engine=job.engine, threads=job.threads or None
    )
    waiting = Waiting(seconds=job.seconds, partial=job.partial)
    with (
        joined(job.address, workers=job.workers) as cluster,
        held(cluster, job.index, holding=holding, waiting=waiting) as index,
    ):
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
    columns = index.schema.select(payload.names_of(job.columns)).names
    with record.timed("search"), progress_bars(wanted=job.progress) as report:
        blocks = search_blocks(index, read_.vectors, job, params, report)
    names = np.arange(len(read_.vectors)) if read_.ids is None else read_.ids
    seconds, stats = record.seconds("search"), summed(blocks)
    with outputs.staged() as files:
        table = columns_of(blocks, names, index.held_ids_at(rows_of(blocks)))
        files.add_table(job.out, table | _payload(job, index, blocks, columns))
        results = {"queries": len(names), "qps": len(names) / seconds, **stats}
        record.add_to(files, job.out, results)
    say_searched(job, params, stats, count=len(names), seconds=seconds)
    worst = min((found.stats for found in blocks), key=lambda one: one.covered)
    if worst.covered < 1:
        warn(index.recall_warning(worst, params), hint=" (without --partial)")
    elif job.radius is None:
        warn(index.recall_warning(worst, params))


def hash_of(manifest: ShardsManifest) -> str:
    """SHA-256 of the checksums of all shards, which tells one build from another."""
    digest = sha256()
    for shard in manifest.shards:
        digest.update(shard.manifest.encode())
    return digest.hexdigest()


def _payload(
    job: ClusterSearchJob,
    index: ShardedIndex,
    blocks: Blocks,
    names: tuple[str, ...],
) -> dict[str, outputs.Values]:
    if not names:
        return {}
    found = index.payload_at(rows_of(blocks), names)
    return payload.written(found, job.out, taken=COLUMNS)
