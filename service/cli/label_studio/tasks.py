"""`gleann label-studio tasks`: items to label, as a file that a project imports."""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import id_at, shown_id, to_numpy
from gleann.selection.checks import IdMap
from gleann.service.adapters.label_studio import labelling_config, tasks_of
from gleann.service.cli import options
from gleann.service.cli.files import inputs, outputs
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.item_table import Columns, ItemTable, column_names
from gleann.service.cli.files.output_paths import OutputPath, require_writable
from gleann.service.cli.files.tables import shown_names
from gleann.service.cli.say import result, say

SHOWS = ("text", "image", "audio", "html")


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksJob:
    """The parameters of the command.

    Attributes:
        batch: table with the ids of the items, in their order.
        items: table with what is shown of them; None for that of `batch`.
        shows: "text", "image", "audio" or "html".
        column: of what is shown; None for the name of `shows`.
        guess_column: of the classes that a model gives, or None.
        score_column: of their scores, or None.
        classes: to choose from, or None without `config`.
        config: file for the labelling configuration, or None.
        out: file for the tasks.
        overwrite: whether files may be replaced.
    """

    batch: Path
    items: Path | None
    shows: str
    column: str | None
    guess_column: str | None
    score_column: str | None
    classes: str | None
    config: Path | None
    out: Path
    overwrite: bool


@click.command(
    "tasks",
    short_help="Write items to label as tasks of Label Studio.",
    epilog=options.examples(
        "gleann label-studio tasks batch.parquet --items items.parquet --classes"
        " cat,dog --out tasks.json --config studio.xml",
        "gleann label-studio tasks todo.csv --items items.csv --column title"
        " --guess-column label --score-column score --out tasks.json",
    ),
)
@click.argument("batch", type=options.PATH)
@click.option(
    "--items",
    type=options.PATH,
    help="csv, parquet or jsonl with the column id and what is shown; else BATCH.",
)
@click.option(
    "--shows",
    type=click.Choice(SHOWS),
    default="text",
    show_default=True,
    help="What a person sees: the value of --column, or what is at its URL.",
)
@click.option("--column", help="Column of it; by default that named as --shows.")
@click.option("--guess-column", help="Column of the classes that a model gives.")
@click.option("--score-column", help="Column of their scores, such as probabilities.")
@click.option(
    "--classes", metavar="A,B,...", help="Classes to choose from, for --config."
)
@click.option(
    "--config",
    type=options.PATH,
    help="File for the labelling configuration, which the settings of a project take.",
)
@options.out_option("tasks.json")
@options.overwrite_option
@options.takes(TasksJob)
def command(job: TasksJob) -> None:
    """Write the items of BATCH as tasks that a project of Label Studio imports.

    BATCH has a column id: what `gleann select` and `gleann curate` write, or the file
    of --todo. Tasks keep its order. Guesses are shown as predictions.
    """
    _require(job)
    ids = inputs.read_own_ids(job.batch)
    shown, guesses, scores = _read(job, ids)
    tasks = tasks_of(to_numpy(ids), {job.shows: shown}, guesses=guesses, scores=scores)
    with outputs.staged() as files:
        files.add_json(job.out, tasks)
        if job.config is not None and job.classes is not None:
            config = labelling_config(job.classes.split(","), shows=job.shows)
            files.add(job.config, lambda path: _write(path, config))
    say(f"{len(tasks):,} tasks in {job.out}")
    result(tasks=len(tasks), out=str(job.out))


def _require(job: TasksJob) -> None:
    """Refuse what does not go together, before anything is read."""
    if (job.config is None) != (job.classes is None):
        given, other = ("--classes", "--config")
        if job.classes is None:
            given, other = other, given
        raise InvalidInputError(f"{given} is given without {other}")
    if job.score_column is not None and job.guess_column is None:
        raise InvalidInputError("--score-column is of --guess-column, which is missing")
    written = [OutputPath(flag="--out", path=job.out, suffixes=(".json",))]
    if job.config is not None:
        written.append(OutputPath(flag="--config", path=job.config))
    require_writable(*written, inputs=(job.batch, job.items), overwrite=job.overwrite)


def _read(
    job: TasksJob, ids: HeldIds
) -> tuple[list[str], list[str | None] | None, list[float] | None]:
    """What is shown of each item, the guesses and their scores."""
    path = job.batch if job.items is None else job.items
    names = (job.column or job.shows, job.guess_column, job.score_column)
    wanted = tuple(dict.fromkeys(name for name in names if name is not None))
    known = column_names(path)
    if missing := [name for name in (ID_COLUMN, *wanted) if name not in known]:
        raise InvalidInputError(
            f"{path} has no column {missing[0]!r}, only {shown_names(known)}"
        )
    table = ItemTable(
        Columns(path=path, text=wanted, image=None, label=None, id=ID_COLUMN),
        IdMap(ids, n=len(ids)),
    )
    rows = [dict(one.texts) for one in table.contents(np.arange(len(ids)))]
    if lost := [place for place, row in enumerate(rows) if not row]:
        raise InvalidInputError(
            f"{path} has no row for {len(lost):,} of the {len(ids):,} ids of"
            f" {job.batch}, such as {shown_id(id_at(ids, lost[0]))}"
        )
    shown = [row[job.column or job.shows] for row in rows]
    if job.guess_column is None:
        return shown, None, None
    guesses = [row[job.guess_column] or None for row in rows]
    if job.score_column is None:
        return shown, guesses, None
    return shown, guesses, [_number(row[job.score_column], path) for row in rows]


def _number(text: str, path: Path) -> float:
    try:
        return float(text or "nan")
    except ValueError as error:
        raise InvalidInputError(f"{path}: the score {text!r} is no number") from error


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")
