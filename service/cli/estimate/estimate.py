"""`gleann estimate`: a count, a mean or a sum over many items from few labels.

The oracle is a csv file that a person fills in. A run replays the session from its seed
and the answers, so nothing but that file has to be kept: when an answer is missing, the
ids to label are written and the command ends; answered, it goes further.
"""

from dataclasses import asdict, replace

import click

from gleann.selection import run_estimate
from gleann.selection.estimate.result import INTERVALS
from gleann.selection.estimate.stratified.strata import STRATA_CUTS
from gleann.service.cli import options
from gleann.service.cli.estimate.estimate_job import EstimateJob, params_of, start
from gleann.service.cli.estimate.estimate_options import question_options
from gleann.service.cli.estimate.estimate_words import compared_lines, drawn_uniformly
from gleann.service.cli.files import outputs
from gleann.service.cli.files.answers import LabelsNeeded, ask_for
from gleann.service.cli.files.manifest import JobRecord, manifest_path


@click.command(
    "estimate",
    short_help="Estimate a count, mean or sum from few labels (ABae).",
    epilog=options.examples(
        "gleann estimate --proxy scores.npy --oracle-csv answers.csv --budget 1000"
        " --todo todo.csv --out share.json",
        "gleann estimate --proxy model-a.npy --proxy model-b.npy --oracle-csv"
        " answers.csv --budget 1000 --todo todo.csv --out share.json",
        "gleann estimate --index words.gleann --representatives 300 --oracle-csv"
        " answers.csv --target avg --budget 1000 --todo todo.csv --out mean.json",
    ),
)
@click.option(
    "--proxy",
    type=options.PATH,
    multiple=True,
    help="A cheap guess for every item: .npy (n,), or parquet/csv with id, proxy. Of"
    " several a pilot, a fifth of the budget, chooses one.",
)
@click.option(
    "--index",
    type=options.PATH,
    help="Index that makes the proxy from labelled items instead.",
)
@click.option(
    "--labelled",
    type=options.PATH,
    help="csv (id, positive) with the labels that --index spreads to the rest; they are"
    " not asked for again, and for a count every round's labels join them.",
)
@click.option(
    "--representatives",
    type=int,
    help="Or label this many far-apart items for it first; they are asked for too,"
    " in addition to the budget. The labels of each round renew the proxy (TASTI).",
)
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The answers: id, positive or label (0 or 1) and, for avg and sum, value.",
)
@question_options(budget="Labels to spend.", todo="id")
@click.option(
    "--strata-cut",
    type=click.Choice(tuple(STRATA_CUTS)),
    help="Where strata end; geometric for a count with --index, whose proxies only"
    " rank, else sqrt_mass.",
)
@click.option(
    "--rounds", type=int, help="Labelling rounds; 2, or 10 where labelling may stop."
)
@click.option(
    "--pilot-share",
    type=float,
    help="Share of the budget spent evenly first; 0.5, or 0.1 where it may stop.",
)
@click.option(
    "--interval",
    type=click.Choice(tuple(INTERVALS)),
    default="delta",
    show_default=True,
    help="How the interval is made.",
)
@click.option(
    "--stop-at-width",
    type=float,
    help="Stop labelling once the interval is at most this wide.",
)
@click.option(
    "--stop-at-relative-width",
    type=float,
    help="The same as a share of the estimate.",
)
@options.out_option("estimate.json")
@options.overwrite_option
@options.takes(EstimateJob)
def command(job: EstimateJob) -> None:
    """Estimate a number about all items, with its interval, from few labels.

    When the answers lack an item that is drawn, its id goes to the file of --todo and
    the command ends with exit code 3; answer, add the answers to the file, and run it
    again. The same seed draws the same items.
    """
    outputs.refuse_existing(job.out, manifest_path(job.out), overwrite=job.overwrite)
    record = JobRecord("estimate", job)
    try:
        with record.timed("estimate"):
            session, answers = start(job, record)
            # A whole round at a time, so that a person is asked for all of it at once.
            made = run_estimate(session, answers.ask, chunk=session.params.budget)
    except LabelsNeeded as needed:
        ask_for({"id": needed.ids}, job.todo, job.oracle_csv)
    params = replace(params_of(job), budget=made.labels_used)
    uniform = drawn_uniformly(answers.ask, answers.names, params)
    results = {
        "estimate": asdict(made),
        "uniform": None if uniform is None else asdict(uniform),
    }
    outputs.write_json(job.out, results)
    record.write(job.out, results)
    for line in compared_lines(job.target, made, uniform):
        click.echo(line)
