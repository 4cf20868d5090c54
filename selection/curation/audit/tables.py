"""Classes and groups before and after a choice."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.groups import Groups


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """Labels of all rows, as numbers of their words.

    Attributes:
        name: of the column.
        words: the distinct labels, in order.
        numbers: (n,) of each row.
    """

    name: str
    words: tuple[Hashable, ...]
    numbers: NDArray[np.int64]

    @classmethod
    def of(cls, name: str, values: ArrayLike, *, n: int) -> "Column":
        """Number the labels (n,): integers, strings or other words.

        Raises:
            InvalidInputError: they are none of these.
            DimensionMismatchError: not one for each of n rows.
        """
        groups = Groups.of(values, n=n, name=name)
        return cls(name=name, words=groups.labels, numbers=groups.numbers)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupTable(Tabular):
    """How many rows of each group there are, and how many are chosen.

    Attributes:
        column: name of the labels.
        groups: (g,) the labels, in order; those that only other rows have are left out.
        pool: (g,) rows of the pool.
        chosen: (g,) chosen rows.
    """

    column: str
    groups: NDArray[np.object_]
    pool: NDArray[np.int64]
    chosen: NDArray[np.int64]

    @property
    def pool_shares(self) -> NDArray[np.float64]:
        """(g,) of the pool."""
        return self.pool / self.pool.sum()

    @property
    def chosen_shares(self) -> NDArray[np.float64]:
        """(g,) of the chosen rows."""
        return self.chosen / self.chosen.sum()

    @property
    def ratios(self) -> NDArray[np.float64]:
        """(g,) share after over share before: above 1 where a group has gained."""
        return self.chosen_shares / self.pool_shares

    def table(self) -> Table:
        """One line per group."""
        return Table(
            columns={
                "group": self.groups,
                "pool": self.pool,
                "chosen": self.chosen,
                "pool_share": self.pool_shares,
                "chosen_share": self.chosen_shares,
                "ratio": self.ratios,
            },
            facts={"summary": {"column": self.column}},
        )


def group_table(column: Column, *, pool: Rows, chosen: Rows) -> GroupTable:
    """Count the groups of a column among the pool and among the chosen rows."""
    size = len(column.words)
    before = np.bincount(column.numbers[pool], minlength=size)
    after = np.bincount(column.numbers[chosen], minlength=size)
    there = np.flatnonzero(before)
    names = np.empty(size, object)
    names[:] = column.words
    return GroupTable(
        column=column.name,
        groups=names[there],
        pool=before[there],
        chosen=after[there],
    )
