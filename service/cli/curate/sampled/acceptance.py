"""`gleann curate acceptance`: a bound on the failures in a batch, from an audit."""

import click
import numpy as np
from numpy.typing import NDArray

from gleann.selection.checks import IdMap
from gleann.selection.promises import BatchAudit
from gleann.service.cli import options, reports
from gleann.service.cli.curate.sampled.acceptance_columns import FAILED_COLUMNS
from gleann.service.cli.curate.sampled.acceptance_report import acceptance_report
from gleann.service.cli.curate.sampled.jobs import (
    AcceptanceJob,
    index_option,
    session_place_options,
)
from gleann.service.cli.curate.sampled.words import bound_values, say_bound
from gleann.service.cli.curate.served.options import served_by
from gleann.service.cli.files import inputs, outputs
from gleann.service.cli.files.answers import (
    Answers,
    LabelsNeeded,
    ask_for,
    read_answers,
)
from gleann.service.cli.files.item_table import TABLE_SUFFIXES
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.labelling import json_file, require_outputs, todo_option
from gleann.service.report.asked import Asked


@click.command(
    "acceptance",
    short_help="Bound the failures in a batch from an audit of a part.",
    epilog=options.examples(
        "gleann curate acceptance --batch picks.parquet --size 100 --oracle-csv"
        " checks.csv --todo todo.csv --out bound.json",
        "gleann curate acceptance --batch kept.csv --size 300 --confidence 0.99"
        " --oracle-csv checks.csv --out bound.json --report bound.html",
        "gleann curate acceptance --batch kept.csv --drawn mine.csv --oracle-csv"
        " checks.csv --out bound.json",
    ),
)
@click.option(
    "--batch",
    type=options.PATH,
    required=True,
    help="Ids of the batch, such as the output of `gleann select`: .npy (m,), or"
    " parquet/csv with a column id.",
)
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The checks: id, and failed or label (1 where the item fails).",
)
@click.option(
    "--size",
    type=int,
    help="Items to check. Decide it before: who checks more because of what was found"
    " has no bound.",
)
@click.option(
    "--drawn",
    type=options.PATH,
    help="Instead of --size, ids that you drew yourself, uniformly from the whole batch"
    " and without replacement (.npy, or a column id). Bounds of other draws do not"
    " hold: ids in equal steps of the batch, such as the first ones, are refused.",
)
@click.option("--confidence", default=0.95, show_default=True, help="Of the bound.")
@index_option
@session_place_options
@options.seed_option
@todo_option("id")
@options.out_option("bound.json")
@options.report_options
@options.overwrite_option
@options.takes(AcceptanceJob)
@served_by("sampled.acceptance_served:acceptance_served")
def command(job: AcceptanceJob) -> None:
    """Bound how many of the items of a batch fail that were not checked.

    Draws a uniform part of the batch; the seed must have played no part in choosing it.
    Or takes the part that you drew, with --drawn.
    When the checks lack a drawn item, its id is written to the --todo file and the
    command exits with code 3. Check the items, add the results to the file and run it
    again: the same batch and seed draw the same items, in any order of the batch.
    """
    own = job.batch if job.batch.suffix.lower() in TABLE_SUFFIXES else None
    require_outputs(
        json_file(job.out),
        job.todo,
        None,
        pages=reports.pages_of(job, own=own),
        inputs=(job.batch, job.oracle_csv, job.drawn),
        overwrite=job.overwrite,
    )
    job.require_one_draw()
    record = JobRecord("curate acceptance", job)
    try:
        with record.timed("audit"):
            ids = inputs.read_own_ids(job.batch)
            names = IdMap(ids, n=len(ids))
            items = reports.open_items(job, names, own=own)
            checks = read_answers(
                job.oracle_csv, names, with_values=False, yes_columns=FAILED_COLUMNS
            )
            audit = _checked(job, names, checks)
    except LabelsNeeded as needed:
        ask_for({"id": needed.ids}, job.todo, job.oracle_csv)
    bound = audit.bound()
    for path in (job.batch, job.oracle_csv, job.drawn):
        if path is not None:
            record.add_file(path)
    results = bound_values(bound) | {"design": audit.params.design}
    with outputs.staged() as files:
        files.add_json(job.out, results)
        record.add_to(files, job.out, results)
    say_bound(bound)
    if items is not None:
        asked = Asked.of(record.contents(job.out, results))
        failed = _failed_rows(audit, names, checks)
        reports.write(items, acceptance_report(bound, failed, items, asked))


def _checked(job: AcceptanceJob, names: IdMap, checks: Answers) -> BatchAudit:
    """The audit with all its results.

    Raises:
        LabelsNeeded: some are missing.
    """
    drawn = None if job.drawn is None else inputs.read_own_ids(job.drawn)
    params = job.params(drawn=None if drawn is None else len(drawn))
    audit = BatchAudit(names.held, params, drawn=drawn)
    audit.submit(audit.ids, checks.ask(audit.ids)[0])
    return audit


def _failed_rows(audit: BatchAudit, names: IdMap, checks: Answers) -> NDArray[np.int64]:
    """Rows of the batch that were checked and fail, in the order they were drawn."""
    rows = names.rows_of(audit.ids)
    return rows[checks.positive[rows]]
