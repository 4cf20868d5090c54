"""Labels and ignored rows of an active-learning session."""

from typing import Any

import numpy as np

from gleann.index.arrays import Mask, Rows
from gleann.selection.active.questions import LabelArray, Questions
from gleann.selection.among import Among
from gleann.selection.saved import Saved


class Labels:
    """Labels (m, q) and ignored rows of a session over `n` rows.

    Args:
        n: rows.
        questions: columns of a label.
        among: the rows that labels may be asked for; None for all. Labels may be of
            others.
    """

    __slots__ = ("_labelled", "among", "answers", "ignored", "rows")

    def __init__(self, n: int, *, questions: int, among: Among | None = None) -> None:
        self.among = among
        self._labelled: Mask = np.zeros(n, np.bool_)
        self.ignored: Mask = np.zeros(n, np.bool_)
        # Kept besides the masks, so that the cost of a batch does not grow with n.
        self.rows: Rows = np.empty(0, np.int64)
        self.answers: LabelArray = np.empty((0, questions), np.int64)

    @property
    def open(self) -> Mask:
        """(n,), True where there is no label and one may be asked for."""
        free = ~(self._labelled | self.ignored)
        return free if self.among is None else free & self.among.mask

    @property
    def usable(self) -> Mask:
        """(n,), True where there is a label, or one may be asked for."""
        return self._labelled | self.open

    @property
    def closed_rows(self) -> Rows:
        """Rows that are labelled or ignored, ascending."""
        return np.flatnonzero(self._labelled | self.ignored)

    def closed(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) are labelled or ignored."""
        return self._labelled[rows] | self.ignored[rows]

    def has(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) are labelled."""
        return self._labelled[rows]

    def answers_of(self, rows: Rows) -> LabelArray:
        """The labels (m, q) of labelled `rows` (m,)."""
        return self.answers[np.searchsorted(self.rows, rows)]

    def contradicted(self, rows: Rows, given: LabelArray) -> Rows:
        """Those of `rows` (m,) whose labels differ from `given` (m, q)."""
        known = self._labelled[rows]
        differ = (self.answers_of(rows[known]) != given[known]).any(axis=1)
        return rows[known][differ]

    def add(self, rows: Rows, labels: LabelArray) -> int:
        """Label those of `rows` that have no label; return how many."""
        new = ~self._labelled[rows]
        every = np.concatenate([self.rows, rows[new]])
        order = np.argsort(every, kind="stable")
        self.rows = every[order]
        self.answers = np.concatenate([self.answers, labels[new]])[order]
        self._labelled[rows] = True
        self.ignored[rows] = False
        return int(new.sum())

    def ignore(self, rows: Rows) -> Rows:
        """Ignore those of `rows` that are not labelled, and return them."""
        unlabelled = rows[~self._labelled[rows]]
        self.ignored[unlabelled] = True
        return unlabelled

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": self.rows.tolist(),
            "labels": self.answers.tolist(),
            "ignored": np.flatnonzero(self.ignored).tolist(),
        }

    @classmethod
    def of_state(
        cls,
        state: Saved,
        *,
        n: int,
        questions: Questions,
        among: Among | None = None,
    ) -> "Labels":
        """Rebuild from `state`, over `n` rows, of which labels are asked for `among`.

        Raises:
            CorruptDataError: rows that are not there or are there twice, labels that
                are not theirs, or outside the classes.
        """
        rows = state.rows("rows", n=n)
        answers = state.integer_table(
            "labels", rows=len(rows), columns=questions.count, among=questions.classes
        )
        ignored = state.rows("ignored", n=n)
        if (both := np.intersect1d(rows, ignored)).size:
            state.refuse("ignored", f"has {both.size} rows that are labelled")
        labels = cls(n, questions=questions.count, among=among)
        labels.add(rows, answers)
        labels.ignored[ignored] = True
        return labels
