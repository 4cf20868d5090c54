"""`gleann curate negatives`: hard negatives for people who train retrievers."""

from typing import get_args

import click
import numpy as np

from gleann.selection.curation.negatives import (
    Negatives,
    Sampling,
    mine_negatives,
)
from gleann.selection.curation.negatives.request import TARGET_RECALL, WINDOW
from gleann.service.cli import options, reports
from gleann.service.cli.curate.served.options import served_by, served_options
from gleann.service.cli.curate.similar.inputs import index_of
from gleann.service.cli.curate.training.negatives_inputs import (
    NegativesInputs,
    NegativesJob,
    WindowType,
    read,
)
from gleann.service.cli.curate.training.negatives_outputs import (
    require_outputs,
    say_negatives,
)
from gleann.service.cli.curate.training.negatives_report import answer_page
from gleann.service.cli.files import outputs
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.report.asked import Asked


@click.command(
    "negatives",
    short_help="Mine hard negatives of queries, to train a retriever.",
    epilog=options.examples(
        "gleann curate negatives pages.gleann --queries questions.npy --positives"
        " pairs.csv --per-query 10 --out negatives.parquet",
        "gleann curate negatives items.gleann --query-ids seeds.csv --positives"
        " pairs.csv --per-query 5 --relative-margin 0.95 --duplicate-radius 0.02"
        " --out negatives.csv --report negatives.html",
        "gleann curate negatives items.npy --metric l2 --queries q.npy --positives"
        " pairs.csv --per-query 5 --window 10,100 --sampling random --out n.parquet",
    ),
)
@click.argument("source", type=options.PATH)
@click.option(
    "--queries", type=options.PATH, help="Vectors of the queries (.npy or parquet)."
)
@click.option(
    "--query-ids",
    type=options.PATH,
    help="Or ids of items of SOURCE that are the queries (.npy, or a column id); they"
    " are never their own negatives.",
)
@click.option(
    "--positives",
    type=options.PATH,
    required=True,
    help="The items that answer each query, a line a pair: a table with the columns"
    " query (its id, or number) and id (of the item).",
)
@click.option(
    "--per-query", type=int, required=True, help="Negatives of each query, at most."
)
@options.out_option("negatives.parquet")
@click.option(
    "--window",
    type=WindowType(),
    default=",".join(map(str, WINDOW)),
    show_default=True,
    help="First rank, from 0, and the rank after the last, without positives.",
)
@click.option(
    "--max-similarity",
    type=float,
    help="No negative is more similar: the cosine, the inner product, or minus the"
    " squared L2 distance.",
)
@click.option(
    "--margin",
    type=float,
    help="A negative is less similar than every positive, by this at least.",
)
@click.option(
    "--relative-margin",
    type=float,
    help="A negative has at most this share of the similarity of every positive, such"
    " as 0.95; not under l2.",
)
@click.option(
    "--duplicate-radius",
    type=float,
    help="Items within this distance of a positive are no negatives; 0 leaves out equal"
    " ones.",
)
@click.option(
    "--sampling",
    type=click.Choice(get_args(Sampling)),
    default="top",
    show_default=True,
    help="Take the most similar items that qualify, or draw among them.",
)
@click.option(
    "--shortfall",
    type=options.PATH,
    help="Also write how many negatives each query has and lacks: query, negatives,"
    " shortfall.",
)
@click.option(
    "--target-recall",
    type=float,
    default=TARGET_RECALL,
    show_default=True,
    help="Recall of the searches; 1 compares all items.",
)
@options.among_options
@options.column_options
@options.metric_option
@served_options
@options.seed_option
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(NegativesJob)
@served_by("training.negatives_served:mine_served")
def command(job: NegativesJob) -> None:
    """Find items of SOURCE that a retriever is likely to take for answers.

    Writes a table with the columns query, rank, id and similarity, the most similar
    first. With --server or --data, SOURCE is the name of an index there. Known
    positives, and with --duplicate-radius items near them, are never negatives. A query
    with too few gets fewer, which is said, and never others instead.

    Measure what hard negatives are worth on your data: in some domains they have helped
    no more than random ones.
    """
    require_outputs(job, pages=reports.pages_of(job, own=job.source))
    record = JobRecord("curate negatives", job)
    with record.timed("read"):
        given = read(job, record)
    with progress_bars(wanted=job.progress) as report:
        index = index_of(given.source, record, report)
        with record.timed("mine"):
            found = mine_negatives(index, given.request, progress=report)
    results = _write(job, given, found, record)
    say_negatives(
        job,
        found.summary,
        found.similarities[found.rows >= 0],
        room=said_of(given.among, len(given.source.ids)),
        seconds=record.seconds("mine"),
        metric=given.source.metric,
    )
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, results))
        page = answer_page(job, given, found, index, given.items, asked)
        reports.write(given.items, page)


def _write(
    job: NegativesJob, given: NegativesInputs, found: Negatives, record: JobRecord
) -> dict[str, object]:
    """Write the negatives and the record; return its results."""
    results: dict[str, object] = {**found.summary, "provenance": found.provenance}
    with outputs.staged() as files:
        files.add_table(job.out, negative_columns(given, found))
        if job.shortfall is not None:
            short = {
                "query": given.names,
                "negatives": (found.rows >= 0).sum(axis=1),
                "shortfall": found.shortfall,
            }
            files.add_table(job.shortfall, short)
        record.add_to(files, job.out, results)
    return results


def negative_columns(
    given: NegativesInputs, found: Negatives
) -> dict[str, outputs.Values]:
    """One line per negative; queries by their names."""
    query, rank = np.nonzero(found.rows >= 0)
    return {
        "query": given.names[query],
        "rank": rank.astype(np.int32),
        "id": found.ids[query, rank],
        "similarity": found.similarities[query, rank],
    }
