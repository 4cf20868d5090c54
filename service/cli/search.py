"""`gleann search`: write the nearest neighbours of many queries."""

from dataclasses import dataclass, replace
from typing import cast, get_args

import click
import numpy as np

from gleann.index import SoarIndex
from gleann.index.params import Effort
from gleann.service.cli import options
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
class SearchJob(SearchOptions):
    """Parameters of `gleann search`."""

    effort: str
    engine: str
    threads: int


@click.command(
    "search",
    short_help="Find the nearest neighbours of many queries.",
    epilog=options.examples(
        "gleann search words.gleann queries.npy --k 10 --out found.parquet",
        "gleann search words.gleann q.parquet --target-recall 0.99 --out found.parquet",
        "gleann search words.gleann queries.npy --exact --out truth.parquet",
        "gleann search pages.gleann queries.npy --where 'year >= $1' --param 2020"
        " --columns title --out found.csv",
        "gleann search words.gleann queries.npy --radius 0.1 --out near.parquet",
    ),
)
@click.argument("index", type=options.PATH)
@click.argument("queries", type=options.PATH)
@search_options
@click.option(
    "--effort",
    type=click.Choice([name.replace("_", "-") for name in get_args(Effort)]),
    default="even",
    show_default=True,
    help="Lists to scan: as many for all queries, or as many as each takes.",
)
@options.engine_options
@options.overwrite_option
@options.progress_option
@options.verbose_option
@options.takes(SearchJob)
def command(job: SearchJob) -> None:
    """Find the neighbours of QUERIES (.npy or parquet) in INDEX.

    Writes a table with the columns query (id, or row number if QUERIES has no ids),
    rank (from 0), id, distance (squared L2, 1 - cos, or -ip) and those of --columns, as
    .parquet, .csv, .jsonl or .npz. Prints time, queries a second and the estimated
    recall.

    A condition compares payload columns, or id, with values: year >= 2020 AND lang IN
    ('en', 'de') AND NOT draft. The README has its grammar.
    """
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        inputs=(job.index, job.queries),
        overwrite=job.overwrite,
    )
    require_radius_alone(job)
    where = require_where(job)
    effort = cast(Effort, job.effort.replace("-", "_"))
    params = replace(job.params, effort=effort)
    record = JobRecord("search", job)
    with record.timed("load"):
        index = SoarIndex.load(job.index, engine=job.engine, threads=job.threads)
        read = inputs.read_vectors(
            job.queries, vectors_column=job.vectors_column, id_column=job.id_column
        )
        record.add_index(job.index, index.data_hash)
        record.add_file(job.queries)
        # No row is found beyond the last, and nothing is written for it.
        allowed = None if where is None else index.where(where, job.parameters)
        params = replace(params, k=min(params.k, len(index)), allowed=allowed)
        columns = index.schema.select(payload.names_of(job.columns)).names
    with record.timed("search"), progress_bars(wanted=job.progress) as report:
        blocks = search_blocks(index, read.vectors, job, params, report)
    names = np.arange(len(read.vectors)) if read.ids is None else read.ids
    seconds = record.seconds("search")
    stats = summed(blocks)
    with outputs.staged() as files:
        table = columns_of(blocks, names, index.held_ids[rows_of(blocks)])
        files.add_table(job.out, table | _payload(job, index, blocks, columns))
        results = {"queries": len(names), "qps": len(names) / seconds, **stats}
        record.add_to(files, job.out, results)
    say_searched(job, params, stats, count=len(names), seconds=seconds)
    if job.radius is None:
        warn(index.recall_warning(blocks[0].stats, params))


def _payload(
    job: SearchJob, index: SoarIndex, blocks: Blocks, names: tuple[str, ...]
) -> dict[str, outputs.Values]:
    if not names or index.payload is None:
        return {}
    found = index.payload.select(names).take(rows_of(blocks))
    return payload.written(found, job.out, taken=COLUMNS)
