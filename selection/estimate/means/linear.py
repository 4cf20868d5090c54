"""Statistics as means of terms, so that one formula estimates all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Mask
from gleann.selection.estimate.means.controls import Numbers
from gleann.selection.estimate.means.params import Statistic


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """Statistics as means: value = base + mean of the terms.

    Attributes:
        base: (J,) 0, or the average from the strata alone.
        terms: (m, J) the value, or its distance from that average over the share of
            rows that have one.
        defined: (J,) whether any row has a value.
    """

    base: Numbers
    terms: Numbers
    defined: Mask


def linear(
    values: Numbers,
    statistics: tuple[Statistic, ...],
    mean_of: Callable[[Numbers], Numbers],
) -> Linear:
    """The terms of labelled rows.

    Args:
        values: (m, J); NaN where an "avg" has no value.
        statistics: J of them.
        mean_of: estimates the means over all rows of other values (m, 2) of these rows.
    """
    terms = np.nan_to_num(values, nan=0.0)
    base = np.zeros(len(statistics))
    defined = np.ones(len(statistics), np.bool_)
    for number, statistic in enumerate(statistics):
        if statistic.kind != "avg":
            continue
        there = ~np.isnan(values[:, number])
        total, share = mean_of(np.column_stack([terms[:, number], there]))
        if not there.any() or share <= 0:
            defined[number] = False
            continue
        base[number] = total / share
        terms[:, number] = np.where(there, terms[:, number] - base[number], 0) / share
    return Linear(base=base, terms=terms, defined=defined)
