"""`gleann curate join`: the pairs of two collections, or of one with itself."""

from collections.abc import Iterator

import click
import numpy as np
import pyarrow as pa

from gleann.index import SoarIndex
from gleann.index.arrays import Distances, HeldIds, Rows
from gleann.index.errors import InvalidParamsError, LimitError
from gleann.index.ids.held import take_ids
from gleann.index.nouns import counted, number_of
from gleann.index.texts import Texts
from gleann.selection.curation.duplicates import JoinedPairs, join, nearest_join
from gleann.service.cli import options
from gleann.service.cli.curate.served.options import served_by
from gleann.service.cli.curate.similar.inputs import (
    Opened,
    Other,
    near_options,
    opened,
    read_other,
    source_options,
)
from gleann.service.cli.curate.similar.jobs import JoinJob, require_one_way
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.files.outputs import STREAMED_SUFFIXES
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.cli.say import say

MAX_PAIRS = 1_000_000_000
"""Lines of the table at most, where the caller does not say."""


@click.command(
    "join",
    short_help="Find the near pairs of two collections, or within one.",
    epilog=options.examples(
        "gleann curate join new.gleann --other old.gleann --similarity 0.9 --out"
        " pairs.parquet",
        "gleann curate join words.gleann --radius 0.1 --out pairs.csv",
        "gleann curate join new.gleann --other old.gleann --k 5 --out pairs.parquet",
    ),
)
@source_options("pairs.parquet")
@click.option(
    "--other",
    type=options.PATH,
    help="An index or a file of vectors to join with; without it SOURCE is joined with"
    " itself, each pair of different rows once.",
)
@near_options
@click.option(
    "--k", type=int, help="For each row, its K nearest in the index --other instead."
)
@click.option(
    "--target-recall", type=float, help="Recall to aim for with --k; 0.95 by default."
)
@click.option(
    "--max-pairs",
    type=click.IntRange(0),
    default=MAX_PAIRS,
    show_default=True,
    help="Pairs that are written at most; more are an error.",
)
@options.threads_option
@options.takes(JoinJob)
@served_by("similar.served:join_served")
def command(job: JoinJob) -> None:
    """Write all pairs of SOURCE and --other within a radius: id, other_id, distance.

    With --server or --data, SOURCE and --other are the names of indexes there, or
    --other a file of vectors. Pairs within a radius are complete, and none is false.
    They are written as they are found, in bounded memory, to a .parquet or .csv file.
    """
    out = OutputPath(flag="--out", path=job.out, suffixes=STREAMED_SUFFIXES)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        inputs=(job.source, job.payload, job.other),
        overwrite=job.overwrite,
    )
    require_one_way(job)
    record = JobRecord("curate join", job)
    counts = [0]
    with progress_bars(wanted=job.progress) as report, outputs.staged() as files:
        given = opened(job, record, report)
        other = (
            None
            if job.other is None
            else read_other(job.other, record, dim=given.index.dim)
        )
        with record.timed("join"):
            blocks = _blocks(job, given, other, report)
            tables = _tables(blocks, given, other, counts, most=job.max_pairs)
            files.add_tables(job.out, tables)
        record.add_to(files, job.out, _results(given, counts[0]))
    room = said_of(given.among, len(given.index), what="rows")
    say(
        f"{job.out}: {counted(counts[0], 'pairs')} of {room} in"
        f" {record.seconds('join'):.2f} s (metric {given.index.metric})"
    )


def _results(given: Opened, pairs: int) -> dict[str, object]:
    return {
        "pairs": pairs,
        "rows": len(given.index) if given.among is None else len(given.among),
        "metric": given.index.metric,
    }


def _blocks(
    job: JoinJob, given: Opened, other: Other | None, report: Report
) -> Iterator[JoinedPairs]:
    if job.k is None:
        return join(
            given.index,
            None if other is None else other.rows,
            radius=job.radius,
            similarity=job.similarity,
            among=given.among,
            threads=job.threads,
            progress=report,
        )
    if other is None or not isinstance(other.rows, SoarIndex):
        raise InvalidParamsError(
            "--k needs an index as --other; `gleann graph` finds the nearest rows"
            " within one"
        )
    return nearest_join(
        given.index,
        other.rows,
        k=job.k,
        target_recall=job.target_recall,
        among=given.among,
        progress=report,
    )


def _tables(
    blocks: Iterator[JoinedPairs],
    given: Opened,
    other: Other | None,
    counts: list[int],
    *,
    most: int,
) -> Iterator[pa.Table]:
    """The pairs block after block, an empty one first; `counts` grows by them.

    Raises:
        LimitError: there are more than `most` pairs.
    """
    held = given.index.held_ids if other is None else other.ids
    none = np.empty(0, np.int64)
    yield _table(given.index.held_ids, held, none, none, np.empty(0, np.float32))
    for block in blocks:
        counts[0] += len(block)
        if counts[0] > most:
            raise LimitError(
                f"more than {number_of(most, 'pairs')} are found: {counts[0]} so far."
                " Choose a smaller distance, or raise max_pairs"
            )
        yield _table(
            given.index.held_ids, held, block.rows, block.others, block.distances
        )


def _table(
    ids: HeldIds,
    other_ids: HeldIds,
    rows: Rows,
    others: Rows,
    distances: Distances,
) -> pa.Table:
    return pa.table(
        {
            "id": _column(take_ids(ids, rows)),
            "other_id": _column(take_ids(other_ids, others)),
            "distance": pa.array(distances),
        }
    )


def _column(ids: HeldIds) -> pa.Array:
    # As other tables have texts: of less than 2 GiB a block.
    return ids.to_arrow().cast(pa.string()) if isinstance(ids, Texts) else pa.array(ids)
