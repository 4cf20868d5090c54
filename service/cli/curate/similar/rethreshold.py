"""`gleann curate rethreshold`: an answer for a smaller radius, from a file."""

import click

from gleann.selection.checks import IdMap
from gleann.selection.curation import duplicates, leakage
from gleann.selection.curation.duplicates.stored import duplicates_of
from gleann.selection.curation.leakage.stored import FORMAT as LEAKAGE
from gleann.selection.curation.leakage.stored import leakage_of
from gleann.selection.curation.stored_answer import StoredAnswer
from gleann.service.cli import options, reports
from gleann.service.cli.curate.served.options import served_by, served_options
from gleann.service.cli.curate.similar import leakage_results, results
from gleann.service.cli.curate.similar.duplicates_report import page_of
from gleann.service.cli.curate.similar.inputs import near_options
from gleann.service.cli.curate.similar.jobs import RethresholdJob
from gleann.service.cli.curate.similar.leakage_words import say_fewer_leaked
from gleann.service.cli.files import output_paths
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.report.asked import Asked


@click.command(
    "rethreshold",
    short_help="Duplicates or leakage for a smaller radius, without another search.",
    epilog=options.examples(
        "gleann curate rethreshold found.npz --similarity 0.98 --out fewer.parquet",
        "gleann curate rethreshold audit.npz --radius 0.01 --out leaked.parquet"
        " --report leaked.html --show-from items.csv --show-column text",
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
    """Answer for a smaller radius from FOUND, the --state of another command.

    Of `curate duplicates` or `curate leakage`, and the answer is that of another run
    of it with this radius; OUT is as there. With --server or --data, FOUND is the name
    of the curation, such as curations/3f2a.
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
        stored = StoredAnswer.read(job.found, of="near-duplicates or leakage")
        record.add_file(job.found)
    if stored.format == LEAKAGE:
        _leakage(job, stored, record)
    else:
        _duplicates(job, stored, record)


def _duplicates(job: RethresholdJob, stored: StoredAnswer, record: JobRecord) -> None:
    before = duplicates_of(stored)
    items = reports.open_items(job, IdMap(before.held_ids, n=len(before)), own=None)
    with record.timed("choose"):
        found = duplicates.rethreshold(
            before, radius=job.radius, similarity=job.similarity
        )
    points = duplicates.curve(found)
    numbers = results.write(
        found, record, out=job.out, pairs=job.pairs, state=job.state, points=points
    )
    results.say_fewer(job.out, found.summary(), before.summary())
    results.say_curve(points)
    if items is not None:
        asked = Asked.of(record.contents(job.out, numbers))
        reports.write(items, page_of(found, items, asked, state=job.state or job.found))


def _leakage(job: RethresholdJob, stored: StoredAnswer, record: JobRecord) -> None:
    before = leakage_of(stored)
    names = IdMap(before.held_ids, n=len(before.held_ids))
    items = reports.open_items(job, names, own=None)
    with record.timed("choose"):
        found = leakage.rethreshold(
            before, radius=job.radius, similarity=job.similarity
        )
    numbers = leakage_results.write(
        found, record, out=job.out, pairs=job.pairs, state=job.state
    )
    say_fewer_leaked(job.out, found.summary(), before.summary(), found.by_group())
    if items is not None:
        asked = Asked.of(record.contents(job.out, numbers))
        reports.write(items, leakage_results.page_of(found, items, asked))
