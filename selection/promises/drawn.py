"""Whether ids that a caller drew can be a uniform draw from a batch."""

from math import lgamma, log

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError

LEAST_CHANCE = 1e-6
"""Of a pattern among the drawn rows, below which it is no accident."""


def require_no_pattern(rows: Rows, *, batch: int) -> None:
    """Refuse rows in equal steps, which chance hardly draws, such as the first ones.

    Such a draw depends on the order of the batch, often by a score, and the bound holds
    for uniform draws alone. Of these a share of at most `LEAST_CHANCE` is refused.

    Args:
        rows: (n,) distinct rows of the batch.
        batch: its rows.

    Raises:
        InvalidInputError: with the step and the chance.
    """
    steps = np.unique(np.diff(np.sort(rows)))
    if len(steps) != 1:
        return
    chance = chance_of_equal_steps(len(rows), batch)
    if chance < LEAST_CHANCE:
        step = int(steps[0])
        which = "rows in a row" if step == 1 else f"rows in steps of {step}"
        raise InvalidInputError(
            f"the {len(rows)} drawn ids are {which} of the batch of {batch}, which a"
            f" uniform draw gives with a chance of {chance:.0e}: draw them at random,"
            " without a look at their order"
        )


def chance_of_equal_steps(n: int, batch: int) -> float:
    """Chance that n of the rows of a batch, at least 2, are in equal steps."""
    steps = np.arange(1, (batch - 1) // (n - 1) + 1)
    ways = float((batch - (n - 1) * steps).sum())
    draws = lgamma(batch + 1) - lgamma(n + 1) - lgamma(batch - n + 1)
    return float(np.exp(min(log(ways) - draws, 0.0)))
