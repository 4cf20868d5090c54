"""`gleann rows put`: store rows of a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from gleann.index import Progress
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.payload.schema import Schema
from gleann.service.cli import options
from gleann.service.cli.collections.place import Place, opened, place_options
from gleann.service.cli.collections.row_files import RowBatch, RowFile
from gleann.service.cli.collections.row_options import NAME
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import result, say
from gleann.service.client.client import Client
from gleann.service.values import IndexInfo

BATCH_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PutJob(Place):
    """Parameters of `gleann rows put`."""

    name: str
    file: Path
    id_column: str
    vectors_column: str
    vectors: Path | None
    take: tuple[str, ...]
    update: bool
    progress: bool


@click.command(
    "put",
    short_help="Store the rows of a file, or their payload.",
    epilog=options.examples(
        "gleann rows put docs items.parquet --data library",
        "gleann rows put docs rows.csv --vectors vectors.npy --data library",
        "gleann rows put docs scores.csv --update --take score --server"
        " grpc://127.0.0.1:50051",
    ),
)
@NAME
@click.argument("file", type=options.PATH)
@click.option(
    "--id-column", default="id", show_default=True, help="Column with the ids."
)
@click.option(
    "--vectors-column",
    default="vector",
    show_default=True,
    help="Column with the vectors, as lists of numbers.",
)
@click.option(
    "--vectors",
    type=options.PATH,
    help=".npy file with the vectors in the order of the rows, in place of a column.",
)
@click.option(
    "--take",
    multiple=True,
    metavar="COLUMN",
    help="Column of payload to take; repeat for more. By default those that the index"
    " has.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Set the payload of rows that are there, and leave their vectors.",
)
@place_options
@options.progress_option
@options.takes(PutJob)
def put_command(job: PutJob) -> None:
    """Store the rows of FILE (.parquet, .jsonl or .csv) in the index NAME.

    A row whose id is there replaces it. Rows are sent in batches of 5,000, each of
    which is stored as a whole. In a csv file an empty cell is null, and lists are JSON.
    """
    if job.update and job.vectors is not None:
        raise InvalidParamsError("--vectors does not go with --update")
    count = 0
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        source = _source(job, client.get_index(job.name))
        for batch in source.batches(BATCH_ROWS):
            report(Progress(phase="put", done=count, total=0))
            with _naming(job, count):
                _store(client, job, batch)
            count += len(batch)
    say(f"{count:,} rows {'updated' if job.update else 'stored'}")
    result(count=count)


@contextmanager
def _naming(job: PutJob, start: int) -> Iterator[None]:
    """Name the rows of a batch that is refused; those in its message begin at 0."""
    try:
        yield
    except InvalidInputError as error:
        stored = f" ({start:,} rows before them are stored)" if start else ""
        raise InvalidInputError(
            f"{job.file}, in the rows from {start} on: {error}{stored}"
        ) from error


def _source(job: PutJob, info: IndexInfo) -> RowFile:
    has_column = not job.update and job.vectors is None
    return RowFile(
        path=job.file,
        schema=Schema(info.columns),
        id_type=info.id_type,
        id_column=job.id_column,
        vectors_column=job.vectors_column if has_column else None,
        vectors=job.vectors,
        take=job.take,
    )


def _store(client: Client, job: PutJob, batch: RowBatch) -> None:
    if batch.vectors is None:
        client.update_payload(job.name, batch.payload, ids=batch.ids)
    else:
        client.upsert(job.name, batch.ids, batch.vectors, batch.payload or None)
