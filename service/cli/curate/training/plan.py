"""`gleann curate plan`: the items of each epoch of training, without stored state."""

from collections.abc import Callable, Mapping

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.among import Among
from gleann.selection.curation.plans import (
    EpochPlan,
    drawn_again,
    epoch_rows,
    in_turns,
    list_strata,
)
from gleann.service.cli import options, reports
from gleann.service.cli.curate.served.options import served_by, served_options
from gleann.service.cli.curate.training.plan_job import (
    PartType,
    PlanJob,
    part_of,
    say_plan,
)
from gleann.service.cli.curate.training.plan_report import PlanPage, answer_page
from gleann.service.cli.files import inputs, output_paths, outputs, sources
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.report.asked import Asked

PLANS: Mapping[str, Callable[..., EpochPlan]] = {
    "in-turns": in_turns,
    "drawn-again": drawn_again,
}
"""How epochs are planned, by mode."""

STRATUM_COLUMN = "stratum"


@click.command(
    "plan",
    short_help="Plan epochs of training, each with a fresh share of the items.",
    epilog=options.examples(
        "gleann curate plan items.gleann --fraction 0.1 --out epoch-0.parquet",
        "gleann curate plan items.npy --fraction 0.1 --epochs 10 --strata"
        " items.csv:label --out ten.parquet --report ten.html",
        "gleann curate plan items.gleann --fraction 0.1 --epoch 3 --part 2/4 --by-lists"
        " --out part.csv",
    ),
)
@click.argument("source", type=options.PATH)
@click.option(
    "--fraction",
    type=float,
    required=True,
    help="Share of the items that an epoch takes, in (0, 1].",
)
@options.out_option("epoch-0.parquet")
@click.option(
    "--epoch",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="The first epoch to write.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many epochs to write from there.",
)
@click.option(
    "--part",
    type=PartType(),
    default="1/1",
    show_default=True,
    help="Write one of N equal parts of each epoch: machines that ask for parts get"
    " parts of the same order.",
)
@click.option(
    "--mode",
    type=click.Choice(list(PLANS)),
    default="in-turns",
    show_default=True,
    help="See all items before one comes again, or draw each epoch independently.",
)
@click.option(
    "--strata",
    metavar="FILE[:COLUMN]",
    help="One stratum per item, such as its class (.npy, or a column, stratum by"
    " default), by a column id or in row order: each gives an epoch its share.",
)
@click.option(
    "--by-lists", is_flag=True, help="Take the lists of the index SOURCE as strata."
)
@options.among_options
@options.column_options
@options.metric_option
@served_options
@options.seed_option
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(PlanJob)
@served_by("training.plan_served:plan_served")
def command(job: PlanJob) -> None:
    """Write the items of SOURCE that epochs of training see (RS2).

    The table has the columns epoch, place, id, weight and, with strata, stratum, in the
    order of training. With --server or --data, SOURCE is the name of an index there,
    and --strata a column of its payload, as :COLUMN. Nothing is stored between epochs:
    the same seed, fraction and items give the same plan on every machine. A fresh
    random share each epoch is the baseline that every choice of items must beat.
    """
    _require_outputs(job)
    record = JobRecord("curate plan", job)
    with record.timed("read"):
        source = sources.open_source(job, record)
        among = source.among(job, record)
        strata = _strata(job, record, source)
        items = reports.open_items(job, source.names, own=job.source)
    planned = PLANS[job.mode](
        len(source.names),
        fraction=job.fraction,
        seed=job.seed,
        strata=strata,
        among=among,
    )
    with record.timed("plan"), progress_bars(wanted=job.progress) as report:
        epochs = _epochs(job, planned, report)
    results = _results(planned, epochs, among)
    with outputs.staged() as files:
        files.add_table(job.out, _columns(planned, epochs, source, strata))
        record.add_to(files, job.out, results)
    say_plan(
        job,
        [len(rows) for rows in epochs.values()],
        room=said_of(among, len(source.names)),
        seconds=record.seconds("plan"),
        epochs_a_pass=planned.epochs_a_pass,
    )
    if items is not None:
        page = PlanPage(
            plan=planned,
            epochs=epochs,
            mode=job.mode,
            strata=strata,
            among=among,
            out=job.out,
        )
        asked = Asked.of(record.contents(job.out, results))
        reports.write(items, answer_page(page, items, asked))


def _require_outputs(job: PlanJob) -> None:
    if job.strata is not None and job.by_lists:
        raise InvalidInputError("give --strata or --by-lists, not both")
    if job.by_lists and not job.source.is_dir():
        raise InvalidInputError(
            f"{job.source} is no index and has no lists (--by-lists)"
        )
    out = output_paths.table("--out", job.out)
    strata = None
    if job.strata:
        strata, _ = inputs.split_column(job.strata, STRATUM_COLUMN)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *reports.pages_of(job, own=job.source),
        inputs=(job.source, job.payload, strata),
        overwrite=job.overwrite,
    )


def _strata(
    job: PlanJob, record: JobRecord, source: sources.Source
) -> NDArray[np.generic] | None:
    """The stratum (n,) of each item; None for none."""
    if job.by_lists and source.index is not None:
        return list_strata(source.index)
    if job.strata is None:
        return None
    path, _ = inputs.split_column(job.strata, STRATUM_COLUMN)
    record.add_file(path)
    return inputs.read_groups(
        job.strata, source.names, own=job.source, column=STRATUM_COLUMN
    )


def _epochs(job: PlanJob, planned: EpochPlan, report: Report) -> dict[int, Rows]:
    """The rows of each epoch that is written, in the order of training."""
    found: dict[int, Rows] = {}
    for epoch in range(job.epoch, job.epoch + job.epochs):
        report(Progress(phase="plan", done=epoch - job.epoch, total=job.epochs))
        start, stop = part_of(job.part, planned.rows_of(epoch))
        found[epoch] = epoch_rows(planned, epoch, start=start, stop=stop)
    return found


def _columns(
    planned: EpochPlan,
    epochs: Mapping[int, Rows],
    source: sources.Source,
    strata: NDArray[np.generic] | None,
) -> dict[str, outputs.Values]:
    counts = [len(rows) for rows in epochs.values()]
    rows = np.concatenate(list(epochs.values()))
    return {
        "epoch": np.repeat(np.array(list(epochs), np.int64), counts),
        "place": np.concatenate([np.arange(count) for count in counts]),
        "id": source.names.ids_of(rows),
        "weight": np.full(len(rows), 1 / float(planned.fraction), np.float32),
        **({} if strata is None else {"stratum": strata[rows]}),
    }


def _results(
    planned: EpochPlan, epochs: Mapping[int, Rows], among: Among | None
) -> dict[str, object]:
    return {
        "items": planned.size,
        "fraction": float(planned.fraction),
        "epochs_a_pass": planned.epochs_a_pass,
        "rows_of_epoch": {str(epoch): len(rows) for epoch, rows in epochs.items()},
        "strata": 0 if planned.strata is None else len(planned.strata.labels),
        **({} if among is None else among.origin()),
    }
