"""`gleann curate rethreshold`: near-duplicates for a smaller radius, from a file."""

from dataclasses import dataclass
from pathlib import Path

import click

from gleann.selection.checks import IdMap
from gleann.selection.curation.duplicates import load_duplicates, rethreshold
from gleann.service.cli import options, reports
from gleann.service.cli.curate.similar import results
from gleann.service.cli.curate.similar.duplicates_report import page_of
from gleann.service.cli.curate.similar.inputs import near_options
from gleann.service.cli.files import output_paths
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.say import say
from gleann.service.report.asked import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class RethresholdJob(options.ReportOptions):
    """Parameters of `gleann curate rethreshold`."""

    found: Path
    out: Path
    radius: float | None
    similarity: float | None
    pairs: Path | None
    state: Path | None
    overwrite: bool


@click.command(
    "rethreshold",
    short_help="Near-duplicates for a smaller radius, without another search.",
    epilog=options.examples(
        "gleann curate rethreshold found.npz --similarity 0.98 --out fewer.parquet",
        "gleann curate rethreshold found.npz --radius 0.01 --out fewer.parquet"
        " --report fewer.html --show-from items.csv --show-column text",
    ),
)
@click.argument("found", type=options.PATH)
@options.out_option("fewer.parquet")
@near_options
@results.result_options
@options.report_options
@options.overwrite_option
@options.takes(RethresholdJob)
def command(job: RethresholdJob) -> None:
    """Answer for a smaller radius from FOUND, the --state of `curate duplicates`.

    The answer is that of another run with this radius; OUT is as there.
    """
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *results.result_paths(job.pairs, job.state),
        *reports.pages_of(job, own=None),
        inputs=(job.found,),
        overwrite=job.overwrite,
    )
    record = JobRecord("curate rethreshold", job)
    with record.timed("read"):
        before = load_duplicates(job.found)
        record.add_file(job.found)
        names = IdMap(before.held_ids, n=len(before))
        items = reports.open_items(job, names, own=None)
    with record.timed("choose"):
        found = rethreshold(before, radius=job.radius, similarity=job.similarity)
    numbers = results.write(
        found, record, out=job.out, pairs=job.pairs, state=job.state
    )
    rows, kept = len(found.rows), int(found.kept.sum())
    was = len(before.rows) - int(before.kept.sum())
    say(
        f"{job.out}: {rows - kept:,} of {rows:,} rows go within {found.radius:.4g},"
        f" {was:,} within {before.radius:.4g}"
    )
    results.say_curve(found)
    if items is not None:
        asked = Asked.of(record.contents(job.out, numbers))
        reports.write(items, page_of(found, items, asked, state=job.state or job.found))
