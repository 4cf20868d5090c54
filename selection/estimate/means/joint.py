"""How many standard errors make intervals that hold together."""

import numpy as np
from scipy.stats import t as student

from gleann.selection.estimate.means.params import Joint
from gleann.selection.estimate.means.rounds import Numbers

DRAWS = 20_000
"""Draws of correlated t values; their quantile is known to half a percent."""


def joint_quantile(
    covariance: Numbers, freedom: Numbers, *, confidence: float, joint: Joint, seed: int
) -> float:
    """Standard errors on each side, the same for all J statistics.

    Args:
        covariance: (J, J) of the estimates.
        freedom: (J,) degrees of freedom of their variances; the smallest is taken.
        confidence: with which all hold together.
        joint: "max_t" takes the quantile of the largest of J correlated t values
            (Hothorn, Bretz and Westfall 2008); "bonferroni" supposes no correlation,
            and is never smaller.
        seed: of the draws.
    """
    count = len(covariance)
    least = float(freedom.min())
    bound = float(student.ppf(1 - (1 - confidence) / (2 * count), least))
    if joint == "bonferroni" or count == 1:
        return bound
    spread = np.sqrt(np.diag(covariance))
    varying = spread > 0
    if not varying.any():
        return bound
    scaled = covariance[np.ix_(varying, varying)]
    scaled = scaled / np.outer(spread[varying], spread[varying])
    values, vectors = np.linalg.eigh(scaled)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng([seed, 1])
    normal = rng.standard_normal((DRAWS, int(varying.sum()))) @ root.T
    chi = np.sqrt(rng.chisquare(least, DRAWS) / least)
    largest = np.abs(normal).max(axis=1) / chi
    return min(bound, float(np.quantile(largest, confidence)))
