"""The probability model of a session whose probabilities come from outside."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidParamsError,
    NotReadyError,
)
from gleann.selection.active.labels import Labels
from gleann.selection.active.models.base import Probabilities
from gleann.selection.active.questions import Questions
from gleann.selection.checks import as_probabilities
from gleann.selection.saved import Saved, rebuilding


class GivenProbabilities:
    """Probabilities that the caller submits for the next batch.

    Args:
        questions: the columns of the labels.
    """

    __slots__ = ("_at", "_learnt", "_questions", "_tables")

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._learnt = 0
        self._at: list[dict[int, int]] = [{} for _ in range(questions.count)]
        nothing = np.empty((0, len(questions.classes)))
        self._tables: list[Probabilities] = [nothing] * questions.count

    @property
    def converged(self) -> bool:
        """True: nothing is trained here."""
        return True

    def update(self, labels: Labels) -> None:
        """Drop all probabilities if labels have arrived since."""
        if self._learnt == len(labels.rows):
            return
        for question in range(self._questions.count):
            self._at[question].clear()
            self._tables[question] = self._tables[question][:0]
        self._learnt = len(labels.rows)

    def submit(self, rows: Rows, values: ArrayLike, *, question: int) -> None:
        """Set probabilities (m, c) of distinct `rows` (m,); the latest count.

        Raises:
            InvalidInputError: they are none.
            DimensionMismatchError: not m rows of c classes.
        """
        table = as_probabilities(values)
        expected = (len(rows), len(self._questions.classes))
        if table.shape != expected:
            raise DimensionMismatchError(
                f"probabilities have shape {table.shape}, expected {expected}:"
                f" {expected[0]} ids and {expected[1]} classes"
            )
        self._put(rows, table, question)

    def has(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) have probabilities for every question."""
        return np.array(
            [all(row in at for at in self._at) for row in rows.tolist()], np.bool_
        )

    def probabilities(self, rows: Rows, *, question: int) -> Probabilities:
        """Class probabilities (m, c) of `rows` (m,).

        Raises:
            NotReadyError: some have none.
        """
        at = self._at[question]
        places = [at.get(row, -1) for row in rows.tolist()]
        if missing := places.count(-1):
            raise NotReadyError(
                f"{missing} of {len(rows)} rows have no probabilities since the last"
                " labels: submit_probabilities takes them"
            )
        return self._tables[question][places]

    def probabilities_of_vectors(
        self, _vectors: ArrayLike, _question: int, /
    ) -> Probabilities:
        """Impossible.

        Raises:
            InvalidParamsError: always; there is no classifier here.
        """
        raise InvalidParamsError("model 'given' has no classifier to score vectors by")

    def hyperplanes(self) -> None:
        """None: there is no classifier."""

    def state(self) -> dict[str, Any]:
        """The probabilities, as JSON values."""
        given = []
        for at, table in zip(self._at, self._tables, strict=True):
            rows = sorted(at)
            given.append([rows, table[[at[row] for row in rows]].tolist()])
        return {"learnt": self._learnt, "given": given}

    def restore(self, state: Saved, n: int, /) -> None:
        """Rebuild from `state`, over `n` rows.

        Raises:
            CorruptDataError: rows that are not there, or no probabilities.
        """
        self._learnt = state.integer("learnt", high=n)
        pairs = state.items("given", length=self._questions.count)
        for question, pair in enumerate(pairs):
            if not isinstance(pair, list) or len(pair) != 2:
                state.refuse("given", f"must be pairs, has {pair!r:.40}")
            names = ("rows", "probabilities")
            given = Saved(dict(zip(names, pair, strict=True)), at="picker.judge.given")
            rows = given.rows("rows", n=n)
            width = len(self._questions.classes)
            table = given.number_table(
                "probabilities", rows=len(rows), columns=width, low=0, high=1
            )
            with rebuilding("picker.judge.given"):
                as_probabilities(table)
            self._put(rows, table, question)

    def _put(self, rows: Rows, table: Probabilities, question: int) -> None:
        start = len(self._tables[question])
        self._tables[question] = np.concatenate([self._tables[question], table])
        for place, row in enumerate(rows.tolist(), start):
            self._at[question][row] = place
