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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gleann.selection.estimate.stratified.allocate import (
    Draws,
    Target,
    capped,
    shares,
    spreads,
    topped_up,
)
from gleann.selection.estimate.stratified.rates import drawing_moments, weighed_rates
from gleann.selection.estimate.stratified.tally import (
    Moments,
    PerStratum,
    Tally,
    log_odds,
    moments,
    total,
)

EVEN_SHARE = 0.5
"""Share of an adaptive pilot that is split evenly over strata; the rest is by size."""


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


_WHOLE = np.ones(1)
_WHOLE.flags.writeable = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """The sampling design, fixed before any label is known.

    Attributes:
        sizes: (K,) rows of each stratum.
        proxy_means: (K,) mean proxy of each stratum.
        round_budgets: labels of each round, pilot first.
        target: what is estimated.
        floor: share of each later round that is split evenly, or by size where the
            allocation is adaptive.
        known: totals of rows that are counted exactly, outside the strata.
        value_range: within which every positive's value lies; None if unknown.
        row_shares: (K,) or (1,) share that each stratum gets of the rows added against
            an interval's ends; below 1 where several rounds have strata of their own.
        allocation: one of `ALLOCATIONS`.
    """

    sizes: PerStratum
    proxy_means: PerStratum
    round_budgets: tuple[int, ...]
    target: Target
    floor: float
    known: KnownTotals = field(default_factory=KnownTotals)
    value_range: tuple[float, float] | None = None
    row_shares: PerStratum = field(default_factory=lambda: _WHOLE)
    allocation: str = "even"


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


def mixed_pilot_draws(design: Design) -> Draws:
    """Draws (K,) of the first round: half of them even, half by size.

    Small strata get few labels more than uniform sampling gives them, so that the pilot
    costs little where the proxy does not help.
    """
    sizes = design.sizes
    return capped(
        EVEN_SHARE / len(sizes) + (1 - EVEN_SHARE) * sizes / sizes.sum(),
        budget=design.round_budgets[0],
        room=sizes.astype(np.int64),
        at_least=1,
    )


def weighted_draws(
    design: Design, seen: Moments, *, unspent: PerStratum, labelled: Draws, budget: int
) -> Draws:
    """Draws (K,) of a round that minimise the variance of all rounds together.

    Args:
        design: of the session.
        seen: moments of earlier rounds.
        unspent: (K,) weight that the earlier rounds left in each stratum.
        labelled: (K,) earlier draws.
        budget: rows to draw.
    """
    spread = spreads(seen, target=design.target, sizes=design.sizes)
    weighed = design.sizes * unspent
    by_size = weighed / max(float(weighed.sum()), 1e-300)
    wanted = shares(weighed, spread, floor=0.0)
    return capped(
        (1 - design.floor) * wanted + design.floor * by_size,
        budget=budget,
        room=design.sizes.astype(np.int64) - labelled,
        at_least=1,
    )


def _even_round_draws(design: Design, rounds: Sequence[Tally]) -> Draws:
    if not rounds:
        return pilot_draws(design)
    seen = total(rounds)
    return next_draws(
        design,
        moments(seen),
        labelled=seen.labelled.astype(np.int64),
        budget=design.round_budgets[len(rounds)],
    )


def _adaptive_round_draws(design: Design, rounds: Sequence[Tally]) -> Draws:
    if not rounds:
        return mixed_pilot_draws(design)
    seen = total(rounds)
    weights = round_weights(design, rounds, of=len(rounds) + 1)
    return weighted_draws(
        design,
        drawing_moments(seen, sizes=design.sizes),
        unspent=1 - np.sum(weights, axis=0),
        labelled=seen.labelled.astype(np.int64),
        budget=design.round_budgets[len(rounds)],
    )


def round_draws(design: Design, rounds: Sequence[Tally]) -> Draws:
    """Draws (K,) of the round after these finished rounds."""
    return ALLOCATIONS[design.allocation].draws(design, rounds)


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
    before = _nothing(len(counts))
    weights = round_weights(design, rounds, of=len(rounds))
    for seen, weight in zip(rounds, weights, strict=True):
        left = design.sizes - before.labelled
        scale = left / np.maximum(seen.labelled, 1)
        counts += weight * (before.positives + scale * seen.positives)
        sums += weight * (before.sums + scale * seen.sums)
        factors += weight**2 * row_factor(seen.labelled, left)
        before = before + seen
    return Totals(counts=counts, sums=sums, spread_factors=factors, known=design.known)


def round_weights(
    design: Design, rounds: Sequence[Tally], *, of: int
) -> list[PerStratum]:
    """Weight (K,) of the total of each finished round, of `of` rounds in all."""
    unspent = np.ones(len(design.sizes))
    weights = []
    for number in range(len(rounds)):
        later = sum(design.round_budgets[number + 1 : of])
        part = _part_of_round(design, rounds, number, unspent=unspent, later=later)
        weights.append(unspent * part)
        unspent = unspent - weights[-1]
    return weights


def _part_of_round(
    design: Design,
    rounds: Sequence[Tally],
    number: int,
    *,
    unspent: PerStratum,
    later: int,
) -> PerStratum:
    """Share (K,) of the remaining weight that round `number` takes."""
    drawn = rounds[number].labelled
    left_after = design.sizes - total(rounds[: number + 1]).labelled
    if not later:
        return np.ones(len(drawn))
    foresee = ALLOCATIONS[design.allocation].foresee
    foreseen = foresee(design, rounds[: number + 1], unspent=unspent, budget=later)
    own = row_factor(drawn, left_after + drawn)
    rest = row_factor(foreseen, left_after)
    # A factor of 0 is certainty (a fully labelled stratum) or, without a draw, no
    # information: then all the weight goes to that round, or to the later ones.
    own = np.where(drawn > 0, own, np.inf)
    rest = np.where(left_after > 0, rest, np.inf)
    certain = own == 0
    with np.errstate(invalid="ignore"):
        part = rest / (own + rest)
    return np.where(certain | np.isinf(rest), 1.0, np.where(np.isinf(own), 0.0, part))


def _foreseen_even(
    design: Design,
    rounds: Sequence[Tally],
    *,
    unspent: PerStratum,  # noqa: ARG001 (of the adaptive rule)
    budget: int,
) -> PerStratum:
    """Expected draws (K,) of all later rounds, without the last round's own labels."""
    labelled = total(rounds).labelled.astype(np.int64)
    if len(rounds) > 1:
        seen = moments(total(rounds[:-1]))
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


def _foreseen_adaptive(
    design: Design, rounds: Sequence[Tally], *, unspent: PerStratum, budget: int
) -> PerStratum:
    """The same where draws even out those of the last round."""
    room = (design.sizes - total(rounds).labelled).astype(np.int64)

    def draws(seen: Moments) -> PerStratum:
        spread = spreads(seen, target=design.target, sizes=design.sizes)
        wanted = design.sizes * unspent * spread
        return topped_up(
            wanted, before=rounds[-1].labelled, budget=budget, room=room
        ).astype(np.float64)

    if len(rounds) > 1:
        return draws(drawing_moments(total(rounds[:-1]), sizes=design.sizes))
    seen = moments(rounds[0])
    guessed = from_neighbours(seen, proxy_means=design.proxy_means)
    foreseen = np.zeros(len(room))
    for k in range(len(room)):
        others = np.arange(len(room)) != k
        mixed = weighed_rates(
            _with_entry(seen, guessed, k),
            rounds[0].only(others) if others.any() else rounds[0],
            sizes=design.sizes,
        )
        foreseen[k] = draws(mixed)[k]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """How draws are allocated.

    Attributes:
        draws: draws (K,) of the round after these finished rounds.
        foresee: expected draws (K,) of all later rounds together, which may not depend
            on the labels of the last one: they weigh it.
    """

    draws: Callable[[Design, Sequence[Tally]], Draws]
    foresee: Callable[..., PerStratum]


ALLOCATIONS: dict[str, Allocation] = {
    "adaptive": Allocation(draws=_adaptive_round_draws, foresee=_foreseen_adaptive),
    "even": Allocation(draws=_even_round_draws, foresee=_foreseen_even),
}
"""Allocations by name: "adaptive" falls back to uniform sampling where strata seem
alike; "even" is ABae's, with an even pilot and an even floor."""
