"""`gleann curate duplicates`: find near-duplicates, and which rows stay."""

from dataclasses import replace
from typing import get_args

import click
import numpy as np
from numpy.typing import NDArray

from gleann.selection.curation.duplicates import (
    Duplicates,
    KeepBy,
    curve,
    load_duplicates,
    near_duplicates,
)
from gleann.selection.curation.duplicates.near import MAX_PAIRS
from gleann.service.cli import options, reports
from gleann.service.cli.curate.served.options import served_by
from gleann.service.cli.curate.similar import results
from gleann.service.cli.curate.similar.duplicates_report import page_of
from gleann.service.cli.curate.similar.inputs import (
    Opened,
    near_options,
    opened,
    read_other,
    source_options,
)
from gleann.service.cli.curate.similar.jobs import DuplicatesJob
from gleann.service.cli.files import inputs, output_paths
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.report.asked import Asked

SCORE_COLUMN = "score"


@click.command(
    "duplicates",
    short_help="Find near-duplicates, and which rows stay.",
    epilog=options.examples(
        "gleann curate duplicates words.gleann --similarity 0.95 --out found.parquet"
        " --report found.html",
        "gleann curate duplicates items.parquet --metric l2 --radius 0.1 --keep-by"
        " score --scores items.parquet:quality --state found.npz --out found.parquet",
        "gleann curate duplicates new.gleann --against old.gleann --radius 0.1 --out"
        " found.csv",
    ),
)
@source_options("found.parquet")
@near_options
@click.option(
    "--keep-by",
    type=click.Choice(get_args(KeepBy)),
    default="id",
    show_default=True,
    help="Which of some near-duplicates stays: that of the lowest id, of the greatest"
    " score, the newest, or the one nearest to or farthest from the mean.",
)
@click.option(
    "--scores",
    metavar="FILE[:COLUMN]",
    help="One score or time per row (.npy, or a column, score by default), by a column"
    " id or in row order; the greatest stays.",
)
@click.option(
    "--against",
    type=options.PATH,
    help="Another index or file of vectors, all of whose rows stay.",
)
@click.option(
    "--known",
    type=options.PATH,
    help="--state of an earlier run, of a radius at least as great: only rows that it"
    " did not have, or that changed, are joined.",
)
@results.result_options
@click.option(
    "--max-pairs",
    default=MAX_PAIRS,
    show_default=True,
    help="Pairs that may be held; each takes 12 bytes.",
)
@options.threads_option
@options.report_options
@options.takes(DuplicatesJob)
@served_by("similar.served:find_duplicates")
def command(job: DuplicatesJob) -> None:
    """Find all rows of SOURCE that are near-duplicates, and keep the first of them.

    SOURCE is a folder or a file; with --server or --data, the name of an index there,
    as are --against and, by the name of a curation, --known. Rows are visited in the
    order of --keep-by; one goes where an earlier row that stayed is within the radius.
    OUT has a line per row: id, row, kept, duplicate_of, distance, group_size, and with
    --against also outside_id.
    """
    out = output_paths.table("--out", job.out)
    scores = job.scores and inputs.split_column(job.scores, SCORE_COLUMN)[0]
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *results.result_paths(job.pairs, job.state),
        *reports.pages_of(job, own=job.source),
        inputs=(job.source, job.payload, job.against, job.known, scores or None),
        overwrite=job.overwrite,
    )
    record = JobRecord("curate duplicates", job)
    with progress_bars(wanted=job.progress) as report:
        given = opened(job, record, report)
        found = _found(job, given, record, report)
    points = curve(found)
    numbers = results.write(
        found, record, out=job.out, pairs=job.pairs, state=job.state, points=points
    )
    results.say_found(
        job.out,
        found.summary(),
        points,
        room=said_of(given.among, len(given.index), what="rows"),
        seconds=record.seconds("find"),
        metric=found.metric,
        against=job.against,
    )
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, numbers))
        reports.write(given.items, page_of(found, given.items, asked, state=job.state))


def _found(
    job: DuplicatesJob, given: Opened, record: JobRecord, report: Report
) -> Duplicates:
    other = (
        None
        if job.against is None
        else read_other(job.against, record, dim=given.index.dim)
    )
    known = None if job.known is None else load_duplicates(job.known)
    if job.known is not None:
        record.add_file(job.known)
    scores = _scores(job, given, record)
    with record.timed("find"):
        found = near_duplicates(
            given.index,
            radius=job.radius,
            similarity=job.similarity,
            keep_by=job.keep_by,
            scores=scores,
            among=given.among,
            against=None if other is None else other.rows,
            known=known,
            max_pairs=job.max_pairs,
            threads=job.threads,
            progress=report,
        )
    return found if other is None else replace(found, outside_held=other.ids)


def _scores(
    job: DuplicatesJob, given: Opened, record: JobRecord
) -> NDArray[np.float64] | None:
    if job.scores is None:
        return None
    path, column = inputs.split_column(job.scores, SCORE_COLUMN)
    record.add_file(path)
    names, own = given.source.names, given.source.path
    return inputs.read_scores(path, names, name=column, own=own)
