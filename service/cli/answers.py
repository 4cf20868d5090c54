"""The oracle of `gleann estimate`: answers that a person keeps in a csv file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap
from gleann.service.cli import inputs

TRUE_WORDS = {"1", "true", "yes", "y"}
FALSE_WORDS = {"0", "false", "no", "n"}


class LabelsNeeded(Exception):  # noqa: N818 (no error: a person is asked)
    """There is no answer yet for `ids`."""

    def __init__(self, ids: Ids) -> None:
        super().__init__(f"{len(ids)} labels are needed")
        self.ids = ids


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

    A file that is not there holds no answers yet.

    Raises:
        InvalidInputError: a column is missing, or a positive is neither yes nor no.
        UnknownIdError: an id that no item has.
    """
    n = len(names.ids)
    known, positive = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    value = np.zeros(n) if with_values else None
    if path.exists():
        columns = ("id", "positive", "value") if with_values else ("id", "positive")
        table = inputs.read_table(path, columns=columns)
        rows = rows_named(names, inputs.column_array(path, table, "id"))
        known[rows] = True
        positive[rows] = as_flags(inputs.column_array(path, table, "positive"), path)
        if value is not None:
            value[rows] = inputs.column_array(path, table, "value").astype(np.float64)
    return Answers(names=names, known=known, positive=positive, value=value)


def read_examples(path: Path, names: IdMap) -> tuple[Rows, NDArray[np.bool_]]:
    """Read labelled items, a csv or parquet file with the columns id and positive."""
    table = inputs.read_table(path, columns=("id", "positive"))
    rows = rows_named(names, inputs.column_array(path, table, "id"))
    return rows, as_flags(inputs.column_array(path, table, "positive"), path)


def rows_named(names: IdMap, ids: NDArray[Any]) -> Rows:
    """Rows of ids from a file, where a csv reader took digits for numbers."""
    if names.ids.dtype.kind == "U" and ids.dtype.kind != "U":
        ids = ids.astype(np.str_)
    return names.rows_of(ids)


def as_flags(values: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """Understand 0/1, true/false, yes/no and y/n.

    Raises:
        InvalidInputError: naming what is none of these.
    """
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
