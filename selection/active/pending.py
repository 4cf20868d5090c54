"""What was asked and is not answered yet, and what earlier batches told."""

from dataclasses import asdict
from typing import Any

import numpy as np

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.active.batch import ROUNDED_ONE, Batch
from gleann.selection.active.labels import Ledger
from gleann.selection.active.questions import Questions
from gleann.selection.active.stopping import BatchOutcome
from gleann.selection.checks import IdMap, shown
from gleann.selection.result import Selection, as_told
from gleann.selection.saved import Saved


class Docket:
    """The batch that is out, and the outcomes of those before it.

    Args:
        questions: what each row is asked.
        ledger: the labels; read, never written.
        names: of the rows.
    """

    __slots__ = ("_closed", "_ledger", "_names", "_questions", "batch")

    def __init__(self, questions: Questions, ledger: Ledger, names: IdMap) -> None:
        self._questions = questions
        self._ledger = ledger
        self._names = names
        self._closed: list[BatchOutcome] = []
        self.batch = Batch.none()

    @property
    def pending(self) -> Rows:
        """Rows of the batch that are neither labelled nor ignored, as picked."""
        return self.batch.rows[self._pending()]

    def pending_of(self, question: int) -> Rows:
        """Those of `pending` that were picked for `question`."""
        mine: Mask = self.batch.questions == question
        return self.batch.rows[self._pending() & mine]

    @property
    def outcomes(self) -> list[BatchOutcome]:
        """Of all batches before the one that is out, or to come."""
        if self._pending().any():
            return self._closed
        return [*self._closed, *self._outcome()]

    @property
    def number(self) -> int:
        """Of the batch that is out, or to come; from 1."""
        return len(self.outcomes) + 1

    def put(self, batch: Batch) -> None:
        """Replace a batch of which nothing is pending."""
        self._closed = self.outcomes
        self.batch = batch

    def selection(
        self, *, summary: dict[str, Any], provenance: dict[str, Any]
    ) -> Selection:
        """What is pending, with why it was picked."""
        at = self._pending()
        rows = self.batch.rows[at]
        why: dict[str, Any] = {
            "probability": self.batch.probabilities[at],
            "uncertainty": self.batch.uncertainties[at],
        }
        if concepts := self._questions.concepts:
            why["concept"] = np.array(concepts)[self.batch.questions[at]]
        return Selection(
            rows=rows,
            ids=self._names.ids_of(rows),
            scores=as_told(self.batch.scores[at]),
            weights=np.ones(len(rows), np.float32),
            why=why,
            summary={
                "batch": len(self._closed) + 1,
                **summary,
                "converged": self.batch.converged,
                "note": self.batch.note,
            },
            provenance=provenance,
        )

    def require_asked(self, rows: Rows) -> None:
        """Refuse rows that were never asked for.

        Raises:
            InvalidInputError: naming them.
        """
        asked = np.isin(rows, self.batch.rows) | self._ledger.has(rows)
        strange = rows[~asked]
        if strange.size:
            raise InvalidInputError(
                f"{strange.size} of {len(rows)} labels are for ids that were not asked"
                f" for: {shown(self._names.ids_of(strange))}"
            )

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "batch": self.batch.state(),
            "outcomes": [asdict(outcome) for outcome in self._closed],
        }

    def restore(self, state: Saved) -> None:
        """The way back from `state`.

        Raises:
            CorruptDataError: a part that does not fit.
        """
        self.batch = Batch.of_state(
            state.part("batch"),
            n=len(self._names),
            questions=self._questions.count,
        )
        self._closed = [_outcome_of(outcome) for outcome in state.parts("outcomes")]

    def _pending(self) -> Mask:
        return ~self._ledger.closed(self.batch.rows)

    def _outcome(self) -> list[BatchOutcome]:
        """Of the batch, if any of it was labelled."""
        at = self._ledger.has(self.batch.rows)
        if not at.any():
            return []
        labels = self._ledger.labels_of(self.batch.rows[at])
        asked = np.take_along_axis(labels, self.batch.questions[at][:, None], axis=1)
        uncertainty = float(self.batch.uncertainties[at].mean())
        return [
            BatchOutcome(
                uncertainty=None if np.isnan(uncertainty) else uncertainty,
                positives=int((asked == self._questions.classes[-1]).sum()),
            )
        ]


def _outcome_of(state: Saved) -> BatchOutcome:
    return BatchOutcome(
        uncertainty=state.number_or_none("uncertainty", low=0, high=ROUNDED_ONE),
        positives=state.integer("positives"),
    )
