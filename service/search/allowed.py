"""What a filter allows of a view, kept while it is asked again.

A filter that asks for one value of an indexed column takes time that grows with the
rows of that value, not with the collection: each value's rows are listed once in a
sealed version. So thousands of tenants can be searched in one collection.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np

from gleann.index.arrays import HeldIds, Mask, Rows
from gleann.index.filters.condition import VALUE_BYTES, BoundCondition, Condition
from gleann.index.ids.live_rows import LiveRows
from gleann.index.payload.schema import Schema
from gleann.index.search.allowed import AllowedRows
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.live_payload import Part

if TYPE_CHECKING:
    from gleann.service.search.value_rows import ValueRows

LEAST_BYTES = 8 << 20
"""Bytes of filters that are kept for a sealed version, however small it is."""

SHARE = 1 / 16
"""Kept filters take this share of the bytes of the vectors, or `LEAST_BYTES`."""

KEPT_CONDITIONS = 1024
"""Bound conditions that are kept for a sealed version; each is small."""

LONGEST_KEPT = 1024
"""Bytes of a condition that is kept bound, at most."""

_OBJECT_BYTES = 4096
"""Of a kept filter, beside its arrays."""


@dataclass(frozen=True, slots=True, eq=False)
class AllowedInView:
    """The live rows of a view that a search may return.

    Attributes:
        sealed: of the sealed version; None where there is none.
        newer: bool (len(delta),).
    """

    sealed: AllowedRows | None
    newer: Mask


def allowed_in(
    view: View, *, allowed_ids: HeldIds | None, condition: Condition | None
) -> AllowedInView | None:
    """The live rows among `allowed_ids` for which a condition is true.

    Args:
        view: the state.
        allowed_ids: None for all.
        condition: None for no condition.

    Returns:
        None where neither is given.

    Raises:
        UnknownIdError: unknown id.
        InvalidFilterError: a condition that does not fit the index.
    """
    if allowed_ids is None and condition is not None and view.sealed is not None:
        answered = _filters_of(view.sealed).answered(view, condition)
        if answered is not None:
            return answered
    bound = None if condition is None else _bound(view, condition)
    if allowed_ids is not None:
        rows = np.unique(view.require(allowed_ids))
        if bound is not None:
            rows = rows[passing_among(view, bound, rows)]
        return _of_rows(view, rows)
    if condition is None or bound is None:
        return None
    return _of_condition(view, bound, condition)


def passing_among(view: View, bound: BoundCondition, rows: Rows) -> Mask:
    """For which of some rows (m,) of the view a condition is true."""
    names = [name for name in view.schema.names if name in bound.columns]
    return bound.mask(view.payload_at(rows, names), view.ids_at(rows))


def _of_rows(view: View, rows: Rows) -> AllowedInView:
    """Of live rows, ascending."""
    newer = np.zeros(len(view.delta), np.bool_)
    newer[rows[rows >= view.sealed_rows] - view.sealed_rows] = True
    if view.sealed is None:
        return AllowedInView(None, newer)
    sealed = view.sealed.index.allow_rows(rows[rows < view.sealed_rows])
    return AllowedInView(sealed, newer)


def _bound(view: View, condition: Condition) -> BoundCondition:
    if view.sealed is None:
        return view.bind(condition)
    return _filters_of(view.sealed).bound(view, condition)


def bytes_of(condition: Condition) -> int:
    """About what a condition takes in memory."""
    return len(condition.where) + _bytes_of(condition.parameters)


def _bytes_of(value: object) -> int:
    if isinstance(value, str):
        return VALUE_BYTES + len(value)
    if isinstance(value, tuple):
        return VALUE_BYTES + sum(map(_bytes_of, value))
    return VALUE_BYTES


def _of_condition(
    view: View, bound: BoundCondition, condition: Condition
) -> AllowedInView:
    newer = view.delta.alive
    if len(newer):
        newer = view.payload.newer_mask(bound, view.ids_of) & newer
    if view.sealed is None:
        return AllowedInView(None, newer)
    return _filters_of(view.sealed).answer(view, bound, condition, newer)


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Kept:
    """A filter of a sealed version, as it was asked last.

    Attributes:
        patches: the changes of payload that it has taken in.
        alive: the live rows that it has taken in.
        allowed: its rows that were live then.
        others: bytes it takes beside `allowed` and `answer`.
        answer: of the last view, which may be gone.
        nbytes: of all, when it was last looked at.
        is_used: whether it was asked since it was last to be dropped.
    """

    patches: tuple[Part, ...]
    alive: LiveRows | None
    allowed: AllowedRows
    others: int
    answer: tuple[ref[View], AllowedInView] | None = None
    nbytes: int = 0
    is_used: bool = False

    def bytes_now(self) -> int:
        """Of all."""
        answer = self.answer
        newer = 0 if answer is None else answer[1].newer.nbytes
        return self.allowed.nbytes + self.others + newer


@dataclass(slots=True, eq=False)
class _Bound:
    """A condition as it was bound last.

    Attributes:
        schema: the columns that it was bound to.
        condition: bound.
        kept: its filter, as long as that is kept.
    """

    schema: Schema
    condition: BoundCondition
    kept: ref[_Kept] | None = None


class SealedFilters:
    """The filters of one sealed version; those not asked for long are dropped first.

    A search that follows another of the same view by the same condition reads what that
    was answered, without a lock.

    Args:
        most_bytes: that they may take together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0
        self._bound: dict[Condition, _Bound] = {}
        self._values: dict[tuple[int, str], ValueRows] = {}
        self._guard = Lock()

    @property
    def bytes_held(self) -> int:
        """Bytes of the kept filters, as far as they were looked at."""
        return self._bytes

    def bound(self, view: View, condition: Condition) -> BoundCondition:
        """The condition bound to the columns of `view`; kept, as callers ask again."""
        schema = view.schema
        known = self._bound.get(condition)
        if known is not None and known.schema is schema:
            return known.condition
        bound = view.bind(condition)
        if bytes_of(condition) > LONGEST_KEPT:
            return bound
        with self._guard:
            if len(self._bound) >= KEPT_CONDITIONS:
                self._bound.clear()
            self._bound[condition] = _Bound(schema, bound)
        return bound

    def answered(self, view: View, condition: Condition) -> AllowedInView | None:
        """What `answer` gave last for this very view; None where it is not kept."""
        known = self._bound.get(condition)
        kept = None if known is None or known.kept is None else known.kept()
        if kept is None or kept.answer is None:
            return None
        of, answer = kept.answer
        if of() is not view or kept.nbytes != kept.bytes_now():
            return None
        kept.is_used = True
        return answer

    def answer(
        self, view: View, bound: BoundCondition, condition: Condition, newer: Mask
    ) -> AllowedInView:
        """The live rows of `view` for which a condition is true.

        Args:
            view: a state with this sealed version.
            bound: `condition` for its columns.
            condition: what was bound.
            newer: bool (len(delta),), those of the newer rows.
        """
        kept = self._kept_of(view, bound, condition)
        answer = AllowedInView(kept.allowed, newer)
        kept.answer = ref(view), answer
        known = self._bound.get(condition)
        if known is not None:
            known.kept = ref(kept)
        return answer

    def _kept_of(
        self, view: View, bound: BoundCondition, condition: Condition
    ) -> _Kept:
        """The filter for this view, made or kept."""
        sealed = view.payload.sealed
        assert sealed is not None
        key = sealed.number, bound.key
        patches, alive = view.payload.patches, view.alive
        with self._guard:
            kept = self._kept.get(key)
            if kept is not None and kept.patches == patches and kept.alive is alive:
                self._use(key, kept)
                return kept
        allowed = self._made(view, bound, kept)
        with self._guard:
            self._drop(key)
            kept = _Kept(patches, alive, allowed, bytes_of(condition) + _OBJECT_BYTES)
            self._kept[key] = kept
            self._use(key, kept)
        return kept

    def _made(
        self, view: View, bound: BoundCondition, kept: _Kept | None
    ) -> AllowedRows:
        """Those rows anew, or the kept ones if they are the same."""
        assert view.sealed is not None
        index = view.sealed.index
        rows = self._candidates(view, bound)
        if rows is not None:
            rows = rows[passing_among(view, bound, rows)]
            made = index.allow_rows(rows)
        else:
            mask = view.passing(bound)[: view.sealed_rows].copy()
            mask.flags.writeable = False
            made = index.allow(mask)
        if kept is None or kept.patches != view.payload.patches:
            return made
        # Rows of a sealed version only die: of two sets one has all of the other.
        return kept.allowed if kept.allowed.count == made.count else made

    def _candidates(self, view: View, bound: BoundCondition) -> Rows | None:
        """Live sealed rows (m,) that have all that pass; None for all."""
        lists = [
            self._rows_of(view, name).rows(value)
            for name, value in bound.equalities
            if name in view.schema.names and view.schema.column(name).indexed
        ]
        if not lists:
            return None
        rows = min(lists, key=len).astype(np.int64)
        patched = [part.rows for part in view.payload.patches if part.rows is not None]
        if patched:
            rows = np.union1d(rows, np.concatenate(patched))
            rows = rows[rows < view.sealed_rows]
        return rows if view.alive is None else rows[view.alive.has(rows)]

    def _rows_of(self, view: View, name: str) -> "ValueRows":
        """The rows of each value of a column of the sealed payload."""
        from gleann.service.search.value_rows import ValueRows

        sealed = view.payload.sealed
        assert sealed is not None
        key = sealed.number, name
        with self._guard:
            found = self._values.get(key)
        if found is not None:
            return found
        # Outside of the lock: it sorts all rows. Two threads may do it.
        # The sealed version may lack a column that was added since.
        column = view.schema.select([name])
        made = ValueRows(sealed.payload.with_schema(column).column(name))
        with self._guard:
            # Columns that were dropped or replaced since have another token.
            self._values = {
                old: rows for old, rows in self._values.items() if old[0] == key[0]
            }
            return self._values.setdefault(key, made)

    def _use(self, key: Hashable, kept: _Kept) -> None:
        """Count what it takes now, and drop others until all have room."""
        self._kept.move_to_end(key)
        now = kept.bytes_now()
        self._bytes += now - kept.nbytes
        kept.nbytes = now
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            first, oldest = next(iter(self._kept.items()))
            if oldest is kept or oldest.is_used:  # since, without the lock
                oldest.is_used = False
                self._kept.move_to_end(first)
            else:
                self._drop(first)

    def _drop(self, key: Hashable) -> None:
        if (gone := self._kept.pop(key, None)) is not None:
            self._bytes -= gone.nbytes


def _filters_of(sealed: Sealed) -> SealedFilters:
    found = sealed.filters
    if isinstance(found, SealedFilters):
        return found
    share = int(SHARE * len(sealed) * sealed.index.dim * 4)
    sealed.filters = made = SealedFilters(max(LEAST_BYTES, share))
    return made
