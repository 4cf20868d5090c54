"""Sums and moments of labels by stratum, for one round or several."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.selection.estimate.stratified.strata import StratumNos

PerStratum: TypeAlias = NDArray[np.float64]
"""One number per stratum, (K,)."""

LARGEST_VALUE = 1e140
"""Sums of squares of as many values as there may be rows stay within float64."""

ODDS_LIMIT = 1e-6
NO_SPAN = 1e-9
"""Log odds closer together than this are taken for equal."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tally:
    """Sums over labelled rows, one entry per stratum.

    Attributes:
        labelled: rows labelled.
        positives: of those, rows for which the predicate holds.
        sums: of the value over positives.
        squares: of the squared value over positives.
    """

    labelled: PerStratum
    positives: PerStratum
    sums: PerStratum
    squares: PerStratum

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            labelled=self.labelled + other.labelled,
            positives=self.positives + other.positives,
            sums=self.sums + other.sums,
            squares=self.squares + other.squares,
        )

    def only(self, strata: NDArray[np.bool_]) -> "Tally":
        """The same without the labels of the other strata."""
        return Tally(
            labelled=np.where(strata, self.labelled, 0.0),
            positives=np.where(strata, self.positives, 0.0),
            sums=np.where(strata, self.sums, 0.0),
            squares=np.where(strata, self.squares, 0.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Labels of finished rounds (at least one) by stratum.

    Attributes:
        rounds: of each round, pilot first.
        values: of each stratum, the values of its labelled positives.
    """

    rounds: tuple[Tally, ...]
    values: tuple[PerStratum, ...]

    @property
    def total(self) -> Tally:
        """All rounds together."""
        return total(self.rounds)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Rates and moments of positives, shrunk so that no rate is 0 or 1 by chance.

    Attributes:
        rates: share of rows for which the predicate holds, by Jeffreys' prior.
        means: mean value over positives, shrunk by one positive to the `Trend`.
        mean_variances: sampling variance of `means`; shrunk, as one positive gives no
            variance.
        variances: of the value over positives, shrunk by one degree to the pooled one.
    """

    rates: PerStratum
    means: PerStratum
    mean_variances: PerStratum
    variances: PerStratum


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trend:
    """Expected mean value of each stratum, fitted to the positives of all strata.

    A line over the stratum numbers, by least squares weighted by positives, its slope
    shrunk by one positive. Positives with low proxies are rare; where the value
    correlates with the proxy, their mean is not that of all positives.

    Attributes:
        line: (K,).
        means: (K,) mean values, shrunk by one positive to the line.
        step: largest difference of `means` between adjacent strata: the error of the
            line in a stratum with few positives.
    """

    line: PerStratum
    means: PerStratum
    step: float


def tally(
    stratum_nos: StratumNos,
    positives: NDArray[np.bool_],
    values: PerStratum,
    *,
    strata: int,
) -> Tally:
    """Add up labelled rows by stratum.

    Args:
        stratum_nos: (m,) of the labelled rows.
        positives: (m,).
        values: (m,), read only where positive.
        strata: number of strata.
    """
    held = np.where(positives, values, 0.0)

    def added(weights: PerStratum) -> PerStratum:
        sums: PerStratum = np.zeros(strata)
        np.add.at(sums, stratum_nos, weights)
        return sums

    return Tally(
        labelled=added(np.ones(len(held))),
        positives=added(positives.astype(np.float64)),
        sums=added(held),
        squares=added(held * held),
    )


def gather(
    rounds: Sequence[tuple[StratumNos, NDArray[np.bool_], PerStratum]], *, strata: int
) -> Evidence:
    """Tally labelled rounds by stratum.

    Args:
        rounds: stratum numbers (m,), positives (m,) and values (m,) of each round.
        strata: number of strata.
    """
    tallies = tuple(
        tally(numbers, held, values, strata=strata) for numbers, held, values in rounds
    )
    numbers, held, values = (
        np.concatenate(column) for column in zip(*rounds, strict=True)
    )
    return Evidence(
        rounds=tallies,
        values=tuple(values[held & (numbers == k)] for k in range(strata)),
    )


def total(rounds: Sequence[Tally]) -> Tally:
    """The sum of at least one round."""
    return reduce(Tally.__add__, rounds)


def moments(counts: Tally) -> Moments:
    """Shrunken rates and moments of each stratum."""
    raw = counts.sums / np.where(counts.positives > 0, counts.positives, 1)
    trend = trend_of(counts)
    # Rounding can leave a sum of squares of deviations just below zero.
    deviations = np.maximum(counts.squares - counts.positives * raw**2, 0)
    degrees = np.maximum(counts.positives - 1, 0)
    pooled = pooled_variance(counts, deviations, degrees)
    return Moments(
        rates=(counts.positives + 0.5) / (counts.labelled + 1),
        means=trend.means,
        mean_variances=(pooled + trend.step**2) / (counts.positives + 1),
        variances=(deviations + pooled) / (degrees + 1),
    )


def trend_of(counts: Tally, *, places: PerStratum | None = None) -> Trend:
    """The line through the strata's mean values; 0 without a positive.

    Args:
        counts: labels of each stratum.
        places: (K,) of the strata on the line; None takes their numbers.
    """
    weights = counts.positives
    found = weights.sum()
    if not found:
        nothing = np.zeros(len(weights))
        return Trend(line=nothing, means=nothing, step=0.0)
    centre = counts.sums.sum() / found
    at = np.arange(len(weights), dtype=np.float64) if places is None else places
    x = at - (weights * at).sum() / found
    lift = (x * (counts.sums - weights * centre)).sum()
    line = centre + x * lift / ((weights * x * x).sum() + 1)
    means = (counts.sums + line) / (weights + 1)
    step = np.abs(np.diff(means[np.argsort(at, kind="stable")])).max(initial=0.0)
    return Trend(line=line, means=means, step=float(step))


def log_odds_places(proxy_means: PerStratum) -> PerStratum:
    """Places (K,) of strata by the log odds of their mean proxies, within 0 to K - 1.

    Equal ones, and proxies that are no probabilities throughout, go by number.
    """
    numbers = np.arange(len(proxy_means), dtype=np.float64)
    if (proxy_means < 0).any() or (proxy_means > 1).any():
        return numbers
    odds = log_odds(proxy_means)
    span = np.ptp(odds)
    return (odds - odds.min()) / span * numbers[-1] if span > NO_SPAN else numbers


def log_odds(rates: PerStratum) -> PerStratum:
    """Log odds of rates in 0..1, those of 0 and 1 cut to about -14 and 14."""
    inside = np.clip(rates, ODDS_LIMIT, 1 - ODDS_LIMIT)
    return np.log(inside / (1 - inside))


def pooled_variance(
    counts: Tally, deviations: PerStratum, degrees: PerStratum
) -> float:
    """Variance of the value within strata, or over all if no stratum has two."""
    if degrees.sum():
        return float(deviations.sum() / degrees.sum())
    # At most one positive per stratum: only the variance between strata is known.
    found = counts.positives.sum()
    if found < 2:
        return 0.0
    mean_of_all = counts.sums.sum() / found
    return float(max(counts.squares.sum() / found - mean_of_all**2, 0.0))
