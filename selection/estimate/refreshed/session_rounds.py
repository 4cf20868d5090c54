"""The rounds of a session that recomputes its strata before each round."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.estimate.baselines.abae_widths import abae_width
from gleann.selection.estimate.labels.known import KnownRows
from gleann.selection.estimate.labels.round_answers import RoundAnswers
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.refreshed.round_proxies import (
    RoundProxies,
    StageLabels,
)
from gleann.selection.estimate.refreshed.rounds import (
    Cut,
    Round,
    blind_round,
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
        params: of the estimate.
        known: labels known before the session.
        first: rows of the representatives.
        answers: of the session.
        proxies_of: makes the proxies by the labels of each stage.

    Attributes:
        drawn: the rounds, in order.
        proxies: of all rows, by the labels before each round.
    """

    def __init__(
        self,
        params: EstimateParams,
        known: KnownRows,
        first: Rows,
        answers: RoundAnswers,
        proxies_of: Callable[[Callable[[int], StageLabels]], RoundProxies],
    ) -> None:
        self._params = params
        self._known = known
        self._first = first
        self._answers = answers
        self.drawn: list[Round] = []
        self.proxies = proxies_of(self._stage)

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
        seed = stream_seed(self._params.seed, number)
        if design.allocation == "adaptive" and not labels.positives.any():
            open_rows = np.delete(np.arange(len(self._answers.labels)), labels.rows)
            return blind_round(open_rows, design.round_budgets[number], seed=seed)
        by = self._rounds_of_cut(number)
        cut = self._cut_by(by).without(labels.rows)
        held_out = self.proxies.after(number, beside=by)[labels.rows]
        budgets = design.round_budgets
        looked = looked_at(self.drawn, strata=cut.strata, pilot=budgets[0])
        seen = foresee(
            cut, labels, held_out, looked=looked, allocation=design.allocation
        )
        left = cut.sizes.astype(np.float64)
        draws = round_draws(left, seen, design, budgets[number])
        return cut.draw(draws, seen, seed=seed)

    def restore_proxies(self, arrays: Mapping[str, NDArray[np.generic]]) -> bool:
        """Take `proxies.saved()` if it is of these labels; returns whether it was."""
        if not self._answers.answered(self._first):
            return False
        return self.proxies.restore(arrays, stages=1 + len(self.finished))

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
        open_rows, proxy = self._open_proxies(0)
        rows = np.concatenate([one.rows for one in rounds])
        labels = ChancedLabels(
            rows=np.searchsorted(open_rows, rows),
            positives=self._answers.labels[rows] == 1,
            values=self._answers.values[rows],
            chances=whole_chances_of(rounds),
        )
        return abae_width(
            proxy, labels, self._params, quantile=quantile, known=self.known
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

    def _rounds_of_cut(self, number: int) -> int:
        """How many rounds' labels cut round `number`: those up to the last positive.

        Negatives alone would move rows between strata without adding information, and
        `intervals.most_positives_unseen` bounds positives over fixed strata.
        """
        found = [self._answers.labels[one.rows].any() for one in self.drawn[:number]]
        return max((k + 1 for k in range(number) if found[k]), default=0)

    def _cut_by(self, rounds: int) -> Cut:
        """The cut by the labels of the first `rounds`."""
        return Cut.of(*self._open_proxies(rounds), self._params)

    def _open_proxies(self, rounds: int) -> tuple[Rows, NDArray[np.float64]]:
        """Rows (m,) without a label after the first `rounds`, and their proxies."""
        labelled = self._labels(rounds).rows
        open_rows = np.delete(np.arange(len(self._answers.labels)), labelled)
        proxies = self.proxies.after(rounds)[open_rows]
        return open_rows, proxies.astype(np.float64)

    def _stage(self, number: int) -> StageLabels:
        """Labels before the first round, or of the round before."""
        if number:
            rows = self.drawn[number - 1].rows
            return StageLabels(rows=rows, positives=self._answers.labels[rows] == 1)
        return StageLabels(
            rows=np.concatenate([self._known.rows, self._first]),
            positives=np.concatenate(
                [self._known.positives, self._answers.labels[self._first] == 1]
            ),
        )

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
