"""How fast this machine is, beside the one that the forecasts were fitted on."""

from time import perf_counter

import numpy as np

NUMBERS, CALLS, TRIES = 4096, 200, 5
NOMINAL_SECONDS = 97e-6
"""Of `CALLS` products of `NUMBERS` numbers on the machine of the fit."""


class _Machine:
    """The least seconds of all tries of this process: others may have the core."""

    def __init__(self) -> None:
        self._least = float("inf")

    def nominal_second(self) -> float:
        """Seconds that a nominal second of one core takes here.

        It takes a millisecond, and never grows: a machine that is busy for a while is
        no slower one.
        """
        row = np.ones(NUMBERS, np.float32)
        tries = [_products_seconds(row) for _ in range(TRIES)]
        self._least = min(self._least, *tries)
        return self._least / NOMINAL_SECONDS


def _products_seconds(row: np.ndarray) -> float:
    began = perf_counter()
    for _ in range(CALLS):
        row.dot(row)
    return perf_counter() - began


nominal_second = _Machine().nominal_second
