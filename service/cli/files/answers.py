"""The oracle of `gleann estimate`: answers that a person keeps in a csv file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.errors import DuplicateIdError, InvalidInputError, UnknownIdError
from gleann.index.texts import Texts
from gleann.selection.checks import IdMap
from gleann.service.cli.files import inputs, outputs

LABELS_NEEDED = 3
"""Exit code when ids were written that somebody must label first."""

TRUE_WORDS = {"1", "true", "yes", "y"}
FALSE_WORDS = {"0", "false", "no", "n"}


class LabelsNeeded(Exception):  # noqa: N818 (no error: a person is asked)
    """There is no answer yet for `ids`."""

    def __init__(self, ids: Ids) -> None:
        super().__init__(f"{len(ids)} labels are needed")
        self.ids = ids


def ask_for(
    columns: Mapping[str, NDArray[np.generic]], todo: Path, answers: Path
) -> NoReturn:
    """Write what must be labelled to `todo` and end the command.

    Raises:
        InvalidInputError: `todo` is the file of the answers, which would be lost.
    """
    if todo.resolve() == answers.resolve():
        raise InvalidInputError(
            f"{todo} holds the answers: give --todo another file, as it is overwritten"
        )
    outputs.write_csv(todo, columns)
    count = len(next(iter(columns.values())))
    click.echo(
        f"{count:,} labels are needed: {todo} lists the ids; add them to {answers} and"
        " run this again",
        err=True,
    )
    raise click.exceptions.Exit(LABELS_NEEDED)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What has been answered so far.

    Attributes:
        names: ids of all items, and the way back to rows.
        known: bool (n,), rows that are answered.
        positive: bool (n,), whether the predicate holds; False where unknown.
        value: float64 (n,), 0 where unknown, or None if the file has no such column.
    """

    names: IdMap
    known: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    value: NDArray[np.float64] | None

    def ask(self, ids: Ids) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
        """Answer for `ids` (m,): positives, and values if there are any.

        Raises:
            LabelsNeeded: naming the ids without an answer.
        """
        rows = self.names.rows_of(ids)
        if not (there := self.known[rows]).all():
            raise LabelsNeeded(ids[~there])
        values = None if self.value is None else self.value[rows]
        return self.positive[rows], values


def read_answers(path: Path, names: IdMap, *, with_values: bool) -> Answers:
    """Read a csv or parquet file with the columns id, positive and, if asked, value.

    The column of positives may be called label as well. A file that is not there, or
    is empty, holds no answers yet.

    Raises:
        InvalidInputError: a column is missing, a positive is neither yes nor no, or a
            value is no number.
        UnknownIdError: an id that no item has.
        DuplicateIdError: one id twice.
    """
    table = None
    if has_content(path):
        table = inputs.read_table(
            path, columns=("id", "value") if with_values else ("id",)
        )
    return answers_in(path, table, names, with_values=with_values)


def has_content(path: Path) -> bool:
    """Whether there is a file of at least a byte, or what only reading will tell."""
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)


def answers_in(
    path: Path, table: pa.Table | None, names: IdMap, *, with_values: bool
) -> Answers:
    """The answers in a table that was read from `path`; None holds none yet.

    Raises:
        As `read_answers`.
    """
    n = len(names)
    known, positive = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    value = np.zeros(n) if with_values else None
    if table is not None:
        rows = rows_in(path, names, inputs.column_array(path, table, "id"))
        known[rows] = True
        positive[rows] = as_flags(_positives(path, table), path)
        if value is not None:
            value[rows] = inputs.numbers_or_nan(path, table["value"])
    return Answers(names=names, known=known, positive=positive, value=value)


def _positives(path: Path, table: pa.Table) -> NDArray[np.generic]:
    named = [name for name in ("positive", "label") if name in table.column_names]
    if len(named) != 1:
        raise InvalidInputError(
            f"{path} needs one column positive or label, it has {len(named)} of them"
            f" among {', '.join(table.column_names)}"
        )
    return inputs.column_array(path, table, named[0])


def rows_in(path: Path, names: IdMap, ids: NDArray[np.generic]) -> Rows:
    """Rows of the ids that a file names; errors name the file."""
    try:
        return rows_named(names, ids)
    except (DuplicateIdError, UnknownIdError) as error:
        raise type(error)(f"{path}: {error}") from error


def read_examples(path: Path, names: IdMap) -> tuple[Rows, NDArray[np.bool_]]:
    """Read labelled items, a csv or parquet file with the columns id and positive."""
    table = inputs.read_table(path, columns=("id",))
    rows = rows_in(path, names, inputs.column_array(path, table, "id"))
    return rows, as_flags(_positives(path, table), path)


def rows_named(names: IdMap, ids: NDArray[np.generic]) -> Rows:
    """Rows of ids from a file, where a csv reader took digits for numbers."""
    if isinstance(names.held, Texts) and ids.dtype.kind in "iu":
        ids = ids.astype(np.str_)
    return names.rows_of(ids)


def as_flags(values: NDArray[np.generic], path: Path) -> NDArray[np.bool_]:
    """Understand 0/1, true/false, yes/no and y/n.

    Raises:
        InvalidInputError: naming what is none of these.
    """
    if not len(values):  # of which a reader cannot tell the type
        return np.zeros(0, np.bool_)
    words = np.char.lower(np.char.strip(values.astype(np.str_)))
    words = np.char.replace(words, ".0", "")
    true = np.isin(words, list(TRUE_WORDS))
    strange = ~true & ~np.isin(words, list(FALSE_WORDS))
    if strange.any():
        raise InvalidInputError(
            f"{path}: positive must be 0 or 1, got {values[strange].tolist()[0]!r}"
            f" ({strange.sum()} of {len(values)} are neither)"
        )
    return true
