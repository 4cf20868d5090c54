"""The estimate as a value, and its computation from finished rounds."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from scipy.special import ndtri

from gleann.index.errors import InvalidParamsError
from gleann.index.tables.tabular import Record
from gleann.selection.estimate.stratified.allocate import TargetName
from gleann.selection.estimate.stratified.bootstrap import bootstrap_interval
from gleann.selection.estimate.stratified.estimators import Design, Totals, totals
from gleann.selection.estimate.stratified.intervals import (
    Interval,
    most_positives_unseen,
    point_estimate,
    uniform_width,
    within_possible,
)
from gleann.selection.estimate.stratified.looks import confidence_of_look
from gleann.selection.estimate.stratified.merging import merged
from gleann.selection.estimate.stratified.polya import polya_interval
from gleann.selection.estimate.stratified.rules import (
    assumption,
    auto_interval,
    symmetric_interval,
)
from gleann.selection.estimate.stratified.tally import Evidence, Tally
from gleann.selection.estimate.stratified.validity import value_doubts

FEW_LABELS = 30


IntervalRule: TypeAlias = Callable[
    [Design, Totals, Evidence, float, np.random.Generator], Interval
]
INTERVALS: dict[str, IntervalRule] = {
    "auto": auto_interval,
    "delta": symmetric_interval,
    "polya": polya_interval,
    "bootstrap": bootstrap_interval,
}
"""Interval methods by name: "auto" is "delta" for a count whose error is nearly
symmetric, and "polya" otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Labels and estimated rate of one stratum.

    Attributes:
        size: number of rows.
        labelled: number of labelled rows.
        positives: of those, rows for which the predicate holds.
        rate: estimated share of all its rows for which the predicate holds.
        mean: mean value over its labelled positives; None without one.
        proxy_mean: mean proxy over all its rows.
    """

    size: int
    labelled: int
    positives: int
    rate: float
    mean: float | None
    proxy_mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(Record):
    """A count, share, sum or average over all rows, estimated from few labels.

    As a table it is one line; strata and provenance are its facts.

    Attributes:
        target: what was estimated.
        value: the estimate. None for an average or a sum without a positive.
        low: lower end of the interval; None if it cannot be computed.
        high: upper end of the interval; None if it cannot be computed.
        confidence: of the interval.
        labels_used: labels behind the estimate, those of finished rounds and those
            known before.
        positives: of those, rows for which the predicate holds.
        by_stratum: labels and rates by stratum, lowest proxies first.
        uniform_width: expected width of the interval of uniform sampling with as many
            labels, estimated from these; None if it cannot be.
        abae_width: the same for ABae as its authors wrote it, with the same proxies
            (where labels refresh them, the first ones) and the same known rows; None if
            it cannot be estimated.
        note: a caveat of the number, with the reason where `interval_valid` is False
            and what would mend it; "" if there is none.
        interval_valid: whether the interval is promised to hold with its confidence.
            That of a sum or an average supposes that no value lies outside the range
            that the note names, or that the caller gave.
        provenance: method, params, seed, data_hash, version, and labels of each round
            where a session drew them: JSON values.
        rows: number of rows the estimate is over; None where it is not known.
    """

    target: TargetName
    value: float | None
    low: float | None
    high: float | None
    confidence: float
    labels_used: int
    positives: int
    by_stratum: tuple[Stratum, ...]
    note: str
    uniform_width: float | None = None
    abae_width: float | None = None
    interval_valid: bool = True
    provenance: dict[str, Any] = field(default_factory=dict)
    rows: int | None = None

    @property
    def share(self) -> float | None:
        """The estimated share of rows for which the predicate holds, 0 to 1.

        Raises:
            InvalidParamsError: as `as_share`.
        """
        return self.as_share().value

    def as_share(self) -> "Estimate":
        """A count as a share of all rows: value, interval and widths over `rows`.

        Raises:
            InvalidParamsError: neither a count nor a share, or `rows` is not known.
        """
        if self.target == "share":
            return self
        if self.target != "count" or not self.rows:
            raise InvalidParamsError(
                f"a share is that of a count over its rows; this is the {self.target}"
                f" over {self.rows or 'unknown'} rows"
            )
        scaled: dict[str, Any] = {
            name: None if (size := getattr(self, name)) is None else size / self.rows
            for name in ("value", "low", "high", "uniform_width", "abae_width")
        }
        return replace(self, target="share", **scaled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """The confidence and kind of interval an estimate must have.

    Attributes:
        interval: one of `INTERVALS`, or another rule.
        confidence: of the interval.
        interim_analyses: number of times the estimate may be examined before labelling
            stops. By the union bound each interval has confidence
            1 - (1 - confidence) / interim_analyses, so that the one at which labelling
            stops has the confidence promised.
        looks: share of the budget labelled at each look so far, where the intervals of
            all looks must hold together (`stratified.looks`).
        seed: of the resamples, if any.
    """

    interval: IntervalRule
    confidence: float
    interim_analyses: int = 1
    looks: tuple[float, ...] = ()
    seed: int

    @property
    def quantile(self) -> float:
        """Standard errors on each side that baselines, analysed once, would need."""
        return float(ndtri(0.5 + self.confidence / 2))

    @property
    def confidence_each(self) -> float:
        """Confidence of this interim analysis."""
        if self.looks:
            return confidence_of_look(self.looks, confidence=self.confidence)
        return 1 - (1 - self.confidence) / self.interim_analyses


def conclude(
    design: Design,
    evidence: Evidence,
    *,
    precision: Precision,
    provenance: dict[str, Any],
) -> Estimate:
    """The estimate from at least one finished round, without the bias of pooling."""
    found = totals(design, evidence.rounds)
    strata = (design, found, evidence)
    return conclude_from(
        *strata,
        precision=precision,
        provenance=provenance,
        strata=merged(*strata) if design.allocation == "adaptive" else None,
    )


def conclude_from(
    design: Design,
    found: Totals,
    evidence: Evidence,
    *,
    precision: Precision,
    provenance: dict[str, Any],
    strata: tuple[Design, Totals, Evidence] | None = None,
) -> Estimate:
    """The estimate from totals that were computed from the evidence.

    Args:
        design: of the session.
        found: its totals.
        evidence: the labels.
        precision: of the interval.
        provenance: of the estimate.
        strata: the same in the strata that the interval goes by, if these are others.
    """
    seen = evidence.total
    answer = _answer(*(strata or (design, found, evidence)), precision)
    notes = [
        *answer.notes,
        few_labels(design, seen),
        _interim_note(precision),
        known_before(design),
    ]
    return Estimate(
        target=design.target,
        value=answer.value,
        low=answer.low,
        high=answer.high,
        confidence=precision.confidence,
        labels_used=int(seen.labelled.sum()) + design.known.labelled,
        positives=int(seen.positives.sum() + design.known.positives),
        by_stratum=_strata(design, seen, found),
        note="; ".join(part for part in notes if part),
        uniform_width=_uniform_width(design, found, seen, precision),
        interval_valid=answer.valid,
        provenance=provenance,
        rows=int(design.sizes.sum()) + design.known.labelled,
    )


def _uniform_width(
    design: Design, found: Totals, seen: Tally, precision: Precision
) -> float | None:
    if not seen.positives.sum():
        return None
    return uniform_width(
        design.sizes,
        found,
        seen,
        target=design.target,
        quantile=precision.quantile,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The numbers of an estimate, what to know of them, and whether they hold."""

    value: float | None
    low: float | None
    high: float | None
    notes: tuple[str, ...]
    valid: bool


def _answer(
    design: Design, found: Totals, evidence: Evidence, precision: Precision
) -> _Answer:
    seen = evidence.total
    positives = int(seen.positives.sum())
    if not positives:
        return _without_positives(design, seen, precision.confidence_each)
    if design.target != "count" and positives == 1:
        value = point_estimate(found, target=design.target)
        return _no_interval(value, "one positive was drawn: no interval")
    rng = np.random.default_rng([precision.seed, len(evidence.rounds)])
    interval = precision.interval(
        design, found, evidence, precision.confidence_each, rng
    )
    if design.target == "count":
        interval = within_possible(
            interval,
            positives=positives + design.known.positives,
            unlabelled=float((design.sizes - seen.labelled).sum()),
        )
    doubts = (*interval.doubts, *value_doubts(design, evidence))
    return _Answer(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        notes=(*doubts, *assumption(design, evidence)),
        valid=not doubts,
    )


def _no_interval(value: float | None, note: str) -> _Answer:
    return _Answer(value=value, low=None, high=None, notes=(note,), valid=False)


def _without_positives(design: Design, seen: Tally, confidence: float) -> _Answer:
    before = design.known.positives
    rows = float(design.sizes.sum())
    bound = most_positives_unseen(design.sizes, seen.labelled, confidence=confidence)
    note = (
        f"no positive among {int(seen.labelled.sum())} labels: with confidence"
        f" {confidence:g} the rate is at most {bound / rows:.3g}"
        f" ({bound:.4g} of {rows:.0f} rows)"
    )
    if design.target == "count":
        return _Answer(
            value=before, low=before, high=before + bound, notes=(note,), valid=True
        )
    if not before:
        return _no_interval(None, f"{note}; the {design.target} is undefined")
    note += (
        f"; the {design.target} is that of the {before:.0f} positives known before,"
        " without an interval"
    )
    total = design.known.total
    return _no_interval(total / before if design.target == "avg" else total, note)


def few_labels(design: Design, seen: Tally) -> str:
    """Note the strata with too few labels; "" if there are none."""
    few = np.flatnonzero(
        (seen.labelled < FEW_LABELS) & (seen.labelled < design.sizes)
    ).tolist()
    if not few:
        return ""
    return f"strata {few} have fewer than {FEW_LABELS} labels"


def _interim_note(precision: Precision) -> str:
    if precision.looks:
        return (
            "the interval holds at every look, however labelling is stopped: at look"
            f" {len(precision.looks)} it has confidence {precision.confidence_each:.4g}"
        )
    analyses = precision.interim_analyses
    if analyses == 1:
        return ""
    return (
        f"the interval holds at whichever of {analyses} looks labelling stops:"
        f" each has confidence {precision.confidence_each:.4g}"
    )


def known_before(design: Design) -> str:
    """Note the rows labelled before the session; "" if there are none."""
    if not design.known.labelled:
        return ""
    return (
        f"{design.known.labelled} rows were labelled before and are counted exactly,"
        " outside the strata"
    )


def _strata(design: Design, seen: Tally, found: Totals) -> tuple[Stratum, ...]:
    return tuple(
        Stratum(
            size=int(design.sizes[k]),
            labelled=int(seen.labelled[k]),
            positives=int(seen.positives[k]),
            rate=float(found.counts[k] / design.sizes[k]),
            mean=float(seen.sums[k] / seen.positives[k]) if seen.positives[k] else None,
            proxy_mean=float(design.proxy_means[k]),
        )
        for k in range(len(design.sizes))
    )
