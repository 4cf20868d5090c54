"""Exact bounds for the rest of a batch, of which a uniform part was audited.

If the audited rows are a uniform draw from the batch, all ways to divide the batch are
equally likely, so these laws are exact for any batch and any size of the audit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.checks import require_between, require_count


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceBound:
    """What an audit says about the rows of a batch that it did not look at.

    Attributes:
        batch: rows of the batch.
        audited: of them.
        failed: audited rows that fail.
        at_most: with `confidence`, no more of the other rows fail.
        confidence: of the bound, over the draw of the audit.
    """

    batch: int
    audited: int
    failed: int
    at_most: int
    confidence: float

    @property
    def rest(self) -> int:
        """Rows that were not audited."""
        return self.batch - self.audited

    @property
    def share_at_most(self) -> float:
        """The bound as a share of the rest, 0..1; 0 where all rows were audited."""
        return self.at_most / self.rest if self.rest else 0.0

    @property
    def batch_share_at_most(self) -> float:
        """Bound on the share of failures in the whole batch, audited rows included."""
        return (self.failed + self.at_most) / self.batch


def require_confidence(confidence: float) -> None:
    """Refuse a confidence outside (0, 1).

    Raises:
        InvalidParamsError: with the value.
    """
    require_between("confidence", confidence, low=0, high=1)
    if not 0 < confidence < 1:
        raise InvalidParamsError(f"confidence must lie between 0 and 1: {confidence}")


def failures_bound(
    *, batch: int, audited: int, failed: int, confidence: float = 0.95
) -> AcceptanceBound:
    """Bound the failures among the rows of a batch that were not audited.

    The largest number K of failures in the batch with which as few as `failed` among
    the audited are not too unlikely: hypergeometric, by bisection.

    Args:
        batch: rows of the batch.
        audited: rows drawn uniformly from the batch, without replacement.
        failed: of the audited.
        confidence: of the bound.

    Raises:
        InvalidParamsError: counts below 0 or 1 or above each other, or a confidence
            outside (0, 1).
    """
    require_count("audited", audited)
    require_count("failed", failed, at_least=0)
    require_confidence(confidence)
    if not failed <= audited <= batch:
        raise InvalidParamsError(
            f"must rise: {failed} failed, {audited} audited, {batch} in the batch"
        )
    low, high = failed, batch - (audited - failed)
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeom.cdf(failed, batch, middle, audited) >= 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return AcceptanceBound(
        batch=batch,
        audited=audited,
        failed=failed,
        at_most=low - failed,
        confidence=confidence,
    )


def quantile_bound(
    scores: NDArray[np.float64],
    *,
    rest: int,
    quantile: float = 0.5,
    confidence: float = 0.95,
) -> float:
    """A score that the `quantile` of the rows not audited is no lower than.

    Of m such rows, those below the r-th lowest audited score have a negative
    hypergeometric law, whatever the scores. The largest r is taken for which, with the
    confidence, fewer than ceil(quantile * m) lie below it. Ties make the bound hold
    more often. For an upper bound, negate the scores and take 1 - quantile.

    Args:
        scores: (n,) of the audited rows, a uniform draw from the batch.
        rest: m, rows of the batch that were not audited, at least 1.
        quantile: above 0, up to 1; 0.5 is the median, its lower one if there are two.
        confidence: of the bound.

    Returns:
        The bound; -inf where so few scores promise nothing.

    Raises:
        InvalidInputError: no scores.
        InvalidParamsError: a number out of range.
    """
    require_count("rest", rest)
    require_between("quantile", quantile, low=0, high=1)
    require_confidence(confidence)
    if not len(scores):
        raise InvalidInputError("scores must have at least 1 entry, got 0")
    # A hair less, so that a tenth of 30 is the 3 it stands for.
    below = max(int(np.ceil(quantile * rest - 1e-9)), 1) - 1
    ranks = np.arange(1, len(scores) + 1)
    # In a random order of all, at most `below` of the rest come before the r-th audited
    # one where the first r + below rows have r audited ones.
    chances = hypergeom.sf(ranks - 1, len(scores) + rest, len(scores), ranks + below)
    good = np.flatnonzero(chances >= confidence)
    return float(np.sort(scores)[good[-1]]) if good.size else -np.inf
