"""Which of many columns or lines are shown."""

from collections.abc import Sequence

import numpy as np


def some_of(count: int, always: Sequence[int], *, most: int) -> list[int]:
    """Numbers below `count` of those that are shown, ascending, spread evenly.

    Args:
        count: all of them.
        always: numbers of those that are shown however many there are.
        most: how many are shown at most, no fewer than in `always`.
    """
    if count <= most:
        return list(range(count))
    others = np.setdiff1d(np.arange(count), always)
    room = most - (count - len(others))
    places = np.rint(np.linspace(0, len(others) - 1, room)).astype(np.int64)
    return sorted({*others[places].tolist(), *always})
