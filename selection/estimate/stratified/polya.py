"""Interval from the Pólya posterior: what the rows without a label may add.

Labelled rows of a stratum stand for the others as in a Pólya urn (Ghosh and Meeden
1997, Bayesian Methods for Finite Population Sampling): the rows left have Dirichlet
shares of the labelled ones. Its first three moments are known in closed form, so no
resample is drawn. For a count this is the beta-binomial distribution of Jeffreys'
interval.

Against the end that is sought each stratum has half a labelled row more, with an
outlying value: 0 or 1 for a count, as in Jeffreys' interval. With a range of values it
is a whole row at the end of the range, as in the bound of Gaffke (2005), which for
zeros and ones is that of Clopper and Pearson (1934).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammaincinv, ndtr, ndtri, stdtrit

from gleann.selection.estimate.stratified.estimators import Design, Totals
from gleann.selection.estimate.stratified.intervals import Interval, point_estimate
from gleann.selection.estimate.stratified.tally import (
    Evidence,
    PerStratum,
    Trend,
    log_odds_places,
    pooled_variance,
    trend_of,
)

HALF_ROW, WHOLE_ROW = 0.5, 1.0
NODES = 24
"""Of the sum over the most skewed stratum."""

END_PRECISION = 1e-5
"""Of an end: over the range of values, or over the standard deviation of a total."""

NEARLY_NORMAL = 0.02
"""Skewness below which a gamma distribution is taken for a normal one."""

Powers: TypeAlias = tuple[PerStratum, PerStratum, PerStratum, PerStratum]
"""Number of labelled positives, and sums of the first three powers of their values."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlying:
    """The labelled row that each stratum is given against an end of the interval.

    Attributes:
        rows: (K,) how many rows it counts as.
        least: (K,) its value for the lower end.
        most: (K,) its value for the upper end.
    """

    rows: PerStratum
    least: PerStratum
    most: PerStratum

    def over(self, centre: float, unit: float) -> "Outlying":
        """The same, measured from a centre in another unit."""
        return replace(
            self, least=(self.least - centre) / unit, most=(self.most - centre) / unit
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cumulants:
    """Mean, variance and third central moment of each stratum's total, (K,)."""

    means: PerStratum
    variances: PerStratum
    thirds: PerStratum


def polya_interval(
    design: Design,
    found: Totals,
    evidence: Evidence,
    confidence: float,
    _: np.random.Generator,
) -> Interval:
    """Interval from the Pólya posterior within strata.

    An average `a` lies inside while the sum of `value - a` over positives may be 0.

    Args:
        design: of the session.
        found: totals of each stratum.
        evidence: the labels, with at least two positives unless the target is a count.
        confidence: of the interval.
    """
    value = point_estimate(found, target=design.target)
    tail = (1 - confidence) / 2
    posterior = _Posterior(
        design,
        found,
        evidence,
        centre=value,
        widening=_students_share(design, evidence, tail=tail),
    )
    if design.target == "avg":
        low, high = posterior.average_ends(tail)
    else:
        low, high = posterior.total_ends(tail)
    return Interval(value=value, low=min(low, value), high=max(high, value))


def estimate_skewness(design: Design, found: Totals, evidence: Evidence) -> float:
    """Skewness of the estimate by the posterior, the larger of both ends'.

    For an average that of the sum of what deviates from it.
    """
    centre = point_estimate(found, target=design.target)
    posterior = _Posterior(design, found, evidence, centre=centre)
    skews = [posterior.skewness(upper=upper) for upper in (False, True)]
    return max(skews, key=abs)


def assumed_values(design: Design, evidence: Evidence) -> tuple[float, float]:
    """Least and greatest value that the interval of a sum or an average allows for."""
    if design.value_range is not None:
        return design.value_range
    beyond = outlying_values(design, evidence)
    seen = np.concatenate(evidence.values)
    return (
        float(min(seen.min(), beyond.least.min())),
        float(max(seen.max(), beyond.most.max())),
    )


class _Posterior:
    """Distribution of a target over all rows, values measured from `centre`."""

    def __init__(
        self,
        design: Design,
        found: Totals,
        evidence: Evidence,
        *,
        centre: float,
        widening: float = 1.0,
    ) -> None:
        seen = evidence.total
        self._found = found
        self._counting = design.target == "count"
        self._labelled = seen.labelled
        self._left = design.sizes - seen.labelled
        self._stretch = stretch_of(design, found, seen.labelled)
        self._spread = self._stretch * widening
        # Only an average is measured from itself; what is centred rounds less.
        self._centre = centre if design.target == "avg" else 0.0
        self._unit = unit = 1.0
        self._doubt = none = np.zeros_like(self._left)
        self._powers = _powers_of_counts(evidence)
        rows = design.row_shares + none
        if self._counting:
            self._outlying = Outlying(rows=HALF_ROW * rows, least=none, most=none + 1)
            return
        low, high = assumed_values(design, evidence)
        # The third power of a value may leave the number range.
        self._unit = unit = max(high - self._centre, self._centre - low) or 1.0
        self._range = ((low - self._centre) / unit, (high - self._centre) / unit)
        self._powers = _powers(evidence, self._centre, unit)
        if design.value_range is not None:
            least, most = self._range
            self._outlying = Outlying(
                rows=WHOLE_ROW * rows, least=none + least, most=none + most
            )
            return
        self._outlying = outlying_values(design, evidence).over(self._centre, unit)
        self._doubt = _smoothing(evidence) / unit**2

    def average_ends(self, tail: float) -> tuple[float, float]:
        """Ends of the average, each missed with probability `tail`."""
        least, most = self._range
        if not self._cumulants(0.0, upper=True).variances.any():
            return self._centre, self._centre

        def short(a: float, chance: float, *, upper: bool) -> float:
            return _chance_below(self._cumulants(a, upper=upper), 0.0) - chance

        low, high = least, most
        if short(least, tail, upper=False) < 0 < short(most, tail, upper=False):
            low = _root(lambda a: short(a, tail, upper=False), least, most)
        if short(least, 1 - tail, upper=True) < 0 < short(most, 1 - tail, upper=True):
            high = _root(lambda a: short(a, 1 - tail, upper=True), least, most)
        return self._centre + self._unit * low, self._centre + self._unit * high

    def total_ends(self, tail: float) -> tuple[float, float]:
        """Ends of the count or the sum, each missed with probability `tail`."""
        low = _quantile(self._cumulants(0.0, upper=False), tail)
        high = _quantile(self._cumulants(0.0, upper=True), 1 - tail)
        return self._unit * low, self._unit * high

    def skewness(self, *, upper: bool) -> float:
        """Of the estimate, with the row against one end."""
        total = self._cumulants(0.0, upper=upper)
        variance = float(total.variances.sum())
        return float(total.thirds.sum()) / variance**1.5 if variance else 0.0

    def _cumulants(self, a: float, *, upper: bool) -> Cumulants:
        """Of the sum of `value - a`, measured from the centre, over all positives."""
        n, ones, twos, threes = self._labelled, *self._sums_of(a)
        rows = self._outlying.rows
        outlier = self._outlier(a, upper=upper)
        whole = n + rows
        mean = (ones + rows * outlier) / whole
        square = (twos + rows * outlier**2) / whole
        cube = (threes + rows * outlier**3) / whole
        left, reach = self._left, whole + self._left
        spread = np.maximum(square - mean**2, 0) * left * reach / (whole + 1)
        third = (cube - 3 * mean * square + 2 * mean**3) * left * reach
        third *= (whole + 2 * left) / ((whole + 1) * (whole + 2))
        moved = self._stretch * left * (mean - ones / np.maximum(n, 1))
        return Cumulants(
            means=self._totals(a) + moved,
            variances=self._spread**2 * spread,
            thirds=self._spread**3 * third,
        )

    def _sums_of(self, a: float) -> tuple[PerStratum, PerStratum, PerStratum]:
        """Sums (K,) of the first three powers of what a labelled row contributes."""
        zero, one, two, three = self._powers
        if not a:
            mean = one / np.maximum(zero, 1)
            return one, two + self._doubt, three + 3 * mean * self._doubt
        mean = one / np.maximum(zero, 1) - a
        return (
            one - a * zero,
            two - 2 * a * one + a * a * zero + self._doubt,
            three
            - 3 * a * two
            + 3 * a * a * one
            - a**3 * zero
            + 3 * mean * self._doubt,
        )

    def _outlier(self, a: float, *, upper: bool) -> PerStratum:
        """What the row against an end contributes: nothing unless it is outward."""
        if upper:
            return np.maximum(self._outlying.most - a, 0.0)
        return np.minimum(self._outlying.least - a, 0.0)

    def _totals(self, a: float) -> PerStratum:
        """Estimates (K,) of the sum of `value - a`; known rows join the first."""
        known = self._found.known
        if self._counting:
            totals, before = self._found.counts, known.positives
        else:
            shift = self._centre + self._unit * a
            totals = (self._found.sums - shift * self._found.counts) / self._unit
            before = (known.total - shift * known.positives) / self._unit
        totals = totals.copy()
        totals[0] += before
        return totals


def _students_share(design: Design, evidence: Evidence, *, tail: float) -> float:
    """Student's quantile over the normal one: B positives tell a variance to B - 1.

    A count's variance is known from its rate, and a range of values needs none.
    """
    if design.target == "count" or design.value_range is not None:
        return 1.0
    degrees = max(float(evidence.total.positives.sum()) - 1, 1.0)
    return float(stdtrit(degrees, 1 - tail) / ndtri(1 - tail))


def stretch_of(design: Design, found: Totals, labelled: PerStratum) -> PerStratum:
    """Spread (K,) of our total over that of the pooled labels."""
    left = design.sizes - labelled
    pooled = design.sizes * left / np.maximum(labelled, 1)
    ratio = np.divide(
        found.spread_factors, pooled, out=np.ones_like(pooled), where=pooled > 0
    )
    stretched: PerStratum = np.sqrt(ratio)
    return stretched


def _powers_of_counts(evidence: Evidence) -> Powers:
    ones = evidence.total.positives
    return ones, ones, ones, ones


def _powers(evidence: Evidence, centre: float, unit: float) -> Powers:
    values = [(own - centre) / unit for own in evidence.values]
    zero, one, two, three = (
        np.array([(own**power).sum() for own in values]) for power in range(4)
    )
    return zero, one, two, three


def outlying_values(design: Design, evidence: Evidence) -> Outlying:
    """Half a positive a stratum, one standard deviation of a prediction off the trend.

    The prediction is the line of the values over the proxy's log odds; it is off by
    the spread around it and by the largest step between neighbouring strata.
    """
    trend = proxy_trend(design, evidence)
    off = [own - trend.line[k] for k, own in enumerate(evidence.values)]
    residuals = np.concatenate(off)
    degrees = max(len(residuals) - 2, 1)
    reach = float(np.sqrt((residuals**2).sum() / degrees + trend.step**2))
    return Outlying(
        rows=HALF_ROW * design.row_shares,
        least=trend.line - reach,
        most=trend.line + reach,
    )


def proxy_trend(design: Design, evidence: Evidence) -> Trend:
    """The strata's mean values on a line over the log odds of their mean proxies."""
    return trend_of(evidence.total, places=log_odds_places(design.proxy_means))


def _smoothing(evidence: Evidence) -> PerStratum:
    """What shrinking variances to the pooled one adds to sums of squares, (K,)."""
    counts = evidence.total
    found = counts.positives
    raw = counts.sums / np.maximum(found, 1)
    deviations = np.maximum(counts.squares - found * raw**2, 0)
    degrees = np.maximum(found - 1, 0)
    pooled = pooled_variance(counts, deviations, degrees)
    shrunk = (deviations + pooled) / (degrees + 1)
    return np.where(found > 0, found * shrunk - deviations, 0.0)


def _chance_below(total: Cumulants, at: float) -> float:
    """Probability that the total over all strata is at most `at`.

    The most skewed stratum and the others together are two gamma distributions with
    the right moments; a single one for all has too short a tail on the short side.
    """
    far = int(np.argmax(np.abs(total.thirds)))
    whole = float(total.variances.sum())
    y = at - float(total.means.sum())
    if not whole:
        return float(y >= 0)
    own, third = float(total.variances[far]), float(total.thirds[far])
    rest = whole - own
    others = float(total.thirds.sum()) - third
    if rest < 1e-6 * whole or not third:
        return float(_gamma_below(np.array([y]), whole, third + others)[0])
    nodes, weights = _nodes()
    steps = _gamma_quantiles(nodes, own, third)
    return float(weights @ _gamma_below(y - steps, rest, others))


def _quantile(total: Cumulants, chance: float) -> float:
    """Value that the total over all strata is below with probability `chance`."""
    mean, spread = float(total.means.sum()), float(np.sqrt(total.variances.sum()))
    if not spread:
        return mean
    skew = abs(float(total.thirds.sum())) / spread**3
    far = spread * (abs(float(ndtri(chance))) + 2) ** 2 * (1 + skew)
    return _root(
        lambda x: _chance_below(total, x) - chance,
        mean - far,
        mean + far,
        precision=END_PRECISION * spread,
    )


def _root(
    function: Callable[[float], float],
    low: float,
    high: float,
    *,
    precision: float = END_PRECISION,
) -> float:
    # Imported here: with scipy.sparse it takes a third of a second.
    from scipy.optimize import brentq

    found: float = brentq(function, low, high, xtol=precision)
    return found


@cache
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss and Legendre's nodes and weights on 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return (nodes + 1) / 2, weights / 2


def _gamma_quantiles(
    chances: NDArray[np.float64], variance: float, third: float
) -> NDArray[np.float64]:
    """Quantiles of a centred gamma distribution, in either order of `chances`."""
    spread = variance**0.5
    skew = third / spread**3
    if abs(skew) < NEARLY_NORMAL:
        return spread * np.asarray(ndtri(chances))
    shape = 4 / skew**2
    steps = (gammaincinv(shape, chances) - shape) / shape**0.5
    quantiles: NDArray[np.float64] = spread * np.sign(skew) * steps
    return quantiles


def _gamma_below(
    y: NDArray[np.float64], variance: float, third: float
) -> NDArray[np.float64]:
    """Probability that a centred gamma distribution is at most `y`."""
    scaled = y / variance**0.5
    skew = third / variance**1.5
    if abs(skew) < NEARLY_NORMAL:
        return np.asarray(ndtr(scaled))
    shape = 4 / skew**2
    at = np.maximum(shape + np.sign(skew) * scaled * shape**0.5, 0.0)
    below: NDArray[np.float64] = (gammainc if skew > 0 else gammaincc)(shape, at)
    return below
