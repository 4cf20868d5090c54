"""The rounds of a session that recomputes its strata before each round."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.selection.estimate.baselines.abae_widths import abae_width
from gleann.selection.estimate.labels.known import KnownRows
from gleann.selection.estimate.labels.round_answers import RoundAnswers
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.proxies.propagate import (
    held_out_proxies,
    propagate_labels,
)
from gleann.selection.estimate.refreshed.rounds import (
    Cut,
    Round,
    chances_of,
    foresee,
    looked_at,
    round_draws,
    whole_chances_of,
)
from gleann.selection.estimate.stratified.estimators import Design, KnownTotals
from gleann.selection.estimate.stratified.tally import Evidence, gather
from gleann.selection.estimate.stratified.weighted import ChancedLabels
from gleann.selection.seeds import stream_seed


class RefreshedRounds:
    """The rounds drawn so far, and the strata of the next one.

    Args:
        vectors: (n, d).
        params: of the estimate.
        known: labels known before the session.
        first: rows of the representatives.
        answers: of the session.

    Attributes:
        drawn: the rounds, in order.
    """

    def __init__(
        self,
        vectors: Vectors,
        params: EstimateParams,
        known: KnownRows,
        first: Rows,
        answers: RoundAnswers,
    ) -> None:
        self._vectors = vectors
        self._params = params
        self._known = known
        self._first = first
        self._answers = answers
        self._cuts: dict[int, Cut] = {}
        self.drawn: list[Round] = []

    @property
    def finished(self) -> list[Round]:
        """Fully labelled rounds."""
        return [one for one in self.drawn if self._answers.answered(one.rows)]

    @property
    def known(self) -> KnownTotals:
        """Totals counted exactly: labels known before, and the representatives."""
        held = self._answers.labels[self._first] == 1
        before = self._known.totals
        return KnownTotals(
            labelled=before.labelled + len(held),
            positives=before.positives + float(held.sum()),
            total=before.total + float(self._answers.values[self._first].sum()),
        )

    def add(self, one: Round) -> None:
        """Add a drawn round; its rows are to be labelled."""
        self.drawn.append(one)
        self._answers.add_round(one.rows)

    def plan(self, design: Design) -> Round:
        """Cut the open rows into strata by the labels so far; draw the next round."""
        number = len(self.drawn)
        labels = self._labels(number)
        cut = self._cut_before(number).without(labels.rows)
        held_out = held_out_proxies(
            self._vectors, rows=labels.rows, labels=labels.positives.astype(np.float64)
        )
        budgets = design.round_budgets
        looked = looked_at(self.drawn, strata=cut.strata, pilot=budgets[0])
        seen = foresee(cut, labels, held_out, looked=looked)
        left = cut.sizes.astype(np.float64)
        draws = round_draws(left, seen, design, budgets[number])
        return cut.draw(draws, seen, seed=stream_seed(self._params.seed, number))

    def evidence(self, rounds: list[Round], *, strata: int) -> Evidence:
        """The labels of finished rounds by stratum, highest strata aligned."""
        return gather(
            [
                (
                    one.strata + strata - len(one.left),
                    self._answers.labels[one.rows] == 1,
                    self._answers.values[one.rows],
                )
                for one in rounds
            ],
            strata=strata,
        )

    def side_by_side(self, rounds: list[Round], *, strata: int) -> Evidence:
        """The same with the strata of all rounds side by side, as one round."""
        numbers = [
            one.strata + (number + 1) * strata - len(one.left)
            for number, one in enumerate(rounds)
        ]
        rows = np.concatenate([one.rows for one in rounds])
        held = self._answers.labels[rows] == 1
        return gather(
            [(np.concatenate(numbers), held, self._answers.values[rows])],
            strata=strata * len(rounds),
        )

    def abae_width(self, rounds: list[Round], *, quantile: float) -> float | None:
        """`baselines.abae_widths.abae_width` with the proxies that ABae would have.

        These are made from the representatives and the labels known before: ABae does
        not update its proxies.
        """
        cut = self._cut_by(0)
        rows = np.concatenate([one.rows for one in rounds])
        labels = ChancedLabels(
            rows=np.searchsorted(cut.rows, rows),
            positives=self._answers.labels[rows] == 1,
            values=self._answers.values[rows],
            chances=whole_chances_of(rounds),
        )
        return abae_width(
            cut.proxy, labels, self._params, quantile=quantile, known=self.known
        )

    def describe(
        self, rows: Rows
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Proxies, weights and strata (m,) of rows of the last round.

        A representative has proxy 0, stands for itself, and has stratum -1.
        """
        if not self.drawn:
            return np.zeros(len(rows)), np.ones(len(rows)), np.full(len(rows), -1)
        last = self.drawn[-1]
        there = np.isin(last.rows, rows)
        strata = last.strata[there]
        weights = (last.left / np.maximum(last.draws, 1))[strata]
        return last.scores[there], weights, strata

    def _cut_before(self, number: int) -> Cut:
        """The cut of round `number`: by the labels up to the last positive.

        Negatives alone would move rows between strata without adding information, and
        `intervals.most_positives_unseen` bounds positives over fixed strata.
        """
        found = [self._answers.labels[one.rows].any() for one in self.drawn[:number]]
        return self._cut_by(max((k + 1 for k in range(number) if found[k]), default=0))

    def _cut_by(self, rounds: int) -> Cut:
        """The cut by the labels of the first `rounds`; the first and last are kept."""
        if rounds not in self._cuts:
            labels = self._labels(rounds)
            proxy = propagate_labels(
                self._vectors, rows=labels.rows, labels=labels.positives
            )
            open_rows = np.delete(np.arange(len(self._vectors)), labels.rows)
            cut = Cut.of(open_rows, proxy[open_rows].astype(np.float64), self._params)
            kept = {0: self._cuts[0]} if 0 in self._cuts else {}
            self._cuts = {**kept, rounds: cut}
        return self._cuts[rounds]

    def _labels(self, rounds: int) -> ChancedLabels:
        """Labels known before, of the representatives, and of the first `rounds`."""
        drawn = self.drawn[:rounds]
        queried = np.concatenate([self._first, *(one.rows for one in drawn)])
        before = np.ones(len(self._known.rows) + len(self._first))
        return ChancedLabels(
            rows=np.concatenate([self._known.rows, queried]),
            positives=np.concatenate(
                [self._known.positives, self._answers.labels[queried] == 1]
            ),
            values=np.concatenate([self._known.values, self._answers.values[queried]]),
            chances=np.concatenate([before, chances_of(drawn)]),
        )
