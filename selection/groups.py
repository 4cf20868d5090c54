"""Groups of rows, and how many rows each of them gives."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from math import floor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.checks import as_array
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection.checks import require_count
from gleann.selection.words import Words, as_words, shown_words

Label: TypeAlias = Hashable
"""The name of a class or group: an integer, a text, or any other word."""

Quota: TypeAlias = int | float
"""Rows of a group: an integer is their number, a float in (0, 1] a share of k."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """The group of each row.

    Attributes:
        numbers: int64 (n,), the number of each row's group.
        words: the names of the groups, in order.
    """

    numbers: Rows
    words: Words

    @classmethod
    def of(
        cls, groups: ArrayLike, *, n: int | None = None, name: str = "groups"
    ) -> "Groups":
        """Groups from their names (n,).

        Args:
            groups: integers, strings or other words.
            n: how many there must be; None for any number.
            name: what messages call them.

        Raises:
            InvalidInputError: as `as_groups`.
            DimensionMismatchError: not n of them.
        """
        names = as_groups(groups, name=name)
        if n is not None and len(names) != n:
            raise DimensionMismatchError(
                f"{name} has {len(names)} entries for {n} rows"
            )
        if names.dtype.kind == "O":
            words = Words.of_values(names.tolist(), name=name)
            return cls(numbers=words.numbers_of(names.tolist()), words=words)
        distinct, numbers = np.unique(names, return_inverse=True)
        words = Words(words=tuple(distinct.tolist()), name=name)
        return cls(numbers=numbers.astype(np.int64), words=words)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The name of each group, in order."""
        return self.words.words

    def names(self, rows: Rows) -> NDArray[Any]:
        """The name (m,) of the group of each of `rows` (m,)."""
        return self.words.array[self.numbers[rows]]

    def rows(self, label: Label) -> Rows:
        """The rows of a group, ascending."""
        return np.flatnonzero(self.numbers == self.words.places[label])

    def sizes(self, *, locked: Rows) -> dict[Label, int]:
        """Rows of each group that are not locked."""
        open_numbers = np.delete(self.numbers, locked)
        counts = np.bincount(open_numbers, minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))


def as_groups(groups: ArrayLike, *, name: str = "groups") -> NDArray[Any]:
    """Return `groups` as integers, strings or other words (n,).

    Raises:
        InvalidInputError: they are none of these, or not one-dimensional.
    """
    words = as_words(groups, name=name)
    if words is not None:
        return Words(words=tuple(words), name=name).array
    names = as_array(groups, name=name)
    if names.ndim != 1 or names.dtype.kind not in "biu":
        raise InvalidInputError(
            f"{name} must be one-dimensional integers or strings, or other words; got"
            f" {names.dtype} {names.shape}"
        )
    return names


def resolved(
    quotas: Mapping[Label, Quota], groups: Groups, *, k: int | None, locked: Rows
) -> dict[Label, int]:
    """The number of rows of each group, `k` in all.

    Shares of k are rounded by largest remainder. What the quotas leave of k comes from
    the groups they do not name, in proportion to their open rows.

    Args:
        quotas: a number or a share for each group.
        groups: of the rows.
        k: rows in all; None is the sum of the quotas, which are numbers then.
        locked: rows that are not open.

    Raises:
        InvalidParamsError: a quota that is neither, of an unknown group, or more than
            the group's open rows; or quotas that sum to more than k, or that leave more
            than the other groups have.
    """
    require_quotas(quotas, k=k)
    counts = _counts(quotas, k)
    if (total := sum(counts.values())) > (k := total if k is None else k):
        raise InvalidParamsError(f"the quotas sum to {total}, but k is {k}")
    room = groups.sizes(locked=locked)
    _require_room(counts, room)
    others = {name: size for name, size in room.items() if name not in counts and size}
    if (left := k - total) > (open_rows := sum(others.values())):
        raise InvalidParamsError(
            f"the quotas sum to {total}, but k is {k}, and the groups without a quota"
            f" have {open_rows} open rows"
        )
    return counts | in_proportion(others, k=left)


def require_quotas(quotas: Mapping[Label, Quota], *, k: int | None) -> None:
    """Refuse quotas that are neither numbers nor shares of k.

    Raises:
        InvalidParamsError: naming the group.
    """
    for label, quota in quotas.items():
        if not isinstance(quota, float | np.floating):
            require_count(f"quota of {label!r}", quota, at_least=0)
        elif k is None or not 0 < quota <= 1:
            hint = "needs k" if k is None else "must be in (0, 1]"
            raise InvalidParamsError(
                f"quota of {label!r} must be an integer, or a share of k, which {hint};"
                f" got {quota}"
            )


def in_proportion(sizes: Mapping[Label, int], *, k: int) -> dict[Label, int]:
    """Share `k` in proportion to `sizes`, by largest remainder, ties in their order."""
    if not k:
        return {}
    exact = k * np.array(list(sizes.values())) / sum(sizes.values())
    return dict(zip(sizes, largest_remainder(exact, total=k), strict=True))


def largest_remainder(exact: NDArray[np.float64], *, total: int) -> list[int]:
    """Round `exact` (m,) so that it sums to `total`, ties to the first."""
    whole = np.floor(exact + _ROUNDING).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return [int(count) for count in whole]


def _counts(quotas: Mapping[Label, Quota], k: int | None) -> dict[Label, int]:
    shares = {x: q for x, q in quotas.items() if isinstance(q, float | np.floating)}
    counts = {x: int(q) for x, q in quotas.items() if x not in shares}
    if not shares or k is None:
        return counts
    exact = np.array(list(shares.values()), np.float64) * k
    wanted = float(exact.sum()) + _ROUNDING
    # Half a row too many is rounding.
    left = max(floor(wanted), k - sum(counts.values()))
    rounded = largest_remainder(exact, total=min(floor(wanted + 0.5), left))
    by_label = counts | dict(zip(shares, rounded, strict=True))
    return {label: by_label[label] for label in quotas}


def _require_room(counts: Mapping[Label, int], room: Mapping[Label, int]) -> None:
    for label, count in counts.items():
        if count > room.get(label, 0):
            there = [name for name, size in room.items() if size]
            raise InvalidParamsError(
                f"the quota of group {label!r} is {count}, but it has"
                f" {room.get(label, 0)} open rows; groups are {shown_words(there)}"
            )
