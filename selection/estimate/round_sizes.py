"""How many labels a width still needs, and those of the next round.

Every interval rule's width is taken to shrink as the standard error does.
"""

from collections.abc import Callable

import numpy as np

from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.stratified.allocate import spreads, topped_up
from gleann.selection.estimate.stratified.estimators import Design, row_factor
from gleann.selection.estimate.stratified.rates import drawing_moments
from gleann.selection.estimate.stratified.tally import Tally

FIRST_LABELS = 100
"""Labels of the first round where labelling stops at a width."""
LEAST_GROWTH = 0.05
"""Labels of a later round there, at least, as a share of the labels so far."""


def least_labels(
    width_of: Callable[[int], float], width: float, *, low: int, high: int
) -> int:
    """The least number in low..high whose width is at most `width`; else `high`."""
    while low < high:
        middle = (low + high) // 2
        if width_of(middle) <= width:
            high = middle
        else:
            low = middle + 1
    return high


def predicted_width(now: float, design: Design, counts: Tally, more: int) -> float:
    """Width after `more` labels of an interval that is `now` wide.

    Every interval rule's width is taken to shrink as the standard error does.

    Args:
        now: the width.
        design: of the session.
        counts: the labels so far.
        more: labels to come, at most the rows left.
    """
    seen = drawing_moments(counts, sizes=design.sizes)
    spread = spreads(seen, target=design.target, sizes=design.sizes)
    draws = topped_up(
        design.sizes * spread,
        before=counts.labelled,
        budget=more,
        room=(design.sizes - counts.labelled).astype(np.int64),
    )
    before = row_factor(counts.labelled, design.sizes) * spread**2
    after = row_factor(counts.labelled + draws, design.sizes) * spread**2
    if not before.sum():
        return 0.0
    return now * float((after.sum() / before.sum()) ** 0.5)


def more_labels(now: float, width: float, design: Design, counts: Tally) -> int:
    """Labels still needed to bring an interval from `now` to `width`."""
    if now <= width:
        return 0
    left = int((design.sizes - counts.labelled).sum())
    return least_labels(
        lambda more: predicted_width(now, design, counts, more), width, low=1, high=left
    )


def first_labels(params: EstimateParams, strata: int) -> int:
    """Labels of the first round where labelling stops at a width."""
    pilot = max(strata, round(params.first_share * params.budget))
    first = min(pilot, max(FIRST_LABELS, 10 * strata), params.budget)
    # A rest with less than a label a stratum is no round: totals would be biased.
    return params.budget if params.budget - first < strata else first


def round_labels(more: int | None, *, used: int, left: int, strata: int) -> int:
    """Labels of the next round where labelling stops at a width.

    As many as are needed by the plan, but no more than so far: a plan from few labels
    is uncertain. And some at least, so that rounds are not too many.

    Args:
        more: labels still needed; None if there is no interval yet.
        used: labels so far.
        left: labels of the budget that are left, at least 1.
        strata: number of strata.
    """
    least = max(strata, int(np.ceil(LEAST_GROWTH * used)))
    wanted = used if more is None else min(more, used)
    granted = min(max(wanted, least), left)
    # A rest too small for a round of its own is labelled now.
    return left if left - granted < strata else granted


def next_labels(
    params: EstimateParams,
    made: Estimate,
    design: Design,
    counts: Tally,
    *,
    left: int,
    strata: int,
) -> int:
    """Labels of the next round where labelling stops at a width.

    Args:
        params: of the session.
        made: the estimate so far.
        design: of the session.
        counts: the labels so far.
        left: labels of the budget that are left, at least 1.
        strata: most strata that the next round may have.
    """
    used = int(counts.labelled.sum())
    more = None
    if made.value is not None and made.low is not None and made.high is not None:
        aim = params.width_to_stop_at(made)
        more = more_labels(made.high - made.low, aim, design, counts) if aim else None
        if not more and aim:
            # Narrow, but by too few positives to stop.
            more = used // 2
    return round_labels(more, used=used, left=left, strata=strata)
