"""`gleann search`: write the nearest neighbours of many queries."""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress, SearchParams, SearchStats, SoarIndex
from gleann.index.found import COUNTS, FoundRows, shortfall, sum_stats
from gleann.service.cli import options
from gleann.service.cli.files import inputs, outputs
from gleann.service.cli.files.manifest import JobRecord, manifest_path
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.files.npy_file import NpyFile

QUERY_BLOCK = 16_384
"""Queries searched between two steps of the progress bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchJob:
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
    engine: str
    threads: int
    overwrite: bool
    progress: bool


@click.command(
    "search",
    short_help="Find the nearest neighbours of many queries.",
    epilog=options.examples(
        "gleann search words.gleann queries.npy --k 10 --out found.parquet",
        "gleann search words.gleann q.parquet --target-recall 0.99 --out found.parquet",
        "gleann search words.gleann queries.npy --exact --out truth.parquet",
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
@options.column_options
@options.engine_options
@options.overwrite_option
@options.progress_option
@options.takes(SearchJob)
def command(job: SearchJob) -> None:
    """Find the neighbours of QUERIES (.npy or parquet) in INDEX.

    Writes a parquet file with the columns query (row number, or id with --id-column),
    rank (from 0), id and distance (squared L2, 1 - cos, or -ip).
    """
    outputs.refuse_existing(job.out, manifest_path(job.out), overwrite=job.overwrite)
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
    with record.timed("search"), progress_bars(wanted=job.progress) as report:
        blocks = _search(index, read.vectors, params, report)
    names = np.arange(len(read.vectors)) if read.ids is None else read.ids
    outputs.write_parquet(job.out, columns_of(index, blocks, names))
    qps = len(names) / record.seconds("search")
    stats = _sum([found.stats for found in blocks])
    record.write(job.out, {"queries": len(names), "qps": qps, **stats})
    click.echo(
        f"{job.out}: {len(names):,} queries, {qps:,.0f} queries/s\n"
        + ", ".join(f"{name} {_write(value)}" for name, value in stats.items())
    )
    if (text := shortfall(blocks[0].stats, params)) is not None:
        click.echo(f"gleann: warning: {text} (--exact)", err=True)


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
    index: SoarIndex, blocks: list[FoundRows], names: NDArray[np.generic]
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


def _write(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value or "not measured")
