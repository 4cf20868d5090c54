"""`gleann cluster select farthest-first` and `weighted-k-center`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
import numpy as np

from gleann.index.errors import InvalidParamsError
from gleann.index.nouns import counted
from gleann.index.progress import Progress
from gleann.index.shards.places import ShardPlaces
from gleann.selection.coreset.methods import defaults, farthest_first, uniform
from gleann.selection.coreset.parallel.method import weighted_k_center_in_shards
from gleann.selection.coreset.parallel.points import problem_in_shards
from gleann.selection.coreset.problem import CostOn, Problem
from gleann.selection.coreset.result import Coreset
from gleann.service.cli import options, reports
from gleann.service.cli.cluster.placed import placed, placed_options, rows_in_file
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.cli.say import say
from gleann.service.cli.select.coreset_job import picks_table, results_of
from gleann.service.cli.select.weight_options import weight_options
from gleann.service.report.asked import Asked, Step
from gleann.service.report.pages.coreset import CoresetReport, coreset_page

Callback = TypeVar("Callback", bound=Callable[..., None])

Solve = Callable[[Problem, ShardPlaces, Report], Coreset]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCoresetJob(options.ReportOptions):
    """Parameters of a command that chooses a coreset of an index in shards."""

    shards: Path
    out: Path
    k: int
    locked: Path | None
    workers: int | None
    address: str | None
    overwrite: bool
    progress: bool
    costs_column: str | None = None
    cost_weight: float = 0.0
    cost_on: CostOn = "sum"
    eps: float = defaults.RADIUS_STEP
    seed: int = 0


k_option = click.option("--k", type=int, required=True, help="Items to choose.")

locked_option = click.option(
    "--locked",
    type=options.PATH,
    help="Ids that count as already chosen (.npy, or csv with a column id).",
)


def _refuse(context: click.Context, option: click.Parameter, value: object) -> None:
    """Say what to use in place of an option that is for one machine.

    Raises:
        InvalidParamsError: it is given.
    """
    if value:
        raise InvalidParamsError(
            f"{option.opts[0]} is not for an index in shards: give it to `gleann select"
            f" {context.command.name}` on one machine, or build shards of these rows"
            " alone (gleann cluster build)"
        )


def one_machine_options(function: Callback) -> Callback:
    """The options --groups, --quotas, --where and --param, which are refused."""
    for name in ("--groups", "--quotas", "--where", "--param"):
        function = click.option(
            name,
            multiple=True,
            hidden=True,
            expose_value=False,
            callback=_refuse,
        )(function)
    return function


@click.command(
    "farthest-first",
    short_help="Cover the rest (farthest-first traversal).",
    epilog=options.examples(
        "gleann cluster select farthest-first pages.shards --k 500 --out picks.parquet",
        "gleann cluster select farthest-first /mnt/all/pages --k 5000 --locked"
        " labelled.csv --address auto --out picks.parquet",
    ),
)
@placed_options("picks.parquet")
@k_option
@locked_option
@one_machine_options
@options.seed_option
@options.report_options
@options.takes(ClusterCoresetJob)
def farthest_first_command(job: ClusterCoresetJob) -> None:
    """Choose K times the item of INDEX farthest from the chosen items.

    The items are those that one machine chooses of the same rows. All shards are asked
    once for every batch of them, which has from some thirty to 190.
    """

    def solve(problem: Problem, _: ShardPlaces, report: Report) -> Coreset:
        return farthest_first(problem, seed=job.seed, progress=report)

    _run("farthest-first", job, solve)


@click.command(
    "weighted-k-center",
    short_help="Cover the rest and prefer uncertain items (weighted k-center).",
    epilog=options.examples(
        "gleann cluster select weighted-k-center pages.shards --k 500 --costs-column"
        " cost --cost-weight 0.1 --cost-on mean --out picks.parquet",
    ),
)
@placed_options("picks.parquet")
@k_option
@locked_option
@click.option(
    "--costs-column",
    metavar="COLUMN",
    help="Payload column with one cost per item: low where the model is uncertain.",
)
@weight_options
@one_machine_options
@options.seed_option
@options.report_options
@options.takes(ClusterCoresetJob)
def weighted_k_center_command(job: ClusterCoresetJob) -> None:
    """Choose K items of INDEX with a small radius + COST_WEIGHT * cost.

    Without costs it is k-center: coverage alone. In four rounds of all shards; prints a
    certificate, an upper bound on the ratio to the optimum. --seed draws the items that
    it is compared with.
    """

    def solve(problem: Problem, places: ShardPlaces, report: Report) -> Coreset:
        return weighted_k_center_in_shards(
            problem, places, eps=job.eps, progress=report
        )

    _run("weighted-k-center", job, solve)


def _run(name: str, job: ClusterCoresetJob, solve: Solve) -> None:
    """Choose, write the choice and its record, and print it beside random items."""
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *reports.pages_of(job, own=job.shards),
        inputs=(job.shards, job.locked),
        overwrite=job.overwrite,
    )
    record = JobRecord(f"cluster select {name}", job)
    with placed(job) as places, progress_bars(wanted=job.progress) as report:
        with record.timed("read"):
            problem = _problem(job, places, record)
            shown = reports.shown_in_shards(job, places.held_ids)
        with record.timed("select"):
            chosen = solve(problem, places, report)
        report(Progress(phase="compare", done=0, total=1))
        drawn = uniform(problem, seed=job.seed)
        selection = chosen.named(places.ids_at(chosen.rows))
    results = results_of(chosen) | {
        "shards": len(places.places),
        "metric": places.metric,
        "random_radius": drawn.radius,
        "random_cost": drawn.cost,
        "random_objective": drawn.objective,
    }
    with outputs.staged() as files:
        files.add_table(job.out, picks_table(selection))
        record.add_to(files, job.out, results)
    _say(job, places, chosen, drawn, seconds=record.seconds("select"))
    if shown is not None:
        asked = Asked.of(record.contents(job.out, results))
        reports.write(shown, _page(job, problem, chosen, shown, asked))


def _problem(job: ClusterCoresetJob, places: ShardPlaces, record: JobRecord) -> Problem:
    locked = None
    if job.locked is not None:
        locked = rows_in_file(job.locked, places)
        record.add_file(job.locked)
    problem = problem_in_shards(
        places,
        k=job.k,
        costs=None if job.costs_column is None else places.numbers(job.costs_column),
        cost_weight=job.cost_weight,
        cost_on=job.cost_on,
        locked=locked,
    )
    record.add_index(job.shards, problem.data_hash)
    return problem


def _say(
    job: ClusterCoresetJob,
    places: ShardPlaces,
    chosen: Coreset,
    drawn: Coreset,
    *,
    seconds: float,
) -> None:
    def shown(coreset: Coreset) -> str:
        cost = "" if job.costs_column is None else f", cost {coreset.cost:.4g}"
        return f"radius {coreset.radius:.4g}{cost}"

    say(
        f"{job.out}: {len(chosen.rows):,} of {counted(len(places), 'items')} in"
        f" {counted(len(places.places), 'shards')} in {seconds:.2f} s, {shown(chosen)}"
        f" (metric {places.metric})"
    )
    say(f"as many random items: {shown(drawn)}")
    if chosen.ratio is not None:
        say(f"at most {chosen.ratio:.2f} times the best possible objective")
    if chosen.note:
        say(chosen.note)


def _page(
    job: ClusterCoresetJob,
    problem: Problem,
    chosen: Coreset,
    shown: reports.FileItems,
    asked: Asked,
) -> str:
    """The page of a choice, of all items; without baselines."""
    read_ = f"import pyarrow.parquet as pq; print(pq.read_table({str(job.out)!r}))"
    more = {
        "locked": job.out,
        "out": reports.sibling(job.out, "more"),
        "report": reports.sibling(job.report, "more"),
    }
    steps = [
        Step(
            what="Read the chosen ids, in the order of their choice:",
            command=reports.in_python(read_),
        )
    ]
    if job.locked is None:
        steps.append(
            Step(
                what="Choose as many more, with these as locked:",
                command=reports.command_with(more),
            )
        )
    return coreset_page(
        CoresetReport(
            asked=asked,
            chosen=chosen,
            baselines=None,
            ids=np.asarray(shown.names.held.tolist(), object),
            locked=problem.locked,
            priced=job.costs_column is not None,
            groups=None,
            items=shown,
            steps=steps,
        )
    )
