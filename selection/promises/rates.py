"""Rates of positives that draws are planned by; no promise depends on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask
from gleann.selection.promises.blocks import Counts

DOUBT = 0.25
"""Positives that the labels so far are supposed to have missed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """Labels of one round.

    Attributes:
        labelled: (K,) rows drawn from each block.
        positives: (K,) of them positive.
    """

    labelled: Counts
    positives: Counts

    @classmethod
    def of(cls, numbers: Counts, held: Mask, *, blocks: int) -> "Seen":
        """Count labels `held` (m,) of rows in the blocks `numbers` (m,)."""
        return cls(
            labelled=np.bincount(numbers, minlength=blocks),
            positives=np.bincount(numbers[held], minlength=blocks),
        )


def falling_rates(seen: Seen) -> NDArray[np.float64]:
    """Expected share of positives (K,) of each block, never rising.

    The least-squares fit of the labels that falls from block to block (isotonic
    regression), and a doubt on top.
    """
    # Imported here: it takes a third of a second.
    from scipy.optimize import isotonic_regression

    drawn = seen.labelled.astype(np.float64)
    raw = seen.positives / np.maximum(drawn, 1)
    # A block without a label takes the rate of its neighbours.
    fitted = isotonic_regression(raw, weights=drawn + 1e-6, increasing=False).x
    return np.minimum(fitted + DOUBT / max(drawn.sum(), 1.0), 1.0)
