"""Who picks for a session: a judge of rows, a pool of rows, turns between questions."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import NotReadyError
from gleann.selection.active.batch import Batch
from gleann.selection.active.coverage import Coverage, measure_coverage
from gleann.selection.active.labels import Ledger
from gleann.selection.active.models.base import Judge, Table
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.pools.base import Pool, Standing
from gleann.selection.active.query.greedy import Score, pick_batch
from gleann.selection.active.query.scores import make_score
from gleann.selection.active.questions import Questions
from gleann.selection.saved import Saved
from gleann.selection.uncertainty import entropy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picker:
    """Picks batches from a pool by what a judge says.

    Attributes:
        params: how.
        vectors: (n, d) the rows.
        questions: what each row is asked.
        ledger: the labels; read, never written.
        judge: says how likely each class is.
        pool: the rows a batch may be drawn from.
    """

    params: ActiveParams
    vectors: Vectors
    questions: Questions
    ledger: Ledger
    judge: Judge
    pool: Pool

    def prepare(self, number: int) -> Rows:
        """Make ready for batch `number`, from 1; return the candidates, ascending."""
        self.judge.learn(self.ledger)
        self.pool.consult(
            Standing(
                rows=self.ledger.rows,
                labels=self.ledger.labels,
                batch=number,
                boundaries=self.judge.boundaries(),
            )
        )
        return self.pool.candidates()

    def dry(self, number: int) -> bool:
        """Whether batch `number` would be empty.

        Some pools are made anew for a batch: an empty one is prepared before it counts.
        """
        return not len(self.pool.candidates()) and not len(self.prepare(number))

    def unknown(self, number: int) -> Rows:
        """The candidates of batch `number` that the judge ought to speak of first."""
        candidates = self.prepare(number)
        if self.params.pool == "random":  # a draw asks nobody
            return candidates[:0]
        return candidates[~self.judge.knows(candidates)]

    def pick(self, number: int) -> Batch:
        """Pick batch `number`; another question has the first turn each time."""
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
            table = self._said(rows, by)
            failed.pop_all()
        return Batch(
            rows=rows,
            questions=by,
            scores=scores,
            probabilities=table[:, -1],
            uncertainties=self._uncertainties(table),
            converged=self.judge.converged,
            note=self._note(),
        )

    def coverage(
        self, pending: Rows, *, picked: Rows, question: int, top: int
    ) -> Coverage:
        """The pool of a batch, none of it labelled, beside all open rows.

        Args:
            pending: rows of the batch, but for ignored ones.
            picked: those of them that `question` picked.
            question: whose scores.
            top: how many rows of highest score to look at.

        Raises:
            NotReadyError: the judge knows none of `picked`.
        """
        self.judge.learn(self.ledger)
        told = picked[self.judge.knows(picked)]
        if not len(told):
            raise NotReadyError(
                f"none of {len(picked)} rows of the batch has a score to compare"
            )
        candidates = np.union1d(self.pool.candidates(), pending)
        rows = np.flatnonzero(self.ledger.open)
        # A random draw asks nobody; what it misses is told by the strategy's score.
        score = make_score(
            replace(self.params, pool="global"),
            self.vectors,
            self.judge,
            pool=candidates,
            question=question,
        )
        return measure_coverage(
            score(rows), rows, candidates=candidates, picked=told, top=top
        )

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {"pool": self.pool.state(), "judge": self.judge.state()}

    def restore(self, state: Saved, *, closed: Rows) -> None:
        """The way back from `state`; `closed` rows (m,) are labelled, asked, ignored.

        Raises:
            CorruptDataError: another classifier, or a part that does not fit.
        """
        self.pool.restore(state.part("pool"))
        self.pool.close(closed)
        self.judge.restore(state.part("judge"), n=len(self.vectors))

    def _said(self, rows: Rows, by: NDArray[np.int64]) -> Table:
        """Class probabilities (m, c) of `rows`, by the question that picked each.

        NaN where the judge says nothing, as it may of a random draw.
        """
        table = np.full((len(rows), len(self.questions.classes)), np.nan)
        known = self.judge.knows(rows)
        for question in range(self.questions.count):
            at = known & (by == question)
            table[at] = self.judge.table(rows[at], question=question)
        return table

    def _uncertainties(self, table: Table) -> NDArray[np.float64]:
        """Entropy (m,) over log(classes); NaN where nothing is said."""
        told = ~np.isnan(table[:, 0])
        doubt = np.full(len(table), np.nan)
        doubt[told] = entropy(table[told]) / np.log(len(self.questions.classes))
        return doubt

    def _note(self) -> str:
        if self.params.pool == "classifier" and self.judge.boundaries() is None:
            return "no linear classifier to ask: the pool is that of SEALS"
        return ""

    def _score(self, question: int, candidates: Rows) -> Score:
        return make_score(
            self.params, self.vectors, self.judge, pool=candidates, question=question
        )
