"""`gleann build`: vectors in, an index out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import click

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import InvalidInputError
from gleann.index.params import Metric, Spill
from gleann.service.cli import inputs, options, outputs
from gleann.service.cli.manifest import JobRecord, manifest_path
from gleann.service.cli.progress import progress_bars


def parse_nlist(
    _context: click.Context, _option: click.Parameter, text: str
) -> int | Literal["auto"]:
    """Turn the text of `--nlist` into what `BuildParams` takes."""
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is neither auto nor an integer") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """What `gleann build` was asked."""

    vectors: Path
    out: Path
    ids: Path | None
    vectors_column: str | None
    id_column: str | None
    metric: Metric
    spill: Spill
    nlist: int | Literal["auto"]
    engine: str
    threads: int
    seed: int
    overwrite: bool
    progress: bool


@click.command(
    "build",
    short_help="Build an index from a file of vectors.",
    epilog=options.examples(
        "gleann build vectors.npy words.gleann",
        "gleann build items.parquet items.gleann --id-column id --metric ip --seed 7",
    ),
)
@click.argument("vectors", type=options.PATH)
@click.argument("out", type=options.PATH)
@click.option("--ids", type=options.PATH, help="A .npy file with one id a row.")
@options.column_options
@click.option(
    "--metric",
    type=click.Choice(get_args(Metric)),
    default="cosine",
    show_default=True,
    help="What near means.",
)
@click.option(
    "--spill",
    type=click.Choice(get_args(Spill)),
    default="soar",
    show_default=True,
    help="Where the second copy of a row goes.",
)
@click.option(
    "--nlist",
    callback=parse_nlist,
    metavar="auto|N",
    default="auto",
    show_default=True,
    help="Number of inverted lists.",
)
@options.engine_options
@options.seed_option
@options.overwrite_option
@options.progress_option
@options.takes(BuildJob)
def command(job: BuildJob) -> None:
    """Build an index from VECTORS (.npy or parquet) in the directory OUT.

    OUT.manifest.json records the input, the parameters, the times and the machine.
    """
    outputs.refuse_existing(job.out, manifest_path(job.out), overwrite=job.overwrite)
    record = JobRecord("build", job)
    with record.timed("read"):
        read = inputs.read_vectors(
            job.vectors, vectors_column=job.vectors_column, id_column=job.id_column
        )
        ids = inputs.read_array(job.ids) if job.ids else read.ids
        if job.ids and job.id_column:
            raise InvalidInputError("give --ids or --id-column, not both")
        record.add_file(job.vectors)
    params = BuildParams(
        metric=job.metric, spill=job.spill, nlist=job.nlist, seed=job.seed
    )
    with record.timed("build"), progress_bars(wanted=job.progress) as report:
        index = SoarIndex.build(
            read.vectors,
            params,
            ids=ids,
            progress=report,
            engine=job.engine,
            threads=job.threads,
        )
    with record.timed("save"):
        index.save(job.out)
    size = sum(file.stat().st_size for file in job.out.rglob("*") if file.is_file())
    results = _results(index, size)
    record.write(job.out, results)
    click.echo(
        f"{job.out}: {len(index):,} vectors of {index.dim} dimensions, {index.metric},"
        f" {index.nlist:,} lists, {index.spilled_share:.1%} spilled\n"
        f"built in {record.seconds('build'):.2f} s, saved {size:,} bytes in"
        f" {record.seconds('save'):.2f} s; engine {index.engine_name}"
    )


def _results(index: SoarIndex, size: int) -> dict[str, object]:
    return {
        "n": len(index),
        "dim": index.dim,
        "nlist": index.nlist,
        "spilled_share": index.spilled_share,
        "bytes": size,
        "data_hash": index.data_hash,
        "engine": index.engine_name,
    }
