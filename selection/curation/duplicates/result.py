"""What `near_duplicates` answers with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, HeldIds, Ids, Mask, Rows
from gleann.index.ids.held import ids_at, take_ids
from gleann.index.join.block import JoinWork
from gleann.index.params import Metric
from gleann.index.tables.tabular import Table, Tabular
from gleann.index.texts import Texts
from gleann.selection.curation.duplicates.groups import Choice, Outside, PairTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Duplicates(Tabular):
    """Near-duplicates: which rows are kept, and for which row each other one goes.

    Rows are those of the index, or of several one after another. No two kept rows are
    within the radius of each other.

    Attributes:
        held_ids: (n,) the ids of all rows.
        radius: the greatest distance of near-duplicates: squared L2, or 1 - cos.
        metric: of the distances.
        kept: bool (n,).
        duplicate_of: int64 (n,), the nearest kept row within the radius, ties by the
            order of keeping; the row itself where it is kept; -1 where it is dropped
            for a row of the other collection, or takes no part.
        distances: float32 (n,), to that row; 0 where it is kept, NaN where the row
            takes no part.
        first: int64 (n,), the first row equal to each; -1 where it takes no part.
        ranks: int64 (n,), places in the order of keeping; n where it takes no part.
        pairs: pairs within the radius, of rows that are the first of their equals.
        hashes: uint64 (n,), of the vectors; 0 where the row takes no part.
        outside: the nearest rows of the other collection; None without one.
        outside_held: the ids of that collection; None without one.
        from_outside: bool (n,), dropped for a row of the other collection.
        work: what the join took.
        provenance: method, params, seed, data_hash, version: JSON values.
    """

    held_ids: HeldIds
    radius: float
    metric: Metric
    kept: Mask
    duplicate_of: Rows
    distances: Distances
    first: Rows
    ranks: Rows
    pairs: PairTable
    hashes: NDArray[np.uint64]
    outside: Outside | None
    outside_held: HeldIds | None
    from_outside: Mask
    work: JoinWork
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def rows(self) -> Rows:
        """int64 (m,), the rows that take part, ascending."""
        return np.flatnonzero(self.first >= 0)

    @property
    def kept_rows(self) -> Rows:
        """int64 (k,), the rows that are kept, in the order of keeping."""
        rows = np.flatnonzero(self.kept)
        return rows[np.argsort(self.ranks[rows])]

    @property
    def kept_ids(self) -> Ids:
        """(k,) the ids of `kept_rows`."""
        return ids_at(self.held_ids, self.kept_rows)

    @property
    def group_sizes(self) -> NDArray[np.int64]:
        """int64 (n,), rows that each kept row stands for, itself included; else 0."""
        there = self.duplicate_of >= 0
        return np.bincount(self.duplicate_of[there], minlength=len(self))

    @property
    def pair_count(self) -> int:
        """Pairs of rows within the radius, those of equal rows included."""
        sizes = np.bincount(self.first[self.rows], minlength=len(self))
        equal = int((sizes * (sizes - 1) // 2).sum())
        return equal + int((sizes[self.pairs.rows] * sizes[self.pairs.others]).sum())

    @property
    def outside_ids(self) -> Ids | None:
        """(n,) ids of the rows of the other collection for which rows are dropped.

        -1 or "" for all other rows; None without a collection.
        """
        if self.outside is None or self.outside_held is None:
            return None
        rows = np.where(self.from_outside, self._outside_rows(), -1)
        return ids_at(self.outside_held, rows)

    def _outside_rows(self) -> Rows:
        """(n,) the nearest row of the other collection to the equals of each row."""
        assert self.outside is not None
        return self.outside.rows[np.maximum(self.first, 0)]

    def chosen(self, choice: Choice) -> Mapping[str, Any]:
        """The attributes that a choice decides."""
        return {
            "kept": choice.kept,
            "duplicate_of": choice.duplicate_of,
            "distances": choice.distances,
            "from_outside": choice.from_outside,
        }

    def table(self) -> Table:
        """One line per row that takes part: id, kept, duplicate_of, distance, ..."""
        rows = self.rows
        columns: dict[str, NDArray[Any] | Texts] = {
            "id": take_ids(self.held_ids, rows),
            "row": rows,
            "kept": self.kept[rows],
            "duplicate_of": take_ids(self.held_ids, self.duplicate_of[rows]),
            "distance": self.distances[rows],
            "group_size": self.group_sizes[rows],
        }
        if (outside := self.outside_ids) is not None:
            columns["outside_id"] = outside[rows]
        return Table(
            columns=columns,
            facts={"summary": self.summary(), "provenance": self.provenance},
        )

    def summary(self) -> dict[str, float | int | str | bool]:
        """Facts about the whole answer."""
        sizes = self.group_sizes
        return {
            "radius": self.radius,
            "rows": len(self.rows),
            "kept": int(self.kept.sum()),
            "dropped": len(self.rows) - int(self.kept.sum()),
            "dropped_for_outside": int(self.from_outside.sum()),
            "groups": int((sizes > 1).sum()),
            "largest_group": int(sizes.max(initial=0)),
            "pairs": self.pair_count,
        }
