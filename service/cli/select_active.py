"""`gleann select active`: which items to label next."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError, MissingFileError
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    IndexNeighbours,
    Selection,
)
from gleann.selection.active.params import PoolName, Strategy
from gleann.service.cli import inputs, options, outputs, sources
from gleann.service.cli.answers import rows_named
from gleann.service.cli.manifest import JobRecord, manifest_path

INDEXED_POOLS = ("seals", "classifier", "anchors")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveJob:
    """What `gleann select active` was asked."""

    source: Path
    labels: Path
    out: Path
    state: Path
    resume: bool
    strategy: Strategy
    pool: PoolName
    batch: int
    neighbours: int
    regularisation: float
    class_weight: Literal["balanced"] | None
    classes: tuple[int, ...] | None
    anchors: int
    subpool: int
    ignore: Path | None
    seed: int
    vectors_column: str | None
    id_column: str | None
    overwrite: bool


def _integers(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[int, ...] | None:
    """Read integers between commas."""
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"must be like 0,1,2; got {text!r}") from error


@click.command(
    "active",
    short_help="Ask for the labels that teach a classifier most (SEALS).",
    epilog=options.examples(
        "gleann select active words.gleann --labels seed.csv --state session.json"
        " --out batch-1.parquet",
        "gleann select active words.gleann --labels labels.csv --state session.json"
        " --resume --out batch-2.parquet",
    ),
)
@click.argument("source", type=options.PATH)
@click.option(
    "--labels",
    type=options.PATH,
    required=True,
    help="csv or parquet with the columns id and label, all labels so far.",
)
@click.option(
    "--state",
    type=options.PATH,
    required=True,
    help="File that keeps the session; --resume goes on from it.",
)
@click.option("--resume", is_flag=True, help="Go on from --state and rewrite it.")
@options.out_option("batch.parquet")
@click.option(
    "--strategy",
    type=click.Choice(get_args(Strategy)),
    default="entropy",
    show_default=True,
    help="What makes an item worth its label.",
)
@click.option(
    "--pool",
    type=click.Choice(get_args(PoolName)),
    default="classifier",
    show_default=True,
    help="Neighbours of the labelled (seals), these and what the classifier asks the"
    " index for (classifier), AnchorAL's (anchors), every item, or random draws. The"
    " first three need an index.",
)
@click.option("--batch", default=100, show_default=True, help="Items to ask for.")
@click.option(
    "--neighbours",
    default=100,
    show_default=True,
    help="Neighbours of each labelled item that enter the pool.",
)
@click.option(
    "--regularisation",
    "-C",
    default=1.0,
    show_default=True,
    help="Inverse strength of the logistic regression's penalty.",
)
@click.option(
    "--class-weight", type=click.Choice(["balanced"]), help="Weigh rare classes up."
)
@click.option(
    "--classes",
    callback=_integers,
    help="All labels there are, ascending, as 0,1,2; those of --labels without it.",
)
@click.option(
    "--anchors",
    default=10,
    show_default=True,
    help="Labelled items of each class that the anchors pool is made around.",
)
@click.option(
    "--subpool",
    default=10_000,
    show_default=True,
    help="Most items in the anchors pool.",
)
@click.option(
    "--ignore",
    type=options.PATH,
    help="Ids never to ask for (again) (.npy, or csv with a column id).",
)
@options.seed_option
@options.column_options
@options.overwrite_option
@options.takes(ActiveJob)
def active(job: ActiveJob) -> None:
    """Ask for labels of items of SOURCE, an index or a file of vectors.

    Labels are integers of at least two classes, the largest the positive one. Run it,
    label what OUT lists, add those labels to the file, and run it with --resume; the
    parameters are then those of the session, not of the command line, but for --ignore.
    """
    new = [job.out, manifest_path(job.out)] + ([] if job.resume else [job.state])
    outputs.refuse_existing(*new, overwrite=job.overwrite)
    record = JobRecord("select active", job)
    with record.timed("read"):
        source = sources.open_source(
            job.source,
            record,
            vectors_column=job.vectors_column,
            id_column=job.id_column,
        )
        rows, labels = _read_labels(job.labels, source)
        record.add_file(job.labels)
        ignored = _read_ignored(job, source, record)
    with record.timed("select"):
        open_session = _resume if job.resume else _start
        session = open_session(job, source, rows, labels)
        session.ignore(source.ids[ignored])
        picked = session.next_batch()
    outputs.write_parquet(job.out, _columns(picked))
    outputs.write_json(job.state, session.state())
    advice = session.stop_advice()
    record.write(
        job.out,
        {
            "asked": len(picked),
            "labelled": len(session.labelled_rows),
            "looked_at": session.looked_at,
            "stop": advice.stop,
            "stop_reason": advice.reason,
        },
    )
    click.echo(
        f"{job.out}: {len(picked):,} items to label;"
        f" {len(session.labelled_rows):,} are labelled,"
        f" {session.looked_at:,} of {len(source.ids):,} were looked at"
    )
    click.echo(f"{'stop' if advice.stop else 'go on'}: {advice.reason}")


def _read_labels(path: Path, source: sources.Source) -> tuple[Rows, NDArray[Any]]:
    table = inputs.read_table(path, columns=("id", "label"))
    rows = rows_named(source.names, inputs.column_array(path, table, "id"))
    return rows, inputs.column_array(path, table, "label")


def _read_ignored(job: ActiveJob, source: sources.Source, record: JobRecord) -> Rows:
    if job.ignore is None:
        return np.empty(0, np.int64)
    record.add_file(job.ignore)
    return rows_named(source.names, sources.read_ids(job.ignore))


def _start(
    job: ActiveJob, source: sources.Source, rows: Rows, labels: NDArray[Any]
) -> ActiveSession:
    params = ActiveParams(
        strategy=job.strategy,
        pool=job.pool,
        batch=job.batch,
        neighbours=job.neighbours,
        C=job.regularisation,
        class_weight=job.class_weight,
        classes=job.classes,
        anchors=job.anchors,
        subpool=job.subpool,
        seed=job.seed,
    )
    if job.pool in INDEXED_POOLS and source.index is None:
        raise InvalidInputError(
            f"{job.source} is not an index, which the {job.pool} pool needs:"
            " build one, or take --pool global"
        )
    return ActiveSession.start(
        source.vectors,
        params,
        ids=source.ids,
        rows=rows,
        labels=labels,
        neighbours=_neighbours(source),
    )


def _resume(
    job: ActiveJob, source: sources.Source, rows: Rows, labels: NDArray[Any]
) -> ActiveSession:
    session = ActiveSession.resume(
        _read_state(job.state),
        source.vectors,
        ids=source.ids,
        neighbours=_neighbours(source),
    )
    # Those that are labelled too: a label that was changed since is refused by name.
    session.submit_labels(source.ids[rows], labels)
    return session


def _neighbours(source: sources.Source) -> IndexNeighbours | None:
    return None if source.index is None else IndexNeighbours(source.index)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInputError(f"{path} is not a session: {error}") from error
    if not isinstance(state, dict):
        raise InvalidInputError(f"{path} is not a session: it holds no object")
    return state


def _columns(picked: Selection) -> dict[str, NDArray[Any]]:
    return {
        "id": picked.ids,
        "rank": np.arange(len(picked), dtype=np.int32),
        "score": picked.scores,
        "weight": picked.weights,
        **picked.why,
    }
