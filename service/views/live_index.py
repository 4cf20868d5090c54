"""`View`: one consistent state of an index, a sealed version and newer changes.

A `View` is immutable: a search keeps its view, a change creates the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from gleann.index import SoarIndex
from gleann.index.arrays import HeldIds, Mask, Rows, Vectors
from gleann.index.errors import NotReadyError
from gleann.index.filters.condition import BoundCondition, Condition
from gleann.index.ids.held import (
    IdLookup,
    bytes_at,
    joined_ids,
    take_ids,
)
from gleann.index.ids.live_rows import LiveRows
from gleann.index.ids.order import id_order
from gleann.index.ids.table import require_found
from gleann.index.kept.half_rows import narrowed
from gleann.index.params import Metric
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.index.texts import Texts
from gleann.service.values import IdType, IndexVersion
from gleann.service.views.delta import Delta
from gleann.service.views.live_payload import LivePayload, Part
from gleann.service.views.masks import MaskCache


class Sealed:
    """A sealed version, its id lookup and its payload."""

    def __init__(self, index: SoarIndex, masks: MaskCache | None = None) -> None:
        self.index = index
        self.filters: object = None  # what searches keep, see search/allowed.py
        held = index.payload
        if held is None:
            held = Payload.nulls(Schema([]), len(index))
        self.payload = LivePayload(
            schema=held.schema,
            sealed=Part(held),
            masks=MaskCache() if masks is None else masks,
        )

    def __len__(self) -> int:
        return len(self.index)

    @property
    def lookup(self) -> IdLookup:
        """Rows by id, masked ones included."""
        return self.index.id_lookup

    @cached_property
    def id_order(self) -> Rows:
        """(n,) the rows in the order of their ids."""
        return id_order(self.index.held_ids)


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One state of an index. Rows of the delta are numbered after those sealed.

    Attributes:
        number: of the index, as in the store.
        name: of the index.
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        delta: rows newer than the sealed version.
        version: number of the sealed version, 0 for none.
        sequence: number of the last applied change.
        sealed: the sealed version; None without one, or if it has no rows.
        alive: the live rows of `sealed`; None for all.
        payload: the payload of all rows, live or not; that of the sealed version if
            there is one and nothing else is given.
    """

    number: int
    name: str
    dim: int
    metric: Metric
    delta: Delta
    version: int = 0
    sequence: int = 0
    sealed: Sealed | None = None
    alive: LiveRows | None = None
    payload: LivePayload = field(default_factory=lambda: LivePayload(schema=Schema([])))

    def __post_init__(self) -> None:
        if self.sealed is not None and self.payload.sealed is None:
            object.__setattr__(self, "payload", self.sealed.payload)

    @property
    def schema(self) -> Schema:
        """The columns of payload."""
        return self.payload.schema

    @property
    def id_type(self) -> IdType | None:
        """Kind of the ids; None while there is no row."""
        if self.sealed is None and not len(self.delta):
            return None
        held = self.delta.ids if self.sealed is None else self.sealed.index.held_ids
        return "string" if isinstance(held, Texts) else "int64"

    @property
    def state(self) -> IndexVersion:
        """The version and sequence of this state."""
        return IndexVersion(sealed=self.version, sequence=self.sequence)

    @property
    def has_changes(self) -> bool:
        """Whether the view differs from its sealed version."""
        return len(self.delta) > 0 or self.alive is not None or self.payload.has_changes

    @property
    def sealed_count(self) -> int:
        """Number of live rows of the sealed version."""
        if self.sealed is None:
            return 0
        return len(self.sealed) if self.alive is None else self.alive.count

    @property
    def count(self) -> int:
        """Number of live vectors."""
        return self.sealed_count + self.delta.count

    @property
    def sealed_rows(self) -> int:
        """Number of rows of the sealed version, masked ones included."""
        return 0 if self.sealed is None else len(self.sealed)

    def find(self, ids: HeldIds) -> Rows:
        """Rows (m,) of `ids`, -1 without a live row."""
        rows = self.delta.find(ids)
        rows = np.where(rows < 0, -1, rows + self.sealed_rows)
        if self.sealed is None or self.sealed_count == 0:
            return rows
        old = self.sealed.lookup.find(ids)
        if self.alive is not None:
            old = np.where((old >= 0) & self.alive.has(np.maximum(old, 0)), old, -1)
        return np.where(rows < 0, old, rows)

    def require(self, ids: HeldIds) -> Rows:
        """Rows (m,) of `ids`.

        Raises:
            UnknownIdError: unknown id.
        """
        return require_found(self.find(ids), ids, where=repr(self.name))

    def require_kept(self, rows: Vectors, *, first_row: int = 0) -> None:
        """Refuse prepared rows (m, dim) that the next version could not keep.

        Raises:
            InvalidInputError: a value that float16 does not hold, where the sealed
                version keeps that.
        """
        if self.sealed is not None and self.sealed.index.params.keep == "f16":
            narrowed(rows, "f16", first_row=first_row)

    def vectors_at(self, rows: Rows) -> Vectors:
        """The prepared vectors (m, dim) of `rows`."""
        vectors = np.empty((len(rows), self.dim), np.float32)
        old = rows < self.sealed_rows
        if self.sealed is not None:
            vectors[old] = self.sealed.index.stored_rows[rows[old]]
        vectors[~old] = self.delta.vectors[rows[~old] - self.sealed_rows]
        return vectors

    def ids_at(self, rows: Rows) -> HeldIds:
        """The ids (m,) of `rows`; "" or -1 for row -1."""
        if self.sealed is not None and not len(self.delta):
            return take_ids(self.sealed.index.held_ids, rows)
        old, new = self._split(rows)
        if self.sealed is None:
            return take_ids(self.delta.ids, new)
        held = self.sealed.index.held_ids
        parts = [take_ids(held, old), take_ids(self.delta.ids, new)]
        places = np.empty(len(rows), np.int64)
        places[np.argsort(rows >= self.sealed_rows, kind="stable")] = np.arange(
            len(rows)
        )
        return joined_ids(parts)[places]

    def ids_of(self, rows: Rows | slice) -> HeldIds:
        """The ids of rows; of consecutive ones, all sealed or all newer, no copy."""
        if not isinstance(rows, slice):
            return self.ids_at(rows)
        if self.sealed is not None and rows.start < self.sealed_rows:
            return self.sealed.index.held_ids[rows]
        first = rows.start - self.sealed_rows
        return self.delta.ids[first : rows.stop - self.sealed_rows]

    def id_bytes_at(self, rows: Rows) -> int:
        """Bytes of the ids of `rows` in a message."""
        if self.id_type != "string":
            return 8 * rows.size
        old, new = self._split(rows)
        held = bytes_at(self.delta.ids, new)
        if self.sealed is not None:
            held += bytes_at(self.sealed.index.held_ids, old)
        return held

    def _split(self, rows: Rows) -> tuple[Rows, Rows]:
        """Split `rows` into rows of the sealed version and rows of the delta."""
        if self.sealed is None:
            return rows[:0], rows
        newer = rows >= self.sealed_rows
        return rows[~newer], rows[newer] - self.sealed_rows

    def live_rows(self) -> Rows:
        """All live rows, sealed ones first."""
        old = np.arange(self.sealed_rows)
        if self.alive is not None:
            old = np.flatnonzero(self.alive.mask)
        new = np.flatnonzero(self.delta.alive) + self.sealed_rows
        return np.concatenate([old, new])

    @cached_property
    def live(self) -> Mask:
        """The live rows, bool (sealed_rows + len(delta),); not to be written."""
        old = np.ones(self.sealed_rows, np.bool_)
        if self.alive is not None:
            old = self.alive.mask
        live = np.concatenate([old, self.delta.alive])
        live.flags.writeable = False
        return live

    def bind(self, condition: Condition) -> BoundCondition:
        """Bind a condition to the columns and the ids of this state.

        Raises:
            InvalidFilterError: it does not fit them.
        """
        return condition.bound(self.schema, id_type=self.id_type)

    def passing(self, bound: BoundCondition | None) -> Mask:
        """The live rows for which a condition is true; all live ones for None.

        A part of the rows that does not change is evaluated once.

        Returns:
            bool (sealed_rows + len(delta),).
        """
        if bound is None:
            return self.live
        return self.payload.mask(bound, self.ids_of) & self.live

    def payload_at(self, rows: Rows, names: Sequence[str] | None = None) -> Payload:
        """The payload (m,) of `rows`, of some columns or all; null for row -1.

        Raises:
            UnknownColumnError: there is no such column.
        """
        return self.payload.at(rows, names)

    def upserted(
        self,
        ids: HeldIds,
        vectors: Vectors,
        payload: Payload | None = None,
        *,
        sequence: int,
    ) -> "View":
        """The next view, with prepared `vectors` under `ids`.

        Columns that `payload` lacks are null in the new rows.
        """
        return replace(
            self,
            alive=self._alive_without(ids),
            delta=self.delta.extended(ids, vectors),
            payload=self.payload.extended(payload, len(ids)),
            sequence=sequence,
        )

    def payload_set(self, rows: Rows, values: Payload, *, sequence: int) -> "View":
        """The next view, with `values` in their columns at distinct live `rows`.

        Args:
            rows: (m,).
            values: m rows, or one for all.
            sequence: of the change.
        """
        return replace(
            self, payload=self.payload.patched(rows, values), sequence=sequence
        )

    def reshaped(
        self, *, drop: Sequence[str], add: Sequence[Column], sequence: int
    ) -> "View":
        """The next view, without the columns `drop`, and then with those of `add`."""
        payload = self.payload.reshaped(drop=drop, add=add)
        return replace(self, payload=payload, sequence=sequence)

    def deleted(self, ids: HeldIds, *, sequence: int) -> "View":
        """The next view, without `ids`."""
        return replace(
            self,
            alive=self._alive_without(ids),
            delta=self.delta.without(ids),
            sequence=sequence,
        )

    def _alive_without(self, ids: HeldIds) -> LiveRows | None:
        if self.sealed is None:
            return None
        rows = self.sealed.lookup.find(ids)
        rows = rows[rows >= 0]
        if not rows.size:
            return self.alive
        before = LiveRows.all_of(len(self.sealed)) if self.alive is None else self.alive
        return before.without(rows)


def sealed_index(view: View) -> SoarIndex:
    """The index of a view that is built and has no newer changes.

    Raises:
        NotReadyError: not built, or newer changes.
    """
    if view.sealed is None:
        state = "has no sealed rows" if view.version else "was never built"
        raise NotReadyError(f"{view.name!r} {state}: build it first")
    changed = view.delta.count + len(view.sealed) - view.sealed_count
    if changed:
        raise NotReadyError(
            f"{view.name!r} has {changed} changes since version {view.version}:"
            " build it first"
        )
    return view.sealed.index


def require_not_empty_since(view: View) -> None:
    """Refuse an index that is empty, and was when its version was sealed.

    Raises:
        NotReadyError: it has no vectors, and none were removed.
    """
    if not view.has_changes:
        require_not_empty(view)


def require_not_empty(view: View) -> None:
    """Refuse an empty index.

    Raises:
        NotReadyError: it has no vectors.
    """
    if view.count == 0:
        raise NotReadyError(f"{view.name!r} is empty: upsert or import vectors first")
