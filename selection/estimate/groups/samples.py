"""The stratified samples of all groups, and the evidence for each group."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.estimate.baselines.abae_widths import abae_group_widths
from gleann.selection.estimate.groups.cuts import (
    GroupCut,
    allocated,
    chances_of,
    costs_of,
    pilot_rows,
    second_rows,
)
from gleann.selection.estimate.groups.merge import GroupEvidence
from gleann.selection.estimate.labels.known import KnownGroupRows
from gleann.selection.estimate.labels.round_answers import RoundAnswers
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.stratified.allocate import Draws, split_over_cuts
from gleann.selection.estimate.stratified.estimators import Design
from gleann.selection.estimate.stratified.strata import (
    STRATA_CUTS,
    Proxy,
    drawing_order,
)
from gleann.selection.estimate.stratified.tally import Evidence, Moments
from gleann.selection.estimate.stratified.weighted import (
    ChancedLabels,
    weighted_moments,
)
from gleann.selection.seeds import stream_seed


class GroupSamples:
    """One cut and one sample per group; every sample is evidence for every group.

    Args:
        proxies: (n,) of each group.
        params: of the estimates.
        known: labels known before the session; their rows are not drawn.
        answers: of the session; labels are a group's number plus one.
    """

    def __init__(
        self,
        proxies: tuple[Proxy, ...],
        params: EstimateParams,
        known: KnownGroupRows,
        answers: RoundAnswers,
    ) -> None:
        self._cuts = [
            _cut(proxy, params, known.rows, number=number, groups=len(proxies))
            for number, proxy in enumerate(proxies)
        ]
        self._proxies = proxies
        self._params = params
        self._known = known
        self._answers = answers
        self._rounds: list[list[Rows]] = [[pilot_rows(cut)[1]] for cut in self._cuts]

    @property
    def pilot(self) -> Rows:
        """Rows of all pilots, each once."""
        return self._drawn(rounds=1)

    def draw_second(self, *, budget: int) -> tuple[Draws, Rows]:
        """Split `budget` over the cuts by the pilots' evidence, and draw it.

        Returns:
            Labels (L,) of each cut, and the rows, each once.
        """
        pilots = self._evidence(rounds=1)
        split = split_over_cuts(costs_of(self._cuts, self._moments(rounds=1)))
        shared = allocated(self._cuts, split, budget=budget)
        for number, labels in enumerate(shared.tolist()):
            if labels:
                self._cuts[number], rows = second_rows(
                    self._cuts[number], pilots[number][number], labels=labels
                )
                self._rounds[number].append(rows)
        drawn = [rounds[1] for rounds in self._rounds if len(rounds) > 1]
        return shared, _distinct(drawn)

    def cuts_of(self, group: int) -> list[GroupCut]:
        """The cuts, with the labels of a group known before."""
        known = self._known.totals(group)
        return [
            replace(cut, design=replace(cut.design, known=known)) for cut in self._cuts
        ]

    def found(self, *, rounds: int) -> list[GroupEvidence]:
        """The evidence of all samples for each group."""
        samples, seen = self._evidence(rounds=rounds), self._moments(rounds=rounds)
        rows = self._drawn(rounds=rounds)
        return [
            GroupEvidence(
                samples=[of_cut[group] for of_cut in samples],
                seen=[of_cut[group] for of_cut in seen],
                labelled=len(rows),
                positives=int(self._held(rows, group).sum()),
            )
            for group in range(len(self._cuts))
        ]

    def _held(self, rows: Rows, group: int) -> NDArray[np.bool_]:
        return self._answers.labels[rows] - 1 == group

    def _drawn(self, *, rounds: int) -> Rows:
        return _distinct([part for drawn in self._rounds for part in drawn[:rounds]])

    def _evidence(self, *, rounds: int) -> list[list[Evidence]]:
        """The evidence of each cut's sample for each group."""
        labels = self._answers.labels - 1
        return [
            [
                cut.evidence(drawn[:rounds], labels, self._answers.values, group=group)
                for group in range(len(self._cuts))
            ]
            for cut, drawn in zip(self._cuts, self._rounds, strict=True)
        ]

    def abae_widths(self, *, rounds: int, quantile: float) -> list[float | None]:
        """`baselines.abae_widths.abae_group_widths` by these proxies and labels."""
        open_rows = np.flatnonzero(self._cuts[0].numbers >= 0)
        labels = self._labels(rounds=rounds)
        return abae_group_widths(
            [proxy[open_rows] for proxy in self._proxies],
            [replace(one, rows=np.searchsorted(open_rows, one.rows)) for one in labels],
            self._params,
            quantile=quantile,
            known=[self._known.totals(group) for group in range(len(labels))],
        )

    def _labels(self, *, rounds: int) -> list[ChancedLabels]:
        """The drawn labels, positive for each group in turn."""
        chances = chances_of(self._cuts, [drawn[:rounds] for drawn in self._rounds])
        rows = self._drawn(rounds=rounds)
        return [
            ChancedLabels(
                rows=rows,
                positives=(held := self._held(rows, group)),
                values=np.where(held, self._answers.values[rows], 0.0),
                chances=chances[rows],
            )
            for group in range(len(self._cuts))
        ]

    def _moments(self, *, rounds: int) -> list[list[Moments]]:
        """Of each group in the strata of each cut, from the samples of all cuts."""
        labels = self._labels(rounds=rounds)
        n = len(self._proxies[0]) - len(self._known.rows)
        return [
            [
                weighted_moments(
                    cut.numbers[one.rows],
                    one,
                    strata=len(cut.design.sizes),
                    rate=one.rate_among(n),
                )
                for one in labels
            ]
            for cut in self._cuts
        ]


def _cut(
    proxy: Proxy, params: EstimateParams, known: Rows, *, number: int, groups: int
) -> GroupCut:
    """Cut the rows that are not `known` (m,)."""
    rows = np.delete(np.arange(len(proxy)), known)
    cut = STRATA_CUTS[params.strata_cut](proxy[rows], strata=params.strata)
    numbers = np.full(len(proxy), -1, np.int64)
    numbers[rows] = cut
    sizes = np.bincount(cut)
    each = params.budget // groups
    pilot = min(
        max(round(params.even_pilot_share * each), len(sizes)), each - len(sizes)
    )
    design = Design(
        sizes=sizes.astype(np.float64),
        proxy_means=np.bincount(cut, weights=proxy[rows]) / sizes,
        round_budgets=(pilot, each - pilot),
        target=params.statistic,
        floor=params.floor,
        value_range=params.value_range,
    )
    seed = stream_seed(params.seed, number)
    return GroupCut(
        numbers=numbers, order=rows[drawing_order(cut, seed=seed)], design=design
    )


def _distinct(parts: list[Rows]) -> Rows:
    """Rows of all parts in order, each once."""
    rows = np.concatenate(parts)
    _, firsts = np.unique(rows, return_index=True)
    return rows[np.sort(firsts)]
