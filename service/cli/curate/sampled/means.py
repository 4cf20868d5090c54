"""`gleann curate means`: several means and shares from one labelled sample.

Works like `gleann estimate`: a person fills in a csv file of answers, and every run
goes on with those that are there.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar, get_args

import click

from gleann.selection.estimate.means import (
    MeansSession,
)
from gleann.selection.estimate.means.params import Joint
from gleann.selection.estimate.stratified.strata import STRATA_CUTS
from gleann.service.cli import options, reports
from gleann.service.cli.curate.sampled.jobs import MeansJob, session_place_options
from gleann.service.cli.curate.sampled.means_inputs import (
    Known,
    ValueAnswers,
    read_known,
    read_values,
)
from gleann.service.cli.curate.sampled.means_report import means_report
from gleann.service.cli.curate.sampled.words import means_values, say_means
from gleann.service.cli.curate.served.options import served_by
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.among import rows_among, said_of
from gleann.service.cli.files.answers import LabelsNeeded, ask_for
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.saved_state import State
from gleann.service.cli.files.session_file import SessionFile
from gleann.service.cli.labelling import (
    label,
    require_outputs,
    session_options,
    todo_option,
    unchanged,
)
from gleann.service.report.asked import Asked

Callback = TypeVar("Callback", bound=Callable[..., None])


def _item_options(function: Callback) -> Callback:
    """What is known of every item."""
    decorators = [
        click.option(
            "--items",
            type=options.PATH,
            help="Parquet, csv or jsonl file of all items, by its column id or in row"
            " order, with the columns below. With --server or --data, without it they"
            " are columns of the index.",
        ),
        click.option(
            "--index",
            type=options.PATH,
            help="Index of the items: the inverted list of each is a group too. With"
            " --server or --data, its name there.",
        ),
        click.option(
            "--control",
            multiple=True,
            help="Column of numbers known of every item that go with the statistics,"
            " such as a model's prediction. Repeat for more.",
        ),
        click.option(
            "--group",
            multiple=True,
            help="Column of groups known of every item, such as its source. Repeat for"
            " more.",
        ),
    ]
    return _decorated(function, decorators)


def _strata_options(function: Callback) -> Callback:
    """How the items are cut into strata."""
    decorators = [
        click.option(
            "--stratify-by",
            help="Column of numbers that cuts the items into strata; it is a control"
            " too. Without it the draw is uniform.",
        ),
        click.option(
            "--strata", default=5, show_default=True, help="Number of strata."
        ),
        click.option(
            "--strata-cut",
            type=click.Choice(tuple(STRATA_CUTS)),
            default="equal_size",
            show_default=True,
            help="Rule for strata bounds; sqrt_mass for a probability.",
        ),
    ]
    return _decorated(function, decorators)


def _decorated(
    function: Callback, decorators: Sequence[Callable[[Callback], Callback]]
) -> Callback:
    """The function with all decorators, in the order of their lines."""
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def _statistic_options(function: Callback) -> Callback:
    """The numbers to estimate."""
    words = {
        "--mean": "Mean of this column of the answers over all items.",
        "--share": "Share of the items for which this column of the answers is 1.",
        "--avg": "Average of this column over the items where it is not empty.",
    }
    for name, text in reversed(words.items()):
        repeat = f"{text} Repeat for more."
        function = click.option(name, multiple=True, help=repeat)(function)
    return function


@click.command(
    "means",
    short_help="Estimate several means and shares from one labelled sample.",
    epilog=options.examples(
        "gleann curate means --items items.parquet --control score --stratify-by score"
        " --mean length --share toxic --oracle-csv answers.csv --budget 500 --todo"
        " todo.csv --out means.csv",
        "gleann curate means --index words.gleann --items items.csv --group source"
        " --share spam --share advert --avg stars --oracle-csv answers.csv --budget 800"
        " --out means.parquet --report means.html",
    ),
)
@_item_options
@_strata_options
@_statistic_options
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The answers: id, and one column for each --mean, --share and --avg.",
)
@click.option("--budget", type=int, required=True, help="Items to label.")
@click.option(
    "--confidence",
    default=0.95,
    show_default=True,
    help="With which all intervals hold together.",
)
@click.option(
    "--joint",
    type=click.Choice(get_args(Joint)),
    default="max_t",
    show_default=True,
    help="How the intervals are made to hold together.",
)
@session_place_options
@options.among_options
@options.seed_option
@todo_option("id")
@options.out_option("means.csv")
@session_options
@options.report_options
@options.overwrite_option
@options.takes(MeansJob)
@served_by("sampled.means_served:means_served")
def command(job: MeansJob) -> None:
    """Estimate several means and shares, with intervals that hold together.

    One sample is labelled for all of them, in two rounds. Columns that are known of
    every item, and groups whose sizes are known, make the intervals narrower, and never
    biased. When the answers lack a drawn item, its id is written to the --todo file and
    the command exits with code 3. Label the items, add the answers to the file and run
    it again. The same seed draws the same items.
    """
    require_outputs(
        output_paths.table("--out", job.out),
        job.todo,
        job.state,
        pages=reports.pages_of(job, own=job.items),
        inputs=(job.items, job.index, job.oracle_csv, job.payload),
        overwrite=job.overwrite,
    )
    record = JobRecord("curate means", job)
    try:
        with record.timed("estimate"):
            known = _known(job, record)
            items = reports.open_items(job, known.names, own=job.items)
            answers = read_values(job.oracle_csv, known.names, job.statistics)
            file = SessionFile(job.state, resume=job.resume, overwrite=job.overwrite)
            session = _session(job, record, file, known, answers)
            label(session, answers.ask, file)
            made = session.estimates()
    except LabelsNeeded as needed:
        ask_for({"id": needed.ids}, job.todo, job.oracle_csv)
    record.add_file(job.oracle_csv)
    results = means_values(made)
    with outputs.staged() as files:
        files.add_table(job.out, made.table().columns)
        record.add_to(files, job.out, results)
    say_means(made, room=said_of(session.among, len(known.names)))
    if items is not None:
        asked = Asked.of(record.contents(job.out, results))
        reports.write(items, means_report(job, made, session, items, asked))


def _known(job: MeansJob, record: JobRecord) -> Known:
    by = () if job.stratify_by is None else (job.stratify_by,)
    return read_known(
        job.items,
        job.index,
        controls=(*job.control, *by),
        groups=job.group,
        record=record,
    )


def _session(
    job: MeansJob,
    record: JobRecord,
    file: SessionFile,
    known: Known,
    answers: ValueAnswers,
) -> MeansSession:
    """The session of --state, or a new one."""
    ids = known.names.held

    def resume(state: State) -> MeansSession:
        session = MeansSession.resume(
            state, controls=known.controls, groups=known.groups, ids=ids
        )
        return unchanged(session, answers.among, answers.ask)

    def start() -> MeansSession:
        return MeansSession.start(
            job.params,
            controls=known.controls,
            groups=known.groups,
            ids=ids,
            among=rows_among(
                job, record, known.names, index=known.index, own=job.items
            ),
        )

    return file.resumed(resume, start, params=job.params, condition=job.condition)
