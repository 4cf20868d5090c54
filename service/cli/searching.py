"""What commands that search have in common: options, blocks of queries, the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

import click
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import Progress, SearchParams
from gleann.index.arrays import HeldIds, Mask, Rows
from gleann.index.data.dataset import RowReader
from gleann.index.errors import InvalidParamsError
from gleann.index.found import COUNTS, FoundRows, RowsWithin, sum_stats
from gleann.index.params import RowFilter
from gleann.service.cli import options
from gleann.service.cli.files import outputs
from gleann.service.cli.progress import Report
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


class Searched(Protocol):
    """An index that commands search, wherever it is."""

    def find_rows(self, queries: ArrayLike, params: SearchParams) -> FoundRows:
        """As `SoarIndex.find_rows`."""

    def find_within(
        self,
        queries: ArrayLike,
        radius: float,
        *,
        target_recall: float = 1.0,
        limit: int | None = None,
        allowed: Mask | RowFilter | None = None,
    ) -> RowsWithin:
        """As `SoarIndex.find_within`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions(options.FilterOptions):
    """Parameters of all commands that search; jobs inherit them."""

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
    columns: str | None
    overwrite: bool
    progress: bool
    verbose: bool

    @property
    def params(self) -> SearchParams:
        """Those of the search, with no filter."""
        return SearchParams(
            k=NEIGHBOURS if self.k is None else self.k,
            nprobe=self.nprobe,
            rerank=self.rerank,
            target_recall=self.target_recall,
            exact=self.exact,
        )


def search_options(function: options.Callback) -> options.Callback:
    """The options of `SearchOptions` that say what to look for, and where it goes."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    options.out_option("found.parquet"),
    click.option(
        "--k",
        type=int,
        help="Neighbours per query; 10 by default, and all there are with --radius.",
    ),
    click.option(
        "--radius",
        type=float,
        help="Greatest distance of a neighbour; all are found without --target-recall.",
    ),
    click.option("--nprobe", type=int, help="Lists to scan per query."),
    click.option("--rerank", type=int, help="Rows to re-rank in float32 per query."),
    click.option(
        "--target-recall",
        type=float,
        help="Target recall if --nprobe is not set; 0.95 by default.",
    ),
    click.option("--exact", is_flag=True, help="Exhaustive search."),
    options.filter_options,
    click.option(
        "--columns", metavar="NAME,...", help="Payload to write beside each neighbour."
    ),
    options.column_options,
)


def require_radius_alone(job: SearchOptions) -> None:
    """Refuse options that say how lists are probed beside --radius.

    Raises:
        InvalidParamsError: --nprobe or --rerank.
    """
    for name, value in (("nprobe", job.nprobe), ("rerank", job.rerank)):
        if job.radius is not None and value is not None:
            raise InvalidParamsError(
                f"--{name} is not for --radius: --target-recall trades hits for speed"
            )


def require_where(job: SearchOptions) -> str | None:
    """The condition of --where; None without one.

    Raises:
        InvalidParamsError: --param without it.
    """
    if job.where is None and job.param:
        raise InvalidParamsError(
            f"--param is given {len(job.param)} times, and --where is not"
        )
    return job.where


def search_blocks(
    index: Searched,
    queries: RowReader,
    job: SearchOptions,
    params: SearchParams,
    report: Report,
) -> Blocks:
    """What is found for all queries, block by block.

    Args:
        index: that is searched.
        queries: (nq, d).
        job: what is asked.
        params: of the search, with its filter.
        report: told how many queries are done.
    """
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
    blocks: Blocks, names: outputs.Values, ids: HeldIds
) -> dict[str, outputs.Values]:
    """What is written: query, rank, id and distance, without places left empty.

    Args:
        blocks: what was found, in the order of the queries.
        names: (nq,) of the queries.
        ids: (m,) of `rows_of(blocks)`.
    """
    counts = np.concatenate([_counts(found) for found in blocks])
    query = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    distances = [found.distances[found.rows >= 0] for found in blocks]
    return {
        "query": names[query],
        "rank": (np.arange(len(query)) - first[query]).astype(np.int32),
        "id": ids,
        "distance": np.concatenate(distances),
    }


def _counts(found: FoundRows | RowsWithin) -> Rows:
    """How many neighbours each query has; they are never behind an empty place."""
    if isinstance(found, RowsWithin):
        return np.diff(found.offsets)
    return np.count_nonzero(found.rows >= 0, axis=1)


def summed(blocks: Blocks) -> dict[str, object]:
    """The statistics of all blocks, as the record of a job has them."""
    total = sum_stats([found.stats for found in blocks])
    return {
        "engine": total.engine,
        "nprobe": total.nprobe,
        "rerank": total.rerank,
        **{name: getattr(total, name) for name in COUNTS},
        "estimated_recall": total.estimated_recall,
        **({} if total.covered == 1 else {"covered": total.covered}),
    }


def say_searched(
    job: SearchOptions,
    params: SearchParams,
    stats: dict[str, object],
    *,
    count: int,
    seconds: float,
) -> None:
    """Say what was found in which time, for `count` queries."""
    recall = "exact" if job.exact else _recall(stats["estimated_recall"])
    say(
        f"{job.out}: {count:,} queries, {_asked(job, params)}\n"
        f"{seconds:.2f} s, {count / seconds:,.0f} queries/s, {recall}"
    )
    if job.verbose:
        say(", ".join(f"{name} {_write(it)}" for name, it in stats.items()))


def warn(text: str | None, *, hint: str = " (--exact)") -> None:
    """Say on stderr that a recall may be missed; nothing for None.

    Args:
        text: why.
        hint: which option helps, behind the text.
    """
    if text is not None:
        click.echo(f"gleann: warning: {text}{hint}", err=True)


def _asked(job: SearchOptions, params: SearchParams) -> str:
    """How many neighbours a query has at most."""
    if job.radius is None:
        return f"up to {params.k:,} neighbours each"
    most = "all" if job.k is None else f"up to {job.k:,} neighbours"
    return f"{most} within {job.radius:g} each"


def _recall(estimate: object) -> str:
    if isinstance(estimate, float):
        return f"estimated recall {estimate:.3f}"
    return "recall not measured"


def _write(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value or "not measured")
