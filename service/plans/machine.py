"""How fast this machine is now, beside the one that the forecasts were fitted on."""

from time import perf_counter

import numpy as np

NUMBERS, CALLS, TRIES = 4096, 200, 5
NOMINAL_SECONDS = 97e-6
"""Of `CALLS` products of `NUMBERS` numbers on the machine of the fit."""


def nominal_second() -> float:
    """Seconds that a nominal second of one core takes here; measured in a millisecond.

    The least of several tries: others may have the core meanwhile.
    """
    row = np.ones(NUMBERS, np.float32)
    least = min(_products_seconds(row) for _ in range(TRIES))
    return least / NOMINAL_SECONDS


def _products_seconds(row: np.ndarray) -> float:
    began = perf_counter()
    for _ in range(CALLS):
        row.dot(row)
    return perf_counter() - began
