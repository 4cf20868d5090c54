"""Confidence of each look, so that the intervals of all looks hold together.

The alpha-spending boundary of Lan and DeMets (1983, Discrete sequential boundaries for
clinical trials), with their spending function of Pocock's kind,
alpha * log(1 + (e - 1) * t), at the share t of the budget that is labelled. The
estimates at the looks are asymptotically those of one random walk whose variance grows
with the information (Scharfstein, Tsiatis and Robins 1997), so the probability to leave
the boundary is found by the recursive integration of Armitage, McPherson and Rowe
(1969). The union of all misses then has the probability promised, however labelling is
stopped, and also if it is stopped by the values themselves.

Where we differ: the information of a look is not estimated. It is taken as the share of
labels to the power 1.5, since later rounds are drawn better than the pilot; the less
information early looks have, the less they agree with later ones, and the wider the
boundary is. The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy
and Ramdas (2021, https://arxiv.org/abs/2103.06476) holds at infinitely many looks; an
estimate changes only when a round ends, and a boundary for these looks is narrower.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

GRID = 401
LEAST_STEP = 1e-3
"""Information that a look adds at least, as a share of that before."""
INFORMATION_POWER = 1.5


def spent(share: float, *, alpha: float) -> float:
    """Probability of a miss that may be spent up to this share of the budget."""
    return float(alpha * np.log1p((np.e - 1) * min(share, 1.0)))


def confidence_of_look(shares: Sequence[float], *, confidence: float) -> float:
    """Confidence that the interval of the last of these looks must have.

    Args:
        shares: of the budget labelled at each look so far, ascending, in 0..1.
        confidence: of all looks together.
    """
    return 1 - 2 * float(ndtr(-boundary(tuple(shares), confidence)[-1]))


@lru_cache(maxsize=256)
def boundary(shares: tuple[float, ...], confidence: float) -> tuple[float, ...]:
    """Standard errors on each side of the interval of each look.

    Args:
        shares: of the budget labelled at each look, ascending, in 0..1.
        confidence: of all looks together.
    """
    alpha = 1 - confidence
    information = _information(shares)
    limits: list[float] = []
    points, mass = np.zeros(1), np.ones(1)
    known, used = 0.0, 0.0
    for share, now in zip(shares, information, strict=True):
        allowed = max(spent(share, alpha=alpha) - used, 1e-12)
        step = (now - known) ** 0.5
        limit = _limit(points, mass, step=step, scale=now**0.5, allowed=allowed)
        used += allowed
        points, mass = _walked(points, mass, step=step, edge=limit * now**0.5)
        limits.append(limit)
        known = now
    return tuple(limits)


def _information(shares: Sequence[float]) -> list[float]:
    found: list[float] = []
    for share in shares:
        least = found[-1] * (1 + LEAST_STEP) if found else 1e-6
        found.append(max(share**INFORMATION_POWER, least))
    return found


def _limit(
    points: NDArray[np.float64],
    mass: NDArray[np.float64],
    *,
    step: float,
    scale: float,
    allowed: float,
) -> float:
    """The limit beyond which the walk has the probability `allowed` after a step."""

    def excess(limit: float) -> float:
        edge = limit * scale
        out = ndtr((-edge - points) / step) + ndtr((points - edge) / step)
        return float((mass * out).sum()) - allowed

    # Imported here: it takes a third of a second, and few estimates need it.
    from scipy.optimize import brentq

    return float(brentq(excess, 0.0, 12.0, xtol=1e-6))


def _walked(
    points: NDArray[np.float64],
    mass: NDArray[np.float64],
    *,
    step: float,
    edge: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points within the edge and their probabilities, after a step of the walk."""
    edges = np.linspace(-edge, edge, GRID + 1)
    reached = ndtr((edges[:, None] - points) / step)
    return (edges[1:] + edges[:-1]) / 2, np.diff(reached, axis=0) @ mass
