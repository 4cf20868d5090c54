"""Evidence from labelled rows that holds for any budget and any proxy.

Each row i has an unknown, fixed label and is drawn with the chance p_i. For any
numbers g_i with exp(g_i) > 1 - p_i, known before the draw, let

    x_i = log(1 + (exp(g_i) - 1) / p_i).

If rows are drawn independently, E exp(x_i Z_i - g_i) = 1 for each row (Z_i is 1 where
it is drawn), so over any set S of rows

    E exp(sum over drawn i in S of x_i - sum over i in S of g_i) = 1.

By Markov's inequality, the logarithm of that exceeds log(1 / alpha) with a probability
of at most alpha. Draws of a fixed number without replacement within blocks are
negatively associated (Joag-Dev and Proschan 1983), so within a block, where all g of S
have one sign, the expectation is at most 1. Nothing is asymptotic. Where no positive is
drawn, the bound that follows is the exact one of (1 - p)^m.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

LARGEST_GROWTH = 30.0
"""Growth of a row that is drawn with certainty, for which any is allowed."""

_BELOW = 1 - 1e-9


def gain(growth: Numbers | float, chances: Numbers | float) -> Numbers:
    """The x of the module's head for drawn rows; -inf where none may be.

    Args:
        growth: g, above 0 for rows whose count must be large and below 0 for those
            whose count must be small.
        chances: of being drawn, 0..1; where 0 nothing is drawn, and the result is 0.
    """
    given = np.asarray(chances, np.float64)
    safe = np.where(given > 0, given, 1.0)
    with np.errstate(divide="ignore"):
        found: Numbers = np.log1p(np.maximum(np.expm1(growth) / safe, -1.0))
    return np.where(given > 0, found, 0.0)


def largest_decline(chances: Numbers | float) -> Numbers:
    """The largest -growth of rows that are drawn with at least these chances."""
    given = np.asarray(chances, np.float64)
    certain = given >= 1
    found: Numbers = -np.log1p(-np.where(certain, 0.0, given)) * _BELOW
    return np.where(certain, LARGEST_GROWTH, np.minimum(found, LARGEST_GROWTH))
