"""`gleann cluster build`: build an index in shards from files of vectors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

import gleann
from gleann.index import BuildParams
from gleann.index.data.files import source_text
from gleann.index.errors import InvalidInputError, StorageError, UnavailableError
from gleann.index.nouns import counted
from gleann.index.params import CodesChoice, EntryCodes, Keep, Metric, Spill
from gleann.index.payload.schema import Schema
from gleann.index.shards.build.build import (
    Asked,
    ShardsSummary,
    ask_for,
    build_shards,
)
from gleann.index.shards.build.folder import BUILDING, require_free
from gleann.index.shards.build.forecast import few_trained, forecast_shards
from gleann.index.shards.build.named_files import list_files
from gleann.index.shards.build.sources import Wanted
from gleann.index.shards.manifest import MOST_SHARDS
from gleann.index.shards.runner import Runner
from gleann.service.cli import build_options, options
from gleann.service.cli.cluster.joining import cluster_options, joined_by
from gleann.service.cli.files import inputs, payload
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.planned import plan_lines
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import result, say, warn
from gleann.service.plans.machine import nominal_second
from gleann.service.values import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterBuildJob:
    """Parameters of `gleann cluster build`."""

    vectors: tuple[Path, ...]
    out: Path
    shards: int
    workers: int | None
    address: str | None
    ids: Path | None
    vectors_column: str | None
    id_column: str | None
    columns: str | None
    metric: Metric
    spill: Spill
    codes: CodesChoice
    keep: Keep | None
    entry_codes: EntryCodes | None
    projection: int | None
    nlist: int | Literal["auto"]
    target_recall: float | None
    queries: Path | None
    seed: int
    overwrite: bool
    progress: bool
    dry_run: bool

    @property
    def sources(self) -> list[str]:
        """The inputs, as they were given."""
        return [source_text(path) for path in self.vectors]

    @property
    def params(self) -> BuildParams:
        """Of the build."""
        return BuildParams(
            metric=self.metric,
            spill=self.spill,
            codes=self.codes,
            nlist=self.nlist,
            target_recall=self.target_recall,
            seed=self.seed,
            keep=self.keep or "f32",
            entry_codes=self.entry_codes or "copied",
            projection=self.projection,
        )


@click.command(
    "build",
    short_help="Build an index in shards from files of vectors.",
    epilog=options.examples(
        "gleann cluster build pages/ pages.shards --shards 4",
        "gleann cluster build a.npy b.npy all.shards --shards 2 --workers 2",
        "gleann cluster build pages/ pages.shards --shards 8 --columns language,score",
        "gleann cluster build s3://bucket/pages /mnt/all/pages --shards 64"
        " --address auto",
        "gleann cluster build pages/ pages.shards --shards 4 --dry-run",
    ),
)
@click.argument("vectors", nargs=-1, required=True, type=options.PATH)
@click.argument("out", type=options.PATH)
@click.option(
    "--shards",
    type=click.IntRange(min=1, max=MOST_SHARDS),
    required=True,
    help="Parts of the index, by the hash of the id; one is searched by one actor.",
)
@cluster_options
@click.option(
    "--ids", type=options.PATH, help="One id for each row of all inputs (.npy)."
)
@options.column_options
@click.option(
    "--columns",
    metavar="NAME[:TYPE][:indexed],...",
    help="Columns of the inputs to filter by; none by default.",
)
@build_options.layout_of_lists
@options.kept_options
@build_options.measured("Number of inverted lists, the same in all shards.")
@options.seed_option
@options.overwrite_option
@options.progress_option
@options.dry_run_option
@options.takes(ClusterBuildJob)
def command(job: ClusterBuildJob) -> None:
    """Build an index in shards from VECTORS... in the directory OUT.

    VECTORS are files, folders, quoted globs or URLs, as `gleann build` takes. All
    machines of a cluster open them, and OUT, by the same names. Lists and codes are
    trained once, on rows of all inputs; every shard has its rows, and is an index of
    its own. The files do not depend on the number of workers.

    This process holds 30 bytes of memory a row, and the rows that k-means sees, 512
    MiB at most; --dry-run says how much that is, and what a worker holds.

    What is done is kept in OUT/.building. After Ctrl-C, a full disk or a lost machine
    the same command goes on from there; finished blocks and shards are not done again.

    OUT.manifest.json records the inputs, the parameters, the times and the machine.
    """
    if job.ids and job.id_column:
        raise InvalidInputError("give --ids or --id-column, not both")
    if "://" in (out := source_text(job.out)):
        raise InvalidInputError(
            f"OUT is the URL {out}: give a directory that all machines see"
        )
    require_free(job.out, overwrite=job.overwrite)
    if job.dry_run:
        asked = _asked(job, map)
        _warn_of_few(asked)
        _show_plan(job, asked)
        return
    record = JobRecord("cluster build", job)
    with _saying_how_to_go_on(job), runner_of(job, record) as runner:
        with record.timed("read"):
            asked = _asked(job, runner)
        _warn_of_few(asked)
        with record.timed("build"), progress_bars(wanted=job.progress) as report:
            built = build_shards(
                asked, job.out, runner=runner, overwrite=job.overwrite, progress=report
            )
    size = sum(file.stat().st_size for file in job.out.rglob("*") if file.is_file())
    files = asked.data.described()["files"]
    record.write(job.out, asdict(built) | {"bytes": size, "files": files})
    say(_told(job.out, built))
    say(f"built {size:,} bytes in {record.seconds('build'):.2f} s")


@contextmanager
def _saying_how_to_go_on(job: ClusterBuildJob) -> Iterator[None]:
    """Tell whose build ends for another reason than its input that it is not lost."""
    try:
        yield
    except (KeyboardInterrupt, StorageError, UnavailableError):
        if (job.out / BUILDING).exists():
            click.echo(
                f"gleann: what is done is kept in {job.out / BUILDING}: the same"
                " command goes on from there",
                err=True,
            )
        raise


@contextmanager
def runner_of(job: ClusterBuildJob, record: JobRecord) -> Iterator[Runner]:
    """Who carries out the tasks; a cluster at an address sees OUT on all machines."""
    from gleann.service.cluster.shared_folder import require_shared

    with joined_by(job) as cluster:
        if job.address is not None:
            with record.timed("check"):
                require_shared(cluster, job.out)
        yield cluster.run


def _asked(job: ClusterBuildJob, runner: Runner) -> Asked:
    schema = Schema()
    if job.columns is not None:
        first = list_files(job.sources)[0]
        table = first.opened(job.vectors_column).table
        if table is None:
            raise InvalidInputError(f"{first.name} has no columns, only vectors")
        schema = payload.schema_of(table, job.columns)
    return ask_for(
        job.sources,
        job.params,
        shards=job.shards,
        wanted=Wanted(
            vectors=job.vectors_column,
            id_column=job.id_column,
            ids=job.ids,
            schema=schema,
        ),
        queries=inputs.read_array(job.queries) if job.queries else None,
        version=gleann.__version__,
        runner=runner,
    )


def _warn_of_few(asked: Asked) -> None:
    """Tell it before hours are spent."""
    if (said := few_trained(asked)) is not None:
        warn(f"{said}; --nlist names fewer lists")


def _show_plan(job: ClusterBuildJob, asked: Asked) -> None:
    from gleann.index.parallel.cores import usable_cores

    workers = job.workers or usable_cores()
    found = forecast_shards(asked, workers=workers)
    plan = Plan(
        rows=asked.data.n,
        seconds=found.seconds * nominal_second(),
        memory_bytes=found.driver_bytes,
        disk_bytes=found.disk_bytes,
        disk_bytes_after=found.file_bytes,
        steps=found.steps,
    )
    for line in plan_lines(plan):
        say(line)
    result(
        **asdict(plan),
        worker_bytes=found.worker_bytes,
        workers=workers,
        trained_rows=found.trained_rows,
    )


def _told(out: Path, built: ShardsSummary) -> str:
    least, most = min(built.shards), max(built.shards)
    recall = "not measured"
    if built.best_recall is not None:
        recall = f"@10 up to {built.best_recall:.3f}"
    resumed = (
        f"; done before: {counted(built.resumed, 'tasks')}" if built.resumed else ""
    )
    shards = counted(len(built.shards), "shards")
    return (
        f"{out}: {counted(built.n, 'vectors')} of {counted(built.dim, 'dimensions')} in"
        f" {shards} of {least:,} to {most:,}, {built.params.metric},"
        f" {counted(built.nlist, 'lists')} trained on"
        f" {counted(built.trained_rows, 'rows')}, {built.spilled_share:.1%} spilled,"
        f" recall {recall}{resumed}"
    )
