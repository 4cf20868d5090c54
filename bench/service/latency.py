"""Percentiles of latencies, from all samples.

numpy on every sample and not a histogram such as hdrhistogram: a load is bounded to
some hundred thousand calls, which fit in memory, and no bucket rounds a percentile.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50, 90, 99, 99.9)


def percentiles(seconds: NDArray[np.float64]) -> dict[str, float]:
    """Milliseconds at each of `PERCENTILES`, as "p50_ms"; empty without samples."""
    if not len(seconds):
        return {}
    found = 1e3 * np.percentile(seconds, PERCENTILES)
    named = {
        f"p{percentile:g}_ms": round(float(value), 3)
        for percentile, value in zip(PERCENTILES, found, strict=True)
    }
    return named | {"max_ms": round(1e3 * float(seconds.max()), 3)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, minimum and maximum of the rounds."""
    return {
        "median": float(np.median(values)),
        "low": float(min(values)),
        "high": float(max(values)),
    }
