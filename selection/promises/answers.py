"""The rows of each round, and the labels they have got."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Ids, Mask, Rows
from gleann.index.checks import as_array
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.selection.checks import shown
from gleann.selection.saved import Saved

NOT_QUERIED, PENDING = -2, -1


def as_held(positives: ArrayLike, *, n: int, name: str = "positives") -> Mask:
    """Return labels as bool (n,).

    Raises:
        InvalidInputError: neither bool nor 0 and 1.
        DimensionMismatchError: not n of them.
    """
    held = as_array(positives, name=name)
    if held.size and (held.dtype.kind not in "biu" or not np.isin(held, (0, 1)).all()):
        raise InvalidInputError(
            f"{name} must be bool (or 0 and 1), got dtype {held.dtype}"
        )
    if held.shape != (n,):
        raise DimensionMismatchError(f"{name} has shape {held.shape} for {n} ids")
    return held.astype(np.bool_)


class Answers:
    """Labels of drawn rows, each written once.

    Args:
        n: rows there are.

    Attributes:
        labels: int8 (n,): `NOT_QUERIED`, `PENDING`, 0 or 1.
        rounds: the rows of each round, in the order they are asked for.
    """

    __slots__ = ("labels", "rounds")

    def __init__(self, n: int) -> None:
        self.labels: NDArray[np.int8] = np.full(n, NOT_QUERIED, np.int8)
        self.rounds: list[Rows] = []

    @property
    def used(self) -> int:
        """Rows that are labelled."""
        return int((self.labels >= 0).sum())

    @property
    def pending(self) -> Rows:
        """Rows of the last round without a label."""
        if not self.rounds:
            return np.empty(0, np.int64)
        return self.rounds[-1][self.labels[self.rounds[-1]] == PENDING]

    def add_round(self, rows: Rows) -> None:
        """Ask for the labels of rows without one."""
        self.labels[rows] = PENDING
        self.rounds.append(rows)

    def write(self, rows: Rows, held: Mask, *, ids: Ids) -> int:
        """Take labels (m,) of rows (m,) named `ids`; returns how many were new.

        Raises:
            InvalidInputError: a row that was not asked for, or another label than
                before. Nothing is written then.
        """
        before = self.labels[rows]
        if (strange := before == NOT_QUERIED).any():
            raise InvalidInputError(
                f"{strange.sum()} of {len(rows)} labels are for ids that were not asked"
                f" for: {shown(ids[strange])}"
            )
        if (changed := (before >= 0) & (before != held)).any():
            raise InvalidInputError(
                f"{changed.sum()} of {len(rows)} labels differ from those given before:"
                f" {shown(ids[changed])}"
            )
        self.labels[rows] = held
        return int((before == PENDING).sum())

    def state(self) -> dict[str, list[list[int]]]:
        """Rows and labels of each round, as JSON values."""
        return {
            "rounds": [rows.tolist() for rows in self.rounds],
            "labels": [self.labels[rows].tolist() for rows in self.rounds],
        }

    @classmethod
    def of_state(cls, saved: Saved, *, n: int, most: int) -> "Answers":
        """Rebuild from `state()`.

        Args:
            saved: the state.
            n: rows there are.
            most: rounds there can be.

        Raises:
            CorruptDataError: rows that there are not or that come twice, labels that
                are none, or a round before the last that is not labelled.
        """
        answers = cls(n)
        rounds = saved.items("rounds", at_most=most)
        labels = saved.items("labels", length=len(rounds))
        for number, (rows, given) in enumerate(zip(rounds, labels, strict=True)):
            one = Saved({"rows": rows, "labels": given}, at=f"rounds[{number}]")
            drawn = one.integers("rows", low=0, high=n - 1)
            again = len(np.unique(drawn)) < len(drawn)
            if again or (answers.labels[drawn] != NOT_QUERIED).any():
                one.refuse("rows", "hold a row twice, or one of an earlier round")
            held = one.integers("labels", low=PENDING, high=1, length=len(drawn))
            if number + 1 < len(rounds) and (held == PENDING).any():
                one.refuse("labels", "lack some, though a later round was drawn")
            answers.add_round(drawn)
            answers.labels[drawn] = held
        return answers
