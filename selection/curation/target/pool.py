"""The rows that may be chosen: among some, without others, so many of each group."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Ids, Mask, Rows, Vectors
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.ids.held import ids_at
from gleann.index.nouns import number_of
from gleann.selection.among import Among, AmongLike
from gleann.selection.checks import require_count
from gleann.selection.groups import Groups
from gleann.selection.heads import Heads
from gleann.selection.index_rows import among_of, id_ranks, rows_named
from gleann.selection.words import shown_words

Caps = int | Mapping[Hashable, int]
"""The most rows of every group, or of each group by name."""

UNLIMITED = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limits:
    """Which rows of the index may be chosen, and how many of each group.

    Attributes:
        among: the rows to choose from, such as `index.where("split = 'train'")`: a mask
            (n,) of bool, or ids; None for all.
        excluded: rows that are never chosen, given as `among`; None for none.
        groups: (n,) the group of each row: integers, strings or other words, such as
            the source of a document; None for none.
        caps: the most rows of each group, needed with `groups`: one number for all, or
            a number by name; groups that are not named have no limit.

    Raises:
        InvalidInputError: groups without caps, or caps without groups.
        InvalidParamsError: a cap that is not an integer, or below 0.
    """

    among: AmongLike | None = None
    excluded: ArrayLike | None = None
    groups: ArrayLike | None = None
    caps: Caps | None = None

    def __post_init__(self) -> None:
        if (self.groups is None) != (self.caps is None):
            given, missing = ("groups", "caps")
            if self.groups is None:
                given, missing = missing, given
            raise InvalidInputError(f"{given} need {missing}, got None")
        for name, cap in _named(self.caps):
            require_count(name, cap, at_least=0)


def _named(caps: Caps | None) -> Iterable[tuple[str, int]]:
    if caps is None:
        return []
    if isinstance(caps, Mapping):
        return [(f"cap of {label!r}", cap) for label, cap in caps.items()]
    return [("caps", caps)]


NO_LIMITS = Limits()


class Pool:
    """The rows that may be chosen, and which of them still may.

    Args:
        index: whose rows they are.
        among: the only rows that count; None for all.
        excluded: int64 (e,), rows that are never chosen.
        groups: the group of each row; None without caps.
        room: int64 (g,), the most rows of each group.

    Attributes:
        index: as given.
        among: as given.
        is_open: bool (n,): neither excluded nor outside `among`, for good.
    """

    def __init__(
        self,
        index: SoarIndex,
        *,
        among: Among | None,
        excluded: Rows,
        groups: Groups | None,
        room: NDArray[np.int64],
    ) -> None:
        self.index = index
        self.among = among
        self.is_open: Mask = (
            np.ones(len(index), np.bool_) if among is None else among.mask.copy()
        )
        self.is_open[excluded] = False
        self._free = self.is_open.copy()
        self._groups = groups
        self._room = room.copy()
        self._id_ranks = id_ranks(index)

    @classmethod
    def of(cls, index: SoarIndex, limits: Limits, *, excluded: Rows) -> "Pool":
        """Check the limits against the index.

        Args:
            index: whose rows are to be chosen.
            limits: of the caller.
            excluded: further rows that are never chosen.

        Raises:
            InvalidInputError: rows or groups that are none; no row in `among`.
            DimensionMismatchError: a mask or groups of another length.
            DuplicateIdError: one id twice.
            UnknownIdError: an id that no row has.
            InvalidParamsError: a cap of a group that no row has.
        """
        n = len(index)
        if limits.excluded is not None:
            given = rows_named(limits.excluded, index, name="excluded")
            excluded = np.union1d(excluded, given)
        groups = None if limits.groups is None else Groups.of(limits.groups)
        if groups is not None and len(groups) != n:
            raise DimensionMismatchError(
                f"groups has {number_of(len(groups), 'entries')} for"
                f" {number_of(n, 'rows')}"
            )
        return cls(
            index,
            among=among_of(limits.among, index),
            excluded=excluded,
            groups=groups,
            room=room_of(groups, limits.caps),
        )

    @classmethod
    def among_alone(cls, index: SoarIndex, among: Among | None) -> "Pool":
        """All rows of `among`, without further limits."""
        nothing = np.empty(0, np.int64)
        return cls(index, among=among, excluded=nothing, groups=None, room=nothing)

    def heads(self, targets: Vectors, *, target_recall: float) -> Heads:
        """The heads of targets (m, d), prepared, in the pool and its excluded rows."""
        return Heads(
            self.index,
            targets,
            among=self.among,
            ranks=self._id_ranks,
            target_recall=target_recall,
        )

    @property
    def size(self) -> int:
        """Rows that searches find, excluded ones too."""
        return len(self.index) if self.among is None else len(self.among)

    @property
    def open_rows(self) -> Rows:
        """Rows that may be chosen, ascending."""
        return np.flatnonzero(self.is_open)

    @property
    def capped(self) -> bool:
        """Whether there are groups with caps."""
        return self._groups is not None

    def has_room(self, row: int) -> bool:
        """Whether `row` may still be chosen."""
        if not self._free[row]:
            return False
        return self._groups is None or bool(self._room[self._groups.numbers[row]] > 0)

    def take(self, row: int) -> None:
        """Choose `row`, which has room."""
        self._free[row] = False
        if self._groups is not None:
            self._room[self._groups.numbers[row]] -= 1

    def take_in_order(self, rows: Rows, *, most: int) -> Rows:
        """Choose the first `most` of `rows` that have room."""
        if not self.capped:
            chosen = rows[self._free[rows]][:most]
            self._free[chosen] = False
            return chosen
        taken: list[int] = []
        for row in rows.tolist():
            if len(taken) == most:
                break
            if self.has_room(row):
                self.take(row)
                taken.append(row)
        return np.array(taken, np.int64)

    def id_ranks(self, rows: Rows) -> Rows:
        """The place of the id of each of `rows`, of any shape, in the order of ids."""
        return rows if self._id_ranks is None else self._id_ranks[rows]

    def by_id(self, rows: Rows) -> Rows:
        """`rows` (m,) in the order of their ids."""
        return rows[np.argsort(self.id_ranks(rows), kind="stable")]

    def ids_of(self, rows: Rows) -> Ids:
        """Ids of `rows`."""
        return ids_at(self.index.held_ids, rows)


def room_of(groups: Groups | None, caps: Caps | None) -> NDArray[np.int64]:
    """The most rows (g,) of each group; none without groups.

    Raises:
        InvalidParamsError: a cap of a group that no row has.
    """
    if groups is None:
        return np.empty(0, np.int64)
    if not isinstance(caps, Mapping):
        assert caps is not None
        return np.full(len(groups.labels), caps, np.int64)
    room = np.full(len(groups.labels), UNLIMITED, np.int64)
    for label, cap in caps.items():
        if label not in groups.words.places:
            raise InvalidParamsError(
                f"there is a cap for group {label!r}, but groups are"
                f" {shown_words(groups.labels)}"
            )
        room[groups.words.places[label]] = cap
    return room
