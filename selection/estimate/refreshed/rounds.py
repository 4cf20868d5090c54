"""Rounds with strata of their own, cut by proxies from all labels before the round.

Given the labels before it, a round is a stratified sample of the unlabelled rows, so
its own total,

    T_r = found before + sum over its strata of (rows left) * (mean of its draws),

is unbiased, however the strata and the draws were determined. The T_r are averaged:
each takes a share of the weight that the rounds before it left, which depends on labels
before the round only, so the average is unbiased too. (Dividing weights by their sum
would not do: that depends on later labels.) The stratified session has a weight for
each stratum (`estimators.totals`); here there is one per round, as strata of different
rounds hold different rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.stratified.allocate import Draws
from gleann.selection.estimate.stratified.estimators import (
    Design,
    Totals,
    next_draws,
    row_factor,
    weighted_draws,
)
from gleann.selection.estimate.stratified.intervals import row_variances
from gleann.selection.estimate.stratified.rates import weighed_rates
from gleann.selection.estimate.stratified.strata import (
    STRATA_CUTS,
    Proxy,
    StratumNos,
    drawing_order,
    next_rows,
)
from gleann.selection.estimate.stratified.tally import Evidence, Moments, PerStratum
from gleann.selection.estimate.stratified.weighted import (
    ChancedLabels,
    weighted_moments,
    weighted_tally,
)
from gleann.selection.saved import Saved

GAIN_FORESEEN = 1.5
"""Worth of a later label in labels of a first round that was drawn uniformly.

Its total is weighed before its labels are known. If later labels are worth as much, the
variance is 2 % above the least with a fifth of the labels in that round; if they are
worth three, 6 %.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """The unlabelled rows, cut into strata.

    Attributes:
        rows: int64 (m,), ascending.
        numbers: (m,) the stratum of each.
        proxy: (m,) of each.
        strata: number of strata; some may have no row left.
    """

    rows: Rows
    numbers: StratumNos
    proxy: Proxy
    strata: int

    @classmethod
    def of(cls, rows: Rows, proxy: Proxy, params: EstimateParams) -> "Cut":
        """Cut `rows` (m,) with these proxies (m,) by `params.strata_cut`."""
        numbers = STRATA_CUTS[params.strata_cut](proxy, strata=params.strata)
        return cls(
            rows=rows, numbers=numbers, proxy=proxy, strata=int(numbers.max()) + 1
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each stratum (K,)."""
        return np.bincount(self.numbers, minlength=self.strata)

    def without(self, labelled: Rows) -> "Cut":
        """The same strata without the labelled rows."""
        kept = ~np.isin(self.rows, labelled)
        return replace(
            self,
            rows=self.rows[kept],
            numbers=self.numbers[kept],
            proxy=self.proxy[kept],
        )

    def draw(self, draws: Draws, foreseen: Moments, *, seed: int) -> "Round":
        """Draw `draws` (K,) rows of the strata."""
        sizes = self.sizes
        order = drawing_order(self.numbers, seed=seed)
        drawn = next_rows(order, sizes, draws, after=np.zeros_like(sizes))
        sums = np.bincount(self.numbers, weights=self.proxy, minlength=self.strata)
        return Round(
            rows=self.rows[drawn],
            strata=self.numbers[drawn],
            scores=self.proxy[drawn],
            left=sizes.astype(np.float64),
            proxy_means=sums / np.maximum(sizes, 1),
            foreseen=foreseen,
        )

    def places(self, proxy: NDArray[np.floating]) -> StratumNos:
        """The strata (k,) that rows with these proxies (k,) fall into."""
        lowest = np.full(self.strata, np.inf)
        np.minimum.at(lowest, self.numbers, self.proxy)
        # A fully labelled stratum has no lowest proxy.
        lowest = np.minimum.accumulate(lowest[::-1])[::-1]
        return np.searchsorted(lowest[1:], proxy, side="right").astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Round:
    """The draws of a round, and the strata and moments before it.

    Attributes:
        rows: int64 (m,) drawn.
        strata: (m,) of each of them.
        scores: (m,) their proxies.
        left: (K,) rows without a label in each stratum, before the round.
        proxy_means: (K,) of those, 0 where there is none.
        foreseen: moments of each stratum, estimated from labels before the round.
    """

    rows: Rows
    strata: StratumNos
    scores: Proxy
    left: PerStratum
    proxy_means: PerStratum
    foreseen: Moments

    @property
    def blind(self) -> bool:
        """Whether it was drawn before any label: one stratum, and no rate."""
        return len(self.left) == 1 and not self.foreseen.rates.any()

    @property
    def draws(self) -> PerStratum:
        """Rows drawn from each stratum (K,)."""
        return np.bincount(self.strata, minlength=len(self.left)).astype(np.float64)

    def state(self) -> dict[str, Any]:
        """The round as JSON values."""
        return {
            "rows": self.rows.tolist(),
            "strata": self.strata.tolist(),
            "scores": self.scores.tolist(),
            "left": self.left.tolist(),
            "proxy_means": self.proxy_means.tolist(),
            "foreseen": {
                "rates": self.foreseen.rates.tolist(),
                "means": self.foreseen.means.tolist(),
                "doubts": self.foreseen.mean_variances.tolist(),
                "variances": self.foreseen.variances.tolist(),
            },
        }

    @classmethod
    def of_state(cls, state: Saved, *, n: int, strata: int) -> "Round":
        """Rebuild from `state()`, over `n` rows in at most `strata` strata.

        Raises:
            CorruptDataError: unknown rows or strata, or parts of other lengths.
        """
        rows = state.rows("rows", n=n)
        left = state.numbers("left", low=0, high=n)
        if not 1 <= len(left) <= strata:
            state.refuse("left", f"must be of 1..{strata} strata, is of {len(left)}")
        k, m = len(left), len(rows)
        one = cls(
            rows=rows,
            strata=state.integers("strata", low=0, high=k - 1, length=m),
            scores=state.numbers("scores", length=m),
            left=left,
            proxy_means=state.numbers("proxy_means", length=k),
            foreseen=_moments_of(state.part("foreseen"), strata=k),
        )
        if (one.draws > left).any():
            state.refuse("strata", "have more draws than rows")
        return one


def _moments_of(state: Saved, *, strata: int) -> Moments:
    return Moments(
        rates=state.numbers("rates", length=strata, low=0, high=1),
        means=state.numbers("means", length=strata),
        mean_variances=state.numbers("doubts", length=strata, low=0),
        variances=state.numbers("variances", length=strata, low=0),
    )


def foresee(
    cut: Cut,
    labels: ChancedLabels,
    proxies: NDArray[np.floating],
    *,
    looked: PerStratum,
    allocation: str,
) -> Moments:
    """Expected moments of each stratum of a cut, from the labels so far.

    A rate is at least Jeffreys' rate for `looked` labels without a positive: the
    interval will use it, so the draws should. Only weights and draws depend on these
    moments, never an interval.

    Args:
        cut: of the unlabelled rows.
        labels: of the others; `chances` as returned by `chances_of`.
        proxies: (m,) of the labelled rows, made without their own labels.
        looked: (K,) labels in each stratum, or in the aligned ones of earlier cuts.
        allocation: of the draws; where it is adaptive, rates are averaged over the
            models of `stratified.rates`.
    """
    weights = 1 / labels.chances
    rate = float((weights * labels.positives).sum() / weights.sum())
    places = cut.places(proxies)
    seen = weighted_moments(places, labels, strata=cut.strata, rate=max(rate, 1e-9))
    if allocation != "adaptive":
        return replace(seen, rates=np.maximum(seen.rates, 0.5 / (looked + 1)))
    counts = weighted_tally(places, labels, strata=cut.strata)
    # A round drawn before any label had one stratum, so labels count where they lie.
    floored = np.maximum(seen.rates, 0.5 / (counts.labelled + 1))
    return weighed_rates(
        replace(seen, rates=floored), counts, sizes=cut.sizes.astype(np.float64)
    )


def blind_round(rows: Rows, labels: int, *, seed: int) -> Round:
    """A uniform first round of `labels` of these rows, where nothing makes a proxy."""
    one = Cut(
        rows=rows,
        numbers=np.zeros(len(rows), np.int64),
        proxy=np.zeros(len(rows)),
        strata=1,
    )
    nothing = np.zeros(1)
    foreseen = Moments(
        rates=nothing, means=nothing, mean_variances=nothing, variances=nothing
    )
    return one.draw(np.array([labels]), foreseen, seed=seed)


def looked_at(rounds: Sequence[Round], *, strata: int, pilot: int) -> PerStratum:
    """Labels (K,) of each stratum so far, or from an even pilot if there are none."""
    if not rounds:
        return np.full(strata, pilot / strata)
    return np.sum([aligned(one.draws, strata) for one in rounds], axis=0)


def chances_of(rounds: Sequence[Round]) -> NDArray[np.float64]:
    """Expected number of draws of each drawn row in the rounds so far, in order.

    Every round represents all rows that were open before it, in proportion to its
    labels. These are for estimates over the rows still open; `whole_chances_of` is for
    all rows.
    """
    if not rounds:
        return np.empty(0)
    total = sum(len(one.rows) for one in rounds)
    return np.concatenate(
        [
            (one.draws / np.maximum(one.left, 1))[one.strata] * (total / len(one.rows))
            for one in rounds
        ]
    )


def whole_chances_of(rounds: Sequence[Round]) -> NDArray[np.float64]:
    """The same with every round representing all rows that were ever open.

    A round's total includes the rows drawn before it, so a drawn row represents itself
    in all later rounds. Otherwise positives found early would be missing from the
    totals of later rounds.
    """
    if not rounds:
        return np.empty(0)
    drawn = np.array([len(one.rows) for one in rounds])
    later = drawn[::-1].cumsum()[::-1] - drawn
    weights = [
        len(one.rows) * (one.left / np.maximum(one.draws, 1))[one.strata] + after
        for one, after in zip(rounds, later, strict=True)
    ]
    return float(drawn.sum()) / np.concatenate(weights)


def round_draws(left: PerStratum, foreseen: Moments, design: Design, n: int) -> Draws:
    """Draws (K,) of a round of `n` labels, by expected moments in the first round too.

    With an even pilot the first round's total, which has one weight for all strata,
    would depend on the few labels of the largest one.
    """
    over = replace(design, sizes=left, proxy_means=np.zeros_like(left))
    labelled = np.zeros(len(left), np.int64)
    if design.allocation == "adaptive":
        return weighted_draws(
            over, foreseen, unspent=np.ones_like(left), labelled=labelled, budget=n
        )
    return next_draws(over, foreseen, labelled=labelled, budget=n)


def refreshed_totals(
    rounds: Sequence[Round], evidence: Evidence, design: Design
) -> Totals:
    """Combine finished rounds, at least one, into unbiased totals.

    Labels of stratum k of any round are reported as stratum k; only the sums over all
    strata estimate a fixed quantity.

    Args:
        rounds: as drawn.
        evidence: of each of them, by the strata of its own cut.
        design: budgets and target.
    """
    counts = np.zeros(len(design.sizes))
    sums, factors = np.zeros_like(counts), np.zeros_like(counts)
    before, values = np.zeros_like(counts), np.zeros_like(counts)
    weights = round_weights(rounds, design)
    for one, seen, weight in zip(rounds, evidence.rounds, weights, strict=True):
        left, draws = (aligned(part, len(counts)) for part in (one.left, one.draws))
        scale = left / np.maximum(draws, 1)
        counts += weight * (before + scale * seen.positives)
        sums += weight * (values + scale * seen.sums)
        factors += weight**2 * row_factor(draws, left)
        before, values = before + seen.positives, values + seen.sums
    return Totals(counts=counts, sums=sums, spread_factors=factors, known=design.known)


def round_weights(rounds: Sequence[Round], design: Design) -> list[float]:
    """Weight of each round's total, in sum 1, fixed by the labels before it."""
    weights = []
    unspent = 1.0
    for number, one in enumerate(rounds):
        later = sum(design.round_budgets[number + 1 : len(rounds)])
        weights.append(unspent * _part(one, design, later=later))
        unspent -= weights[-1]
    return weights


def _part(one: Round, design: Design, *, later: int) -> float:
    """Share of the remaining weight that a round takes, with `later` labels to come."""
    if not later:
        return 1.0
    after = one.left - one.draws
    if one.blind:
        own = float(row_factor(one.draws, one.left).sum())
        drawn = np.minimum(float(later), after)
        rest = float(row_factor(drawn, after).sum()) / GAIN_FORESEEN
        return rest / (own + rest) if own > 0 else 1.0
    target, seen = design.target, one.foreseen
    found = one.left * seen.rates
    average = float((found * seen.means).sum() / max(found.sum(), 1e-300))
    of_a_row = row_variances(seen, target=target, average=average)
    if not of_a_row.any():
        # No values, or all equal: only the variance of the count is known.
        of_a_row = row_variances(seen, target="count", average=0.0)
    draws = round_draws(after, seen, design, min(later, int(after.sum())))
    own = float((row_factor(one.draws, one.left) * of_a_row).sum())
    rest = float((row_factor(draws.astype(np.float64), after) * of_a_row).sum())
    return rest / (own + rest) if own > 0 else 1.0


def whole_design(rounds: Sequence[Round], design: Design) -> Design:
    """The design that an estimate reports: by stratum, rows drawn and rows left."""
    strata = max(len(one.left) for one in rounds)
    drawn = [aligned(one.draws, strata) for one in rounds]
    last = rounds[-1]
    return replace(
        design,
        sizes=np.sum(drawn[:-1], axis=0) + aligned(last.left, strata),
        proxy_means=aligned(last.proxy_means, strata),
    )


def aligned(values: PerStratum, strata: int) -> PerStratum:
    """Values (K,) of a cut in `strata` strata, with the highest strata aligned."""
    kept = values[max(len(values) - strata, 0) :]
    return np.pad(kept, (strata - len(kept), 0))
