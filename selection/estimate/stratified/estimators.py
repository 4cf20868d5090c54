"""Unbiased totals from labelled rounds, without the bias of pooling them.

A round is drawn without replacement from the rows that earlier rounds left, in numbers
that depend on their labels. Pooling all labels of a stratum then underestimates: a
lucky pilot draws many more labels, which dilute it, and an unlucky one few. Instead
each round r has its own total of the stratum,

    T_r = found before + (rows left) * (mean of the round's draws),

which is unbiased given all earlier rounds, and the T_r are averaged with weights that
are fixed before the labels of their round are known. For the pilot this means that a
stratum's own pilot labels may not determine its weight: it is computed with the rate
and moments that the neighbouring strata suggest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gleann.selection.estimate.stratified.allocate import (
    Draws,
    Target,
    capped,
    shares,
    spreads,
)
from gleann.selection.estimate.stratified.tally import (
    Moments,
    PerStratum,
    Tally,
    log_odds,
    moments,
    total,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTotals:
    """Totals of rows labelled before the session; they belong to no stratum.

    Attributes:
        labelled: number of rows.
        positives: of those, rows for which the predicate holds.
        total: of the value over positives.
    """

    labelled: int = 0
    positives: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """The sampling design, fixed before any label is known.

    Attributes:
        sizes: (K,) rows of each stratum.
        proxy_means: (K,) mean proxy of each stratum.
        round_budgets: labels of each round, pilot first.
        target: what is estimated.
        floor: share of each later round that is split evenly.
        known: totals of rows that are counted exactly, outside the strata.
        value_range: within which every positive's value lies; None if unknown.
        row_shares: (K,) share of the rows added against an interval's ends that each
            stratum gets; below 1 where several rounds have strata of their own.
    """

    sizes: PerStratum
    proxy_means: PerStratum
    round_budgets: tuple[int, ...]
    target: Target
    floor: float
    known: KnownTotals = field(default_factory=KnownTotals)
    value_range: tuple[float, float] | None = None
    row_shares: PerStratum | float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Totals:
    """Estimated totals over all rows of each stratum.

    Attributes:
        counts: (K,) rows for which the predicate holds.
        sums: (K,) of the value over them.
        spread_factors: (K,) variance of a total divided by the variance of one row:
            sum over rounds of weight^2 * left^2 / n * (1 - n / left).
        known: added to them exactly.
    """

    counts: PerStratum
    sums: PerStratum
    spread_factors: PerStratum
    known: KnownTotals = field(default_factory=KnownTotals)

    @property
    def count(self) -> float:
        """Over all rows."""
        return float(self.counts.sum()) + self.known.positives

    @property
    def sum(self) -> float:
        """Over all rows."""
        return float(self.sums.sum()) + self.known.total


def pilot_draws(design: Design) -> Draws:
    """Draws (K,) of the first round: even, up to the sizes of the strata."""
    return capped(
        np.ones(len(design.sizes)),
        budget=design.round_budgets[0],
        room=design.sizes.astype(np.int64),
    )


def next_draws(design: Design, seen: Moments, *, labelled: Draws, budget: int) -> Draws:
    """Draws (K,) of a later round, from the moments of earlier ones.

    Every stratum with rows left gets at least one: without a draw it would have no
    total in this round, and whether it has one would depend on the pilot.
    """
    return capped(
        shares(
            design.sizes,
            spreads(seen, target=design.target, sizes=design.sizes),
            floor=design.floor,
        ),
        budget=budget,
        room=design.sizes.astype(np.int64) - labelled,
        at_least=1,
    )


def round_draws(design: Design, rounds: Sequence[Tally]) -> Draws:
    """Draws (K,) of the round after these finished rounds."""
    if not rounds:
        return pilot_draws(design)
    seen = total(rounds)
    return next_draws(
        design,
        moments(seen),
        labelled=seen.labelled.astype(np.int64),
        budget=design.round_budgets[len(rounds)],
    )


def labelling_cost(design: Design, seen: Tally) -> float:
    """Squared error of an estimate times its labels, at its best allocation.

    (sum sizes * spreads)^2, for an average over the count squared: ABae's c of a group
    (Kang et al. 2021, https://arxiv.org/abs/2108.06313).
    """
    known = moments(seen)
    spread = spreads(known, target=design.target, sizes=design.sizes)
    scale = (design.sizes * known.rates).sum() if design.target == "avg" else 1.0
    return float(((design.sizes * spread).sum() / scale) ** 2)


def totals(design: Design, rounds: Sequence[Tally]) -> Totals:
    """Combine finished rounds into unbiased totals of each stratum.

    Args:
        design: of the session.
        rounds: tallies of the finished rounds, pilot first; at least one.
    """
    counts = np.zeros(len(design.sizes))
    sums, factors = np.zeros_like(counts), np.zeros_like(counts)
    unspent = np.ones_like(counts)
    before = _nothing(len(counts))
    for number, seen in enumerate(rounds):
        left = design.sizes - before.labelled
        weight = unspent * _weight_of_round(design, rounds, number)
        scale = left / np.maximum(seen.labelled, 1)
        counts += weight * (before.positives + scale * seen.positives)
        sums += weight * (before.sums + scale * seen.sums)
        factors += weight**2 * row_factor(seen.labelled, left)
        unspent -= weight
        before = before + seen
    return Totals(counts=counts, sums=sums, spread_factors=factors, known=design.known)


def _weight_of_round(
    design: Design, rounds: Sequence[Tally], number: int
) -> PerStratum:
    """Share (K,) of the remaining weight that round `number` takes."""
    drawn = rounds[number].labelled
    later = sum(design.round_budgets[number + 1 : len(rounds)])
    left_after = design.sizes - total(rounds[: number + 1]).labelled
    if not later:
        return np.ones(len(drawn))
    own = row_factor(drawn, left_after + drawn)
    rest = row_factor(_foreseen_draws(design, rounds, number, budget=later), left_after)
    # A factor of 0 is certainty (a fully labelled stratum) or, without a draw, no
    # information: then all the weight goes to that round, or to the later ones.
    own = np.where(drawn > 0, own, np.inf)
    rest = np.where(left_after > 0, rest, np.inf)
    certain = own == 0
    with np.errstate(invalid="ignore"):
        part = rest / (own + rest)
    return np.where(certain | np.isinf(rest), 1.0, np.where(np.isinf(own), 0.0, part))


def _foreseen_draws(
    design: Design, rounds: Sequence[Tally], number: int, *, budget: int
) -> PerStratum:
    """Expected draws (K,) of all later rounds, without this round's own labels."""
    labelled = total(rounds[: number + 1]).labelled.astype(np.int64)
    if number:
        seen = moments(total(rounds[:number]))
        return next_draws(design, seen, labelled=labelled, budget=budget).astype(
            np.float64
        )
    seen = moments(rounds[0])
    guessed = from_neighbours(seen, proxy_means=design.proxy_means)
    foreseen = np.zeros(len(labelled))
    for k in range(len(labelled)):
        mixed = _with_entry(seen, guessed, k)
        draws = next_draws(design, mixed, labelled=labelled, budget=budget)
        foreseen[k] = draws[k]
    return foreseen


def from_neighbours(seen: Moments, *, proxy_means: PerStratum) -> Moments:
    """Moments of each stratum predicted from the adjacent strata, without its own.

    The log odds of a rate are those of its proxy plus the mean offset of the
    neighbours' rates from theirs; means and variances are the neighbours' averages. A
    single stratum has no neighbours and keeps its own, which is harmless: it takes
    every draw.
    """
    if len(seen.rates) == 1:
        return seen
    offsets = log_odds(seen.rates) - log_odds(proxy_means)
    odds = np.exp(log_odds(proxy_means) + _mean_of_neighbours(offsets))
    return Moments(
        rates=odds / (1 + odds),
        means=_mean_of_neighbours(seen.means),
        mean_variances=_mean_of_neighbours(seen.mean_variances),
        variances=_mean_of_neighbours(seen.variances),
    )


def _mean_of_neighbours(values: PerStratum) -> PerStratum:
    padded = np.pad(values, 1)
    neighbours = np.full(len(values), 2.0)
    neighbours[[0, -1]] = 1.0
    means: PerStratum = (padded[:-2] + padded[2:]) / neighbours
    return means


def _with_entry(seen: Moments, guessed: Moments, k: int) -> Moments:
    at = np.arange(len(seen.rates)) == k
    return Moments(
        rates=np.where(at, guessed.rates, seen.rates),
        means=np.where(at, guessed.means, seen.means),
        mean_variances=np.where(at, guessed.mean_variances, seen.mean_variances),
        variances=np.where(at, guessed.variances, seen.variances),
    )


def row_factor(drawn: PerStratum, left: PerStratum) -> PerStratum:
    """left^2 / n * (1 - n / left): a total's variance in units of one row's."""
    n = np.maximum(drawn, 1)
    return np.where(drawn > 0, np.maximum(left * (left - drawn) / n, 0.0), 0.0)


def _nothing(strata: int) -> Tally:
    zeros = np.zeros(strata)
    return Tally(labelled=zeros, positives=zeros, sums=zeros, squares=zeros)
