"""`gleann curate leakage`: rows whose near-duplicates are in the training data."""

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.errors import InvalidInputError
from gleann.selection.curation.leakage import Leakage, leakage
from gleann.selection.curation.leakage.audit import BINS, MAX_PAIRS
from gleann.service.cli import options, reports
from gleann.service.cli.curate.served.options import served_by
from gleann.service.cli.curate.similar import leakage_results, results
from gleann.service.cli.curate.similar.inputs import (
    Opened,
    near_options,
    opened,
    source_options,
)
from gleann.service.cli.curate.similar.jobs import LeakageJob
from gleann.service.cli.curate.similar.leakage_words import say_leakage
from gleann.service.cli.files import inputs, output_paths
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.report.asked import Asked

SPLIT_COLUMN = "split"


@click.command(
    "leakage",
    short_help="Find rows whose near-duplicates are in the training data.",
    epilog=options.examples(
        "gleann curate leakage items.gleann --splits items.csv:split --similarity 0.95"
        " --out leaked.parquet --report leaked.html",
        "gleann curate leakage test.gleann --reference train.gleann --radius 0.1 --out"
        " leaked.csv --pairs pairs.csv",
        "gleann curate leakage docs --splits :split --similarity 0.95 --out leaked.csv"
        " --server grpc://127.0.0.1:50051",
    ),
)
@source_options("leaked.parquet")
@near_options
@click.option(
    "--reference",
    type=options.PATH,
    help="Index of the training rows: all rows of SOURCE are audited.",
)
@click.option(
    "--splits",
    metavar="FILE[:COLUMN]",
    help="The split of each row of SOURCE instead (.npy, or a column, split by"
    " default), by a column id or in row order.",
)
@click.option(
    "--trained-on",
    multiple=True,
    default=("train",),
    show_default=True,
    help="A split that is training data; the others are audited. Repeat for more.",
)
@click.option(
    "--groups",
    metavar="FILE[:COLUMN]",
    help="One group per row, by which rows are counted; by default the splits.",
)
@click.option("--pairs", type=options.PATH, help="Also write the pairs within the cut.")
@click.option(
    "--state",
    type=options.PATH,
    help="Also write a .npz file, from which `gleann curate rethreshold` answers for"
    " smaller cuts.",
)
@click.option("--bins", default=BINS, show_default=True, help="Bins of the histograms.")
@click.option(
    "--max-pairs",
    default=MAX_PAIRS,
    show_default=True,
    help="Pairs that are listed; of more, only the nearest of each row are.",
)
@options.threads_option
@options.report_options
@options.takes(LeakageJob)
@served_by("similar.leakage_served:find_leakage")
def command(job: LeakageJob) -> None:
    """Find the rows of SOURCE that have a training row within the cut.

    With --server or --data, SOURCE and --reference are the names of indexes there, and
    --splits and --groups columns of their payload, as :COLUMN.

    OUT has a line per audited row: id, group, nearest (training id), distance, leaked,
    pairs. Pairs within the cut are complete; beyond it, the nearest training row is
    found with recall 0.99.
    """
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *results.result_paths(job.pairs, job.state),
        *reports.pages_of(job, own=job.source),
        inputs=(
            job.source,
            job.payload,
            job.reference,
            _file(job.splits, SPLIT_COLUMN),
            _file(job.groups, inputs.GROUP_COLUMN),
        ),
        overwrite=job.overwrite,
    )
    record = JobRecord("curate leakage", job)
    with progress_bars(wanted=job.progress) as report:
        given = opened(job, record, report)
        reference = _reference(job, record)
        found = _found(job, given, reference, record, report)
    numbers = leakage_results.write(
        found, record, out=job.out, pairs=job.pairs, state=job.state
    )
    say_leakage(
        job.out,
        found.summary(),
        found.by_group(),
        training=_training(given, found, reference),
        room=said_of(given.among, len(given.index), what="rows"),
        seconds=record.seconds("audit"),
    )
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, numbers))
        reports.write(given.items, leakage_results.page_of(found, given.items, asked))


def _file(given: str | None, column: str) -> Path | None:
    return None if given is None else inputs.split_column(given, column)[0]


def _reference(job: LeakageJob, record: JobRecord) -> SoarIndex | None:
    """The index of the training rows; None where the splits say which they are."""
    if job.reference is None:
        return None
    if not job.reference.is_dir():
        raise InvalidInputError(
            f"--reference {job.reference} is no index: `gleann build` makes one"
        )
    reference = SoarIndex.load(job.reference)
    record.add_index(job.reference, reference.data_hash)
    return reference


def _training(given: Opened, found: Leakage, reference: SoarIndex | None) -> int:
    """How many training rows there are."""
    if reference is not None:
        return len(reference)
    held = len(given.index) if given.among is None else len(given.among)
    return held - len(found.rows)


def _found(
    job: LeakageJob,
    given: Opened,
    reference: SoarIndex | None,
    record: JobRecord,
    report: Report,
) -> Leakage:
    splits = _words(job.splits, given, record, column=SPLIT_COLUMN)
    groups = _words(job.groups, given, record, column=inputs.GROUP_COLUMN)
    with record.timed("audit"):
        return leakage(
            given.index,
            reference,
            splits=splits,
            trained_on=_named_like(job.trained_on, splits),
            radius=job.radius,
            similarity=job.similarity,
            groups=groups,
            among=given.among,
            bins=job.bins,
            max_pairs=job.max_pairs,
            threads=job.threads,
            progress=report,
        )


def _words(
    given: str | None, opened: Opened, record: JobRecord, *, column: str
) -> NDArray[np.generic] | None:
    if given is None:
        return None
    path, _ = inputs.split_column(given, column)
    record.add_file(path)
    names, own = opened.source.names, opened.source.path
    return inputs.read_groups(given, names, own=own, column=column)


def _named_like(
    names: tuple[str, ...], splits: NDArray[np.generic] | None
) -> list[int | str]:
    """Names of splits as the splits have them: integers where these are integers."""
    if splits is None or splits.dtype.kind not in "iu":
        return list(names)
    return [int(one) if one.lstrip("-").isdigit() else one for one in names]
