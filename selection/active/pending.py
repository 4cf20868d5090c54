"""The batch that is being labelled, and the outcomes of earlier batches."""

from dataclasses import asdict
from typing import Any

import numpy as np

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.active.batch import ROUNDED_ONE, Batch
from gleann.selection.active.labels import Labels
from gleann.selection.active.questions import Questions
from gleann.selection.active.stopping import BatchOutcome
from gleann.selection.checks import IdMap, shown
from gleann.selection.result import Selection, clipped_scores
from gleann.selection.saved import Saved


class PendingBatch:
    """The last batch, of which rows may be unlabelled, and outcomes before it.

    Args:
        questions: the columns of a label.
        labels: read, never written.
        names: ids of the rows.
    """

    __slots__ = ("_closed", "_labels", "_names", "_questions", "batch")

    def __init__(self, questions: Questions, labels: Labels, names: IdMap) -> None:
        self._questions = questions
        self._labels = labels
        self._names = names
        self._closed: list[BatchOutcome] = []
        self.batch = Batch.none()

    @property
    def rows(self) -> Rows:
        """Rows of the batch that are neither labelled nor ignored, as picked."""
        return self.batch.rows[self._open()]

    def rows_of(self, question: int) -> Rows:
        """Those of `rows` that were picked for `question`."""
        mine: Mask = self.batch.questions == question
        return self.batch.rows[self._open() & mine]

    @property
    def outcomes(self) -> list[BatchOutcome]:
        """Outcomes of all batches before the pending or the next one."""
        if self._open().any():
            return self._closed
        return [*self._closed, *self._outcome()]

    @property
    def number(self) -> int:
        """Number of the pending or the next batch, from 1."""
        return len(self.outcomes) + 1

    def put(self, batch: Batch) -> None:
        """Replace a batch that has no pending rows."""
        self._closed = self.outcomes
        self.batch = batch

    def selection(
        self, *, summary: dict[str, Any], provenance: dict[str, Any]
    ) -> Selection:
        """The pending rows, with the reasons they were picked for."""
        at = self._open()
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
            scores=clipped_scores(self.batch.scores[at]),
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
        """Refuse rows that were never queried.

        Raises:
            InvalidInputError: naming them.
        """
        asked = np.isin(rows, self.batch.rows) | self._labels.has(rows)
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
        """Rebuild from `state`.

        Raises:
            CorruptDataError: a part that does not fit.
        """
        self.batch = Batch.of_state(
            state.part("batch"),
            n=len(self._names),
            questions=self._questions.count,
        )
        self._closed = [_outcome_of(outcome) for outcome in state.parts("outcomes")]

    def _open(self) -> Mask:
        return ~self._labels.closed(self.batch.rows)

    def _outcome(self) -> list[BatchOutcome]:
        """The outcome of the batch, if any of it was labelled."""
        at = self._labels.has(self.batch.rows)
        if not at.any():
            return []
        labels = self._labels.answers_of(self.batch.rows[at])
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
