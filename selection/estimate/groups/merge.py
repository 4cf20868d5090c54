"""Estimates of disjoint groups, each merged from the samples of all groups.

Kang et al. 2021, https://arxiv.org/abs/2108.06313. Every group's proxy cuts the rows
its own way and has a sample of its own, from which all groups are estimated; a group's
estimates are merged by inverse variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gleann.selection.estimate.groups.cuts import GroupCut
from gleann.selection.estimate.result import (
    INTERVALS,
    Estimate,
    Precision,
    conclude,
    few_labels,
    known_before,
)
from gleann.selection.estimate.stratified.allocate import (
    Target,
)
from gleann.selection.estimate.stratified.estimators import (
    Totals,
    totals,
)
from gleann.selection.estimate.stratified.intervals import (
    Interval,
    point_estimate,
    row_variances,
    within_possible,
)
from gleann.selection.estimate.stratified.tally import (
    Evidence,
    Moments,
    moments,
)
from gleann.selection.estimate.stratified.validity import doubts_of_values

LEAST_WEIGHT = 0.1
"""Share of the merged value from which a sample's own doubts count."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupEvidence:
    """The evidence of the samples of all cuts for one group.

    Attributes:
        samples: of each cut, the evidence of its sample.
        seen: of each cut, the moments in its strata, from all samples. They weight the
            cuts: a cut's own moments would favour the one with the fewest positives.
        labelled: rows drawn and labelled; those drawn by several cuts count once.
        positives: of those, rows of the group.
    """

    samples: Sequence[Evidence]
    seen: Sequence[Moments]
    labelled: int
    positives: int


def merge(
    cuts: Sequence[GroupCut],
    found: GroupEvidence,
    *,
    own: int,
    precision: Precision,
    provenance: dict[str, Any],
) -> Estimate:
    """One group's estimate from the samples of all cuts.

    Without enough positives to merge (none, or one for a mean) the estimate is that of
    the sample of the group's own proxy.

    Args:
        cuts: one per group, each with the labels of this group known before.
        found: evidence of all samples for the group.
        own: number of the group.
        precision: confidence and kind of interval of the answer.
        provenance: of the answer.
    """
    design, sample = cuts[own].design, found.samples[own]
    alone = conclude(design, sample, precision=precision, provenance=provenance)
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
    merged = _merged(cuts, found, precision=precision)
    if merged is None:
        return replace(known, note=f"{alone.note}; from its own proxy's sample")
    if counting:
        merged = within_possible(
            merged,
            positives=found.positives + before.positives,
            unlabelled=rows - found.labelled,
        )
    notes = [
        *merged.doubts,
        f"merged from the samples of {len(cuts)} proxies",
        few_labels(design, sample.total),
        known_before(design),
    ]
    return replace(
        known,
        value=merged.value,
        low=merged.low,
        high=merged.high,
        interval_valid=not merged.doubts,
        note="; ".join(part for part in notes if part),
    )


def _with_more_labels(
    width: float | None, labels: int, more: int, rows: float
) -> float | None:
    """The width of a uniform sample with `labels`, rescaled to `more` labels."""
    if width is None or labels == rows:
        return width
    fewer = labels / (1 - labels / rows)
    return width * float(np.sqrt(fewer * max(1 - more / rows, 0.0) / more))


def _usable(found: GroupEvidence, *, least: int) -> list[int]:
    """Numbers of the samples with at least so many positives.

    A sample without a positive has a count, which is 0; an interval of its own average
    needs two.
    """
    return [
        number
        for number, one in enumerate(found.samples)
        if one.total.positives.sum() >= least
    ]


def _merged(
    cuts: Sequence[GroupCut], found: GroupEvidence, *, precision: Precision
) -> Interval | None:
    """The interval around the merged value; None if no sample has one of its own."""
    target = cuts[0].design.target
    by_cut = [
        totals(cut.design, one.rounds)
        for cut, one in zip(cuts, found.samples, strict=True)
    ]
    symmetric = precision.interval is INTERVALS["delta"]
    usable = _usable(found, least=0 if target == "count" else 2 - symmetric)
    if not usable:
        return None
    values = np.array([point_estimate(by_cut[k], target=target) for k in usable])
    shared = [
        _variance(by_cut[k], found.seen[k], target, values.mean()) for k in usable
    ]
    honest = [
        _variance(by_cut[k], moments(found.samples[k].total), target, values.mean())
        for k in usable
    ]
    # Where every label was positive the rate of all is 1, which nothing varies by.
    plain = np.where(np.equal(shared, 0), honest, shared)
    if not np.all(plain):
        exact = float(values[plain == 0].mean())
        return Interval(value=exact, low=exact, high=exact)
    weights = 1 / plain / (1 / plain).sum()
    value = float(weights @ values)
    own = _own_intervals(cuts, by_cut, found, usable, precision)
    if symmetric:
        # One variance for all samples: all positives together tell it.
        scale = np.mean([by_cut[k].count for k in usable]) if target == "avg" else 1.0
        degrees = np.inf if target == "count" else found.positives - 1
        half = float(stdtrit(degrees, 0.5 + precision.confidence_each / 2))
        half *= float(np.sqrt(weights**2 @ honest) / scale)
        below, above = half, half
    else:
        below, above = _distances(values, weights, own)
    return Interval(
        value=value,
        low=value - below,
        high=value + above,
        doubts=_doubts(cuts, found, usable, own, weights),
    )


def _own_intervals(
    cuts: Sequence[GroupCut],
    by_cut: Sequence[Totals],
    found: GroupEvidence,
    usable: Sequence[int],
    precision: Precision,
) -> list[Interval]:
    """The interval of each sample alone."""
    rng = np.random.default_rng([precision.seed, len(cuts)])
    return [
        precision.interval(
            cuts[k].design, by_cut[k], found.samples[k], precision.confidence_each, rng
        )
        for k in usable
    ]


def _distances(
    values: NDArray[np.float64], weights: NDArray[np.float64], own: Sequence[Interval]
) -> tuple[float, float]:
    """Of the ends from the merged value: those of each sample added up in squares.

    Zou and Donner 2008, Construction of confidence limits about effect measures.
    """
    below = weights * (values - np.array([one.low for one in own]))
    above = weights * (np.array([one.high for one in own]) - values)
    return float(np.sqrt(below @ below)), float(np.sqrt(above @ above))


def _doubts(
    cuts: Sequence[GroupCut],
    found: GroupEvidence,
    usable: Sequence[int],
    own: Sequence[Interval],
    weights: NDArray[np.float64],
) -> tuple[str, ...]:
    """What is to be doubted of the samples that weigh, and of all values together."""
    of_methods = [
        doubt
        for interval, weight in zip(own, weights, strict=True)
        if weight >= LEAST_WEIGHT
        for doubt in interval.doubts
    ]
    heaviest = usable[int(np.argmax(weights))]
    samples = [found.samples[k] for k in usable]
    of_values = doubts_of_values(
        cuts[heaviest].design,
        found.samples[heaviest],
        values=np.concatenate([np.concatenate(one.values) for one in samples]),
        labels=found.labelled,
        positives=found.positives,
    )
    return tuple(dict.fromkeys([*of_methods, *of_values]))


def _variance(found: Totals, seen: Moments, target: Target, average: float) -> float:
    of_a_row = row_variances(seen, target=target, average=average)
    return float((found.spread_factors * of_a_row).sum())
