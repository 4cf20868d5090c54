"""How many neighbours of each target its task needs for so many choices.

A task of M targets takes the g rows that are nearest to any of them. Where each of
these is nearest to any target with the same chance, a target holds Binomial(g, 1/M) of
them, and heads of k rows hold a share (M / g) E[min(Binomial(g, 1/M), k)]. This is the
rule of HiRE's distributed top-k (Samaga et al. 2024, https://arxiv.org/abs/2402.09360)
for winners of devices. Real targets are less even: what the rule leaves out is
noticed by its distance and fetched (`turns.py`).
"""

from functools import lru_cache

import numpy as np

SHARE = 0.99
"""Share of a task's rows that the first heads of its targets hold, as expected."""


@lru_cache(maxsize=4096)
def depth_for(goal: int, targets: int, *, share: float = SHARE) -> int:
    """Neighbours of each target that together hold `share` of the goal.

    Args:
        goal: rows that the task needs, at least 1.
        targets: of the task, at least 1.
        share: in (0, 1].
    """
    if targets == 1:
        return goal
    held = (targets / goal) * np.cumsum(_exceed(goal, targets))
    # At `share` 1 rounding may keep the last sum just below.
    return min(goal, int(np.searchsorted(held, share - 1e-12)) + 1)


def expected_share(goal: int, targets: int, depth: int) -> float:
    """The share of the goal that heads of `depth` rows hold, as expected."""
    return float((targets / goal) * _exceed(goal, targets)[:depth].sum())


def _exceed(goal: int, targets: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """P(Binomial(goal, 1 / targets) >= j) for j = 1 .. goal."""
    from scipy.stats import binom

    chances: np.ndarray[tuple[int], np.dtype[np.float64]] = binom.sf(
        np.arange(goal), goal, 1 / targets
    )
    return chances
