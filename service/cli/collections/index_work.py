"""`gleann index build`, `import` and `optimize`: long work on served indexes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import click

from gleann.index import BuildParams
from gleann.index.data.files import source_text
from gleann.index.params import CodesChoice, EntryCodes, Keep, Spill
from gleann.service.cli import options
from gleann.service.cli.collections.index_report import (
    index_line,
    index_values,
    optimizer_lines,
)
from gleann.service.cli.place import Place, opened, place_options
from gleann.service.cli.planned import show_plan
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import result, say
from gleann.service.client.bulk.imports import ImportOptions
from gleann.service.optimizer_params import CompactionKind

NAME = click.argument("name")
BUILD_OPTIONS = (
    "spill",
    "codes",
    "keep",
    "entry_codes",
    "projection",
    "memory",
    "nlist",
    "spill_lambda",
    "kmeans_iterations",
    "tune_queries",
    "target_recall",
    "seed",
)
MOST_SHOWN = 8
"""Ignored columns that a line names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob(Place):
    """Parameters of `gleann index build`; None takes the server's default."""

    name: str
    spill: Spill | None
    codes: CodesChoice | None
    keep: Keep | None
    entry_codes: EntryCodes | None
    projection: int | None
    memory: str | None
    nlist: int | Literal["auto"]
    spill_lambda: float | None
    kmeans_iterations: int | None
    tune_queries: int | None
    target_recall: float | None
    seed: int | None
    dry_run: bool
    progress: bool

    @property
    def given(self) -> dict[str, object]:
        """The build parameters that are given."""
        values = {name: getattr(self, name) for name in BUILD_OPTIONS}
        return {name: value for name, value in values.items() if value is not None}


@click.command(
    "build",
    short_help="Seal all rows into a new version.",
    epilog=options.examples(
        "gleann index build docs --data library",
        "gleann index build docs --dry-run --data library",
        "gleann index build docs --nlist 4096 --seed 7 --server grpc://127.0.0.1:50051",
    ),
)
@NAME
@click.option(
    "--spill", type=click.Choice(get_args(Spill)), help="Rule for a row's second list."
)
@click.option(
    "--codes", type=click.Choice(get_args(CodesChoice)), help="Codes that are scanned."
)
@options.layout_options
@click.option(
    "--nlist",
    callback=options.parse_nlist,
    metavar="auto|N",
    default="auto",
    show_default=True,
    help="Number of inverted lists.",
)
@click.option(
    "--spill-lambda", type=float, help="Weight of the penalty on correlated residuals."
)
@click.option("--kmeans-iterations", type=int, help="Iterations of the training.")
@click.option(
    "--tune-queries", type=int, help="Rows drawn to measure recall and work with."
)
@click.option("--target-recall", type=float, help="Recall@10 to choose spilling for.")
@click.option("--seed", type=int, help="The only source of randomness.")
@place_options
@options.dry_run_option
@options.progress_option
@options.takes(BuildJob)
def build_command(job: BuildJob) -> None:
    """Seal all rows of the index NAME into a new version."""
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        metric = client.get_index(job.name).metric
        params = BuildParams(metric=metric, **job.given)  # type: ignore[arg-type]
        if job.dry_run:
            show_plan(client.plans.build(job.name, params))
            return
        info = client.build(job.name, params).wait(report)
    say(index_line(info))
    result(**index_values(info))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob(Place):
    """Parameters of `gleann index import`."""

    name: str
    file: Path
    ids: Path | None
    payload: Path | None
    id_column: str | None
    vectors_column: str
    take: tuple[str, ...]
    add_columns: bool
    dry_run: bool
    progress: bool


@click.command(
    "import",
    short_help="Store the rows of a file.",
    epilog=options.examples(
        "gleann index import docs items.parquet --id-column id --data library",
        "gleann index import docs v.npy --ids i.npy --payload rows.csv --data library",
        "gleann index import docs /data/items.parquet --add-columns --server"
        " grpc://127.0.0.1:50051",
    ),
)
@NAME
@click.argument("file", type=options.PATH)
@click.option("--ids", type=options.PATH, help=".npy file of ids, for a .npy FILE.")
@click.option(
    "--payload",
    type=options.PATH,
    help=".csv, .jsonl or .parquet file with the payload, for a .npy FILE.",
)
@click.option(
    "--id-column", help="Parquet column with the ids; by default, rows are numbered."
)
@click.option(
    "--vectors-column",
    default="vector",
    show_default=True,
    help="Parquet column with the vectors.",
)
@click.option(
    "--take",
    multiple=True,
    metavar="COLUMN",
    help="Column of payload to take; repeat for more. By default those that the index"
    " has.",
)
@click.option(
    "--add-columns",
    is_flag=True,
    help="Add columns to the index that it does not have.",
)
@place_options
@options.dry_run_option
@options.progress_option
@options.takes(ImportJob)
def import_command(job: ImportJob) -> None:
    """Store the rows of FILE (.npy or .parquet) in the index NAME: all or none.

    A server reads FILE itself, under one of its import roots; or an URL such as
    s3://bucket/items.parquet, where it allows that (--import-url).
    """
    chosen: ImportOptions = {
        "ids_path": job.ids,
        "payload_path": job.payload,
        "id_column": job.id_column,
        "vector_column": job.vectors_column,
        "columns": job.take,
        "add_columns": job.add_columns,
    }
    file = source_text(job.file)
    if "://" not in file and job.data is not None:
        file = str(job.file.resolve())
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        if job.dry_run:
            show_plan(client.plans.import_vectors(job.name, file, **chosen))
            return
        operation = client.import_vectors(job.name, file, **chosen)
        imported = operation.wait(report)
    say(f"{imported.count:,} rows stored")
    if imported.ignored_columns:
        say(_ignored_note(imported.ignored_columns, added=job.add_columns))
    say(index_line(imported.index))
    result(
        count=imported.count,
        index=index_values(imported.index),
        ignored_columns=list(imported.ignored_columns),
    )


def _ignored_note(ignored: Sequence[str], *, added: bool) -> str:
    """The columns that an import did not take, and what would take them."""
    shown = ", ".join(repr(name)[:60] for name in ignored[:MOST_SHOWN])
    if len(ignored) > MOST_SHOWN:
        shown += f" and {len(ignored) - MOST_SHOWN} more"
    if added:
        return f"not taken, since no column can have the name or hold the type: {shown}"
    return f"not taken, since the index has no such columns: {shown} (--add-columns)"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizeJob(Place):
    """Parameters of `gleann index optimize`."""

    name: str
    kind: str
    dry_run: bool
    progress: bool


@click.command(
    "optimize",
    short_help="Fold newer rows into a new version now.",
    epilog=options.examples(
        "gleann index optimize docs --server grpc://127.0.0.1:50051",
        "gleann index optimize docs --kind rebuild --data library",
    ),
)
@NAME
@click.option(
    "--kind",
    type=click.Choice(["auto", *get_args(CompactionKind)]),
    default="auto",
    show_default=True,
    help="fold adds newer rows to the lists there are, rebuild trains the lists anew,"
    " auto takes what fits.",
)
@place_options
@options.dry_run_option
@options.progress_option
@options.takes(OptimizeJob)
def optimize_command(job: OptimizeJob) -> None:
    """Fold the newer rows and removals of the index NAME into a new version now."""
    kind = None if job.kind == "auto" else cast("CompactionKind", job.kind)
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        if job.dry_run:
            show_plan(client.plans.optimize(job.name, kind))
            return
        info = client.optimize(job.name, kind).wait(report)
    say(index_line(info))
    if info.optimizer is not None:
        for line in optimizer_lines(info.optimizer):
            say(line)
    result(**index_values(info))
