"""What an audit of leakage answers with."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, HeldIds, Mask, Rows
from gleann.index.ids.held import take_ids
from gleann.index.params import Metric
from gleann.index.tables.tabular import Table, Tabular


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeakedPairs:
    """Pairs of an audited and a training row within the cut.

    Attributes:
        rows: int64 (p,), audited, ascending.
        others: int64 (p,), training rows, of each row nearest first, ties by row.
        distances: float32 (p,).
    """

    rows: Rows
    others: Rows
    distances: Distances

    def __len__(self) -> int:
        return len(self.rows)

    def within(self, radius: float) -> "LeakedPairs":
        """Those whose distance is at most `radius`."""
        near = self.distances <= np.float32(radius)
        return LeakedPairs(
            rows=self.rows[near],
            others=self.others[near],
            distances=self.distances[near],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLeakage:
    """The audit of one group.

    Attributes:
        group: its word.
        rows: audited rows.
        leaked: rows with a training row within the cut.
        share: leaked of rows.
        median: median distance to the nearest training row.
        histogram: rows whose nearest training row is in each bin.
    """

    group: Hashable
    rows: int
    leaked: int
    share: float
    median: float
    histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leakage(Tabular):
    """How near audited rows are to training rows.

    Attributes:
        radius: the cut: squared L2, or 1 - cos.
        metric: of the distances.
        rows: int64 (m,), the audited rows, ascending.
        held_ids: the ids of the rows of their index.
        reference_ids: the ids of the rows of the index of the training rows.
        nearest: int64 (m,), the nearest training row; exact within the cut.
        distances: float32 (m,), to it.
        pair_counts: int64 (m,), training rows within the cut.
        pairs: these pairs; the nearest of each row where there are too many.
        pairs_complete: whether `pairs` has all.
        groups: words of the groups.
        group_numbers: int64 (m,), the group of each audited row.
        edges: float64 (bins + 1,), of the histograms.
        provenance: method, params, seed, data_hash, version: JSON values.
    """

    radius: float
    metric: Metric
    rows: Rows
    held_ids: HeldIds
    reference_ids: HeldIds
    nearest: Rows
    distances: Distances
    pair_counts: NDArray[np.int64]
    pairs: LeakedPairs
    pairs_complete: bool
    groups: tuple[Hashable, ...]
    group_numbers: NDArray[np.int64]
    edges: NDArray[np.float64]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def leaked(self) -> Mask:
        """Which audited rows (m,) have a training row within the cut."""
        return self.pair_counts > 0

    @property
    def one_index(self) -> bool:
        """Whether the training rows are rows of the index that is audited."""
        return self.reference_ids is self.held_ids

    def by_group(self) -> tuple[GroupLeakage, ...]:
        """The audit of each group that has rows."""
        order = np.argsort(self.group_numbers, kind="stable")
        starts = np.flatnonzero(np.diff(self.group_numbers[order], prepend=-1))
        return tuple(self._group(own) for own in np.split(order, starts[1:]))

    def table(self) -> Table:
        """One line per audited row: id, group, nearest training id, distance, pairs."""
        # As objects: NumPy's strings take the bytes of the longest for each row.
        words = np.array([str(word) for word in self.groups], object)
        return Table(
            columns={
                "id": take_ids(self.held_ids, self.rows),
                "group": words[self.group_numbers],
                "nearest": take_ids(self.reference_ids, self.nearest),
                "distance": self.distances,
                "leaked": self.leaked,
                "pairs": self.pair_counts,
            },
            facts={"summary": self.summary(), "provenance": self.provenance},
        )

    def summary(self) -> dict[str, float | int | str | bool]:
        """Facts about the whole audit."""
        return {
            "radius": self.radius,
            "rows": len(self.rows),
            "leaked": int(self.leaked.sum()),
            "pairs": int(self.pair_counts.sum()),
            "pairs_complete": self.pairs_complete,
        }

    def _group(self, own: Rows) -> GroupLeakage:
        number = self.group_numbers[own[0]]
        near, leaked = self.distances[own], int(self.leaked[own].sum())
        counts, _ = np.histogram(near, bins=self.edges)
        return GroupLeakage(
            group=self.groups[number],
            rows=len(near),
            leaked=leaked,
            share=leaked / len(near),
            median=float(np.median(near)),
            histogram=tuple(counts.tolist()),
        )
