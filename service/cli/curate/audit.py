"""`gleann curate audit`: measure a choice beside random ones and the pool."""

from typing import Any

import click

from gleann.index.errors import InvalidInputError
from gleann.selection.among import Among, origin_of
from gleann.selection.curation.audit import (
    Audit,
    audit,
    coverage_lines,
    group_lines,
    order_as_json,
    part_lines,
)
from gleann.service.cli import options, reports
from gleann.service.cli.curate.audit_inputs import (
    AuditJob,
    chosen_file,
    chosen_rows,
    group_labels,
    request_of,
)
from gleann.service.cli.curate.audit_report import page_of
from gleann.service.cli.files import (
    inputs,
    output_paths,
    outputs,
    results,
    sources,
)
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say
from gleann.service.report.asked import Asked
from gleann.service.report.measures.some import some_of
from gleann.service.report.numerals import short

MOST_LINES = 12
"""Groups, orders and shares that are printed."""


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
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(AuditJob)
def command(job: AuditJob) -> None:
    """Measure a choice of the items of SOURCE beside random ones and all items.

    SOURCE is an index or a file of vectors. A Vendi score is an effective number of
    different items; scores of choices of different sizes are not comparable, so each is
    beside that of as many random items. A radius is the distance within which a share
    of the items has a chosen one.

    Writes a line for the choice, for as many random items, for as many that are drawn
    with the groups' shares, and for all items.
    """
    _require_outputs(job)
    record = JobRecord("curate audit", job)
    with record.timed("read"):
        source = sources.open_source(
            job.source,
            record,
            vectors_column=job.vectors_column,
            id_column=job.id_column,
            metric=job.metric,
        )
        among = source.among(job, record)
        chosen = chosen_rows(job, source, record)
        labels = group_labels(job, source, record)
        request = request_of(job, source, chosen, labels)
        items = reports.open_items(job, source.names, own=job.source)
    with record.timed("audit"), progress_bars(wanted=job.progress) as report:
        found = audit(
            source.vectors, request, ids=source.ids, among=among, progress=report
        )
    told = _results(found, source) | origin_of(among)
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
    _say(job, found, among, n=len(source.names), seconds=record.seconds("audit"))
    if items is not None:
        asked = Asked.of(record.contents(job.out, told))
        page = page_of(
            job, found, source, chosen=chosen, among=among, items=items, asked=asked
        )
        reports.write(items, page)


def _require_outputs(job: AuditJob) -> None:
    if not (job.groups or job.group_column):
        for flag, path in (
            ("--groups-out", job.groups_out),
            ("--parts-out", job.parts_out),
        ):
            if path is not None:
                raise InvalidInputError(
                    f"{flag} needs groups: give --groups or --group-column"
                )
    out = output_paths.table("--out", job.out)
    more = {
        "--coverage-out": job.coverage_out,
        "--groups-out": job.groups_out,
        "--parts-out": job.parts_out,
    }
    read = [inputs.split_column(one, inputs.GROUP_COLUMN)[0] for one in job.groups]
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *(output_paths.table(flag, path) for flag, path in more.items() if path),
        *reports.pages_of(job, own=job.source),
        inputs=(
            job.source,
            chosen_file(job.chosen)[0],
            job.payload,
            *(path for path in read if path != job.source),
        ),
        overwrite=job.overwrite,
    )


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


def _say(
    job: AuditJob, found: Audit, among: Among | None, *, n: int, seconds: float
) -> None:
    chosen, drawn = found["chosen"], found["random"]
    say(
        f"{job.out}: {chosen.rows:,} of {said_of(among, n)} measured in"
        f" {seconds:.2f} s, beside as many random ones"
    )
    for number in some_of(len(found.orders), [], most=MOST_LINES):
        ours, theirs = chosen.vendi[number], drawn.vendi[number]
        say(
            f"Vendi score of order {found.orders[number]:g}: {short(ours)}, random"
            f" {short(theirs)} ({short(ours / theirs)} times)"
        )
    _say_left(len(found.orders), "orders", "--out")
    assert chosen.coverage is not None, "only the pool has none"
    assert drawn.coverage is not None, "only the pool has none"
    shares = chosen.coverage.shares
    radii, drawn_radii = chosen.coverage.radii[-1], drawn.coverage.radii[-1]
    for number in some_of(len(shares), [len(shares) - 1], most=MOST_LINES):
        ours, theirs = float(radii[number]), float(drawn_radii[number])
        say(
            f"{100 * shares[number]:g} % of the items within {short(ours)}, random"
            f" {short(theirs)}"
        )
    _say_left(len(shares), "shares", "--coverage-out")
    for table in found.tables:
        bare = [
            str(g) for g, c in zip(table.groups, table.chosen, strict=True) if not c
        ]
        if bare:
            shown = ", ".join(bare[:MOST_LINES])
            more = ", ..." if len(bare) > MOST_LINES else ""
            say(
                f"{len(bare):,} of {len(table.groups):,} values of {table.column} are"
                f" not in the choice: {shown}{more}"
            )


def _say_left(count: int, what: str, where: str) -> None:
    """Say how many are not printed."""
    if count > MOST_LINES:
        say(f"{count - MOST_LINES:,} of {count:,} {what} are left out; {where} has all")
