"""`gleann rows scroll`: write all rows of a filter."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pyarrow as pa

from gleann.index import Progress
from gleann.service.cli import options
from gleann.service.cli.collections.row_options import (
    NAME,
    columns_option,
    named_columns,
    require_out,
    rows_out_options,
)
from gleann.service.cli.collections.row_sinks import RowSink
from gleann.service.cli.place import Place, opened, place_options
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.cli.say import result, say
from gleann.service.client.client import Client

PAGE_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrollJob(Place, options.FilterOptions):
    """Parameters of `gleann rows scroll`."""

    name: str
    columns: str
    with_vectors: bool
    out: Path | None
    overwrite: bool
    progress: bool


@click.command(
    "scroll",
    short_help="Write all rows of a filter.",
    epilog=options.examples(
        "gleann rows scroll docs --out docs.parquet --with-vectors --data library",
        "gleann rows scroll docs --where \"split = 'test'\" --columns split,score"
        " --data library",
        "gleann rows scroll docs --where 'score > $1' --param 0.5 --out docs.csv"
        " --server grpc://127.0.0.1:50051",
    ),
)
@NAME
@options.filter_options
@columns_option
@rows_out_options
@place_options
@options.progress_option
@options.takes(ScrollJob)
def scroll_command(job: ScrollJob) -> None:
    """Write all rows of the index NAME in the order of their ids, page by page."""
    require_out(job.out, overwrite=job.overwrite)
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        sink = RowSink.of(job.out, client.get_index(job.name).columns)
        count = sink.write(_pages(client, job, report))
    result(count=count)
    if job.out is not None:
        say(f"{job.out}: {count:,} rows")
        result(out=str(job.out))


def _pages(client: Client, job: ScrollJob, report: Report) -> Iterator[pa.Table]:
    total = client.count(job.name, job.where, job.parameters)
    done = 0
    for page in client.scroll(
        job.name,
        where=job.where,
        parameters=job.parameters,
        columns=named_columns(job.columns),
        with_vectors=job.with_vectors,
        page_size=PAGE_ROWS,
    ):
        report(Progress(phase="scroll", done=done, total=total))
        yield page.to_arrow()
        done += len(page)
