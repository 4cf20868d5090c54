"""`gleann curate propagate`: spread the labels of a few items to all others."""

from collections.abc import Mapping
from typing import Any, get_args

import click
import numpy as np

from gleann.index.errors import InvalidInputError
from gleann.selection import Selection
from gleann.selection.among import Among, origin_of
from gleann.selection.curation.graph_labels import (
    Propagation,
    PropagationParams,
    PropagationRequest,
    propagate,
    propagate_vectors,
)
from gleann.selection.curation.graph_labels.params import HoldName, KernelName
from gleann.selection.curation.graph_labels.propagation import DEFAULT_K
from gleann.selection.progress import ProgressCallback
from gleann.service.cli import options, reports
from gleann.service.cli.curate.labels.jobs import PropagateJob
from gleann.service.cli.curate.labels.propagate_outputs import (
    classes_named,
    label_file,
    require_outputs,
    say_propagation,
)
from gleann.service.cli.curate.labels.propagate_report import page_of
from gleann.service.cli.curate.served.options import served_by, served_options
from gleann.service.cli.files import outputs, results, sources
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.class_tables import (
    class_columns,
    read_class_table,
    read_label_table,
)
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.report.asked import Asked

DEFAULTS = PropagationParams()


@click.command(
    "propagate",
    short_help="Spread the labels of a few items to all others.",
    epilog=options.examples(
        "gleann curate propagate words.gleann --labels labels.csv --out spread.parquet",
        "gleann curate propagate items.npy --labels labels.csv:kind --out spread.csv"
        " --uncertain-out next.csv --report spread.html",
        "gleann curate propagate words.gleann --labels labels.csv --out spread.parquet"
        " --probabilities-out p.parquet --where \"split = 'train'\"",
    ),
)
@click.argument("source", type=options.PATH)
@click.option(
    "--labels",
    metavar="FILE[:COLUMN]",
    help="Known labels: a table with the columns id and label (or COLUMN).",
)
@click.option(
    "--soft-labels",
    type=options.PATH,
    help="In place of --labels: a table with a column id and one for each class, whose"
    " numbers sum to 1 in each line.",
)
@click.option(
    "--weight-column", help="Column of the --labels file: how much each label counts."
)
@click.option(
    "--classes",
    metavar="A,B,...",
    help="All classes, also those that no label has; by default those of the labels.",
)
@options.out_option("spread.parquet")
@click.option(
    "--probabilities-out",
    type=options.PATH,
    help="Also write the probability of every class, as `gleann curate allocate`"
    " reads it.",
)
@click.option(
    "--uncertain-out",
    type=options.PATH,
    help="Also write the items to label next: the smallest margins first.",
)
@click.option(
    "--uncertain",
    default=20,
    show_default=True,
    help="Items in the file of --uncertain-out.",
)
@click.option(
    "--k",
    default=DEFAULT_K,
    show_default=True,
    help="Neighbours per item in the graph.",
)
@click.option(
    "--kernel",
    type=click.Choice(get_args(KernelName)),
    default=DEFAULTS.kernel,
    show_default=True,
    help="Weight of an edge: a power of the cosine, a Gaussian of the distance, or 1.",
)
@click.option(
    "--power", default=DEFAULTS.power, show_default=True, help="Of the kernel cosine."
)
@click.option(
    "--alpha",
    default=DEFAULTS.alpha,
    show_default=True,
    help="Share that an item takes from its neighbours: larger reaches farther.",
)
@click.option(
    "--hold",
    type=click.Choice(get_args(HoldName)),
    default=DEFAULTS.hold,
    show_default=True,
    help="Whether neighbours can outvote a given label (soft) or not (clamped).",
)
@click.option(
    "--tolerance",
    default=DEFAULTS.tolerance,
    show_default=True,
    help="Bound on the error of each probability.",
)
@click.option(
    "--max-sweeps",
    default=DEFAULTS.max_sweeps,
    show_default=True,
    help="Sweeps over the graph at most.",
)
@options.among_options
@options.column_options
@options.metric_option
@served_options
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(PropagateJob)
@served_by("labels.propagate_served:propagate_served")
def command(job: PropagateJob) -> None:
    """Give every item of SOURCE the class that its neighbours' labels lead to.

    SOURCE is an index or a file of vectors; with --server or --data, the name of an
    index there. Labels spread over the graph of nearest
    neighbours, without a model. Items that no label reaches get none, and are counted.

    Writes id, row, label, confidence, margin, entropy, given and piece (the connected
    part of the graph) of every item.
    """
    require_outputs(job, pages=reports.pages_of(job, own=job.source))
    params = job.params()
    record = JobRecord("curate propagate", job)
    with record.timed("read"):
        source = sources.open_source(job, record)
        among = source.among(job, record)
        request = _request(job, source, among, params, record)
        items = reports.open_items(job, source.names, own=job.source)
    with record.timed("propagate"), progress_bars(wanted=job.progress) as report:
        found = _propagated(source, request, report)
    told = {**found.summary, "classes": _counts(found), "metric": source.metric}
    told |= {"provenance": found.provenance} | origin_of(among)
    _write(job, found, told, record)
    say_propagation(
        job,
        found.summary,
        room=said_of(among, len(found) if among is None else among.n),
        seconds=record.seconds("propagate"),
    )
    if items is not None:
        asked = Asked.of(record.contents(job.out, told))
        page = page_of(job, found, request, items.limited(among), asked)
        reports.write(items, page)


def _propagated(
    source: sources.Source, request: PropagationRequest, report: ProgressCallback
) -> Propagation:
    """Spread the labels over the graph of an index, or of vectors."""
    if source.index is not None:
        return propagate(source.index, request, progress=report)
    return propagate_vectors(
        source.vectors,
        request,
        metric=source.metric,
        ids=source.ids,
        progress=report,
    )


def _write(
    job: PropagateJob, found: Propagation, told: Mapping[str, Any], record: JobRecord
) -> None:
    """Write the labels, the other tables that are wanted, and the record."""
    wanted = job.uncertain_out is not None
    uncertain = found.most_uncertain(job.uncertain) if wanted else None
    with outputs.staged() as files:
        files.add_table(job.out, results.columns_of(found, job.out))
        if job.probabilities_out is not None:
            table = class_columns(found.held_ids, found.classes, found.probabilities)
            files.add_table(job.probabilities_out, table)
        if job.uncertain_out is not None and uncertain is not None:
            files.add_table(job.uncertain_out, _next_columns(uncertain))
        record.add_to(files, job.out, told)


def _request(
    job: PropagateJob,
    source: sources.Source,
    among: Among | None,
    params: PropagationParams,
    record: JobRecord,
) -> PropagationRequest:
    named = job.classes.split(",") if job.classes else []
    if job.soft_labels is not None:
        record.add_file(job.soft_labels)
        soft = read_class_table(job.soft_labels, classes=named)
        if soft.ids is None:
            raise InvalidInputError(f"{job.soft_labels} has no column id")
        return PropagationRequest(
            ids=soft.ids.tolist(),
            probabilities=soft.values,
            classes=soft.classes,
            among=among,
            k=job.k,
            params=params,
        )
    assert job.labels is not None, "one of both is there"
    path, column = label_file(job.labels)
    record.add_file(path)
    given = read_label_table(
        path, column, source.names, weight_column=job.weight_column
    )
    return PropagationRequest(
        ids=source.names.ids_of(given.rows),
        labels=given.labels,
        weights=given.weights,
        classes=classes_named(named, given.labels),
        among=among,
        k=job.k,
        params=params,
    )


def _next_columns(uncertain: Selection) -> dict[str, outputs.Values]:
    return {
        "id": uncertain.ids,
        "margin": -uncertain.scores,
        "likeliest": np.array([_text(one) for one in uncertain.why["label"]], object),
        "confidence": uncertain.why["confidence"],
    }


def _text(label: Any) -> str | None:
    return None if label is None else str(label)


def _counts(found: Propagation) -> dict[str, int]:
    """How many items have each class."""
    counts = np.bincount(found.numbers[found.has_label], minlength=len(found.classes))
    return {
        str(word): int(count) for word, count in zip(found.classes, counts, strict=True)
    }
