"""The precision promise: rows above a threshold hold few enough negatives.

The second round is a plain sample without replacement of the open rows above one
threshold, so the labels above any higher threshold are a plain sample there. A
threshold fails if the rows above it hold more negatives than (1 - target) of them and
of the positives known from the first round; the test is the exact hypergeometric one.
Thresholds are tested from one that the first round chose downwards, each at the full
level, until one test does not reject (testing in a fixed sequence).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from gleann.selection.promises.blocks import Counts
from gleann.selection.promises.evidence import Numbers
from gleann.selection.promises.params import PromiseParams
from gleann.selection.promises.rates import Seen, falling_rates

CAUTION = 0.25
"""Standard deviations of the negatives found by which a plan must pass."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrecisionTest:
    """What the first round leaves to test.

    Attributes:
        above: (K,) open rows in each block and those before it.
        allowed: (K,) the most negatives among them with which the promise holds.
        expected: (K,) expected share of negatives among them.
        alpha: level of each test.
    """

    above: Counts
    allowed: Counts
    expected: Numbers
    alpha: float

    @classmethod
    def of(cls, sizes: Counts, seen: Seen, params: PromiseParams) -> "PrecisionTest":
        """From the first round's labels."""
        left = sizes - seen.labelled
        above = np.cumsum(left)
        known = int(seen.positives.sum())
        negatives = np.cumsum(left * (1 - falling_rates(seen)))
        # A hair more, so that a tenth of 20 is the 2 it stands for.
        allowed = np.floor((1 - params.target) * (above + known) + 1e-9)
        return cls(
            above=above,
            allowed=allowed.astype(np.int64),
            expected=negatives / np.maximum(above, 1),
            alpha=1 - params.confidence,
        )

    def plan(self, labels: int) -> tuple[int, int]:
        """(start, aim): blocks of the first and of the last threshold to test.

        The last is the lowest that is expected to pass with all labels above it, the
        first the one of those before it that is surest. (0, 0) where none should pass.
        """
        drawn = np.minimum(labels, self.above)
        found = drawn * self.expected
        variance = found * (1 - self.expected) * (1 - drawn / np.maximum(self.above, 1))
        passing = self._p_values(drawn, np.ceil(found + CAUTION * np.sqrt(variance)))
        good = np.flatnonzero(passing <= self.alpha)
        if not good.size:
            return 0, 0
        aim = int(good[-1])
        share = min(1.0, labels / max(int(self.above[aim]), 1))
        within = np.rint(self.above[: aim + 1] * share)
        values = self._p_values(within, np.rint(within * self.expected[: aim + 1]))
        return int(np.argmin(values)) + 1, aim + 1

    def kept(self, drawn: Counts, negatives: Counts, *, start: int, aim: int) -> int:
        """Blocks (the first ones) that the promise allows; 0 where no test rejects.

        Args:
            drawn: (K,) rows of the second round's sample, in each block.
            negatives: (K,) of them negative.
            start: as `plan` returned it.
            aim: likewise.
        """
        if not start:
            return 0
        values = self._p_values(np.cumsum(drawn), np.cumsum(negatives))
        kept = 0
        for blocks in range(start, aim + 1):
            if values[blocks - 1] > self.alpha:
                break
            kept = blocks
        return kept

    def _p_values(
        self, drawn: NDArray[np.generic], negatives: NDArray[np.generic]
    ) -> Numbers:
        """Chance (m,) of so few negatives at the fewest with which a threshold fails.

        0 where not even all open rows could hold so many.
        """
        first = slice(len(drawn))
        failing, rows = self.allowed[first] + 1, self.above[first]
        values = hypergeom.cdf(negatives, rows, np.minimum(failing, rows), drawn)
        return np.where(failing > rows, 0.0, values)
