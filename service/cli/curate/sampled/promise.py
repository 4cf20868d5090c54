"""`gleann curate promise`: a set that holds a recall or a precision, from few labels.

Works like `gleann estimate`: a person fills in a csv file of answers, and every run
goes on with those that are there.
"""

from typing import get_args

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Mask
from gleann.index.errors import InvalidInputError
from gleann.selection.promises import PromiseSession
from gleann.selection.promises.params import Promise
from gleann.service.cli import options, reports
from gleann.service.cli.curate.sampled.jobs import (
    PromiseJob,
    index_option,
    session_place_options,
)
from gleann.service.cli.curate.sampled.promise_report import promise_report
from gleann.service.cli.curate.sampled.words import say_promised
from gleann.service.cli.curate.served.options import served_by
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.among import rows_among, said_of
from gleann.service.cli.files.answers import (
    Answers,
    LabelsNeeded,
    ask_for,
    read_answers,
)
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.proxies import read_proxies
from gleann.service.cli.files.saved_state import State
from gleann.service.cli.files.session_file import SessionFile
from gleann.service.cli.labelling import (
    Ask,
    label,
    require_outputs,
    session_options,
    todo_option,
    unchanged,
)
from gleann.service.report.asked import Asked

Proxy = NDArray[np.float64]


@click.command(
    "promise",
    short_help="Keep a set that holds a recall or a precision (SUPG).",
    epilog=options.examples(
        "gleann curate promise --proxy scores.csv --oracle-csv answers.csv --promise"
        " recall --target 0.9 --budget 1000 --todo todo.csv --out kept.parquet",
        "gleann curate promise --proxy scores.npy --oracle-csv answers.csv --promise"
        " precision --target 0.8 --budget 500 --out kept.csv --report kept.html",
    ),
)
@click.option(
    "--proxy",
    type=options.PATH,
    required=True,
    help="Proxy score of every item, whether it passes --where or not: .npy (n,), or"
    " parquet/csv with id, proxy. Higher where an item is likelier positive; the"
    " promise holds for any. With --server or --data also :COLUMN of the index.",
)
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The answers: id, positive or label (0 or 1).",
)
@click.option(
    "--promise",
    type=click.Choice(get_args(Promise)),
    default="recall",
    show_default=True,
    help="recall: the set has TARGET of all positives, and is made small. precision:"
    " TARGET of the set are positive, and it is made large.",
)
@click.option(
    "--target", default=0.9, show_default=True, help="Share that is promised, 0 to 1."
)
@click.option("--budget", type=int, required=True, help="Labels to spend.")
@click.option(
    "--confidence",
    default=0.95,
    show_default=True,
    help="Of the promise, over the draws of the labels.",
)
@index_option
@session_place_options
@options.among_options
@options.seed_option
@todo_option("id")
@options.out_option("kept.parquet")
@session_options
@options.report_options
@options.overwrite_option
@options.takes(PromiseJob)
@served_by("sampled.promise_served:promise_served")
def command(job: PromiseJob) -> None:
    """Choose a set that keeps a promise, with a stated confidence, from few labels.

    The labels are drawn in two rounds. When the answers lack a drawn item, its id is
    written to the --todo file and the command exits with code 3. Label the items, add
    the answers to the file and run it again; with --server or --data the session is
    kept there. The same seed draws the same items. The
    promise needs the whole budget: who stops before has none.
    """
    if job.columns:
        raise InvalidInputError(
            f"--proxy {job.proxy} names a column and no file: give a file, or --server"
            " or --data with the index that has it"
        )
    out = output_paths.table("--out", job.out)
    require_outputs(
        out,
        job.todo,
        job.state,
        pages=reports.pages_of(job, own=job.proxy),
        inputs=(job.proxy, job.oracle_csv, job.payload),
        overwrite=job.overwrite,
    )
    record = JobRecord("curate promise", job)
    file = SessionFile(job.state, resume=job.resume, overwrite=job.overwrite)
    try:
        with record.timed("promise"):
            names, proxies = read_proxies({"proxy": job.proxy})
            items = reports.open_items(job, names, own=job.proxy)
            answers = read_answers(job.oracle_csv, names, with_values=False)
            session = _session(job, record, file, proxies["proxy"], answers)
            label(session, _asked(answers), file)
            made = session.promised()
    except LabelsNeeded as needed:
        ask_for({"id": needed.ids}, job.todo, job.oracle_csv)
    for path in (job.proxy, job.oracle_csv):
        record.add_file(path)
    results = made.summary | {"provenance": made.provenance}
    with outputs.staged() as files:
        files.add_table(job.out, made.table().columns)
        record.add_to(files, job.out, results)
    say_promised(made.summary, room=said_of(session.among, len(names)))
    if items is not None:
        asked = Asked.of(record.contents(job.out, results))
        page = promise_report(job, made, proxies["proxy"], session.among, items, asked)
        reports.write(items, page)


def _session(
    job: PromiseJob,
    record: JobRecord,
    file: SessionFile,
    proxy: Proxy,
    answers: Answers,
) -> PromiseSession:
    """The session of --state, or a new one."""
    params, names = job.params, answers.names

    def known(ids: Ids) -> Ids:
        return ids[answers.known[names.rows_of(ids)]]

    def resume(state: State) -> PromiseSession:
        session = PromiseSession.resume(state, proxy, ids=names.held)
        return unchanged(session, known, _asked(answers))

    def start() -> PromiseSession:
        among = rows_among(job, record, names, own=job.proxy)
        return PromiseSession.start(proxy, params, ids=names.held, among=among)

    return file.resumed(resume, start, params=params, condition=job.condition)


def _asked(answers: Answers) -> Ask:
    def ask(ids: Ids) -> Mask:
        return answers.ask(ids)[0]

    return ask
