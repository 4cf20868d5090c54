"""The oracles of `gleann estimate-groups`: answers from a file, by group."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap, shown
from gleann.selection.estimate.labels.answers import NO_GROUP, Oracle
from gleann.service.cli.files import columns
from gleann.service.cli.files.answers import (
    Answers,
    LabelsNeeded,
    answers_in,
    has_content,
    read_answer_table,
)
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.tables import Table, read_table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupAnswers:
    """Answers so far, for disjoint groups.

    Attributes:
        names: ids of all items, and their rows.
        known: bool (n,), rows with an answer.
        group: int64 (n,), -1 for none and where unknown.
        value: float64 (n,), 0 where unknown, or None if there is no such column.
    """

    names: IdMap
    known: NDArray[np.bool_]
    group: NDArray[np.int64]
    value: NDArray[np.float64] | None

    def ask(self, ids: Ids) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
        """Group numbers and, if the file has them, values of `ids` (m,).

        Raises:
            LabelsNeeded: naming the ids without an answer.
        """
        rows = self.names.rows_of(ids)
        if not (there := self.known[rows]).all():
            raise LabelsNeeded(ids[~there])
        return self.group[rows], None if self.value is None else self.value[rows]

    def oracle(self, number: int) -> Oracle:
        """The oracle of one group: membership and values of items."""

        def ask(ids: Ids) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
            groups, values = self.ask(ids)
            return groups == number, values

        return ask


def read_group_answers(
    path: Path, names: IdMap, groups: Sequence[str], *, with_values: bool
) -> GroupAnswers:
    """Read a csv or parquet file with the columns id, group and, if requested, value.

    An empty group means no group. A missing file has no answers yet.

    Raises:
        InvalidInputError: a column is missing, or a group has no proxy.
        UnknownIdError: an id of no item.
        DuplicateIdError: a repeated id.
    """
    n = len(names)
    known, group = np.zeros(n, np.bool_), np.full(n, NO_GROUP, np.int64)
    value = np.zeros(n) if with_values else None
    if has_content(path):
        table = read_table(path, columns=_wanted(with_values=with_values))
        rows = columns.rows_in(table, ID_COLUMN, names)
        known[rows] = True
        group[rows] = _numbers(table, groups)
        if value is not None:
            value[rows] = columns.numbers_or_nan(table, "value")
    return GroupAnswers(names=names, known=known, group=group, value=value)


def read_own_answers(
    path: Path, names: IdMap, groups: Sequence[str], *, with_values: bool
) -> dict[str, Answers]:
    """Answers of overlapping groups, by group name.

    From the columns id, group, positive or label and, if requested, value; an id has
    one row for each group with an answer. A missing file has no answers yet.

    Raises:
        As `read_group_answers`.
    """
    parts: list[Table | None] = [None] * len(groups)
    if has_content(path):
        table = read_answer_table(path, more=("group",), with_values=with_values)
        numbers = _numbers(table, groups)
        if (nowhere := np.flatnonzero(numbers == NO_GROUP)).size:
            raise InvalidInputError(
                f"{table.where(nowhere[0])}: group is empty, but an answer is for one"
                f" ({nowhere.size} name no group)"
            )
        parts = [table.take(np.flatnonzero(numbers == k)) for k in range(len(groups))]
    return {
        name: answers_in(part, names, with_values=with_values)
        for name, part in zip(groups, parts, strict=True)
    }


def _wanted(*, with_values: bool) -> tuple[str, ...]:
    return (ID_COLUMN, "group", *(("value",) if with_values else ()))


def _numbers(table: Table, groups: Sequence[str]) -> NDArray[np.int64]:
    words = columns.words(table, "group")
    numbers = np.full(len(words), NO_GROUP, np.int64)
    for number, name in enumerate(groups):
        numbers[words == name] = number
    strange = np.flatnonzero((numbers == NO_GROUP) & (words != ""))
    if strange.size:
        raise InvalidInputError(
            f"{table.where(strange[0])}: there is no group"
            f" {shown(np.unique(words[strange]))}, but {', '.join(groups)} (empty for"
            " none)"
        )
    return numbers
