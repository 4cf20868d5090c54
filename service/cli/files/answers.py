"""The oracle of `gleann estimate`: a csv file of answers that a person fills in."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.data.vector_columns import reading
from gleann.index.errors import InvalidInputError
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.service.cli.exit_codes import LABELS_NEEDED
from gleann.service.cli.files import columns, outputs
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.tables import Table, read_table, shown_names
from gleann.service.cli.say import result

POSITIVE_COLUMNS = ("positive", "label")
"""Names of the column that says whether the predicate holds."""
BLANK_BYTES = 64
"""A file that is larger has answers."""


class LabelsNeeded(Exception):  # noqa: N818 (no error: a person is asked)
    """`ids` have no answer yet."""

    def __init__(self, ids: Ids) -> None:
        super().__init__(f"{len(ids)} labels are needed")
        self.ids = ids


def ask_for(
    items: Mapping[str, NDArray[np.generic]],
    todo: Path,
    answers: Path,
    *,
    then: str = "run this again",
) -> NoReturn:
    """Write the items to label to `todo`, say what to do then, and exit."""
    outputs.write_table(todo, items)
    count = len(next(iter(items.values())))
    click.echo(
        f"{count:,} labels are needed: {todo} lists the ids; add them to {answers} and"
        f" {then}",
        err=True,
    )
    result(labels_needed=count, todo=str(todo))
    raise click.exceptions.Exit(LABELS_NEEDED)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Answers so far.

    Attributes:
        names: ids of all items, and their rows.
        known: bool (n,), rows with an answer.
        positive: bool (n,), whether the predicate holds; False where unknown.
        value: float64 (n,), 0 where unknown, or None if the file has no such column.
    """

    names: IdMap
    known: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    value: NDArray[np.float64] | None

    def limited(self, among: Among | None) -> "Answers":
        """The answers of some items, numbered from 0."""
        if among is None:
            return self
        return Answers(
            names=among.names_of(self.names),
            known=self.known[among.rows],
            positive=self.positive[among.rows],
            value=None if self.value is None else self.value[among.rows],
        )

    def ask(self, ids: Ids) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
        """Labels and, if the file has them, values of `ids` (m,).

        Raises:
            LabelsNeeded: naming the ids without an answer.
        """
        rows = self.names.rows_of(ids)
        if not (there := self.known[rows]).all():
            raise LabelsNeeded(ids[~there])
        values = None if self.value is None else self.value[rows]
        return self.positive[rows], values


def read_answers(
    path: Path,
    names: IdMap,
    *,
    with_values: bool,
    yes_columns: tuple[str, ...] = POSITIVE_COLUMNS,
) -> Answers:
    """Read a table with the columns id, positive and, if requested, value.

    The positive column has one of the names `yes_columns`. A missing or empty file has
    no answers yet.

    Raises:
        InvalidInputError: a column is missing, a positive is neither yes nor no, or a
            value is not a number.
        UnknownIdError: an id of no item.
        DuplicateIdError: a repeated id.
    """
    table = None
    if has_content(path):
        table = read_answer_table(
            path, with_values=with_values, yes_columns=yes_columns
        )
    return answers_in(table, names, with_values=with_values, yes_columns=yes_columns)


def read_answer_table(
    path: Path,
    *,
    more: tuple[str, ...] = (),
    with_values: bool,
    yes_columns: tuple[str, ...] = POSITIVE_COLUMNS,
) -> Table:
    """Read the columns id, one of `yes_columns`, `more`, and value if requested."""
    wanted = (ID_COLUMN, *more, *(("value",) if with_values else ()))
    return read_table(path, columns=wanted, optional=yes_columns)


def has_content(path: Path) -> bool:
    """Whether a file holds more than blanks; True if only reading it can show that."""
    if not path.exists():
        return False
    if not path.is_file() or path.stat().st_size > BLANK_BYTES:
        return True
    with reading(path):
        return bool(path.read_bytes().removeprefix(codecs.BOM_UTF8).strip())


def answers_in(
    table: Table | None,
    names: IdMap,
    *,
    with_values: bool,
    yes_columns: tuple[str, ...] = POSITIVE_COLUMNS,
) -> Answers:
    """The answers in a table; None has no answers yet.

    Raises:
        As `read_answers`.
    """
    n = len(names)
    known, positive = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    value = np.zeros(n) if with_values else None
    if table is not None:
        rows = columns.rows_in(table, ID_COLUMN, names)
        known[rows] = True
        positive[rows] = _positives(table, yes_columns)
        if value is not None:
            value[rows] = columns.numbers_or_nan(table, "value")
    return Answers(names=names, known=known, positive=positive, value=value)


def _positives(
    table: Table, yes_columns: tuple[str, ...] = POSITIVE_COLUMNS
) -> NDArray[np.bool_]:
    named = [name for name in yes_columns if name in table.names]
    if len(named) != 1:
        raise InvalidInputError(
            f"{table.path} needs one column {' or '.join(yes_columns)}, it has"
            f" {len(named)} of them among {shown_names(table.names)}"
        )
    return columns.flags(table, named[0])


def read_examples(path: Path, names: IdMap) -> tuple[Rows, NDArray[np.bool_]]:
    """Read labelled items: a table with the columns id and positive."""
    table = read_answer_table(path, with_values=False)
    return columns.rows_in(table, ID_COLUMN, names), _positives(table)
