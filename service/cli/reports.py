"""The option --report of a job: checked before the work, written after it."""

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import click
from click.core import ParameterSource

from gleann.index.arrays import HeldIds, Rows
from gleann.index.data.vector_columns import require_columns
from gleann.index.errors import EngineUnavailableError, InvalidInputError
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.service.cli.files import outputs
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.item_table import (
    TABLE_SUFFIXES,
    Columns,
    Content,
    ItemTable,
    column_names,
)
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.options import ReportOptions
from gleann.service.cli.say import result, say
from gleann.service.report.examples import Example
from gleann.service.report.items import Classes, Facts
from gleann.service.report.pictures import Album

PAGE_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileItems:
    """The rows of a job, with their columns in a file.

    Attributes:
        page: the file to write.
        names: ids of all rows.
        table: their columns, or None.
        classes: the class of every row, or None.
        album: the pictures of the page.
    """

    page: Path
    names: IdMap
    table: ItemTable | None
    classes: Classes | None
    album: Album = field(default_factory=Album)

    def examples(self, rows: Rows, facts: Sequence[Facts]) -> list[Example]:
        """Ids, texts and pictures of `rows`, each with its facts."""
        ids = [str(one) for one in self.names.ids_of(rows).tolist()]
        given = list(facts) or [()] * len(ids)
        plain = [
            Example(id=one, facts=known) for one, known in zip(ids, given, strict=True)
        ]
        if self.table is None:
            return plain
        return [
            self._filled(one, held)
            for one, held in zip(plain, self.table.contents(rows), strict=True)
        ]

    def limited(self, among: Among | None) -> "FileItems":
        """Some of the rows, numbered from 0, for a page about these alone."""
        if among is None:
            return self
        kept = self.classes
        if kept is not None:
            kept = Classes(name=kept.name, values=kept.values[among.rows])
        return replace(
            self,
            names=among.names_of(self.names),
            table=None if self.table is None else self.table.limited(among.rows),
            classes=kept,
        )

    def note(self) -> str:
        """Which pictures are not shown, or ""."""
        return self.album.note()

    def _filled(self, one: Example, held: Content) -> Example:
        picture, missing = "", ""
        if held.problem:
            picture, missing = self.album.missing(held.problem)
        elif held.image:
            picture, missing = self.album.add(held.image)
        return replace(one, texts=held.texts, picture=picture, missing=missing)


def pages_of(job: ReportOptions, *, own: Path | None) -> tuple[OutputPath, ...]:
    """The page that a job will write, if any; refuses what it cannot show.

    To be checked with the job's other outputs, before any work.

    Args:
        job: its options.
        own: the job's input, which may have the columns.

    Raises:
        InvalidInputError: options of a report that is not asked for, or a column that
            is missing.
        EngineUnavailableError: pictures, and no Pillow to decode them.
    """
    if job.report is None:
        _refuse_unread(job)
        return ()
    if job.image_column and find_spec("PIL") is None:
        raise EngineUnavailableError("--image-column needs Pillow: pip install pillow")
    named = columns_of(job, own=own)
    if named is not None:
        require_columns(named.path, named.named, list(column_names(named.path)))
    return (OutputPath(flag="--report", path=job.report, suffixes=PAGE_SUFFIXES),)


def columns_of(job: ReportOptions, *, own: Path | None) -> Columns | None:
    """The columns that the report shows, or None if it shows none.

    Args:
        job: its options.
        own: the job's input, in whose row order the items are.

    Raises:
        InvalidInputError: columns, and no file that could have them.
    """
    if not any([*job.show_column, job.image_column, job.class_column]):
        return None
    path = job.show_from or own
    if path is None or path.suffix.lower() not in TABLE_SUFFIXES:
        raise InvalidInputError(
            f"{path or 'the input'} has no columns to show: name a parquet, csv or"
            " jsonl file with --show-from"
        )
    by_id = job.show_from is not None and ID_COLUMN in column_names(path)
    return Columns(
        path=path,
        text=job.show_column,
        image=job.image_column,
        label=job.class_column,
        id=ID_COLUMN if by_id else None,
    )


def open_items(
    job: ReportOptions, names: IdMap, *, own: Path | None
) -> FileItems | None:
    """The rows that the report shows, or None without a report.

    To be called before the work, since it refuses a file of other rows.

    Args:
        job: its options.
        names: ids of all rows.
        own: the job's input, in whose row order they are.

    Raises:
        InvalidInputError: the file has another number of rows and no ids, or none of
            its ids is one of the job.
    """
    if job.report is None:
        return None
    named = columns_of(job, own=own)
    if named is None:
        return FileItems(page=job.report, names=names, table=None, classes=None)
    table = ItemTable(named, names)
    classes = None
    if named.label is not None:
        classes = Classes(name=named.label, values=table.classes())
    return FileItems(page=job.report, names=names, table=table, classes=classes)


def shown_in_shards(job: ReportOptions, ids: Callable[[], HeldIds]) -> FileItems | None:
    """`open_items` of an index in shards; None without a report.

    Args:
        job: its options.
        ids: reads the ids of all rows, which only a report needs.
    """
    if job.report is None:
        return None
    held = ids()
    return open_items(job, IdMap(held, n=len(held)), own=None)


def write(items: FileItems, page: str) -> None:
    """Write the page of a finished job."""
    outputs.write_text(items.page, page)
    say(f"{items.page}: the report, {len(page.encode()) / 1e3:,.0f} kB")
    result(report=str(items.page))


def command_with(
    changed: Mapping[str, object], *, keep: Collection[str] | None = None
) -> str:
    """The running command with other values of some options, for a shell.

    Options that were not typed are left out, as are those that are changed to None.

    Args:
        changed: new values by parameter.
        keep: parameters to take over; None takes all.
    """
    context = click.get_current_context()
    words = context.command_path.split()
    for parameter in context.command.params:
        name = str(parameter.name)
        if not parameter.expose_value:  # such as --json
            continue
        typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if name in changed:
            value = changed[name]
        elif typed and (keep is None or name in keep):
            value = context.params[name]
        else:
            continue
        words += _words(parameter, value)
    return shlex.join(words)


def quoted(path: Path | str) -> str:
    """A word of a command line, quoted for a shell."""
    return shlex.quote(str(path))


def in_python(statements: str) -> str:
    """The command that runs `statements` in Python."""
    if set(statements) & set('"\\$`!'):
        return shlex.join(["python", "-c", statements])
    return f'python -c "{statements}"'


def sibling(path: Path | None, word: str) -> Path | None:
    """The path of a further output: picks.parquet, more -> picks-more.parquet."""
    return None if path is None else path.with_name(f"{path.stem}-{word}{path.suffix}")


def _words(parameter: click.Parameter, value: object) -> list[str]:
    """One parameter as words of a command line."""
    if isinstance(parameter, click.Argument):
        return [str(value)]
    option = max(parameter.opts, key=len)
    if value is None or value is False or value == ():
        return []
    if value is True:
        return [option]
    if parameter.multiple and isinstance(value, tuple | list):
        return [word for one in value for word in (option, str(one))]
    if isinstance(value, tuple):
        return [option, ",".join(str(one) for one in value)]
    return [option, str(value)]


def _refuse_unread(job: ReportOptions) -> None:
    given = {
        "--show-column": bool(job.show_column),
        "--image-column": job.image_column is not None,
        "--class-column": job.class_column is not None,
        "--show-from": job.show_from is not None,
    }
    for name, there in given.items():
        if there:
            raise InvalidInputError(f"{name} is for a report: give --report too")
