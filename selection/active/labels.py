"""Who is labelled, as what, and who is ignored."""

from typing import Any

import numpy as np

from gleann.index.arrays import Mask, Rows
from gleann.selection.active.questions import Labels, Questions
from gleann.selection.saved import Saved


class Ledger:
    """Labels (m, q) and ignored rows of a session over `n` rows."""

    __slots__ = ("_labelled", "ignored", "labels", "rows")

    def __init__(self, n: int, *, questions: int) -> None:
        self._labelled: Mask = np.zeros(n, np.bool_)
        self.ignored: Mask = np.zeros(n, np.bool_)
        # Kept beside the masks, so that what a batch costs does not grow with n.
        self.rows: Rows = np.empty(0, np.int64)
        self.labels: Labels = np.empty((0, questions), np.int64)

    @property
    def open(self) -> Mask:
        """(n,), True where there is no label and one is wanted."""
        return ~(self._labelled | self.ignored)

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

    def labels_of(self, rows: Rows) -> Labels:
        """The labels (m, q) of labelled `rows` (m,)."""
        return self.labels[np.searchsorted(self.rows, rows)]

    def contradicted(self, rows: Rows, given: Labels) -> Rows:
        """Those of `rows` (m,) that are labelled otherwise than `given` (m, q)."""
        known = self._labelled[rows]
        differ = (self.labels_of(rows[known]) != given[known]).any(axis=1)
        return rows[known][differ]

    def add(self, rows: Rows, labels: Labels) -> int:
        """Label those of `rows` that have no label; return how many."""
        new = ~self._labelled[rows]
        every = np.concatenate([self.rows, rows[new]])
        order = np.argsort(every, kind="stable")
        self.rows = every[order]
        self.labels = np.concatenate([self.labels, labels[new]])[order]
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
            "labels": self.labels.tolist(),
            "ignored": np.flatnonzero(self.ignored).tolist(),
        }

    @classmethod
    def of_state(cls, state: Saved, *, n: int, questions: Questions) -> "Ledger":
        """The way back from `state`.

        Raises:
            CorruptDataError: rows that are not there or are there twice, labels that
                are not theirs, or outside the classes.
        """
        rows = state.rows("rows", n=n)
        labels = state.integer_table(
            "labels", rows=len(rows), columns=questions.count, among=questions.classes
        )
        ignored = state.rows("ignored", n=n)
        if (both := np.intersect1d(rows, ignored)).size:
            state.refuse("ignored", f"has {both.size} rows that are labelled")
        ledger = cls(n, questions=questions.count)
        ledger.add(rows, labels)
        ledger.ignored[ignored] = True
        return ledger
