"""`gleann curate allocate`: labels from probabilities, under class shares."""

from collections.abc import Hashable

import click
import numpy as np
from numpy.typing import NDArray

from gleann.selection.among import Among, origin_of
from gleann.selection.checks import IdMap
from gleann.selection.curation.graph_labels import (
    AllocationParams,
    AllocationRequest,
    allocate_labels,
    wilson_upper_bounds,
)
from gleann.service.cli import options, reports
from gleann.service.cli.curate.labels.allocate_outputs import (
    require_outputs,
    sample_counts,
    say_allocation,
)
from gleann.service.cli.curate.labels.allocate_report import likeliest_of, page_of
from gleann.service.cli.curate.labels.jobs import AllocateJob
from gleann.service.cli.curate.served.options import served_by, served_options
from gleann.service.cli.files import outputs, results
from gleann.service.cli.files.among import rows_among, said_of
from gleann.service.cli.files.class_tables import (
    ClassTable,
    read_class_numbers,
    read_class_table,
)
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.report.asked import Asked
from gleann.service.report.pages.allocation import ClassCount
from gleann.service.report.pages.allocation import class_counts as counts_of

DEFAULTS = AllocationParams()
CONFIDENCE = 0.95


@click.command(
    "allocate",
    short_help="Label the surest items, no class above its share (Sinkhorn).",
    epilog=options.examples(
        "gleann curate allocate p.parquet --shares cat=0.7,dog=0.3 --out labels.csv",
        "gleann curate allocate p.npy --classes cat,dog --sample labels.csv --share 0.5"
        " --out half.csv --report half.html",
    ),
)
@click.argument("probabilities", type=options.PATH)
@click.option(
    "--shares",
    metavar="CLASS=SHARE,...|FILE",
    help="Share of the items that each class has; they sum to 1. Or a table with the"
    " columns class and share.",
)
@click.option(
    "--upper-bounds",
    metavar="CLASS=SHARE,...|FILE",
    help="In place of --shares: the most that each class may have.",
)
@click.option(
    "--sample",
    metavar="FILE[:COLUMN]",
    help="In place of --shares: labels (column label) of items drawn at random, whose"
    " counts give upper bounds by Wilson's intervals.",
)
@click.option(
    "--confidence",
    default=CONFIDENCE,
    show_default=True,
    help="Of each upper bound of --sample.",
)
@click.option(
    "--classes",
    metavar="A,B,...",
    help="Names of the columns of a .npy file, or the columns of a table to read.",
)
@click.option(
    "--share",
    default=DEFAULTS.share,
    show_default=True,
    help="Share of the items to label, the surest ones.",
)
@click.option(
    "--gamma",
    default=DEFAULTS.gamma,
    show_default=True,
    help="Sharpness: larger is nearer to hard labels.",
)
@click.option(
    "--tolerance",
    default=DEFAULTS.tolerance,
    show_default=True,
    help="Largest relative error of the total of a class.",
)
@click.option(
    "--max-sweeps",
    default=DEFAULTS.max_sweeps,
    show_default=True,
    help="Sweeps at most.",
)
@options.out_option("labels.parquet")
@options.among_options
@served_options
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(AllocateJob)
@served_by("labels.allocate_served:allocate_served")
def command(job: AllocateJob) -> None:
    """Label items by PROBABILITIES so that no class gets more than its share.

    PROBABILITIES is a table with a column for each class and, for ids, a column id, as
    `gleann curate propagate --probabilities-out` writes it; or a .npy array (n, c).
    With --server or --data it is the name of the curation of `propagate` there. Items
    whose probabilities are all 0 have no evidence and get no label.

    Writes id, row, label and weight (how sure, 0 to 1), the surest first.
    """
    require_outputs(job, pages=reports.pages_of(job, own=job.probabilities))
    params = job.params()
    record = JobRecord("curate allocate", job)
    with record.timed("read"):
        record.add_file(job.probabilities)
        named = job.classes.split(",") if job.classes else []
        table = read_class_table(job.probabilities, classes=named)
        names = IdMap(table.ids, n=len(table.values))
        among = rows_among(job, record, names, own=job.probabilities)
        request = _request(job, table, names, among, params, record)
        items = reports.open_items(job, names, own=job.probabilities)
    with record.timed("allocate"), progress_bars(wanted=job.progress) as report:
        found = allocate_labels(request, progress=report)
    likeliest = likeliest_of(table.values)
    looked_at = likeliest if among is None else likeliest[among.rows]
    counts = counts_of(found, looked_at)
    bare = int((looked_at < 0).sum())
    told = {**found.summary, "without_evidence": bare, "classes": _as_json(counts)}
    told |= {"provenance": found.provenance} | origin_of(among)
    with outputs.staged() as files:
        files.add_table(job.out, results.columns_of(found, job.out))
        record.add_to(files, job.out, told)
    say_allocation(
        job,
        {**told, "labelled": len(found)},
        [(one.name, one.labels, one.mass, one.bound) for one in counts],
        room=said_of(among, len(names)),
        seconds=record.seconds("allocate"),
    )
    if items is not None:
        asked = Asked.of(record.contents(job.out, told))
        page = page_of(
            job, found, counts, likeliest, items, asked, without_evidence=bare
        )
        reports.write(items, page)


def _request(
    job: AllocateJob,
    table: ClassTable,
    names: IdMap,
    among: Among | None,
    params: AllocationParams,
    record: JobRecord,
) -> AllocationRequest:
    shares = upper = None
    if job.shares is not None:
        shares = read_class_numbers(job.shares, table.classes, flag="--shares")
    elif job.upper_bounds is not None:
        upper = read_class_numbers(
            job.upper_bounds, table.classes, flag="--upper-bounds"
        )
    else:
        upper = _sample_bounds(job, table.classes, record)
    return AllocationRequest(
        probabilities=table.values,
        shares=shares,
        upper_bounds=upper,
        classes=table.classes,
        ids=names.ids if table.ids is not None else None,
        among=among,
        params=params,
    )


def _sample_bounds(
    job: AllocateJob, classes: tuple[Hashable, ...], record: JobRecord
) -> NDArray[np.float64]:
    """Upper bounds (c,) of the class shares by the labels of a random sample."""
    counts = sample_counts(job, classes, record)
    return wilson_upper_bounds(counts, confidence=job.confidence)


def _as_json(counts: list[ClassCount]) -> dict[str, dict[str, float]]:
    """Bound, mass and labels of each class."""
    return {
        one.name: {"bound": one.bound, "mass": one.mass, "labels": one.labels}
        for one in counts
    }
