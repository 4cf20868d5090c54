"""`LivePayload`: the payload of one state of an index.

It has three layers: the sealed version's payload, the rows newer than it, and patches
of rows whose payload changed since. Nothing in them is ever changed. Small parts are
merged into larger ones of the same tier, as in a log-structured merge tree, so a row is
copied a logarithmic number of times, and a read looks at a logarithmic number of parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from gleann.index.arrays import HeldIds, Mask, Rows
from gleann.index.filters.condition import BoundCondition
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.views.masks import MaskCache, Owner

FANOUT = 8
"""Parts of a tier that are merged into one of the next."""

IdsOf = Callable[[Rows | slice], HeldIds]
"""The ids of rows of a view; of consecutive ones without a copy."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Payload of some rows.

    Attributes:
        payload: one row of values for each; a column that it lacks is null.
        rows: rows of the view, ascending, each once; None for consecutive ones.
        owner: of its masks in a cache; None for a part that is not cached.
    """

    payload: Payload
    rows: Rows | None = None
    owner: Owner | None = field(default_factory=Owner)

    def __len__(self) -> int:
        return len(self.payload)

    @property
    def number(self) -> int:
        """Names the part; -1 for one that is not cached."""
        return -1 if self.owner is None else self.owner.number

    def taken(self, places: Rows, schema: Schema) -> Payload:
        """The values (m,) of some columns at `places` (m,) of the part."""
        known = self.payload.schema
        there = [name for name in schema.names if name in known]
        return self.payload.select(there).take(places).with_schema(schema)

    def positions(self, rows: Rows) -> Rows:
        """Positions (m,) of `rows` of the view in a patch, -1 where it has none."""
        assert self.rows is not None, "only patches are looked up"
        places = np.searchsorted(self.rows, rows)
        near = self.rows[np.minimum(places, len(self.rows) - 1)]
        return np.where(near == rows, places, -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class LivePayload:
    """The payload of a view. Rows are numbered as in the view.

    Attributes:
        schema: the columns.
        masks: cached masks of conditions on parts.
        sealed: of the sealed version's rows; None without one.
        newer: of the newer rows, in order; empty for a schema without columns.
        patches: of rows with changed payload, oldest first; a later one wins.
        newer_rows: number of newer rows.
        is_reshaped: whether columns were added or dropped since the sealed version.
        updates: rows whose payload was set since, each as often as it was.
    """

    schema: Schema
    masks: MaskCache = field(default_factory=MaskCache)
    sealed: Part | None = None
    newer: tuple[Part, ...] = ()
    patches: tuple[Part, ...] = ()
    newer_rows: int = 0
    is_reshaped: bool = False
    updates: int = 0

    @property
    def sealed_rows(self) -> int:
        """Number of rows of the sealed version."""
        return 0 if self.sealed is None else len(self.sealed)

    @property
    def mask_bytes(self) -> int:
        """Bytes of the masks that are kept of its parts."""
        parts = [*self.newer, *self.patches]
        if self.sealed is not None:
            parts.append(self.sealed)
        return self.masks.bytes_of([p.owner for p in parts if p.owner is not None])

    @property
    def has_changes(self) -> bool:
        """Whether it differs from the sealed version's, newer rows aside."""
        return self.is_reshaped or bool(self.patches)

    def at(self, rows: Rows, names: Sequence[str] | None = None) -> Payload:
        """The payload (m,) of `rows`, of the columns `names` or of all.

        Row -1 has null in every column.

        Raises:
            UnknownColumnError: there is no such column.
        """
        schema = self.schema
        if names is not None:
            schema = schema.select(names)
        if not len(schema):
            return Payload.nulls(schema, len(rows))
        owners, places = self._located(rows)
        parts = self._parts()
        found: list[Payload] = []
        for owner in np.unique(owners).tolist():
            mine = places[owners == owner]
            found.append(
                Payload.nulls(schema, len(mine))
                if owner < 0
                else parts[owner].taken(mine, schema)
            )
        if not found:
            return Payload.empty(schema)
        if len(found) == 1:
            return found[0]
        back = np.empty(len(rows), np.int64)
        back[np.argsort(owners, kind="stable")] = np.arange(len(rows))
        return Payload.concat(found).take(back)

    def mask(self, bound: BoundCondition, ids_of: IdsOf) -> Mask:
        """Where the condition is true: bool (sealed rows + newer rows,), live or not.

        Args:
            bound: a condition bound to `schema`.
            ids_of: the ids of rows of the view.
        """
        total = self.sealed_rows + self.newer_rows
        mask = np.empty(total, np.bool_)
        start = 0
        for part in self._consecutive():
            rows = slice(start, start + len(part))
            mask[rows] = self._part_mask(part, bound, ids_of, start)
            start = rows.stop
        for part in self.patches:
            mask[part.rows] = self._part_mask(part, bound, ids_of, 0)
        return mask

    def newer_mask(self, bound: BoundCondition, ids_of: IdsOf) -> Mask:
        """`mask` of the newer rows only, in time that grows with those."""
        sealed_rows = self.sealed_rows
        masks, start = [np.empty(0, np.bool_)], sealed_rows
        for part in self._consecutive():
            if part is not self.sealed:
                masks.append(self._part_mask(part, bound, ids_of, start))
                start += len(part)
        mask = np.concatenate(masks)
        for part in self.patches:
            assert part.rows is not None
            newer = part.rows >= sealed_rows
            if newer.any():
                flags = self._part_mask(part, bound, ids_of, 0)
                mask[part.rows[newer] - sealed_rows] = flags[newer]
        return mask

    def extended(self, payload: Payload | None, added: int) -> Self:
        """The next one, with `added` newer rows; None gives them nulls.

        Columns that `payload` lacks become null.
        """
        newer_rows = self.newer_rows + added
        if not len(self.schema) or not added:
            return replace(self, newer_rows=newer_rows)
        part = Part(Payload.nulls(Schema(), added) if payload is None else payload)
        newer = _merged((*self.newer, part), self._joined)
        return replace(self, newer=newer, newer_rows=newer_rows)

    def patched(self, rows: Rows, values: Payload) -> Self:
        """The next one, with `values` in their columns at distinct `rows`.

        Args:
            rows: (m,) rows of the view.
            values: m rows, or one for all.
        """
        if not len(rows) or not len(values.schema):
            return self
        if len(values) != len(rows):
            assert len(values) == 1, "one row of values, or as many as there are rows"
            values = values.take(np.zeros(len(rows), np.int64))
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], values.take(order)
        if set(values.schema.names) == set(self.schema.names):
            values = values.with_schema(self.schema)
        else:
            every = np.arange(len(rows))
            values = self.at(rows).replaced(every, values, values.schema.names)
        patch = Part(values, rows=rows)
        return replace(
            self,
            patches=_merged((*self.patches, patch), self._overlaid),
            updates=self.updates + len(rows),
        )

    def reshaped(self, *, drop: Sequence[str], add: Sequence[Column]) -> Self:
        """The next one, without the columns `drop`, and then with those of `add`.

        A column that is dropped and added again has no values.
        """
        kept = self.schema.without(drop)
        schema = kept.with_columns(add)

        def fitted(part: Part) -> Part:
            there = [name for name in kept.names if name in part.payload.schema]
            return Part(part.payload.select(there), rows=part.rows)

        newer = tuple(map(fitted, self.newer))
        if self.newer_rows and not newer:
            newer = (Part(Payload.nulls(Schema(), self.newer_rows)),)
        return replace(
            self,
            schema=schema,
            sealed=None if self.sealed is None else fitted(self.sealed),
            newer=newer if len(schema) else (),
            patches=tuple(map(fitted, self.patches)) if len(schema) else (),
            is_reshaped=True,
        )

    def _joined(self, parts: Sequence[Part]) -> Part:
        return Part(self._concatenated(parts))

    def _overlaid(self, parts: Sequence[Part]) -> Part:
        """One patch with the newest values of each row."""
        rows = np.concatenate([part.rows for part in parts if part.rows is not None])
        # The first occurrence in reverse order is the newest.
        distinct, last = np.unique(rows[::-1], return_index=True)
        payload = self._concatenated(parts).take(len(rows) - 1 - last)
        return Part(payload, rows=distinct)

    def _concatenated(self, parts: Sequence[Part]) -> Payload:
        return Payload.concat(part.payload.with_schema(self.schema) for part in parts)

    def _parts(self) -> tuple[Part, ...]:
        return *self._consecutive(), *self.patches

    def _consecutive(self) -> tuple[Part, ...]:
        """The parts that have all rows between them, in order."""
        newer = self.newer
        if self.newer_rows and not newer:
            newer = (Part(Payload.nulls(Schema(), self.newer_rows), owner=None),)
        return newer if self.sealed is None else (self.sealed, *newer)

    def _located(self, rows: Rows) -> tuple[Rows, Rows]:
        """The part (its number, -1 for none) of each row, and the position in it."""
        consecutive = self._consecutive()
        starts = np.cumsum([0, *(len(part) for part in consecutive)])
        owners = np.searchsorted(starts, rows, side="right") - 1
        places = rows - starts[owners]
        owners[rows < 0] = -1
        for number, part in enumerate(self.patches, start=len(consecutive)):
            at = part.positions(rows)
            owners[at >= 0] = number
            places[at >= 0] = at[at >= 0]
        return owners, places

    def _part_mask(
        self, part: Part, bound: BoundCondition, ids_of: IdsOf, start: int
    ) -> Mask:
        def evaluate() -> Mask:
            rows: Rows | slice = slice(start, start + len(part))
            if part.rows is not None:
                rows = part.rows
            return bound.mask(part.payload, ids_of(rows))

        if part.owner is None:
            return evaluate()
        nbytes = bound.key.nbytes
        return self.masks.mask(part.owner, bound.key, evaluate, key_bytes=nbytes)


def _merged(
    parts: tuple[Part, ...], merge: Callable[[Sequence[Part]], Part]
) -> tuple[Part, ...]:
    """Merge the last parts while `FANOUT` of them are of the last one's tier."""
    while True:
        tier = _tier(len(parts[-1]))
        run = 0
        while run < len(parts) and _tier(len(parts[-1 - run])) <= tier:
            run += 1
        if run < FANOUT:
            return parts
        parts = (*parts[:-run], merge(parts[-run:]))


def _tier(rows: int) -> int:
    """The power of `FANOUT` that so many rows reach."""
    return (rows.bit_length() - 1) // (FANOUT.bit_length() - 1)
