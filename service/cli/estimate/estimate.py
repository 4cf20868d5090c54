"""`gleann estimate`: estimate a count, mean or sum over all items from few labels.

The oracle is a csv file that a person fills in. When an answer is missing, the command
writes the ids to label and exits; the next run continues with the new answers. With
--state it continues from the saved session; without, it replays the session from its
seed and the answers.
"""

from dataclasses import asdict, replace

import click

from gleann.selection import Estimate
from gleann.service.cli import options, reports
from gleann.service.cli.estimate.estimate_job import EstimateJob, params_of
from gleann.service.cli.estimate.estimate_options import question_options, round_options
from gleann.service.cli.estimate.estimate_report import (
    answer_page,
    first_proxy,
)
from gleann.service.cli.estimate.estimate_words import compared_lines, drawn_uniformly
from gleann.service.cli.estimate.start_session import Run, Started, start
from gleann.service.cli.files import outputs
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.answers import LabelsNeeded, ask_for
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.session_file import SessionFile
from gleann.service.cli.labelling import json_file, require_outputs, session_options
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say
from gleann.service.report.asked import Asked


@click.command(
    "estimate",
    short_help="Estimate a count, mean or sum from few labels (ABae).",
    epilog=options.examples(
        "gleann estimate --proxy scores.npy --oracle-csv answers.csv --budget 1000"
        " --todo todo.csv --out share.json",
        "gleann estimate --proxy model-a.npy --proxy model-b.npy --oracle-csv"
        " answers.csv --budget 1000 --todo todo.csv --out share.json",
        "gleann estimate --index words.gleann --oracle-csv answers.csv --target avg"
        " --budget 1000 --todo todo.csv --out mean.json",
        "gleann estimate --proxy scores.npy --oracle-csv answers.csv --budget 5000"
        " --stop-at-relative-width 0.2 --todo todo.csv --out share.json",
        "gleann estimate --proxy scores.parquet --oracle-csv answers.csv --budget 1000"
        " --out share.json --report share.html --show-column text",
        "gleann estimate --proxy scores.csv --payload items.csv --where"
        " \"split = 'test'\" --oracle-csv answers.csv --budget 500 --out share.json",
    ),
)
@click.option(
    "--proxy",
    type=options.PATH,
    multiple=True,
    help="Proxy score of every item, whether it passes --where or not: .npy (n,), or"
    " parquet/csv with id, proxy. If"
    " repeated, a pilot with a fifth of the budget chooses one.",
)
@click.option(
    "--index",
    type=options.PATH,
    help="Index that computes the proxy from labelled items instead.",
)
@click.option(
    "--labelled",
    type=options.PATH,
    help="csv (id, positive) with labels that --index propagates; they are"
    " not requested again; for a count, each round adds its labels.",
)
@click.option(
    "--representatives",
    type=int,
    help="With --index, label this many items first, chosen by farthest-first, in"
    " addition to the budget (TASTI). Without them and --labelled the first round is a"
    " uniform sample, which mostly costs less.",
)
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The answers: id, positive or label (0 or 1) and, for avg and sum, value.",
)
@question_options(budget="Labels to spend.", todo="id")
@round_options
@options.out_option("estimate.json")
@session_options
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(EstimateJob)
def command(job: EstimateJob) -> None:
    """Estimate a number over all items, with an interval, from few labels.

    When the answers lack a drawn item, its id is written to the --todo file and the
    command exits with code 3. Label the items, add the answers to the file and run it
    again. The same seed draws the same items. With --where the estimate is over the
    items that pass; known labels of others are left out. How many labels an interval
    will take is said before by `gleann plan-labels`.
    """
    require_outputs(
        json_file(job.out),
        job.todo,
        job.state,
        pages=reports.pages_of(job, own=first_proxy(job.proxy)),
        inputs=(*job.proxy, job.index, job.labelled, job.oracle_csv, job.payload),
        overwrite=job.overwrite,
    )
    file = SessionFile(job.state, resume=job.resume, overwrite=job.overwrite)
    record = JobRecord("estimate", job)
    try:
        with (
            progress_bars(wanted=job.progress) as report,
            record.timed("estimate"),
        ):
            run = Run(job=job, record=record, file=file, report=report)
            started = start(job, run)
            names = started.answers.names
            items = reports.open_items(job, names, own=first_proxy(job.proxy))
            label_rounds(started, file)
            made = started.session.estimate()
    except LabelsNeeded as needed:
        ask_for({"id": needed.ids}, job.todo, job.oracle_csv)
    uniform, results = write_estimate(job, started, made, record)
    if items is not None:
        asked = Asked.of(record.contents(job.out, results))
        answers, among = started.answers, started.session.among
        answers, items = answers.limited(among), items.limited(among)
        page = answer_page(job, answers, items, (made, uniform), asked)
        reports.write(items, page)


def write_estimate(
    job: EstimateJob, started: Started, made: Estimate, record: JobRecord
) -> tuple[Estimate | None, dict[str, object]]:
    """Write an estimate and its record, and print it beside its baselines.

    Returns:
        What as many uniform draws give, where all have answers; and what was recorded.
    """
    answers, among = started.answers, started.session.among
    params = replace(params_of(job), budget=made.labels_used)
    uniform = drawn_uniformly(answers.ask, answers.names, params, among)
    results: dict[str, object] = {
        "estimate": asdict(made),
        "uniform": None if uniform is None else asdict(uniform),
    }
    with outputs.staged() as files:
        files.add_json(job.out, results)
        record.add_to(files, job.out, results)
    _say(job, started, made, uniform)
    return uniform, results


def _say(
    job: EstimateJob, started: Started, made: Estimate, uniform: Estimate | None
) -> None:
    among = started.session.among
    if among is not None:
        say(f"over {said_of(among, len(started.answers.names))}")
    if left_out := made.provenance.get("known_outside"):
        say(f"{left_out:,} labels of --labelled are of other items, and left out")
    for line in compared_lines(job.target, made, uniform):
        say(line)


def label_rounds(started: Started, file: SessionFile) -> None:
    """Submit the answers, a whole round at a time, and keep the session after each.

    A person then gets all questions of a round at once.

    Raises:
        LabelsNeeded: the answers lack some of a round's.
    """
    session, answers = started.session, started.answers
    while len(batch := session.next_batch()):
        file.keep(session, started.arrays)
        session.submit(batch.ids, *answers.ask(batch.ids))
    file.keep(session, started.arrays)
