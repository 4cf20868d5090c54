"""Counts by group before and after a choice of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows

NO_GROUP = "(none)"
"""Name of the rows without a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCount:
    """Rows of one group.

    Attributes:
        name: of the group.
        before: rows in all.
        after: chosen rows.
        locked: rows that counted as chosen already.
    """

    name: str
    before: int
    after: int
    locked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """Rows of every group, the largest first.

    Attributes:
        shown: the largest groups.
        rest: the sums over the other groups, or None if all are shown.
        rest_count: number of groups in `rest`.
        before: rows in all.
        after: chosen rows in all.
        empty: names of the groups without a chosen or locked row, the largest first, at
            most as many as are shown.
        empty_count: number of such groups.
    """

    shown: tuple[GroupCount, ...]
    rest: GroupCount | None
    rest_count: int
    before: int
    after: int
    empty: tuple[str, ...]
    empty_count: int

    def share_before(self, one: GroupCount) -> float:
        """Share of all rows in the group."""
        return one.before / self.before if self.before else 0.0

    def share_after(self, one: GroupCount) -> float:
        """Share of the chosen rows in the group."""
        return one.after / self.after if self.after else 0.0


def count_groups(
    groups: NDArray[np.generic],
    chosen: Rows,
    *,
    locked: Rows | None = None,
    most: int = 20,
) -> GroupCounts:
    """Count rows by group.

    Args:
        groups: (n,) the group of every row: numbers, flags or texts; "" and NaN are
            `NO_GROUP`.
        chosen: rows that were chosen.
        locked: rows that counted as chosen before.
        most: groups to show one by one, the largest; ties by name.
    """
    names, number = np.unique(_names(groups), return_inverse=True)
    before = np.bincount(number, minlength=len(names))
    after = np.bincount(number[chosen], minlength=len(names))
    held = np.zeros(len(names), np.int64)
    if locked is not None:
        held = np.bincount(number[locked], minlength=len(names))
    counted = [
        GroupCount(name=str(name), before=int(b), after=int(a), locked=int(x))
        for name, b, a, x in zip(names, before, after, held, strict=True)
    ]
    counted.sort(key=lambda one: (-one.before, one.name))
    empty = [one.name for one in counted if one.after + one.locked == 0]
    rest = counted[most:]
    return GroupCounts(
        shown=tuple(counted[:most]),
        rest=_sum(rest) if rest else None,
        rest_count=len(rest),
        before=int(before.sum()),
        after=int(after.sum()),
        empty=tuple(empty[:most]),
        empty_count=len(empty),
    )


def groups_of_column(values: list[Any]) -> list[Any]:
    """The values (n,) of a payload column as groups; a null is `NO_GROUP`."""
    if None not in values:
        return values
    return [NO_GROUP if value is None else str(value) for value in values]


def _names(groups: ArrayLike) -> NDArray[np.str_]:
    values = np.asarray(groups)
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (values == np.round(values))
        if whole[~np.isnan(values)].all():  # labels that a reader made floats
            texts = [NO_GROUP if np.isnan(v) else str(int(v)) for v in values]
            return np.array(texts, np.str_)
    texts = [NO_GROUP if v is None or v == "" else str(v) for v in values.tolist()]
    return np.array([NO_GROUP if t == "nan" else t for t in texts], np.str_)


def _sum(groups: list[GroupCount]) -> GroupCount:
    return GroupCount(
        name=f"{len(groups):,} smaller groups",
        before=sum(one.before for one in groups),
        after=sum(one.after for one in groups),
        locked=sum(one.locked for one in groups),
    )
