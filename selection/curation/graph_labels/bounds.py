"""How many rows each class gets at most: checked shares, and bounds from counts."""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.nouns import number_of
from gleann.selection.checks import as_costs, as_scores, require_between

SUM_TOLERANCE = 1e-6
"""How far shares may be from a sum of one."""


def as_shares(values: ArrayLike, *, classes: int) -> NDArray[np.float64]:
    """Class shares (c,) that sum to one.

    Raises:
        InvalidInputError: one below 0, or a sum that is off by more than 1e-6.
        DimensionMismatchError: not c of them.
    """
    shares = _of_classes(values, classes=classes, name="shares")
    if abs(total := float(shares.sum()) - 1) > SUM_TOLERANCE:
        raise InvalidInputError(
            f"shares of {number_of(classes, 'classes')} sum to {total + 1:.6g}, not to"
            " 1: give upper_bounds where they are no more than bounds"
        )
    return shares / shares.sum()


def as_upper_bounds(
    values: ArrayLike, *, classes: int, share: float
) -> NDArray[np.float64]:
    """Upper bounds (c,) of the class shares, enough for `share` of the rows.

    Raises:
        InvalidInputError: one below 0 or above 1, or a sum below `share`.
        DimensionMismatchError: not c of them.
    """
    bounds = _of_classes(values, classes=classes, name="upper_bounds")
    if (largest := float(bounds.max())) > 1:
        raise InvalidInputError(f"upper_bounds must be at most 1, got {largest:g}")
    if (total := float(bounds.sum())) < share - SUM_TOLERANCE:
        raise InvalidInputError(
            f"upper_bounds sum to {total:.6g}, but {share:g} of the rows are to be"
            " labelled: raise the bounds, or lower the share"
        )
    return bounds


def wilson_upper_bounds(
    counts: ArrayLike, *, confidence: float = 0.95
) -> NDArray[np.float64]:
    """Upper ends (c,) of Wilson's score intervals of the class shares.

    Args:
        counts: (c,) labelled rows of each class, drawn at random.
        confidence: of each one-sided bound.

    Raises:
        InvalidInputError: a count below 0, or no label at all.
        InvalidParamsError: confidence outside 0.5..1.
    """
    require_between("confidence", confidence, low=0.5, high=1 - 1e-12)
    seen = as_costs(counts, n=np.size(counts), name="counts")
    total = float(seen.sum())
    if not total:
        raise InvalidInputError(f"counts of {number_of(len(seen), 'classes')} sum to 0")
    z = NormalDist().inv_cdf(confidence)
    share = seen / total
    spread = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    upper: NDArray[np.float64] = (share + z**2 / (2 * total) + spread) / (
        1 + z**2 / total
    )
    return np.minimum(upper, 1.0)


def _of_classes(values: ArrayLike, *, classes: int, name: str) -> NDArray[np.float64]:
    shares = as_scores(values, name=name)
    if len(shares) != classes:
        raise DimensionMismatchError(
            f"{name} has {number_of(len(shares), 'entries')} for"
            f" {number_of(classes, 'classes')}"
        )
    if (lowest := float(shares.min())) < 0:
        raise InvalidInputError(f"{name} must be at least 0, got {lowest:g}")
    return shares
