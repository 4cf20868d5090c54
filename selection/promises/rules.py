"""What the two promises have in common: a second round, and the blocks they keep."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gleann.index.arrays import Rows
from gleann.selection.promises.blocks import Blocks
from gleann.selection.promises.params import PromiseParams
from gleann.selection.promises.precision import PrecisionTest
from gleann.selection.promises.rates import Seen
from gleann.selection.promises.recall import RecallTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which thresholds are tested, decided by the first round.

    Attributes:
        start: blocks above the first of them.
        aim: blocks above the last.
    """

    start: int
    aim: int


class Rule(Protocol):
    """How a promise plans the second round, and what it concludes."""

    def second_round(self, first: Seen, *, labels: int) -> tuple[Plan, Rows]:
        """The plan and the rows of the second round."""

    def kept(self, first: Seen, second: Seen, plan: Plan) -> int:
        """Blocks (the first ones) in the set."""

    def note(self, first: Seen, second: Seen, kept: int) -> str:
        """What to know of a set that keeps these blocks."""


class RecallRule:
    """Keeps as few blocks as hold the target's share of the positives."""

    def __init__(self, blocks: Blocks, params: PromiseParams) -> None:
        self._blocks = blocks
        self._params = params

    def second_round(self, first: Seen, *, labels: int) -> tuple[Plan, Rows]:
        """Draws within blocks, by the test's plan."""
        draws, aim = self._test(first).plan(labels)
        rows = self._blocks.drawn(draws, after=first.labelled)
        return Plan(start=len(draws), aim=aim), rows

    def kept(self, first: Seen, second: Seen, plan: Plan) -> int:
        """The fewest blocks whose test rejects in its turn."""
        test = self._test(first)
        return test.kept(second.labelled, second.positives, aim=plan.aim)

    def note(self, first: Seen, second: Seen, kept: int) -> str:
        """Why everything is in the set, if it is."""
        if kept < len(self._blocks.ends):
            return ""
        used = int((first.labelled + second.labelled).sum())
        found = int((first.positives + second.positives).sum())
        note = (
            f"{used} labels with {found} positives exclude no row but the labelled"
            " negatives"
        )
        if not found:
            return note
        half = self._test(first).labels_to_exclude(len(self._blocks.ranked) // 2)
        return (
            f"{note}; to leave out the lower half of the rows takes about {half} labels"
            " there, if none of them is positive"
        )

    def _test(self, first: Seen) -> RecallTest:
        return RecallTest.of(self._blocks.sizes, first, self._params)


class PrecisionRule:
    """Keeps as many blocks as have the target's share of positives."""

    def __init__(self, blocks: Blocks, params: PromiseParams) -> None:
        self._blocks = blocks
        self._params = params

    def second_round(self, first: Seen, *, labels: int) -> tuple[Plan, Rows]:
        """A plain sample of the open rows above the aim; then the next best rows."""
        start, aim = self._test(first).plan(labels)
        end = int(np.append(0, self._blocks.ends)[aim])
        ranked = self._blocks.ranked
        open_ = np.ones(len(ranked), np.bool_)
        none = np.zeros_like(first.labelled)
        open_[self._blocks.drawn(first.labelled, after=none)] = False
        above = np.zeros(len(ranked), np.bool_)
        above[ranked[:end]] = True
        shuffled = self._blocks.shuffled()
        drawn = shuffled[(open_ & above)[shuffled]]
        rest = ranked[end:][open_[ranked[end:]]]
        rows = np.concatenate([drawn[:labels], rest])[:labels]
        return Plan(start=start, aim=aim), rows

    def kept(self, first: Seen, second: Seen, plan: Plan) -> int:
        """The most blocks whose test rejects in its turn."""
        negatives = second.labelled - second.positives
        return self._test(first).kept(
            second.labelled, negatives, start=plan.start, aim=plan.aim
        )

    def note(self, first: Seen, second: Seen, kept: int) -> str:
        """Why only labelled rows are in the set, if so."""
        if kept:
            return ""
        used = int((first.labelled + second.labelled).sum())
        found = int((first.positives + second.positives).sum())
        return (
            f"no threshold is shown to hold the target: the set is the {found}"
            f" positives among {used} labels"
        )

    def _test(self, first: Seen) -> PrecisionTest:
        return PrecisionTest.of(self._blocks.sizes, first, self._params)


RULES: dict[str, Callable[[Blocks, PromiseParams], Rule]] = {
    "recall": RecallRule,
    "precision": PrecisionRule,
}
"""The rule of each promise."""
