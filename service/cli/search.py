"""`gleann search`: write the nearest neighbours of many queries."""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress, SearchParams, SearchStats, SoarIndex
from gleann.index.arrays import Mask
from gleann.index.errors import InvalidParamsError
from gleann.index.found import COUNTS, FoundRows, shortfall, sum_stats
from gleann.service.cli import options
from gleann.service.cli.files import inputs, output_paths, outputs, payload
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.cli.say import say
from gleann.service.files.npy_file import NpyFile

COLUMNS = ("query", "rank", "id", "distance")
"""Columns of the output."""
QUERY_BLOCK = 16_384
"""Queries searched between two steps of the progress bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchJob(options.FilterOptions):
    """Parameters of `gleann search`."""

    index: Path
    queries: Path
    out: Path
    vectors_column: str | None
    id_column: str | None
    k: int
    nprobe: int | None
    rerank: int | None
    target_recall: float | None
    exact: bool
    columns: str | None
    engine: str
    threads: int
    overwrite: bool
    progress: bool
    verbose: bool


@click.command(
    "search",
    short_help="Find the nearest neighbours of many queries.",
    epilog=options.examples(
        "gleann search words.gleann queries.npy --k 10 --out found.parquet",
        "gleann search words.gleann q.parquet --target-recall 0.99 --out found.parquet",
        "gleann search words.gleann queries.npy --exact --out truth.parquet",
        "gleann search pages.gleann queries.npy --where 'year >= $1' --param 2020"
        " --columns title --out found.csv",
    ),
)
@click.argument("index", type=options.PATH)
@click.argument("queries", type=options.PATH)
@options.out_option("found.parquet")
@click.option("--k", default=10, show_default=True, help="Neighbours per query.")
@click.option("--nprobe", type=int, help="Lists to scan per query.")
@click.option("--rerank", type=int, help="Rows to re-rank in float32 per query.")
@click.option(
    "--target-recall",
    type=float,
    help="Target recall if --nprobe is not set; 0.95 by default.",
)
@click.option("--exact", is_flag=True, help="Exhaustive search.")
@options.filter_options
@click.option(
    "--columns", metavar="NAME,...", help="Payload to write beside each neighbour."
)
@options.column_options
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
    params = SearchParams(
        k=job.k,
        nprobe=job.nprobe,
        rerank=job.rerank,
        target_recall=job.target_recall,
        exact=job.exact,
    )
    record = JobRecord("search", job)
    with record.timed("load"):
        index = SoarIndex.load(job.index, engine=job.engine, threads=job.threads)
        read = inputs.read_vectors(
            job.queries, vectors_column=job.vectors_column, id_column=job.id_column
        )
        record.add_index(job.index, index.data_hash)
        record.add_file(job.queries)
        # No row is found beyond the last, and nothing is written for it.
        params = replace(
            params, k=min(params.k, len(index)), allowed=_allowed(job, index)
        )
        columns = index.schema.select(payload.names_of(job.columns)).names
    with record.timed("search"), progress_bars(wanted=job.progress) as report:
        blocks = _search(index, read.vectors, params, report)
    names = np.arange(len(read.vectors)) if read.ids is None else read.ids
    seconds = record.seconds("search")
    qps = len(names) / seconds
    stats = _sum([found.stats for found in blocks])
    with outputs.staged() as files:
        table = columns_of(index, blocks, names)
        files.add_table(job.out, table | _payload(job, index, blocks, columns))
        record.add_to(files, job.out, {"queries": len(names), "qps": qps, **stats})
    recall = "exact" if job.exact else _recall(stats["estimated_recall"])
    say(
        f"{job.out}: {len(names):,} queries, up to {job.k:,} neighbours each\n"
        f"{seconds:.2f} s, {qps:,.0f} queries/s, {recall}"
    )
    if job.verbose:
        say(", ".join(f"{name} {_write(it)}" for name, it in stats.items()))
    if (text := shortfall(blocks[0].stats, params)) is not None:
        click.echo(f"gleann: warning: {text} (--exact)", err=True)


def _allowed(job: SearchJob, index: SoarIndex) -> Mask | None:
    """The rows that meet --where.

    Raises:
        InvalidFilterError: it cannot be evaluated.
        InvalidParamsError: --param without it.
    """
    if job.where is None:
        if job.param:
            raise InvalidParamsError(
                f"--param is given {len(job.param)} times, and --where is not"
            )
        return None
    return index.where(job.where, job.parameters)


def _payload(
    job: SearchJob, index: SoarIndex, blocks: list[FoundRows], names: tuple[str, ...]
) -> dict[str, outputs.Values]:
    if not names or index.payload is None:
        return {}
    rows = np.concatenate([found.rows for found in blocks])
    found = index.payload.select(names).take(rows[rows >= 0])
    return payload.written(found, job.out, taken=COLUMNS)


def _search(
    index: SoarIndex,
    queries: NDArray[np.generic] | NpyFile,
    params: SearchParams,
    report: Report,
) -> list[FoundRows]:
    if len(queries) == 0:  # the library's error says what is wrong
        return [index.find_rows(np.asarray(queries), params)]
    blocks = []
    for start in range(0, len(queries), QUERY_BLOCK):
        report(Progress(phase="search", done=start, total=len(queries)))
        blocks.append(index.find_rows(queries[start : start + QUERY_BLOCK], params))
    return blocks


def columns_of(
    index: SoarIndex, blocks: list[FoundRows], names: outputs.Values
) -> dict[str, outputs.Values]:
    """What is written: query, rank, id and distance, without places left empty.

    Args:
        index: that was searched.
        blocks: what it found, in the order of the queries.
        names: (nq,) of the queries.
    """
    rows = np.concatenate([found.rows for found in blocks])
    distances = np.concatenate([found.distances for found in blocks])
    there = rows >= 0
    query, rank = np.nonzero(there)
    return {
        "query": names[query],
        "rank": rank.astype(np.int32),
        "id": index.held_ids[rows[there]],
        "distance": distances[there],
    }


def _sum(stats: list[SearchStats]) -> dict[str, object]:
    total = sum_stats(stats)
    return {
        "engine": total.engine,
        "nprobe": total.nprobe,
        "rerank": total.rerank,
        **{name: getattr(total, name) for name in COUNTS},
        "estimated_recall": total.estimated_recall,
    }


def _recall(estimate: object) -> str:
    if isinstance(estimate, float):
        return f"estimated recall {estimate:.3f}"
    return "recall not measured"


def _write(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value or "not measured")
