"""`gleann search`: write the nearest neighbours of many queries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar, cast, get_args

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress, SearchParams, SearchStats, SoarIndex
from gleann.index.arrays import Mask, Rows
from gleann.index.data.dataset import RowReader
from gleann.index.errors import InvalidParamsError
from gleann.index.found import COUNTS, FoundRows, RowsWithin, sum_stats
from gleann.index.params import Effort
from gleann.service.cli import options
from gleann.service.cli.files import inputs, output_paths, outputs, payload
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.cli.say import say

COLUMNS = ("query", "rank", "id", "distance")
"""Columns of the output."""
QUERY_BLOCK = 16_384
"""Queries searched between two steps of the progress bar."""

RADIUS_BLOCK = 1024
"""The same with --radius, where a query may have any number of hits."""

NEIGHBOURS = 10
"""Default of --k without --radius."""

Block = TypeVar("Block", FoundRows, RowsWithin)

Blocks: TypeAlias = Sequence[FoundRows] | Sequence[RowsWithin]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchJob(options.FilterOptions):
    """Parameters of `gleann search`."""

    index: Path
    queries: Path
    out: Path
    vectors_column: str | None
    id_column: str | None
    k: int | None
    radius: float | None
    nprobe: int | None
    rerank: int | None
    target_recall: float | None
    exact: bool
    effort: str
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
        "gleann search words.gleann queries.npy --radius 0.1 --out near.parquet",
    ),
)
@click.argument("index", type=options.PATH)
@click.argument("queries", type=options.PATH)
@options.out_option("found.parquet")
@click.option(
    "--k",
    type=int,
    help="Neighbours per query; 10 by default, and all there are with --radius.",
)
@click.option(
    "--radius",
    type=float,
    help="Greatest distance of a neighbour; all are found without --target-recall.",
)
@click.option("--nprobe", type=int, help="Lists to scan per query.")
@click.option("--rerank", type=int, help="Rows to re-rank in float32 per query.")
@click.option(
    "--target-recall",
    type=float,
    help="Target recall if --nprobe is not set; 0.95 by default.",
)
@click.option("--exact", is_flag=True, help="Exhaustive search.")
@click.option(
    "--effort",
    type=click.Choice([name.replace("_", "-") for name in get_args(Effort)]),
    default="even",
    show_default=True,
    help="Lists to scan: as many for all queries, or as many as each takes.",
)
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
    _require_radius_alone(job)
    params = _params(job)
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
        blocks = _search(index, read.vectors, job, params, report)
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
        f"{job.out}: {len(names):,} queries, {_asked(job, params)}\n"
        f"{seconds:.2f} s, {qps:,.0f} queries/s, {recall}"
    )
    if job.verbose:
        say(", ".join(f"{name} {_write(it)}" for name, it in stats.items()))
    if job.radius is None:
        _warn(index.recall_warning(blocks[0].stats, params))


def _warn(text: str | None) -> None:
    if text is not None:
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
    job: SearchJob, index: SoarIndex, blocks: Blocks, names: tuple[str, ...]
) -> dict[str, outputs.Values]:
    if not names or index.payload is None:
        return {}
    found = index.payload.select(names).take(rows_of(blocks))
    return payload.written(found, job.out, taken=COLUMNS)


def _params(job: SearchJob) -> SearchParams:
    return SearchParams(
        k=NEIGHBOURS if job.k is None else job.k,
        nprobe=job.nprobe,
        rerank=job.rerank,
        target_recall=job.target_recall,
        exact=job.exact,
        effort=cast(Effort, job.effort.replace("-", "_")),
    )


def _require_radius_alone(job: SearchJob) -> None:
    """Refuse options that say how lists are probed beside --radius.

    Raises:
        InvalidParamsError: --nprobe or --rerank.
    """
    for name, value in (("nprobe", job.nprobe), ("rerank", job.rerank)):
        if job.radius is not None and value is not None:
            raise InvalidParamsError(
                f"--{name} is not for --radius: --target-recall trades hits for speed"
            )


def _asked(job: SearchJob, params: SearchParams) -> str:
    """How many neighbours a query has at most."""
    if job.radius is None:
        return f"up to {params.k:,} neighbours each"
    most = "all" if job.k is None else f"up to {job.k:,} neighbours"
    return f"{most} within {job.radius:g} each"


def _search(
    index: SoarIndex,
    queries: RowReader,
    job: SearchJob,
    params: SearchParams,
    report: Report,
) -> Blocks:
    if job.radius is None:
        run = partial(index.find_rows, params=params)
        return _by_block(run, queries, QUERY_BLOCK, report)
    recall = 1.0 if job.exact or job.target_recall is None else job.target_recall
    within = partial(
        index.find_within,
        radius=job.radius,
        target_recall=recall,
        limit=job.k,
        allowed=params.allowed,
    )
    return _by_block(within, queries, RADIUS_BLOCK, report)


def _by_block(
    run: Callable[[NDArray[np.generic]], Block],
    queries: RowReader,
    size: int,
    report: Report,
) -> list[Block]:
    if len(queries) == 0:  # the library's error says what is wrong
        return [run(np.asarray(queries))]
    blocks = []
    for start in range(0, len(queries), size):
        report(Progress(phase="search", done=start, total=len(queries)))
        blocks.append(run(queries[start : start + size]))
    return blocks


def rows_of(blocks: Blocks) -> Rows:
    """The rows of all neighbours, without places left empty."""
    rows = np.concatenate([found.rows.ravel() for found in blocks])
    return rows[rows >= 0]


def columns_of(
    index: SoarIndex, blocks: Blocks, names: outputs.Values
) -> dict[str, outputs.Values]:
    """What is written: query, rank, id and distance, without places left empty.

    Args:
        index: that was searched.
        blocks: what it found, in the order of the queries.
        names: (nq,) of the queries.
    """
    counts = np.concatenate([_counts(found) for found in blocks])
    query = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    distances = [found.distances[found.rows >= 0] for found in blocks]
    return {
        "query": names[query],
        "rank": (np.arange(len(query)) - first[query]).astype(np.int32),
        "id": index.held_ids[rows_of(blocks)],
        "distance": np.concatenate(distances),
    }


def _counts(found: FoundRows | RowsWithin) -> Rows:
    """How many neighbours each query has; they are never behind an empty place."""
    if isinstance(found, RowsWithin):
        return np.diff(found.offsets)
    return np.count_nonzero(found.rows >= 0, axis=1)


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
