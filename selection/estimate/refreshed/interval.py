"""Interval of an estimate whose rounds have different strata."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gleann.selection.estimate.refreshed.rounds import (
    Round,
    aligned,
    refreshed_totals,
    round_weights,
)
from gleann.selection.estimate.result import IntervalRule
from gleann.selection.estimate.stratified.estimators import (
    Design,
    KnownTotals,
    Totals,
    row_factor,
)
from gleann.selection.estimate.stratified.intervals import (
    Interval,
    interval_around,
    point_estimate,
    row_variances,
)
from gleann.selection.estimate.stratified.merging import merged, merged_rates
from gleann.selection.estimate.stratified.polya import polya_interval
from gleann.selection.estimate.stratified.rules import doubting_skew, is_symmetric
from gleann.selection.estimate.stratified.tally import Evidence, Tally, moments


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundStrata:
    """All rounds' strata side by side, (R * K,), the first round's first.

    Attributes:
        design: of them; its known rows are those found before each round, by weight.
        found: weighted totals of each.
        evidence: the labels of each.
    """

    design: Design
    found: Totals
    evidence: Evidence


def refreshed_interval(
    rounds: Sequence[Round], evidence: Evidence, *, name: str
) -> IntervalRule:
    """The rule of that name, with every round by its own strata.

    The stratum of the same number in a later cut holds other rows, with fewer positives
    among the low ones: its labels would understate the variance of an earlier round.

    Args:
        rounds: finished, as drawn.
        evidence: their labels by the strata of all rounds side by side, as one round.
        name: "auto", "delta" or "polya".
    """
    rules: dict[str, Callable[[RoundStrata, Interval, float], Interval]] = {
        "auto": _auto,
        "delta": _delta,
        "polya": _polya,
    }

    def interval(
        design: Design,
        found: Totals,
        by_round: Evidence,
        confidence: float,
        _: np.random.Generator,
    ) -> Interval:
        symmetric = _symmetric(rounds, design, found, by_round, confidence)
        side_by_side = _side_by_side(rounds, design, by_round, evidence)
        return rules[name](side_by_side, symmetric, confidence)

    return interval


def _auto(strata: RoundStrata, symmetric: Interval, confidence: float) -> Interval:
    counting = strata.design.target == "count"
    if counting and is_symmetric(strata.design, strata.found, strata.evidence):
        return symmetric
    return _polya(strata, symmetric, confidence)


def _delta(strata: RoundStrata, symmetric: Interval, _: float) -> Interval:
    return doubting_skew(symmetric, strata.design, strata.found, strata.evidence)


def _polya(strata: RoundStrata, symmetric: Interval, confidence: float) -> Interval:
    made = polya_interval(
        strata.design,
        strata.found,
        strata.evidence,
        confidence,
        np.random.default_rng(0),
    )
    value = symmetric.value
    return replace(
        made, value=value, low=min(made.low, value), high=max(made.high, value)
    )


def _side_by_side(
    rounds: Sequence[Round], design: Design, by_round: Evidence, evidence: Evidence
) -> RoundStrata:
    """Every drawn stratum of every round, with its weighted share of the totals."""
    k = len(design.sizes)
    left = np.concatenate([aligned(one.left, k) for one in rounds])
    proxies = np.concatenate([aligned(one.proxy_means, k) for one in rounds])
    weights = np.repeat(round_weights(rounds, design), k)
    seen = evidence.total
    scales = weights * left / np.maximum(seen.labelled, 1)
    counts, sums = scales * seen.positives, scales * seen.sums
    whole = refreshed_totals(rounds, by_round, design)
    known = KnownTotals(
        labelled=design.known.labelled,
        positives=whole.count - float(counts.sum()),
        total=whole.sum - float(sums.sum()),
    )
    of_all_rounds = np.tile(by_round.total.labelled, len(rounds))
    # A cut with fewer strata than others lacks the lowest ones.
    there = seen.labelled > 0
    drawn = RoundStrata(
        design=replace(
            design,
            sizes=left[there],
            proxy_means=proxies[there],
            known=known,
            row_shares=seen.labelled[there] / of_all_rounds[there],
        ),
        found=Totals(
            counts=counts[there],
            sums=sums[there],
            spread_factors=(weights**2 * row_factor(seen.labelled, left))[there],
            known=known,
        ),
        evidence=_only(evidence, there),
    )
    if design.allocation != "adaptive":
        return drawn
    flat, totals, labels = merged(drawn.design, drawn.found, drawn.evidence)
    return RoundStrata(design=flat, found=totals, evidence=labels)


def _only(evidence: Evidence, there: NDArray[np.bool_]) -> Evidence:
    """The evidence of some strata."""
    rounds = [
        Tally(
            labelled=one.labelled[there],
            positives=one.positives[there],
            sums=one.sums[there],
            squares=one.squares[there],
        )
        for one in evidence.rounds
    ]
    values = [own for own, kept in zip(evidence.values, there, strict=True) if kept]
    return Evidence(rounds=tuple(rounds), values=tuple(values))


def _symmetric(
    rounds: Sequence[Round],
    design: Design,
    found: Totals,
    evidence: Evidence,
    confidence: float,
) -> Interval:
    """The delta interval.

    The mean and variance of positives, of which there are few, come from all rounds
    together.
    """
    target, whole = design.target, evidence.total
    value = point_estimate(found, target=target)
    of_all = moments(whole)
    variance = 0.0
    weights = round_weights(rounds, design)
    for one, seen, weight in zip(rounds, evidence.rounds, weights, strict=True):
        left = aligned(one.left, len(design.sizes))
        factors = weight**2 * row_factor(seen.labelled, left)
        rates = moments(seen).rates
        if design.allocation == "adaptive":
            rates = merged_rates(seen, factors / np.maximum(left, 1))
        of_round = replace(of_all, rates=rates)
        of_a_row = row_variances(of_round, target=target, average=value)
        variance += float((factors * of_a_row).sum())
    return interval_around(
        found,
        variance=variance,
        target=target,
        positives=float(whole.positives.sum()),
        confidence=confidence,
    )
