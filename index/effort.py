"""Effort: how many of its best lists a query scans, by where its best rows are so far.

One number of lists for all queries is too many for most and too few for some. The first
few lists say which: where the k best rows so far are in the very best lists, little is
to come; where many are in the last of them, the query is far from its neighbours.

So every query scans its first lists, and then as many more as its *depth* grants: the
sum, over the k best rows by code, of the bit length of the rank of the first list that
holds the row. All of it is integers, so every engine grants the same, and so does every
batch. `index/DECISIONS.md` X has the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.cost import CostModel

POOR = 0.8
"""A query with less recall than this is poorly answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffortPoint:
    """One setting of the effort and what it was measured to give.

    A query scans exp(offset + slope depth / k) - 1 lists, at least `first` and at most
    `most`.

    Attributes:
        k: neighbours asked for.
        first: lists that every query scans before its depth is known.
        most: lists that a query scans at most.
        offset: see above.
        slope: see above.
        rerank: rows re-ranked.
        recall: recall@k over the sample.
        entries: entries scanned a query, mean.
        lists: lists scanned a query, mean.
        error: standard error of `recall`.
        poor: share of the queries with a recall below `POOR`.
        poor_before: the same of one number of lists for all, at this recall.
        saving: share of the work that this saves beside one number of lists for all.
    """

    k: int
    first: int
    most: int
    offset: float
    slope: float
    rerank: int
    recall: float
    entries: float
    lists: float
    error: float = 0.0
    poor: float = 0.0
    poor_before: float = 0.0
    saving: float = 0.0

    def cost(self, model: CostModel) -> float:
        """Nominal nanoseconds a query."""
        return model.effort(
            entries=self.entries, lists=self.lists, most=self.most, rerank=self.rerank
        )

    def grants(self, k: int) -> "Grants":
        """The table for k neighbours."""
        depths = np.arange(k * int(self.first).bit_length() + 1)
        lists = granted(
            self.offset + self.slope * depths / k, first=self.first, most=self.most
        )
        return Grants(
            first=self.first,
            budgets=lists.astype(np.int32),
            most=self.most,
            usual=self.lists,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grants:
    """What a search with effort scans.

    Attributes:
        first: lists that every query scans.
        budgets: int32 (k b + 1), lists in total by the depth, where b is the bit length
            of `first`.
        most: the most lists of all.
        usual: lists that a query scans, about.
    """

    first: int
    budgets: NDArray[np.int32]
    most: int
    usual: float


def granted(
    log_lists: NDArray[np.float64], *, first: int, most: int
) -> NDArray[np.int64]:
    """Lists (m,) from the logs of one more than their number."""
    lists = np.expm1(np.clip(log_lists, 0, 30))
    return np.clip(lists, first, most).astype(np.int64)


def bit_lengths(numbers: NDArray[np.integer]) -> NDArray[np.int64]:
    """How many bits each number, at least 0 and below 2^31, has."""
    return np.frexp(numbers)[1].astype(np.int64)


def choose_effort(
    points: Sequence[EffortPoint], *, k: int, target_recall: float
) -> EffortPoint | None:
    """The cheapest that reaches a recall, half an error in hand; None without any.

    Points are those of the least measured k that is not smaller.
    """
    measured = sorted({p.k for p in points if p.k >= k})
    if not measured:
        return None
    reaching = (
        p
        for p in points
        if p.k == measured[0] and p.recall - p.error / 2 >= target_recall
    )
    return next(reaching, None)
