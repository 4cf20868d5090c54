"""How many labels a width will take: before the first label, and from labels so far.

Nothing here decides what is estimated. A plan says what the variance of the estimate
would be with so many labels, if rates were as assumed, and how many labels uniform
sampling would need, which is what a useless proxy would cost (`stratified.rates`).
"""

from dataclasses import dataclass, replace
from sys import float_info

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.index.tables.tabular import Record
from gleann.selection.among import AmongLike
from gleann.selection.checks import require_between
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.population import Population, count_of
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.round_sizes import (
    least_labels,
    more_labels,
)
from gleann.selection.estimate.stratified.allocate import spreads, topped_up
from gleann.selection.estimate.stratified.estimators import (
    Design,
    mixed_pilot_draws,
    row_factor,
)
from gleann.selection.estimate.stratified.intervals import row_variances
from gleann.selection.estimate.stratified.strata import STRATA_CUTS, Proxy
from gleann.selection.estimate.stratified.tally import Moments, PerStratum, Tally

GUESS = 2.0
"""Factor by which a prevalence may be off within the range of a plan."""
FALLBACK = 1.05
"""Labels that a useless proxy costs, in those of uniform sampling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan(Record):
    """How many labels an interval of some width will take.

    Attributes:
        width: of the interval, in the unit of the target.
        labels: expected labels in all, those so far among them; the number of rows if
            nothing less will do.
        low: the same where the assumptions err to the good side.
        high: the same where they err to the bad side, or the proxy is useless.
        uniform_labels: what a uniform sample needs.
        labels_used: so far.
        assumptions: what the numbers rest on, each a sentence.
    """

    width: float
    labels: int
    low: int
    high: int
    uniform_labels: int
    labels_used: int = 0
    assumptions: tuple[str, ...] = ()

    @property
    def more(self) -> int:
        """Labels still to come."""
        return max(self.labels - self.labels_used, 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assumed:
    """A population as a plan assumes it.

    Attributes:
        sizes: (K,) rows of each stratum.
        rates: (K,) of positives.
        mean: of the value over positives.
        deviation: of the value over positives.
        params: of the estimate.
    """

    sizes: PerStratum
    rates: PerStratum
    mean: float
    deviation: float
    params: EstimateParams

    @property
    def rows(self) -> float:
        """Of all strata."""
        return float(self.sizes.sum())

    @property
    def count(self) -> float:
        """Positives of all strata."""
        return float((self.sizes * self.rates).sum())

    @property
    def truth(self) -> float:
        """The number that would be estimated."""
        target = self.params.statistic
        if target == "avg":
            return self.mean
        return self.count * (self.mean if target == "sum" else 1.0)

    def uniform_labels(self, width: float) -> int:
        """Labels that uniform sampling needs for an interval of this width."""
        rate, rows = self.count / self.rows, self.rows
        quantile = _quantile(self.params.confidence)
        of_a_row = rate * (1 - rate)
        scale = rows
        if self.params.statistic == "sum":
            of_a_row = rate * self.deviation**2 + of_a_row * self.mean**2
        if self.params.statistic == "avg":
            of_a_row, scale = rate * self.deviation**2, 1 / rate
        need = of_a_row * (2 * quantile * scale / width) ** 2
        return int(min(np.ceil(need / (1 + need / rows)), rows))

    def width(self, labels: int) -> float:
        """Expected width of the interval from so many labels, half a positive doubted.

        The draws are those of an adaptive pilot and of later rounds that even them out.
        """
        # There may be fewer strata than were asked for, and labels for these only.
        strata = len(self.sizes)
        sized = replace(self.params, budget=labels, strata=strata)
        pilot = sized.round_budgets(strata)[0]
        design = Design(
            sizes=self.sizes,
            proxy_means=self.rates,
            round_budgets=(pilot, max(labels - pilot, 0)),
            target=self.params.statistic,
            floor=self.params.floor,
        )
        first = mixed_pilot_draws(design)
        seen = self._moments(first.astype(np.float64))
        spread = spreads(seen, target=self.params.statistic, sizes=self.sizes)
        later = topped_up(
            self.sizes * spread,
            before=first.astype(np.float64),
            budget=labels - int(first.sum()),
            room=self.sizes.astype(np.int64) - first,
        )
        drawn = (first + later).astype(np.float64)
        seen = self._moments(drawn)
        of_a_row = row_variances(seen, target=self.params.statistic, average=self.mean)
        variance = float((row_factor(drawn, self.sizes) * of_a_row).sum())
        scale = self.count if self.params.statistic == "avg" else 1.0
        plain = 2 * _quantile(self.params.confidence) * variance**0.5 / scale
        return plain * self.widened(labels)

    def widened(self, labels: int) -> float:
        """Width of the last interval, in that of a single look with these labels.

        More than 1 for `anytime`, and for a union bound over the rounds.
        """
        sized = replace(self.params, budget=labels, strata=len(self.sizes))
        budgets = sized.round_budgets(len(self.sizes))
        last = sized.precision(len(budgets), drawn=budgets)
        return _quantile(last.confidence_each) / _quantile(last.confidence)

    def _moments(self, drawn: PerStratum) -> Moments:
        ones, positives = np.ones_like(self.sizes), drawn * self.rates
        return Moments(
            rates=(positives + 0.5) / (drawn + 1),
            means=self.mean * ones,
            mean_variances=self.deviation**2 / (positives + 1),
            variances=self.deviation**2 * ones,
        )

    def labels(self, width: float) -> int:
        """Fewest labels whose expected interval is at most this wide."""
        rows = int(self.rows)
        least = min(self.params.strata, rows)
        return least_labels(self.width, width, low=least, high=rows)


def plan_labels(  # noqa: PLR0913 (a width, and what is assumed)
    proxy: ArrayLike,
    params: EstimateParams,
    *,
    width: float | None = None,
    relative_width: float | None = None,
    prevalence: float | None = None,
    mean: float = 1.0,
    deviation: float = 1.0,
    among: AmongLike | None = None,
) -> LabelPlan:
    """Labels that an interval of some width will take, before the first label.

    Args:
        proxy: (n,) cheap scores, as for `EstimateSession.start`.
        params: of the estimate; its budget is not read.
        width: of the interval, in the unit of the target; or give `relative_width`.
        relative_width: the same as a share of the estimate.
        prevalence: guessed share of positive rows; None takes the mean proxy, which
            must lie in 0..1.
        mean: guessed mean value of positives, for a sum or a relative width.
        deviation: guessed standard deviation of it, for an average or a sum.
        among: rows of the population, or a mask (n,) of them; None for all.

    Raises:
        InvalidInputError: proxies that are not finite, or below 0 under "sqrt_mass".
        InvalidParamsError: no width or two, or a prevalence outside 0..1.
    """
    require_one_width(width, relative_width)
    require_between("mean", mean, low=-float_info.max, high=float_info.max)
    require_between("deviation", deviation, low=0, high=float_info.max)
    scores = Population.of(None, among, n=count_of(proxy)).proxy(proxy)
    rate = _prevalence(scores, prevalence)
    notes = [_prevalence_note(rate, guessed=prevalence is not None)]
    if params.statistic != "count":
        notes.append(f"values of mean {mean:g} and deviation {deviation:g} (a guess)")
    likely, *others = [
        _needs(
            _assumed(
                scores, params, prevalence=rate * factor, mean=mean, deviation=deviation
            ),
            width=width,
            relative_width=relative_width,
        )
        for factor in (1.0, 1 / GUESS, GUESS)
        if rate * factor < 1
    ]
    worst = max(max(one.labels, one.useless) for one in (likely, *others))
    return LabelPlan(
        width=likely.width,
        labels=likely.labels,
        low=min(one.labels for one in (likely, *others)),
        high=min(worst, len(scores)),
        uniform_labels=likely.uniform_labels,
        assumptions=(
            *notes,
            "each stratum's rate follows its mean proxy (a calibrated proxy)",
            f"low to high: a prevalence {GUESS:g} times off either way, and a proxy"
            " from calibrated to useless, where draws fall back to uniform sampling",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needs:
    """Labels for one width of one assumed population; as `LabelPlan`.

    Attributes:
        useless: labels where the proxy says nothing.
    """

    width: float
    labels: int
    uniform_labels: int
    useless: int


def _needs(
    assumed: Assumed, *, width: float | None, relative_width: float | None
) -> _Needs:
    # Of a count the population knows positives, of its share a part of the rows.
    unit = assumed.rows if assumed.params.target == "share" else 1.0
    aim = (
        (relative_width or 0.0) * abs(assumed.truth) if width is None else width * unit
    )
    labels = assumed.labels(aim)
    alone = assumed.uniform_labels(aim / assumed.widened(labels))
    return _Needs(
        width=aim / unit,
        labels=labels,
        uniform_labels=assumed.uniform_labels(aim),
        useless=int(FALLBACK * alone),
    )


def require_one_width(width: float | None, relative_width: float | None) -> None:
    """Refuse no width, two, or one that is not above 0.

    Raises:
        InvalidParamsError: naming them.
    """
    if (width is None) == (relative_width is None):
        raise InvalidParamsError(
            f"give width or relative_width, one of them, got {width} and"
            f" {relative_width}"
        )
    name = "width" if relative_width is None else "relative_width"
    given = width if relative_width is None else relative_width
    require_between(name, given, low=0, high=float_info.max)
    if not given:
        raise InvalidParamsError(f"{name} must be a finite number above 0, got {given}")


def plan_from(
    made: Estimate,
    design: Design,
    counts: Tally,
    *,
    width: float | None,
    relative_width: float | None,
) -> LabelPlan:
    """The plan from the labels so far.

    Args:
        made: the estimate from them.
        design: of the session.
        counts: the labels so far.
        width: of the interval, in the unit of the target; or
        relative_width: the same as a share of the estimate.

    Raises:
        InvalidParamsError: no width or two.
        NotReadyError: the labels gave no interval.
    """
    require_one_width(width, relative_width)
    if made.value is None or made.low is None or made.high is None:
        raise NotReadyError(
            f"{made.labels_used} labels with {made.positives} positive gave no interval"
            " to plan by"
        )
    aim = width if width is not None else (relative_width or 0.0) * abs(made.value)
    used, now = int(counts.labelled.sum()), made.high - made.low
    rows = int(design.sizes.sum())
    # The width itself is known as well as the positives that it rests on.
    doubt = 1 / max(made.positives, 1) ** 0.5
    low, labels, high = (
        used + more_labels(now * factor, aim, design, counts)
        for factor in (1 / (1 + doubt), 1.0, 1 + doubt)
    )
    uniform = labels
    if made.uniform_width:
        of_one = made.uniform_width**2 / max(1 / used - 1 / rows, 1e-12)
        uniform = int(min(np.ceil(1 / (aim**2 / of_one + 1 / rows)), rows))
    return LabelPlan(
        width=aim,
        labels=labels,
        low=low,
        high=high,
        uniform_labels=uniform,
        labels_used=used,
        assumptions=(
            f"rates from {used} labels, {made.positives} positive",
            "low to high: one standard error of the width either way",
        ),
    )


def _assumed(
    scores: Proxy,
    params: EstimateParams,
    *,
    prevalence: float,
    mean: float,
    deviation: float,
) -> Assumed:
    """Rates in proportion to mean proxies, so that they have this prevalence."""
    numbers = STRATA_CUTS[params.strata_cut](scores, strata=params.strata)
    if scores.min() == scores.max():
        numbers = np.zeros(len(scores), np.int64)
    sizes = np.bincount(numbers).astype(np.float64)
    shape = np.bincount(numbers, weights=scores - min(scores.min(), 0.0)) / sizes
    if not shape.sum():
        shape = np.ones_like(sizes)
    return Assumed(
        sizes=sizes,
        rates=_scaled(shape, sizes, prevalence=prevalence),
        mean=mean,
        deviation=deviation,
        params=params,
    )


def _scaled(shape: PerStratum, sizes: PerStratum, *, prevalence: float) -> PerStratum:
    """`shape` times a factor, capped at 1, with this mean over all rows."""
    wanted = prevalence * sizes.sum()
    rates = np.zeros_like(shape)
    for _ in range(len(shape)):
        full = rates >= 1
        rest = float((sizes * shape)[~full].sum())
        if rest <= 0:
            break
        factor = (wanted - sizes[full].sum()) / rest
        rates = np.where(full, 1.0, np.minimum(factor * shape, 1.0))
    return rates


def _prevalence(scores: Proxy, guessed: float | None) -> float:
    if guessed is not None:
        require_between("prevalence", guessed, low=0, high=1)
        if not 0 < guessed < 1:
            raise InvalidParamsError(
                f"prevalence must lie between 0 and 1, got {guessed}"
            )
        return guessed
    rate = float(scores.mean())
    if scores.min() < 0 or scores.max() > 1 or not 0 < rate < 1:
        raise InvalidParamsError(
            "proxies outside 0..1 are no probabilities, so give a prevalence: they are"
            f" in {scores.min():g}..{scores.max():g}"
        )
    return rate


def _prevalence_note(rate: float, *, guessed: bool) -> str:
    source = "a guess" if guessed else "the mean proxy"
    return f"{rate:.3g} of the rows are positive ({source})"


def _quantile(confidence: float) -> float:
    return float(ndtri(0.5 + confidence / 2))
