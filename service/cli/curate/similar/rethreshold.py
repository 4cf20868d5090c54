"""`gleann curate rethreshold`: near-duplicates for a smaller radius, from a file."""

import click

from gleann.selection.checks import IdMap
from gleann.selection.curation.duplicates import curve, load_duplicates, rethreshold
from gleann.service.cli import options, reports
from gleann.service.cli.curate.served.options import served_by, served_options
from gleann.service.cli.curate.similar import results
from gleann.service.cli.curate.similar.duplicates_report import page_of
from gleann.service.cli.curate.similar.inputs import near_options
from gleann.service.cli.curate.similar.jobs import RethresholdJob
from gleann.service.cli.files import output_paths
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.report.asked import Asked


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
@served_options
@options.overwrite_option
@options.progress_option
@options.takes(RethresholdJob)
@served_by("similar.served:rethreshold_served")
def command(job: RethresholdJob) -> None:
    """Answer for a smaller radius from FOUND, the --state of `curate duplicates`.

    The answer is that of another run with this radius; OUT is as there. With --server
    or --data, FOUND is the name of the curation, such as curations/3f2a.
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
    points = curve(found)
    numbers = results.write(
        found, record, out=job.out, pairs=job.pairs, state=job.state, points=points
    )
    results.say_fewer(job.out, found.summary(), before.summary())
    results.say_curve(points)
    if items is not None:
        asked = Asked.of(record.contents(job.out, numbers))
        reports.write(items, page_of(found, items, asked, state=job.state or job.found))
