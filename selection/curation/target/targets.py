"""Targets: examples of what is wanted, as vectors or as rows of the index."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import SoarIndex, as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.index.checks import as_queries, require_one_of
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.checks import hold_distinct
from gleann.index.metric import prepare
from gleann.index.nouns import number_of
from gleann.selection.groups import Groups

OwnRows = Literal["exclude", "allow"]
"""Whether targets that are rows of the index may be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Targets:
    """Examples of what is wanted: vectors, or ids of rows of the index.

    Attributes:
        vectors: (m, d), of any length under cosine; None where there are `ids`.
        ids: (m,) distinct ids of rows of the index; None where there are `vectors`.
        tasks: (m,) the task of each target, integers, strings or other words; None
            where there is one task.
        own_rows: whether rows that `ids` name may be chosen: "exclude" or "allow".
            Rows that equal one of `vectors` may be: they are not looked for.

    Raises:
        InvalidInputError: both vectors and ids, or neither.
        InvalidParamsError: another value of `own_rows`.
    """

    vectors: ArrayLike | None = None
    ids: ArrayLike | None = None
    tasks: ArrayLike | None = None
    own_rows: OwnRows = "exclude"

    def __post_init__(self) -> None:
        if (self.vectors is None) == (self.ids is None):
            given = "neither" if self.ids is None else "both"
            raise InvalidInputError(
                f"targets are vectors or ids of the index, got {given} of the two"
            )
        require_one_of("own_rows", self.own_rows, get_args(OwnRows))


NO_TASK = ""
"""The name of the task of all targets, where they have none."""

TargetsLike = Targets | ArrayLike
"""`Targets`, or their vectors (m, d)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedTargets:
    """Targets as they are compared with rows of one index.

    Attributes:
        vectors: float32 (m, d), prepared as the rows of the index are.
        rows: int64 (m,), the row of each target; None where they are vectors only.
        tasks: the task of each target; None where there is one task.
        excluded: int64 (e,), rows of targets that must not be chosen.
    """

    vectors: Vectors
    rows: Rows | None
    tasks: Groups | None
    excluded: Rows

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of(cls, targets: TargetsLike, index: SoarIndex) -> "CheckedTargets":
        """Check targets against the index whose rows are to be chosen.

        Raises:
            InvalidInputError: no targets, or no vectors or ids.
            DimensionMismatchError: vectors of another dimension, or not one task for
                each target.
            DuplicateIdError: one id twice.
            UnknownIdError: an id that no row has.
            ZeroVectorError: a target of length zero under cosine.
        """
        given = targets if isinstance(targets, Targets) else Targets(vectors=targets)
        rows = None
        if given.ids is None:
            assert given.vectors is not None
            vectors = prepare(
                as_vectors(
                    as_queries(given.vectors, name="targets"),
                    name="targets",
                    dim=index.dim,
                ),
                index.metric,
                name="targets",
            )
        else:
            rows = _rows_of(given.ids, index)
            vectors = np.ascontiguousarray(index.stored_rows[rows])
        exclude = rows is not None and given.own_rows == "exclude"
        return cls(
            vectors=vectors,
            rows=rows,
            tasks=_tasks_of(given.tasks, len(vectors)),
            excluded=rows if rows is not None and exclude else np.empty(0, np.int64),
        )

    def members(self) -> dict[Hashable, Rows]:
        """The targets (numbers, ascending) of each task; of one task as `NO_TASK`."""
        if self.tasks is None:
            return {NO_TASK: np.arange(len(self))}
        return {label: self.tasks.rows(label) for label in self.tasks.labels}


def _rows_of(ids: ArrayLike, index: SoarIndex) -> Rows:
    held = hold_distinct(ids, name="targets")
    if not len(held):
        raise InvalidInputError("targets has 0 ids, at least 1 is needed")
    return index.rows_of(ids)


def _tasks_of(tasks: ArrayLike | None, count: int) -> Groups | None:
    if tasks is None:
        return None
    groups = Groups.of(tasks)
    if len(groups) != count:
        raise DimensionMismatchError(
            f"tasks has {number_of(len(groups), 'entries')} for"
            f" {number_of(count, 'targets')}"
        )
    return groups
