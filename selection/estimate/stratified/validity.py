"""When the interval of a sum or an average cannot be promised, and what would do.

The thresholds are calibrated on simulated estimates: `selection/DECISIONS.md` 31.
"""

import numpy as np

from gleann.selection.estimate.stratified.estimators import Design
from gleann.selection.estimate.stratified.polya import outlying_values, proxy_trend
from gleann.selection.estimate.stratified.tally import (
    Evidence,
    PerStratum,
    log_odds_places,
)

LEAST_POSITIVES = 20
"""Positives below which no interval of a sum or an average is promised."""

RESIDUAL_WEIGHT, LOGNORMAL_WEIGHT = 2.0, 13.0
"""Positives needed, over the cube of the skewness: of the values around their line, and
of a lognormal distribution where that fits better than a normal one."""

MOST_GROWTH = 1.2
"""Ratio of a stratum's mean value on an exponential curve to the largest one that its
interval allows for."""

SEEN_ENOUGH = 5
"""Positives of a stratum whose values need no curve to be foreseen."""

MOST_LOG_SPREAD = 4.0
"""Beyond which a lognormal distribution's skewness leaves the number range."""


def value_doubts(design: Design, evidence: Evidence) -> tuple[str, ...]:
    """The reason why the interval of a sum or an average is not promised, if any.

    None applies with a range of values: the interval then holds for any values inside
    it, and few positives make it wide.
    """
    if design.target == "count" or not evidence.total.positives.sum():
        return ()
    return doubts_of_values(
        design,
        evidence,
        values=np.concatenate(evidence.values),
        labels=int(evidence.total.labelled.sum()),
        positives=int(evidence.total.positives.sum()),
    )


def doubts_of_values(
    design: Design,
    evidence: Evidence,
    *,
    values: PerStratum,
    labels: int,
    positives: int,
) -> tuple[str, ...]:
    """`value_doubts` where several samples tell about the values.

    Args:
        design: of the sample that weighs most.
        evidence: of that sample, for the values' line over the proxies.
        values: (m,) of the positives of all samples.
        labels: of all samples.
        positives: of all samples.
    """
    if design.target == "count" or design.value_range is not None:
        return ()
    rows = int(design.sizes.sum())
    if positives < LEAST_POSITIVES:
        return (
            f"the interval is not valid: {positives} positives were drawn, it needs"
            f" {LEAST_POSITIVES};"
            f" {_enough(labels, LEAST_POSITIVES / positives, rows)}, or a value_range",
        )
    needed = positives_needed(design, evidence, values)
    if positives <= needed:
        return (
            "the interval is not valid: the values have a heavy tail, for which it"
            f" needs {_count_of(needed, rows)} positives, {positives} were drawn;"
            f" {_enough(labels, needed / positives, rows)}, or a value_range",
        )
    return _growth_doubts(design, evidence)


def positives_needed(design: Design, evidence: Evidence, values: PerStratum) -> float:
    """Positives for which the mean of such values is near enough to normal.

    As in Cochran's rule (1977, Sampling Techniques, 2.15) they grow with the skewness.
    It is that of what the line over the proxies leaves of the values. The tail of few
    values is mostly not among them; a lognormal distribution foresees it from the
    others.
    """
    line = proxy_trend(design, evidence).line
    off = np.concatenate([own - line[k] for k, own in enumerate(evidence.values)])
    return max(
        RESIDUAL_WEIGHT * abs(_skewness(off)) ** 3,
        LOGNORMAL_WEIGHT * _lognormal_skewness(values) ** 3,
    )


def _growth_doubts(design: Design, evidence: Evidence) -> tuple[str, ...]:
    """Doubts where values may grow faster than a line towards hardly seen strata."""
    seen = evidence.total
    foreseen = _on_a_curve(design, evidence)
    if foreseen is None:
        return ()
    allowed = outlying_values(design, evidence)
    largest = max(float(np.abs(own).max(initial=0)) for own in evidence.values)
    most = np.maximum(np.maximum(np.abs(allowed.least), np.abs(allowed.most)), largest)
    grown = (seen.positives < SEEN_ENOUGH) & (foreseen > MOST_GROWTH * most)
    if not grown.any():
        return ()
    strata = np.flatnonzero(grown)
    few = strata[seen.positives[strata].argmin()]
    labels, rows = int(seen.labelled.sum()), int(design.sizes.sum())
    times = SEEN_ENOUGH / max(float(seen.positives[few]), 0.5)
    return (
        f"the interval is not valid: values grow towards strata {strata.tolist()},"
        f" which show {int(seen.positives[few])} positives of the {SEEN_ENOUGH} that"
        f" would tell how far; {_enough(labels, times, rows)}, or a value_range",
    )


def _on_a_curve(design: Design, evidence: Evidence) -> PerStratum | None:
    """Sizes (K,) of the mean values on an exponential curve over the proxy's log odds.

    None for values on both sides of 0.
    """
    values = np.concatenate(evidence.values)
    if not _one_sided(values):
        return None
    places = log_odds_places(design.proxy_means)
    x = np.repeat(places, [len(own) for own in evidence.values])
    logs = np.log(np.abs(values))
    centre = x.mean()
    lift = ((x - centre) * logs).sum() / (((x - centre) ** 2).sum() + 1)
    return np.exp(np.minimum(logs.mean() + lift * (places - centre), 300.0))


def _skewness(values: PerStratum) -> float:
    off = values - values.mean()
    spread = float(np.sqrt((off**2).mean()))
    if spread <= 1e-12 * float(np.abs(values).max(initial=0.0)):
        return 0.0
    return float(((off / spread) ** 3).mean())


def _lognormal_skewness(values: PerStratum) -> float:
    """Skewness of a lognormal distribution, if it fits better than a normal one."""
    if not _one_sided(values):
        return 0.0
    sizes = np.abs(values)
    logs = np.log(sizes)
    spread, plain = float(logs.std(ddof=1)), float(sizes.std(ddof=1))
    if spread < 1e-9 or not plain or np.log(spread) + logs.mean() >= np.log(plain):
        return 0.0
    growth = float(np.exp(min(spread, MOST_LOG_SPREAD) ** 2))
    return (growth + 2) * (growth - 1) ** 0.5


def _one_sided(values: PerStratum) -> bool:
    return bool((values > 0).all() or (values < 0).all())


def _count_of(needed: float, rows: int) -> str:
    return f"{needed:.0f}" if needed < rows else f"more than {rows}"


def _enough(labels: int, times: float, rows: int) -> str:
    """How many labels would do, at the yield of those so far."""
    if labels * times >= rows:
        return f"all {rows} rows would have to be labelled"
    return f"about {int(np.ceil(labels * times))} labels would do"
