"""Lists of the index as features: how often each list holds a row or a target.

A row is in its primary list and, where it is spilled, in a second one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import ListNos, Rows, Vectors
from gleann.index.build.assign import assign_blocks
from gleann.index.build.spill import scale_of
from gleann.index.lists import assignment
from gleann.selection.curation.target.targets import CheckedTargets

SCALE_ROWS = 4096
"""Rows of the index whose mean squared length is that of all."""

FLOOR = 1e-8
"""Added to probabilities before their logarithm, as DSIR does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListFeatures:
    """The lists of every row of an index.

    Attributes:
        primary: int32 (n,), the first list of each row.
        secondary: int32 (n,), the second, -1 where there is none.
        nlist: lists there are.
    """

    primary: ListNos
    secondary: ListNos
    nlist: int

    @classmethod
    def of(cls, index: SoarIndex) -> "ListFeatures":
        """Read from the lists of the index, without its vectors."""
        primary, secondary = assignment(index.data.lists, n=len(index))
        return cls(primary=primary, secondary=secondary, nlist=index.nlist)

    def counts(self, rows: Rows) -> NDArray[np.int64]:
        """Entries (nlist,) of `rows` in each list."""
        return count_lists(self.primary[rows], self.secondary[rows], nlist=self.nlist)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum (n,) of a value (nlist,) over the lists of each row."""
        second = np.where(self.secondary >= 0, values[self.secondary], 0.0)
        sums: NDArray[np.float64] = values[self.primary] + second
        return sums


def count_lists(
    primary: ListNos, secondary: ListNos, *, nlist: int
) -> NDArray[np.int64]:
    """Entries (nlist,) in each list, of rows by their first and second list."""
    first = np.bincount(primary, minlength=nlist)
    return first + np.bincount(secondary[secondary >= 0], minlength=nlist)


def target_counts(
    targets: CheckedTargets,
    members: NDArray[np.int64],
    features: ListFeatures,
    index: SoarIndex,
) -> NDArray[np.int64]:
    """Entries (nlist,) of some targets (numbers) in each list.

    Targets that are rows have their lists; vectors get those that the build would have
    given them.
    """
    if targets.rows is not None:
        return features.counts(targets.rows[members])
    primary, secondary = assigned(targets.vectors[members], index)
    return count_lists(primary, secondary, nlist=features.nlist)


def assigned(vectors: Vectors, index: SoarIndex) -> tuple[ListNos, ListNos]:
    """First and second list (m,) of prepared vectors (m, d), as the build assigns."""
    data, params = index.data, index.params
    shift = data.encoding.center if data.encoding.is_centred else None
    some = np.asarray(data.vectors[:: max(1, len(data.vectors) // SCALE_ROWS)])
    blocks = list(
        assign_blocks(
            vectors,
            data.centroids,
            params=params,
            scale=scale_of(some, shift),
            center=shift,
        )
    )
    return (
        np.concatenate([primary for _, primary, _ in blocks]),
        np.concatenate([secondary for _, _, secondary in blocks]),
    )


def smoothed(
    counts: NDArray[np.int64], prior: NDArray[np.float64], *, weight: float
) -> NDArray[np.float64]:
    """Probabilities (nlist,) of the lists, shrunk to `prior` by as many entries."""
    total = counts.sum() + weight
    if not total:
        return prior
    shrunk: NDArray[np.float64] = (counts + weight * prior) / total
    return shrunk


def divergence(wanted: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence KL(wanted || other) in nats, floored as weights are.

    Args:
        wanted: (nlist,) probabilities.
        other: (nlist,).
    """
    there = wanted > 0
    ratios = np.log((wanted[there] + FLOOR) / (other[there] + FLOOR))
    return float(max(0.0, (wanted[there] * ratios).sum()))
