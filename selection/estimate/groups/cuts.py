"""A stratified sample for each group: its strata, pilot and share of the budget.

Kang et al. 2021, https://arxiv.org/abs/2108.06313, with one oracle that names the
group. How the budget is split over the cuts is a linear program.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.estimate.stratified.allocate import (
    Draws,
    PerPair,
    capped,
    shares,
    spreads,
)
from gleann.selection.estimate.stratified.estimators import (
    Design,
    next_draws,
    pilot_draws,
)
from gleann.selection.estimate.stratified.strata import next_rows
from gleann.selection.estimate.stratified.tally import (
    Evidence,
    Moments,
    gather,
    moments,
)
from gleann.selection.estimate.stratified.weighted import Chances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupCut:
    """One group's strata, and the sample drawn from them.

    Attributes:
        numbers: (n,) the stratum of each row, -1 for one labelled before the session.
        order: rows by stratum, in random order within each.
        design: of its sample.
    """

    numbers: NDArray[np.int64]
    order: Rows
    design: Design

    def rows(self, draws: Draws, *, after: Draws) -> Rows:
        """The next `draws` (K,) rows past `after` (K,) of each stratum."""
        sizes = self.design.sizes.astype(np.int64)
        return next_rows(self.order, sizes, draws, after=after)

    def evidence(
        self,
        rounds: Sequence[Rows],
        labels: NDArray[np.int32],
        values: NDArray[np.float64],
        *,
        group: int,
    ) -> Evidence:
        """The evidence of these rounds for one group."""
        parts = []
        for rows in rounds:
            held = labels[rows] == group
            parts.append((self.numbers[rows], held, np.where(held, values[rows], 0.0)))
        return gather(parts, strata=len(self.design.sizes))


def pilot_rows(cut: GroupCut) -> tuple[Draws, Rows]:
    """Draws (K,) and rows of a cut's pilot."""
    draws = pilot_draws(cut.design)
    return draws, cut.rows(draws, after=np.zeros_like(draws))


def chances_of(cuts: Sequence[GroupCut], rounds: Sequence[Sequence[Rows]]) -> Chances:
    """Probability (n,) of each row to be in the sample of at least one cut.

    Samples are drawn independently, and a row that several draw is kept once.
    """
    missed = np.ones(len(cuts[0].numbers))
    for cut, drawn in zip(cuts, rounds, strict=True):
        sizes = cut.design.sizes
        labelled = np.bincount(cut.numbers[np.concatenate(drawn)], minlength=len(sizes))
        # Stratum -1, of rows that cannot be drawn, is the last entry.
        missed *= np.append(1 - labelled / sizes, 1.0)[cut.numbers]
    return 1 - missed


def costs_of(cuts: Sequence[GroupCut], seen: Sequence[Sequence[Moments]]) -> PerPair:
    """Squared error times labels (L, G) of each group, by the sample of each cut.

    A cut's own group determines the allocation to its strata.

    Args:
        cuts: one per group.
        seen: of each cut, the moments of each group in its strata, from all samples.
    """
    costs = np.zeros((len(cuts), len(cuts)))
    for number, (cut, known) in enumerate(zip(cuts, seen, strict=True)):
        sizes, target = cut.design.sizes, cut.design.target
        spread = [spreads(one, target=target, sizes=sizes) for one in known]
        part = shares(sizes, spread[number], floor=cut.design.floor)
        for group, one in enumerate(known):
            scale = (sizes * one.rates).sum() if target == "avg" else 1.0
            costs[number, group] = (
                (sizes * spread[group] / scale) ** 2 / np.maximum(part, 1e-12)
            ).sum()
    return costs


def allocated(
    cuts: Sequence[GroupCut], split: NDArray[np.float64], *, budget: int
) -> Draws:
    """Labels (L,) of each cut's second round: none, or at least one per stratum."""
    strata = np.array([len(cut.design.sizes) for cut in cuts])
    rows = np.array([int(cut.design.sizes.sum()) for cut in cuts])
    pilots = np.array([cut.design.round_budgets[0] for cut in cuts])
    open_ = split > 0
    while True:
        wanted = np.where(open_, split, 0.0)
        labels = capped(wanted, budget=budget, room=np.where(open_, rows - pilots, 0))
        short = open_ & (labels < strata)
        if not short.any() or open_.sum() == 1:
            return labels
        open_[np.flatnonzero(short)[np.argmin(labels[short])]] = False


def second_rows(
    cut: GroupCut, pilot: Evidence, *, labels: int
) -> tuple[GroupCut, Rows]:
    """A cut with its allocated labels, and the rows of its second round.

    Args:
        cut: with its pilot labelled.
        pilot: evidence of the pilot for the cut's own group.
        labels: to spend, at least one.
    """
    seen = pilot.total
    design = replace(cut.design, round_budgets=(cut.design.round_budgets[0], labels))
    draws = next_draws(
        design,
        moments(seen),
        labelled=seen.labelled.astype(np.int64),
        budget=labels,
    )
    given = replace(cut, design=design)
    return given, given.rows(draws, after=seen.labelled.astype(np.int64))
