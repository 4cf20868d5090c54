"""`gleann curate promise`: a set that holds a recall or a precision, from few labels.

Works like `gleann estimate`: a person fills in a csv file of answers, and every run
goes on with those that are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Mask
from gleann.selection.checks import IdMap
from gleann.selection.promises import PromisedSet, PromiseParams, PromiseSession
from gleann.selection.promises.params import Promise
from gleann.service.cli import options, reports
from gleann.service.cli.curate.sampled.promise_report import promise_report
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
from gleann.service.cli.say import say
from gleann.service.report.asked import Asked

Proxy = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseJob(options.AmongOptions):
    """Parameters of `gleann curate promise`."""

    proxy: Path
    oracle_csv: Path
    promise: Promise
    target: float
    budget: int
    confidence: float
    seed: int
    todo: Path
    out: Path
    state: Path | None
    resume: bool
    overwrite: bool


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
    " promise holds for any.",
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
@options.among_options
@options.seed_option
@todo_option("id")
@options.out_option("kept.parquet")
@session_options
@options.report_options
@options.overwrite_option
@options.takes(PromiseJob)
def command(job: PromiseJob) -> None:
    """Choose a set that keeps a promise, with a stated confidence, from few labels.

    The labels are drawn in two rounds. When the answers lack a drawn item, its id is
    written to the --todo file and the command exits with code 3. Label the items, add
    the answers to the file and run it again. The same seed draws the same items. The
    promise needs the whole budget: who stops before has none.
    """
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
    for line in _lines(made, session, names):
        say(line)
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
    params = PromiseParams(
        promise=job.promise,
        target=job.target,
        budget=job.budget,
        confidence=job.confidence,
        seed=job.seed,
    )
    names = answers.names

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


def _lines(made: PromisedSet, session: PromiseSession, names: IdMap) -> Sequence[str]:
    """What is printed of a set."""
    target, confidence = f"{made.target:g}", f"{made.confidence:.0%}"
    what = {
        "recall": f"at least {target} of all positives",
        "precision": f"at least {target} of them positive",
    }[made.promise]
    lines = [
        f"{len(made):,} of {said_of(session.among, len(names))}: {what}, with"
        f" {confidence} confidence",
        f"{len(made.labels):,} labels, {int(made.labels.sum()):,} positive; "
        + _threshold_words(made),
    ]
    return [*lines, made.note] if made.note else lines


def _threshold_words(made: PromisedSet) -> str:
    if made.threshold is None:
        return "no threshold: the set is the labelled positives"
    return f"kept for a proxy of {made.threshold:.6g} or more"
