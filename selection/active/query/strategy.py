"""The query strategy: scores of a model, candidates of a pool, turns of questions."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import NotReadyError
from gleann.selection.active.batch import Batch
from gleann.selection.active.coverage import Coverage, measure_coverage
from gleann.selection.active.labels import Labels
from gleann.selection.active.models.base import Probabilities, ProbabilityModel
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.pools.base import LabelState, Pool
from gleann.selection.active.pools.choice import PoolChoice
from gleann.selection.active.query.greedy import Score, pick_batch
from gleann.selection.active.query.scores import make_score
from gleann.selection.active.questions import Questions
from gleann.selection.saved import Saved
from gleann.selection.uncertainty import entropy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QueryStrategy:
    """Picks batches from a pool, by scores of a probability model.

    Attributes:
        params: of the session, with the pool that it uses.
        pool_choice: that pool, and why.
        vectors: (n, d) the rows.
        questions: the columns of a label.
        labels: read, never written.
        model: gives the class probabilities.
        pool: the candidates of a batch.
    """

    params: ActiveParams
    pool_choice: PoolChoice
    vectors: Vectors
    questions: Questions
    labels: Labels
    model: ProbabilityModel
    pool: Pool

    @property
    def rows(self) -> int:
        """How many rows may be candidates."""
        among = self.labels.among
        return len(self.vectors if among is None else among)

    def prepare(self, number: int) -> Rows:
        """Update model and pool for batch `number`, from 1; return the candidates."""
        self.model.update(self.labels)
        self.pool.update(
            LabelState(
                rows=self.labels.rows,
                labels=self.labels.answers,
                batch=number,
                hyperplanes=self.model.hyperplanes(),
            )
        )
        return self.pool.candidates()

    def is_exhausted(self, number: int) -> bool:
        """Whether batch `number` would be empty.

        A pool may be rebuilt for each batch, so an empty one is updated first.
        """
        return not len(self.pool.candidates()) and not len(self.prepare(number))

    def unscored(self, number: int) -> Rows:
        """Candidates of batch `number` that still lack model probabilities."""
        candidates = self.prepare(number)
        if self.params.pool == "random":  # a random draw needs no model
            return candidates[:0]
        return candidates[~self.model.has(candidates)]

    def pick(self, number: int) -> Batch:
        """Pick batch `number`; the question of the first pick rotates by batch."""
        candidates = self.prepare(number)
        count = self.questions.count
        rows, scores, by, joined = pick_batch(
            self.pool,
            [self._score(question, candidates) for question in range(count)],
            size=self.params.batch,
            first=(number - 1) * self.params.batch % count,
        )
        with ExitStack() as failed:
            failed.callback(lambda: self.pool.undo(rows, joined))
            table = self._probabilities(rows, by)
            failed.pop_all()
        return Batch(
            rows=rows,
            questions=by,
            scores=scores,
            probabilities=table[:, -1],
            uncertainties=self._uncertainties(table),
            converged=self.model.converged,
            note=self._note(),
        )

    def coverage(
        self, pending: Rows, *, picked: Rows, question: int, top: int
    ) -> Coverage:
        """Compare the pool and picks of an unlabelled batch with all open rows.

        Args:
            pending: rows of the batch, without ignored ones.
            picked: those of them that `question` picked.
            question: column of the label whose scores are compared.
            top: number of highest-scoring rows to compare with.

        Raises:
            NotReadyError: the model has probabilities of none of `picked`.
        """
        self.model.update(self.labels)
        scored = picked[self.model.has(picked)]
        if not len(scored):
            raise NotReadyError(
                f"none of {len(picked)} rows of the batch has a score to compare"
            )
        candidates = np.union1d(self.pool.candidates(), pending)
        rows = np.flatnonzero(self.labels.open)
        # A random draw has no score of its own: it is compared by the strategy's.
        score = make_score(
            replace(self.params, pool="global"),
            self.vectors,
            self.model,
            candidates=candidates,
            question=question,
            among=self.labels.among,
        )
        return measure_coverage(
            score(rows), rows, candidates=candidates, picked=scored, top=top
        )

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {"pool": self.pool.state(), "judge": self.model.state()}

    def restore(self, state: Saved, *, closed: Rows) -> None:
        """Rebuild from `state`; `closed` rows (m,) are labelled, queried or ignored.

        Raises:
            CorruptDataError: another classifier, or a part that does not fit.
        """
        self.pool.restore(state.part("pool"))
        self.pool.close(closed)
        self.model.restore(state.part("judge"), len(self.vectors))

    def _probabilities(self, rows: Rows, by: NDArray[np.int64]) -> Probabilities:
        """Class probabilities (m, c) of `rows`, for the question that picked each.

        NaN where the model has none, as may be the case for a random draw.
        """
        table = np.full((len(rows), len(self.questions.classes)), np.nan)
        known = self.model.has(rows)
        for question in range(self.questions.count):
            at = known & (by == question)
            table[at] = self.model.probabilities(rows[at], question=question)
        return table

    def _uncertainties(self, table: Probabilities) -> NDArray[np.float64]:
        """Entropy (m,) over log(classes); NaN where there are no probabilities."""
        known = ~np.isnan(table[:, 0])
        uncertainties = np.full(len(table), np.nan)
        scale = np.log(len(self.questions.classes))
        uncertainties[known] = entropy(table[known]) / scale
        return uncertainties

    def _note(self) -> str:
        if self.params.pool == "classifier" and self.model.hyperplanes() is None:
            return "no linear classifier to ask: the pool is that of SEALS"
        return ""

    def _score(self, question: int, candidates: Rows) -> Score:
        return make_score(
            self.params,
            self.vectors,
            self.model,
            candidates=candidates,
            question=question,
            among=self.labels.among,
        )
