"""Paired differences with their intervals: many concepts, few seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A mean difference.

    Attributes:
        mean: of all pairs.
        low, high: 95 % interval.
        pairs: how many.
    """

    mean: float
    low: float
    high: float
    pairs: int


def paired_gap(ours: ArrayLike, theirs: ArrayLike, *, seed: int = 0) -> Gap:
    """Mean of `theirs` - `ours`, with a bootstrap interval over concepts.

    Seeds of one concept are no independent draws of what is asked about, so whole
    concepts are resampled: the mean over seeds is taken first.

    Args:
        ours: (concepts, seeds).
        theirs: likewise, from the same seeds.
        seed: of the resampling.
    """
    by_concept = (np.asarray(theirs) - np.asarray(ours)).mean(axis=1)
    count = len(by_concept)
    rng = np.random.default_rng(seed)
    draws = by_concept[rng.integers(count, size=(RESAMPLES, count))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Gap(
        mean=float(by_concept.mean()),
        low=float(low),
        high=float(high),
        pairs=int(np.asarray(ours).size),
    )
