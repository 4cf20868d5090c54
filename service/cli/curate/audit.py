"""`gleann curate audit`: measure a choice beside random ones and the pool."""

from collections.abc import Mapping
from typing import Any

import click

from gleann.selection.among import origin_of
from gleann.selection.curation.audit import (
    Audit,
    audit,
    coverage_lines,
    group_lines,
    order_as_json,
    part_lines,
)
from gleann.service.cli import options, reports
from gleann.service.cli.curate.audit_inputs import AuditJob, group_files, read
from gleann.service.cli.curate.audit_outputs import (
    columns_as_lines,
    require_outputs,
    say_audit,
)
from gleann.service.cli.curate.audit_report import page_of
from gleann.service.cli.curate.served.options import served_by, served_options
from gleann.service.cli.files import outputs, results, sources
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.report.asked import Asked


@click.command(
    "audit",
    short_help="Measure a choice: diversity, coverage, classes and groups.",
    epilog=options.examples(
        "gleann curate audit items.gleann --chosen picks.parquet --out audit.csv"
        " --group-column label --report audit.html",
        "gleann curate audit items.npy --chosen dedup.parquet:kept --out audit.csv"
        " --groups classes.csv:kind --coverage-out curve.csv",
    ),
)
@click.argument("source", type=options.PATH)
@click.option(
    "--chosen",
    required=True,
    metavar="FILE[:FLAG]",
    help="The choice: ids in the order they were picked (.npy, or a table with a column"
    " id); of a table with a column FLAG of 0 and 1, the items with 1.",
)
@options.out_option("audit.csv")
@click.option(
    "--groups",
    multiple=True,
    metavar="FILE[:COLUMN]",
    help="A class or group of every item (.npy, or a column, group by default), by a"
    " column id or in row order. Repeat for more; the first also cuts the choice into"
    " parts.",
)
@click.option(
    "--group-column",
    multiple=True,
    metavar="COLUMN",
    help="As --groups, a column of the index's payload, or of a parquet file of items.",
)
@click.option(
    "--orders",
    default="0.1,0.5,1,2,inf",
    show_default=True,
    help="Of the Vendi scores: below 1 for rare items, inf for duplication.",
)
@click.option(
    "--shares",
    default="0.5,0.9,0.99,1",
    show_default=True,
    help="Shares of the items whose radii are written.",
)
@click.option(
    "--coverage-out",
    type=options.PATH,
    help="Also write the coverage curves: radii as the choice grows.",
)
@click.option(
    "--groups-out",
    type=options.PATH,
    help="Also write the counts by group, before and after.",
)
@click.option(
    "--parts-out",
    type=options.PATH,
    help="Also write what each group adds to the Vendi scores of the choice.",
)
@options.seed_option
@options.among_options
@options.column_options
@options.metric_option
@served_options
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(AuditJob)
@served_by("audit_served:audit_served")
def command(job: AuditJob) -> None:
    """Measure a choice of the items of SOURCE beside random ones and all items.

    SOURCE is an index or a file of vectors; with --server or --data, the name of an
    index there, and --chosen may be a stored selection or curation. A Vendi score is an
    effective number of different items; scores of choices of different sizes are not
    comparable, so each is beside that of as many random items. A radius is the distance
    within which a share of the items has a chosen one.

    Writes a line for the choice, for as many random items, for as many that are drawn
    with the groups' shares, and for all items.
    """
    require_outputs(
        job,
        pages=reports.pages_of(job, own=job.source),
        more=(job.source, *group_files(job)),
    )
    record = JobRecord("curate audit", job)
    with record.timed("read"):
        given = read(job, record)
    source = given.source
    with record.timed("audit"), progress_bars(wanted=job.progress) as report:
        found = audit(
            source.vectors,
            given.request,
            ids=source.ids,
            among=given.among,
            progress=report,
        )
    told = _results(found, source) | origin_of(given.among)
    _write(job, found, told, record)
    say_audit(
        job,
        columns_as_lines(found.table().columns),
        columns_as_lines(group_lines(found)) if found.tables else [],
        room=said_of(given.among, len(source.names)),
        seconds=record.seconds("audit"),
    )
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, told))
        reports.write(given.items, page_of(job, found, given, given.items, asked))


def _write(
    job: AuditJob, found: Audit, told: Mapping[str, Any], record: JobRecord
) -> None:
    """Write the sets, the other tables that are wanted, and the record."""
    with outputs.staged() as files:
        files.add_table(job.out, results.columns_of(found, job.out))
        for path, lines in (
            (job.coverage_out, coverage_lines(found)),
            (job.groups_out, group_lines(found)),
            (job.parts_out, part_lines(found)),
        ):
            if path is not None:
                files.add_table(path, lines)
        record.add_to(files, job.out, told)


def _results(found: Audit, source: sources.Source) -> dict[str, Any]:
    return {
        "chosen": found["chosen"].rows,
        "pool": found["pool"].rows,
        "orders": [order_as_json(order) for order in found.orders],
        "vendi": {one.name: list(one.vendi) for one in found.sets},
        "vendi_shares": list(found.vendi_shares),
        "floor": found.floor,
        "metric": source.metric,
        "provenance": found.provenance,
    }
