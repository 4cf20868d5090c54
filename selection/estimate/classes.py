"""Group-by with one oracle that names the group: labels serve all groups at once.

Kang et al. 2021, https://arxiv.org/abs/2108.06313. Every group's proxy cuts the rows
its own way and has a sample of its own, from which all groups are estimated; a group's
estimates are merged by inverse variance. How the budget is split over the cuts is a
linear program.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gleann.index.arrays import Rows
from gleann.selection.estimate.allocate import Draws, Target, capped, shares, spreads
from gleann.selection.estimate.estimators import (
    Design,
    Totals,
    next_draws,
    pilot_draws,
    totals,
)
from gleann.selection.estimate.intervals import (
    Interval,
    point_estimate,
    row_variances,
    within_possible,
)
from gleann.selection.estimate.result import (
    Asked,
    Estimate,
    conclude,
    few_labels,
    known_before,
)
from gleann.selection.estimate.strata import next_rows
from gleann.selection.estimate.tally import Evidence, Moments, gather, moments
from gleann.selection.estimate.weighted import Chances

PerPair = NDArray[np.float64]
"""One number a cut and group, (L, G)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """One group's strata, and the sample drawn from them.

    Attributes:
        numbers: (n,) the stratum of each row, -1 for one that was labelled before.
        order: rows by stratum, in random order within each.
        design: what was fixed in advance.
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
        """What these rounds say of one group."""
        parts = []
        for rows in rounds:
            held = labels[rows] == group
            parts.append((self.numbers[rows], held, np.where(held, values[rows], 0.0)))
        return gather(parts, strata=len(self.design.sizes))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupEvidence:
    """What the samples of all cuts say of one group.

    Attributes:
        samples: of each cut, what its sample says.
        seen: of each cut, the moments in its strata, from all samples. They weigh the
            cuts: a cut's own would favour whichever found least.
        labelled: rows drawn and labelled, those that several cuts drew counted once.
        positives: of those, rows of the group.
    """

    samples: Sequence[Evidence]
    seen: Sequence[Moments]
    labelled: int
    positives: int


def pilot_rows(cut: Cut) -> tuple[Draws, Rows]:
    """Draws (K,) and rows of a cut's pilot."""
    draws = pilot_draws(cut.design)
    return draws, cut.rows(draws, after=np.zeros_like(draws))


def chances_of(cuts: Sequence[Cut], rounds: Sequence[Sequence[Rows]]) -> Chances:
    """Chance (n,) of each row to be in the sample of one cut at least.

    Samples are drawn independently, and a row that several draw is kept once.
    """
    missed = np.ones(len(cuts[0].numbers))
    for cut, drawn in zip(cuts, rounds, strict=True):
        sizes = cut.design.sizes
        labelled = np.bincount(cut.numbers[np.concatenate(drawn)], minlength=len(sizes))
        # Stratum -1, of rows that cannot be drawn, is the last entry.
        missed *= np.append(1 - labelled / sizes, 1.0)[cut.numbers]
    return 1 - missed


def costs_of(cuts: Sequence[Cut], seen: Sequence[Sequence[Moments]]) -> PerPair:
    """Squared error times labels (L, G) of each group, by the sample of each cut.

    A cut's own group decides how its labels go to its strata.

    Args:
        cuts: one a group.
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


def split_over_cuts(costs: PerPair) -> NDArray[np.float64]:
    """Share (L,) of the budget for each cut, so that the worst group does best.

    Merged by inverse variance, group g has the error 1 / sum_l(x_l / v_lg) with the
    costs v; the least z <= sum_l(x_l / v_lg) over the groups is made as large as it can
    be on the simplex, which is a linear program (the authors' code searches it).

    Args:
        costs: (L, G), at least 0.
    """
    from scipy.optimize import linprog

    # A group of which nothing was seen that varies has no say.
    told = costs[:, (costs > 0).all(axis=0)]
    cuts, groups = told.shape
    if not groups or cuts == 1:
        return np.full(cuts, 1 / cuts)
    # Scaled to about 1, which is what the solver's tolerances are made for.
    gains = told.min() / told
    found = linprog(
        np.append(np.zeros(cuts), -1.0),
        A_ub=np.column_stack([-gains.T, np.ones(groups)]),
        b_ub=np.zeros(groups),
        A_eq=np.append(np.ones(cuts), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * (cuts + 1),
        method="highs",
    )
    assert found.success, found.message
    split: NDArray[np.float64] = np.maximum(found.x[:-1], 0)
    return split / split.sum()


def granted(cuts: Sequence[Cut], split: NDArray[np.float64], *, budget: int) -> Draws:
    """Labels (L,) of each cut's second round: none, or one a stratum at least."""
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


def second_rows(cut: Cut, pilot: Evidence, *, labels: int) -> tuple[Cut, Rows]:
    """A cut with its grant, and the rows of its second round.

    Args:
        cut: with its pilot labelled.
        pilot: what that said of the cut's own group.
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


def merge(
    cuts: Sequence[Cut],
    found: GroupEvidence,
    *,
    own: int,
    asked: Asked,
    provenance: dict[str, Any],
) -> Estimate:
    """One group's estimate from the samples of all cuts.

    What cannot be merged (no positive anywhere, one for a mean) is answered from the
    sample of the group's own proxy.

    Args:
        cuts: one a group, each with what is known of this one before.
        found: what all samples say of the group.
        own: number of the group.
        asked: how sure the answer has to be.
        provenance: of the answer.
    """
    design, sample = cuts[own].design, found.samples[own]
    alone = conclude(design, sample, asked=asked, provenance=provenance)
    before = design.known
    rows = float(design.sizes.sum())
    labelled = found.labelled + before.labelled
    known = replace(
        alone,
        labels_used=labelled,
        positives=found.positives + int(before.positives),
        uniform_width=_with_more_labels(
            alone.uniform_width, alone.labels_used, labelled, rows + before.labelled
        ),
    )
    counting = design.target == "count"
    if found.positives < (1 if counting else 2):
        return replace(known, note=f"{alone.note}; from its own proxy's sample")
    merged = _merged(cuts, found, asked=asked)
    if counting:
        merged = within_possible(
            merged,
            positives=found.positives + before.positives,
            unlabelled=rows - found.labelled,
        )
    notes = [
        f"merged from the samples of {len(cuts)} proxies",
        few_labels(design, sample.total),
        known_before(design),
    ]
    return replace(
        known,
        value=merged.value,
        low=merged.low,
        high=merged.high,
        note="; ".join(part for part in notes if part),
    )


def _with_more_labels(
    width: float | None, labels: int, more: int, rows: float
) -> float | None:
    """What a uniform sample's width with `labels` becomes with `more` of them."""
    if width is None or labels == rows:
        return width
    fewer = labels / (1 - labels / rows)
    return width * float(np.sqrt(fewer * max(1 - more / rows, 0.0) / more))


def _merged(cuts: Sequence[Cut], found: GroupEvidence, *, asked: Asked) -> Interval:
    target = cuts[0].design.target
    by_cut = [
        totals(cut.design, one.rounds)
        for cut, one in zip(cuts, found.samples, strict=True)
    ]
    # A sample without a positive has no average; it has a count, which is 0.
    usable = [
        number
        for number, one in enumerate(found.samples)
        if target == "count" or one.total.positives.sum()
    ]
    values = np.array([point_estimate(by_cut[k], target=target) for k in usable])
    told = [_variance(by_cut[k], found.seen[k], target, values.mean()) for k in usable]
    honest = [
        _variance(by_cut[k], moments(found.samples[k].total), target, values.mean())
        for k in usable
    ]
    # Where every label was positive the rate of all is 1, which nothing varies by.
    plain = np.where(np.equal(told, 0), honest, told)
    scale = np.mean([by_cut[k].count for k in usable]) if target == "avg" else 1.0
    if not np.all(plain):
        exact = float(values[plain == 0].mean())
        return Interval(value=exact, low=exact, high=exact)
    weights = 1 / plain / (1 / plain).sum()
    value = float(weights @ values)
    degrees = np.inf if target == "count" else found.positives - 1
    half = float(stdtrit(degrees, 0.5 + asked.confidence_each / 2))
    half *= float(np.sqrt(weights**2 @ honest) / scale)
    return Interval(value=value, low=value - half, high=value + half)


def _variance(found: Totals, seen: Moments, target: Target, average: float) -> float:
    of_a_row = row_variances(seen, target=target, average=average)
    return float((found.spread_factors * of_a_row).sum())
