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
from gleann.service.cli.collections.row_files import VECTORS_COLUMN, RowBatch, RowFile
from gleann.service.cli.collections.row_options import NAME
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.place import Place, opened, place_options
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.cli.say import result, say
from gleann.service.client.bulk.exchange import RefusedBatch
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
    resume: str
    progress: bool


@click.command(
    "put",
    short_help="Store the rows of a file, or their payload.",
    epilog=options.examples(
        "gleann rows put docs items.parquet --data library",
        "gleann rows put docs vectors.npy --data library",
        "gleann rows put docs rows.csv --vectors vectors.npy --data library",
        "gleann rows put docs items.parquet --resume monday --server"
        " grpc://127.0.0.1:50051",
        "gleann rows put docs scores.csv --update --take score --server"
        " grpc://127.0.0.1:50051",
    ),
)
@NAME
@click.argument("file", type=options.PATH)
@click.option(
    "--id-column", default=ID_COLUMN, show_default=True, help="Column with the ids."
)
@click.option(
    "--vectors-column",
    default=VECTORS_COLUMN,
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
@click.option(
    "--resume",
    default="",
    metavar="NAME",
    help="Name of the upload: run again with the same name and file, it goes on behind"
    " the rows that are stored.",
)
@place_options
@options.progress_option
@options.takes(PutJob)
def put_command(job: PutJob) -> None:
    """Store the rows of FILE in the index NAME.

    FILE is a .parquet, .jsonl or .csv file with a column of ids, a folder, a glob or
    an URL of some, or vectors alone (.npy, .npz, .fbin and others), whose ids are those
    of the file or else its row numbers from 0 on. A row whose id is there replaces it.

    Rows are sent as a stream of batches, each of
    which is stored as a whole; the command waits while the server is started again. In
    a csv file an empty cell is null, and lists are JSON.
    """
    if job.update and job.vectors is not None:
        raise InvalidParamsError("--vectors does not go with --update")
    if job.update and job.resume:
        raise InvalidParamsError("--resume does not go with --update")
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        source = _source(job, client.get_index(job.name))
        rows = _Reading(source, report)
        with _naming(job, rows):
            (_update if job.update else _upload)(client, job, rows)
    say(f"{rows.count:,} rows {'updated' if job.update else 'stored'}")
    result(count=rows.count)


class _Reading:
    """The batches of a file, and how far they are read.

    Attributes:
        start: rows before the batch that was read last.
        count: rows read.
    """

    def __init__(self, source: RowFile, report: Report) -> None:
        self._source = source
        self._report = report
        self.start = self.count = 0

    def __iter__(self) -> Iterator[RowBatch]:
        for batch in self._source.batches(BATCH_ROWS):
            self._report(Progress(phase="put", done=self.count, total=0))
            self.start, self.count = self.count, self.count + len(batch)
            yield batch


@contextmanager
def _naming(job: PutJob, rows: _Reading) -> Iterator[None]:
    """Name the rows of a batch that is refused; those in its message begin at 0."""
    try:
        yield
    except _RefusedError:
        raise
    except InvalidInputError as error:
        start = rows.start if rows.count else 0
        stored = f" ({start:,} rows before them are stored)" if start else ""
        raise InvalidInputError(
            f"{job.file}, in the rows from {start} on: {error}{stored}"
        ) from error


class _RefusedError(InvalidInputError):
    """Batches that the server refused, named by their ids."""


def _upload(client: Client, job: PutJob, rows: _Reading) -> None:
    """Store the rows by a stream.

    Raises:
        _RefusedError: the server refused batches; all others are stored.
    """
    refused: list[RefusedBatch] = []
    batches = ((one.ids, one.vectors, one.payload or None) for one in rows)
    stored = client.upload(
        job.name, batches, stream_id=job.resume, on_refused=refused.append
    )
    if refused:
        others = f"; so are {len(refused) - 1} others" if refused[1:] else ""
        raise _RefusedError(
            f"{job.file}: {refused[0]}{others} ({stored:,} rows are stored)"
        )


def _update(client: Client, job: PutJob, rows: _Reading) -> None:
    for batch in rows:
        client.update_payload(job.name, batch.payload, ids=batch.ids)


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
