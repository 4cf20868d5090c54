"""From labels to joint estimates."""

from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Mask
from gleann.selection.estimate.means.controls import Controls, Counts, Numbers
from gleann.selection.estimate.means.crossfit import (
    Labelled,
    centred_predictions,
    tuned,
)
from gleann.selection.estimate.means.joint import joint_quantile
from gleann.selection.estimate.means.linear import Linear, linear
from gleann.selection.estimate.means.params import MeansParams, Statistic
from gleann.selection.estimate.means.result import JointEstimates, MeanEstimate
from gleann.selection.estimate.means.rounds import Means, TwoRounds, combine

FEWEST = 20
"""Rows of the rarer kind without which no interval is promised."""

MOST_SKEWED = 0.25
"""Skewness of an estimate above which its interval is not promised."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """All labels of a session.

    Attributes:
        rows: (m,).
        strata: (m,).
        folds: (m,).
        values: (m, J); NaN where an "avg" has no value.
        in_first: (m,) whether a row is of the first round.
        rounds: how many were drawn.
    """

    rows: Counts
    strata: Counts
    folds: Counts
    values: Numbers
    in_first: Mask
    rounds: TwoRounds

    @property
    def weights(self) -> Numbers:
        """(m,) rows that each stands for."""
        drawn = self.rounds.first + self.rounds.second
        return (self.rounds.sizes / np.maximum(drawn, 1))[self.strata]

    @property
    def scale(self) -> Numbers:
        """(K,) variance of an estimate over that of a stratum's rows."""
        scale: Numbers = self.rounds.shares**2 * self.rounds.variance_factors
        return scale

    @property
    def unlabelled(self) -> int:
        """Rows without a label."""
        return int(self.rounds.sizes.sum()) - len(self.rows)

    def combined(self, values: Numbers) -> Means:
        """Means of other values (m, J) of these rows."""
        return combine(values, self.strata, self.folds, self.in_first, self.rounds)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Errors:
    """Standard errors (J,).

    Attributes:
        own: with controls.
        stratified: without.
        uniform: expected of a uniform sample.
    """

    own: Numbers
    stratified: Numbers
    uniform: Numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """Means of the terms.

    Attributes:
        own: with controls.
        plain: without.
    """

    own: Means
    plain: Means


def conclude(
    sample: Sample,
    controls: Controls,
    params: MeansParams,
    provenance: dict[str, object],
) -> JointEstimates:
    """The estimates from a finished sample."""
    made = linear(
        sample.values, params.statistics, lambda some: sample.combined(some).values
    )
    plain = sample.combined(made.terms)
    found, lambdas = _controlled(sample, controls, made.terms)
    doubt = _doubt(sample, made.terms, params.statistics)
    covariance = found.covariance + np.diag(doubt)
    defined = made.defined
    quantile = joint_quantile(
        covariance[np.ix_(defined, defined)],
        found.freedom[defined],
        confidence=params.confidence,
        joint=params.joint,
        seed=params.seed,
    )
    errors = _Errors(
        own=np.sqrt(np.diag(covariance)),
        stratified=np.sqrt(np.diag(plain.covariance) + doubt),
        uniform=_uniform_errors(sample, plain),
    )
    both = defined[:, None] & defined[None]
    return JointEstimates(
        estimates=_estimates(
            sample, params, made, _Found(own=found, plain=plain), errors, quantile
        ),
        covariance=np.where(both, covariance, np.nan),
        confidence=params.confidence,
        quantile=quantile,
        lambdas=lambdas,
        labels_used=len(sample.rows),
        rows=int(controls.sizes.sum()),
        provenance=provenance,
    )


def _controlled(
    sample: Sample, controls: Controls, terms: Numbers
) -> tuple[Means, Numbers]:
    """Means of the terms (m, J) less their predictions, and lambda (K, J)."""
    labelled = Labelled(
        rows=sample.rows,
        strata=sample.strata,
        values=terms,
        weights=sample.weights,
        folds=sample.folds,
    )
    predictions = centred_predictions(controls, labelled)
    # A stratum that is labelled whole needs none.
    predictions[sample.rounds.whole[sample.strata]] = 0.0
    lambdas = tuned(terms, predictions, sample.strata, scale=sample.scale)
    found = sample.combined(terms - lambdas[sample.strata] * predictions)
    return found, lambdas


def _doubt(
    sample: Sample, terms: Numbers, statistics: tuple[Statistic, ...]
) -> Numbers:
    """Variance (J,) for rows of the rarer kind that the labels of a stratum missed.

    Jeffreys' half row a stratum: of a share, whose variance is that of its rate; and of
    an average, whose rows with a value are as far from it as those seen.
    """
    rounds = sample.rounds
    drawn = (rounds.first + rounds.second).astype(np.float64)
    doubt = np.zeros(len(statistics))
    for number, statistic in enumerate(statistics):
        column = sample.values[:, number]
        if statistic.kind == "share":
            held = np.bincount(sample.strata, weights=column, minlength=len(drawn))
            more = _binomial((held + 0.5) / (drawn + 1)) - _binomial(held / drawn)
            doubt[number] = (sample.scale * np.maximum(more, 0.0)).sum()
        elif statistic.kind == "avg" and (there := ~np.isnan(column)).any():
            square = float((terms[there, number] ** 2).mean())
            doubt[number] = (sample.scale * 0.5 / (drawn + 1)).sum() * square
    return doubt


def _binomial(rates: Numbers) -> Numbers:
    return rates * (1 - rates)


def _uniform_errors(sample: Sample, plain: Means) -> Numbers:
    """Standard errors (J,) expected of a uniform sample of as many labels."""
    shares = (sample.rounds.sizes / sample.rounds.sizes.sum())[:, None]
    between = (plain.by_stratum - plain.values) ** 2
    variance = (shares * (plain.variances + between)).sum(axis=0)
    n, m = int(sample.rounds.sizes.sum()), len(sample.rows)
    errors: Numbers = np.sqrt(variance / m * (1 - m / n))
    return errors


def _undefined(statistic: Statistic) -> MeanEstimate:
    return MeanEstimate(
        name=statistic.name,
        kind=statistic.kind,
        value=None,
        low=None,
        high=None,
        standard_error=None,
        stratified_value=None,
        stratified_width=None,
        uniform_width=None,
        interval_valid=False,
        note="no labelled row has a value: the average is undefined",
    )


def _estimates(
    sample: Sample,
    params: MeansParams,
    made: Linear,
    found: _Found,
    errors: _Errors,
    quantile: float,
) -> tuple[MeanEstimate, ...]:
    values, stratified = (made.base + one.values for one in (found.own, found.plain))
    # Both ends move towards the longer tail: the first term of the Cornish-Fisher
    # expansion of a studentised mean (Hall 1992; of draws without replacement), at most
    # half the way to an end.
    leaning, skewness_of = found.own.leaning, found.own.skewness
    bent = (3 * leaning * quantile**2 - skewness_of * (quantile**2 - 1)) / 6
    moved = errors.own * np.clip(bent, -quantile / 2, quantile / 2)
    lows, highs = (values + moved + side * quantile * errors.own for side in (-1, 1))
    estimates = []
    for number, statistic in enumerate(params.statistics):
        if not made.defined[number]:
            estimates.append(_undefined(statistic))
            continue
        column = sample.values[:, number]
        ends = (float(lows[number]), float(values[number]), float(highs[number]))
        if statistic.kind == "share":
            ends = _within_possible(ends, column, rows=int(sample.rounds.sizes.sum()))
        error = float(errors.own[number])
        # That of a studentised mean is -2 times this; of few draws both are equal.
        skewness = float(3 * leaning[number] - skewness_of[number]) / 2
        note = _note(statistic, sample, column, skewness)
        estimates.append(
            MeanEstimate(
                name=statistic.name,
                kind=statistic.kind,
                value=ends[1],
                low=ends[0],
                high=ends[2],
                standard_error=error,
                stratified_value=float(stratified[number]),
                stratified_width=float(2 * quantile * errors.stratified[number]),
                uniform_width=float(2 * quantile * errors.uniform[number]),
                interval_valid=not note,
                note=note,
            )
        )
    return tuple(estimates)


def _within_possible(
    ends: tuple[float, float, float], column: Numbers, *, rows: int
) -> tuple[float, float, float]:
    """Low end, value and high end of a share, none beyond what the labels leave."""
    least, most = column.sum() / rows, 1 - (len(column) - column.sum()) / rows
    low, value, high = (float(np.clip(end, least, most)) for end in ends)
    return min(low, value), value, max(high, value)


def _note(
    statistic: Statistic, sample: Sample, column: Numbers, skewness: float
) -> str:
    """Why the interval is not promised; "" if it is."""
    if sample.rounds.whole.all():
        return ""
    # A stratum that is labelled whole tells nothing of the error in others.
    told = column[~sample.rounds.whole[sample.strata]]
    count, kind = len(told), "labels"
    if statistic.kind == "share":
        positives = int(told.sum())
        count, kind = min((positives, "positives"), (count - positives, "negatives"))
    elif statistic.kind == "avg":
        count, kind = int((~np.isnan(told)).sum()), "labelled rows with a value"
    if count < FEWEST:
        where = "" if len(told) == len(column) else " in strata with unlabelled rows"
        return (
            f"not promised: {count} {kind}{where}, where {FEWEST} are needed; an"
            " `EstimateSession` has an interval for few positives"
        )
    if statistic.kind != "share" and _equal_within(sample, column):
        return (
            f"not promised: the values of {count} {kind} are equal in each stratum,"
            f" which tells nothing of the other {sample.unlabelled} rows"
        )
    if abs(skewness) > MOST_SKEWED:
        needed = len(sample.rows) * (skewness / MOST_SKEWED) ** 2
        return (
            f"not promised: the estimate's skewness is {skewness:.2f}, above"
            f" {MOST_SKEWED}; about {needed:.0f} labels would do"
        )
    return ""


def _equal_within(sample: Sample, column: Numbers) -> bool:
    """Whether no stratum with rows left has two labelled values (m,) that differ."""
    seen = ~np.isnan(column) & ~sample.rounds.whole[sample.strata]
    lowest = np.full(len(sample.rounds.whole), np.inf)
    highest = np.full(len(sample.rounds.whole), -np.inf)
    np.minimum.at(lowest, sample.strata[seen], column[seen])
    np.maximum.at(highest, sample.strata[seen], column[seen])
    return not (lowest < highest).any()
