"""The recall promise: rows below a threshold hold few enough positives.

A threshold fails if the rows below it hold more than (1 - target) / target of the
positives above it and of those known from the first round. Thresholds are tested from
the lowest upwards, each at the full level, until one test does not reject: failure of
the set is monotone in the threshold, so a wrong answer needs the wrong rejection of the
first threshold that fails (testing in a fixed sequence).
"""

from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Mask
from gleann.selection.promises.blocks import Counts, spread
from gleann.selection.promises.evidence import (
    Numbers,
    gain,
    largest_decline,
)
from gleann.selection.promises.params import PromiseParams
from gleann.selection.promises.rates import Seen, falling_rates

CAUTION = 0.25
"""Standard deviations of the evidence by which a plan must pass."""

SHARES_BELOW = (0.3, 0.5, 0.7, 0.85, 1.0)
"""Shares of the second round for the rows below the threshold, to plan from."""

DECLINES = np.geomspace(1e-4, 1, 60)
"""Declines to plan from, as shares of the largest one in 1 - exp(-decline)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecallTest:
    """What the first round leaves to test.

    Attributes:
        left: (K,) open rows of each block.
        rates: (K,) expected share of positives among them.
        known: positives found in the first round.
        odds: (1 - target) / target.
        needed: log evidence that rejects.
    """

    left: Counts
    rates: Numbers
    known: int
    odds: float
    needed: float

    @classmethod
    def of(cls, sizes: Counts, seen: Seen, params: PromiseParams) -> "RecallTest":
        """From the first round's labels."""
        return cls(
            left=sizes - seen.labelled,
            rates=falling_rates(seen),
            known=int(seen.positives.sum()),
            odds=(1 - params.target) / params.target,
            needed=params.log_evidence_needed,
        )

    def plan(self, labels: int) -> tuple[Counts, int]:
        """Draws (K,) of the second round, and how many blocks should be kept.

        Among the thresholds, and the splits of the labels between the rows above and
        below, the one with the smallest expected set of those expected to pass. Without
        any, all blocks are kept and the draws go by size.
        """
        rows_above = np.append(0, np.cumsum(self.left)[:-1])[:, None]
        rows_below = int(self.left.sum()) - rows_above
        below = np.rint(np.array(SHARES_BELOW) * labels)
        below = np.minimum(below, rows_below)
        above = np.minimum(labels - below, rows_above)
        counts = np.append(0, np.cumsum(self.left * self.rates))[:, None]
        held = counts[:-1] / np.maximum(rows_above, 1)
        passes = self._passes(
            chances=(
                above / np.maximum(rows_above, 1),
                below / np.maximum(rows_below, 1),
            ),
            expected=(counts[:-1], counts[-1] - counts[:-1]),
        )
        if not passes.any():
            sizes = self.left.astype(np.float64)
            return spread(sizes, labels=labels, room=self.left), len(self.left)
        rows = np.where(passes, rows_above - above * (1 - held), np.inf)
        kept, share = np.unravel_index(int(rows.argmin()), rows.shape)
        return self._split(int(kept), int(below[kept, share]), labels), int(kept)

    def labels_to_exclude(self, rows: int) -> int:
        """Labels among as many rows that exclude them all, if none is positive.

        No method can do with fewer for every labelling: with m positives more than the
        promise allows below the threshold, this many labels miss them all with the
        probability alpha.
        """
        positives = self.known + float((self.left * self.rates).sum())
        decline = self.needed / max(self.odds * positives, 1e-9)
        return int(np.ceil(-np.expm1(-decline) * rows))

    def kept(self, draws: Counts, found: Counts, *, aim: int) -> int:
        """Blocks (the first ones) that the promise needs; all where no test rejects.

        Args:
            draws: (K,) of the second round.
            found: (K,) positives among them.
            aim: blocks that the plan keeps: no threshold above is tested.
        """
        chances = draws / np.maximum(self.left, 1)
        kept = len(self.left)
        for blocks in range(len(self.left) - 1, aim - 1, -1):
            if not self._rejects(blocks, chances, found):
                break
            kept = blocks
        return kept

    def _rejects(self, blocks: int, chances: Numbers, found: Counts) -> bool:
        below = self.left[blocks:] > 0
        if not below.any():
            return True
        least = float(chances[blocks:][below].min())
        if least <= 0:
            return False
        declines = _declines(least)
        expected = self.left * self.rates * chances
        planned = self._evidence(declines, blocks, chances, expected)
        chosen = declines[[np.argmax(planned)]]
        return bool(self._evidence(chosen, blocks, chances, found) >= self.needed)

    def _evidence(
        self,
        declines: Numbers,
        blocks: int,
        chances: Numbers,
        found: Numbers | Counts,
    ) -> Numbers:
        """Log evidence (T,) of `found` (K,) positives, by the decline (T,) below."""
        growths = np.outer(
            declines, np.where(np.arange(len(found)) < blocks, self.odds, -1.0)
        )
        some = found > 0
        gains = gain(growths[:, some], chances[some])
        return self.odds * declines * self.known + gains @ found[some]

    def _passes(
        self, *, chances: tuple[Numbers, Numbers], expected: tuple[Numbers, Numbers]
    ) -> Mask:
        """Which plans (K, S) should give evidence enough, at the best decline.

        Args:
            chances: (K, S) of rows above and below the threshold to be drawn.
            expected: (K, 1) positives above and below it.
        """
        above, below = (chance[:, :, None] for chance in chances)
        declines = _declines(chances[1])
        gains, losses = gain(self.odds * declines, above), gain(-declines, below)
        seen, missed = expected[0][:, :, None] * above, expected[1][:, :, None] * below
        mean = self.odds * declines * self.known + seen * gains + missed * losses
        deviation = np.sqrt(seen * gains**2 + missed * losses**2)
        enough = (mean - CAUTION * deviation).max(axis=2) >= self.needed
        passes: Mask = enough & (chances[1] > 0)
        return passes

    def _split(self, kept: int, below: int, labels: int) -> Counts:
        sizes = self.left.astype(np.float64)
        draws = np.zeros(len(self.left), np.int64)
        draws[:kept] = spread(
            sizes[:kept], labels=labels - below, room=self.left[:kept]
        )
        draws[kept:] = spread(
            sizes[kept:], labels=labels - int(draws.sum()), room=self.left[kept:]
        )
        return draws


def _declines(chances: Numbers | float) -> Numbers:
    """Declines (..., T) to choose from for rows drawn with at least these chances."""
    most = -np.expm1(-largest_decline(chances))
    declines: Numbers = -np.log1p(-np.multiply.outer(most, DECLINES))
    return declines
