"""`gleann build`: build an index from a file of vectors."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import HeldIds
from gleann.index.build.on_disk import BuildSummary
from gleann.index.data.payload_files import PayloadFile
from gleann.index.errors import InvalidInputError
from gleann.index.params import CodesChoice, EntryCodes, Keep, Metric, Spill
from gleann.index.payload.schema import Schema
from gleann.service.cli import build_options, options
from gleann.service.cli.files import inputs, output_paths, payload
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say
from gleann.service.devices.devices import Devices
from gleann.service.values import DeviceChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """Parameters of `gleann build`."""

    vectors: Path
    out: Path
    ids: Path | None
    vectors_column: str | None
    id_column: str | None
    payload: Path | None
    columns: str | None
    metric: Metric
    spill: Spill
    codes: CodesChoice
    keep: Keep | None
    entry_codes: EntryCodes | None
    projection: int | None
    memory: str | None
    nlist: int | Literal["auto"]
    target_recall: float | None
    queries: Path | None
    threads: int
    device: DeviceChoice
    seed: int
    overwrite: bool
    progress: bool


@click.command(
    "build",
    short_help="Build an index from a file of vectors.",
    epilog=options.examples(
        "gleann build vectors.npy words.gleann",
        "gleann build items.parquet items.gleann --id-column id --metric ip --seed 7",
        "gleann build vectors.npy pages.gleann --payload pages.csv",
        "gleann build pages.parquet pages.gleann --columns language,score,added",
        "gleann build v.npy v.gleann --payload v.csv --columns tenant:string:indexed",
    ),
)
@click.argument("vectors", type=options.PATH)
@click.argument("out", type=options.PATH)
@click.option("--ids", type=options.PATH, help="One id per row (.npy, or a column id).")
@options.column_options
@click.option(
    "--payload",
    type=options.PATH,
    help="Values to filter by, one line a vector (.csv, .jsonl or .parquet).",
)
@click.option(
    "--columns",
    metavar="NAME[:TYPE][:indexed],...",
    help="Columns of --payload (all by default), or else of VECTORS (none by default).",
)
@build_options.layout_of_lists
@options.layout_options
@build_options.measured("Number of inverted lists.")
@options.threads_option
@options.device_option("rows are compared with centroids")
@options.seed_option
@options.overwrite_option
@options.progress_option
@options.takes(BuildJob)
def command(job: BuildJob) -> None:
    """Build an index from VECTORS in the directory OUT.

    VECTORS is a file (.npy, .npz, .parquet, .arrow, .feather, .hdf5, .fvecs, .fbin and
    their kin), a folder or a quoted glob of files of one kind, a folder of the package
    datasets, or an URL such as s3://bucket/pages. It may be larger than memory: it is
    read and the index is written block by block.

    With --payload or --columns, `gleann search --where` filters by these values. The
    types are those of the file, or found in its text; TYPE sets another: string, int64,
    float64, bool, timestamp, strings (a JSON list of texts) or json. An indexed column,
    of string or int64, keeps the rows of equal values together where it is served.
    Columns of --payload that payload cannot hold are left out, and named on stderr.

    OUT.manifest.json records the input, the parameters, the times and the machine.
    """
    out = output_paths.folder("OUT", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        inputs=(job.vectors, job.ids, job.queries, job.payload),
        overwrite=job.overwrite,
    )
    if job.ids and job.id_column:
        raise InvalidInputError("give --ids or --id-column, not both")
    devices = Devices(job.device)
    record = JobRecord("build", job)
    with record.timed("read"):
        read, ids = _read(job)
        record.add_file(job.vectors)
        queries = inputs.read_array(job.queries) if job.queries else None
        source, schema, left_out = _payload(job, read)
        if job.payload:
            record.add_file(job.payload)
    with record.timed("build"), progress_bars(wanted=job.progress) as report:

        def build(device: str | None) -> tuple[str, BuildSummary]:
            return device or "cpu", SoarIndex.build_on_disk(
                read.vectors,
                job.out,
                _params(job),
                ids=ids,
                payload=source.blocks(schema, n=len(read.vectors)) if source else None,
                schema=schema,
                queries=queries,
                progress=report,
                threads=job.threads,
                device=device,
            )

        where, built = devices.run(build)
    size = sum(file.stat().st_size for file in job.out.rglob("*") if file.is_file())
    results = asdict(built) | {"bytes": size, "device": where, "left_out": left_out}
    record.write(job.out, results)
    say(
        f"{job.out}: {built.n:,} vectors of {built.dim} dimensions, {job.metric},"
        f" {built.nlist:,} lists, {built.spilled_share:.1%} spilled"
        f"{_spill_note(built)}{_recall_note(built)}{_payload_note(schema)}\n"
        f"built {size:,} bytes in {record.seconds('build'):.2f} s"
    )


def _payload(
    job: BuildJob, read: inputs.NamedVectors
) -> tuple[PayloadFile | None, Schema, dict[str, str]]:
    """The file of payload, if there is any, the columns, and why others are not."""
    if job.payload:
        file = PayloadFile.open(job.payload)
        if job.columns is None:
            return file, *payload.possible_columns(file)
        return file, payload.schema_of(file, job.columns), {}
    if job.columns is None:
        return None, Schema(), {}
    if read.table is None:
        raise InvalidInputError(
            f"{job.vectors} is a {job.vectors.suffix} file and has no --columns: give"
            " --payload"
        )
    return read.table, payload.schema_of(read.table, job.columns), {}


def _read(job: BuildJob) -> tuple[inputs.NamedVectors, HeldIds | None]:
    """The vectors, and their ids if there are any."""
    read = inputs.read_vectors(
        job.vectors,
        vectors_column=job.vectors_column,
        id_column=inputs.ROW_NUMBERS if job.ids else job.id_column,
    )
    return read, inputs.read_own_ids(job.ids) if job.ids else read.ids


def _params(job: BuildJob) -> BuildParams:
    return BuildParams(
        metric=job.metric,
        spill=job.spill,
        codes=job.codes,
        nlist=job.nlist,
        target_recall=job.target_recall,
        seed=job.seed,
        keep=job.keep or "f32",
        entry_codes=job.entry_codes or "copied",
        projection=job.projection,
        memory=job.memory,
    )


def _payload_note(schema: Schema) -> str:
    return f", payload {', '.join(schema.names)}" if schema.names else ""


def _recall_note(built: BuildSummary) -> str:
    if built.best_recall is None:
        return ", recall not measured"
    return f", recall@10 up to {built.best_recall:.3f}"


def _spill_note(built: BuildSummary) -> str:
    report = built.spill_report
    if report is None:
        return ""
    verb = "save" if report.saving >= 0 else "add"
    return f" (auto: copies would {verb} {abs(report.saving):.0%} of the work)"
