"""Which interval an estimate has, and what it supposes."""

from dataclasses import replace

import numpy as np

from gleann.selection.estimate.stratified.estimators import Design, Totals
from gleann.selection.estimate.stratified.intervals import Interval, delta_interval
from gleann.selection.estimate.stratified.polya import (
    assumed_values,
    estimate_skewness,
    polya_interval,
)
from gleann.selection.estimate.stratified.tally import Evidence

MOST_SKEW = 0.25
"""Skewness of the estimate up to which a symmetric interval is promised."""


def auto_interval(
    design: Design,
    found: Totals,
    evidence: Evidence,
    confidence: float,
    rng: np.random.Generator,
) -> Interval:
    """The delta interval of a count that is nearly symmetric, else Pólya's."""
    if design.target == "count" and is_symmetric(design, found, evidence):
        return symmetric_interval(design, found, evidence, confidence, rng)
    return polya_interval(design, found, evidence, confidence, rng)


def symmetric_interval(
    design: Design,
    found: Totals,
    evidence: Evidence,
    confidence: float,
    _: np.random.Generator,
) -> Interval:
    """The delta interval, in doubt where the estimate is skewed."""
    made = delta_interval(
        found, evidence.total, target=design.target, confidence=confidence
    )
    return doubting_skew(made, design, found, evidence)


def doubting_skew(
    made: Interval, design: Design, found: Totals, evidence: Evidence
) -> Interval:
    """A symmetric interval, in doubt where the estimate is skewed."""
    if is_symmetric(design, found, evidence):
        return made
    skew = estimate_skewness(design, found, evidence)
    return replace(
        made,
        doubts=(
            "the interval is not valid: it is symmetric, but the strata with few"
            f" positives leave the estimate skewed ({skew:+.2g}, {MOST_SKEW} at most);"
            " interval='auto' is not",
        ),
    )


def assumption(design: Design, evidence: Evidence) -> tuple[str, ...]:
    """The range of values that an interval supposes where none was given."""
    if design.target == "count" or design.value_range is not None:
        return ()
    low, high = assumed_values(design, evidence)
    return (
        f"the interval supposes that no positive has a value outside {low:.4g} to"
        f" {high:.4g}; give value_range if one may",
    )


def is_symmetric(design: Design, found: Totals, evidence: Evidence) -> bool:
    """Whether the estimate is so little skewed that a symmetric interval will do."""
    return abs(estimate_skewness(design, found, evidence)) <= MOST_SKEW
