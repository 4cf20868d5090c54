"""Interval of an estimate whose rounds have different strata."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gleann.selection.estimate.refreshed.rounds import Round, aligned, round_weights
from gleann.selection.estimate.result import IntervalRule
from gleann.selection.estimate.stratified.estimators import Design, Totals, row_factor
from gleann.selection.estimate.stratified.intervals import (
    Interval,
    interval_around,
    point_estimate,
    row_variances,
)
from gleann.selection.estimate.stratified.merging import merged_rates
from gleann.selection.estimate.stratified.tally import Evidence, moments


def refreshed_interval(
    rounds: Sequence[Round], *, allocation: str = "even"
) -> IntervalRule:
    """The delta interval, with the variance of each round by its own strata.

    The variance of a round's total comes from its own strata. The stratum of the same
    number in a later cut holds other rows, with fewer positives among the low ones: its
    labels would understate the variance of an earlier round. The mean and variance of
    positives, of which there are few, come from all rounds together.

    Args:
        rounds: finished, as drawn.
        allocation: of the draws; where it is adaptive, strata of a round that are alike
            and sampled alike count as one (`stratified.merging`).
    """

    def interval(
        design: Design,
        found: Totals,
        evidence: Evidence,
        confidence: float,
        _: np.random.Generator,
    ) -> Interval:
        target, whole = design.target, evidence.total
        value = point_estimate(found, target=target)
        of_all = moments(whole)
        variance = 0.0
        weights = round_weights(rounds, design)
        for one, seen, weight in zip(rounds, evidence.rounds, weights, strict=True):
            left = aligned(one.left, len(design.sizes))
            factors = weight**2 * row_factor(seen.labelled, left)
            rates = moments(seen).rates
            if allocation == "adaptive":
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

    return interval
