"""`gleann cluster select active`: choose the items of shards to label next."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from gleann.index.params import Metric
from gleann.index.shards.manifest import read
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.selection.active.in_shards import ItemsInShards
from gleann.selection.checks import IdMap
from gleann.service.cli import options, reports
from gleann.service.cli.cluster.among import among_of
from gleann.service.cli.cluster.joining import cluster_options, held_by
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.select.active_job import (
    ActiveItems,
    ActiveJob,
    next_batch,
    require_outputs,
    write,
    write_page,
)
from gleann.service.cli.select.active_options import active_options


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterActiveJob(ActiveJob):
    """Parameters of `gleann cluster select active`; those of files are unset."""

    workers: int | None
    address: str | None
    vectors_column: str | None = None
    id_column: str | None = None
    metric: Metric | None = None


@click.command(
    "active",
    short_help="Choose the most informative items to label (SEALS).",
    epilog=options.examples(
        "gleann cluster select active pages.shards --labels seed.csv --state"
        " session.json --out batch-1.parquet",
        "gleann cluster select active pages.shards --labels labels.csv --state"
        " session.json --resume --out batch-2.parquet",
        "gleann cluster select active /mnt/all/pages --labels seed.csv --pool seals"
        " --state session.json --address auto --out batch-1.parquet",
    ),
)
@click.argument("source", metavar="INDEX", type=options.PATH)
@active_options
@options.filter_options
@options.seed_option
@cluster_options
@options.report_options
@options.overwrite_option
@options.takes(ClusterActiveJob)
def command(job: ClusterActiveJob) -> None:
    """Choose items of INDEX, which is in shards, to label next.

    Works as `gleann select active`, with items in the order of their ids: those of one
    index whose rows are in that order are picked, for any number of shards. A process
    a shard opens it; neighbours are searched and many items scored where they are, and
    their vectors stay there. --state is of one build of INDEX. A row of --probabilities
    is of an item, in the order of the ids. The --report has no distances.
    """
    require_outputs(job)
    record = JobRecord("cluster select active", job)
    with _held(job) as index:
        with record.timed("read"):
            found = ItemsInShards.of(index)
            record.add_index(job.source, found.vectors.data_hash)
            record.add_file(job.labels)
            names = IdMap(found.ids, n=len(found))
            shown = reports.open_items(job, names, own=None)
        items = ActiveItems(
            vectors=found.vectors,
            names=names,
            metric=index.metric,
            neighbours=found.neighbours,
            among=lambda: among_of(found, job.condition),
        )
        batch = next_batch(job, items, record)
        results = write(job, items, batch, record)
        if shown is not None:
            write_page(job, batch, shown, record, results, distances={})


@contextmanager
def _held(job: ClusterActiveJob) -> Iterator[ShardedIndex]:
    """The index, held by a cluster until the end of the block.

    Raises:
        MissingFileError, CorruptDataError: no index in shards; before Ray is started.
        EngineUnavailableError, UnavailableError: no Ray.
    """
    read(job.source)
    with held_by(job, job.source) as index:
        yield index
