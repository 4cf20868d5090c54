"""`Change`: one acknowledged change of an index, and its form in the log."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from sqlite3 import Row
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from gleann.index.arrays import HeldIds, Vectors
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    GleannError,
    InvalidInputError,
)
from gleann.index.ids.held import IdLookup, joined_ids, repeated_id, take_ids
from gleann.index.parallel.blocks import block_slices
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.state.damage.checksums import change_checksum, sequence_bits
from gleann.service.state.packed_change import (
    CHANGE_KINDS,
    ChangeKind,
    PackedChange,
)
from gleann.service.views.live_index import View
from gleann.service.wire.arrays import ids_of, ids_to_wire
from gleann.v1 import types_pb2

MOST_ROWS = 1 << 20
MOST_BYTES = 1 << 28
"""Rows, and bytes of vectors or of payload, in one row of the log; SQLite takes blobs
of 10^9 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change, or a part of one that has the same sequence.

    Attributes:
        kind: what it does.
        ids: (m,) the vectors it concerns; a change of the schema has none.
        vectors: (m, dim) prepared rows, of an upsert only.
        payload: m rows of values, or one for all in a payload update; None for none.
        dropped: columns whose values, or which themselves, are removed.
        added: columns that are added after that.
    """

    kind: ChangeKind
    ids: HeldIds = field(default_factory=lambda: np.empty(0, np.int64))
    vectors: Vectors | None = None
    payload: Payload | None = None
    dropped: tuple[str, ...] = ()
    added: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        # Checked before it is logged: an invalid row would break the whole index.
        counts = {len(self.ids)}
        if self.vectors is not None:
            counts.add(len(self.vectors))
        if self.payload is not None:
            shared = self.kind == "update payload" and len(self.payload) == 1
            counts.add(len(self.ids) if shared else len(self.payload))
        if len(counts) > 1:
            vectors = 0 if self.vectors is None else len(self.vectors)
            values = 0 if self.payload is None else len(self.payload)
            raise DimensionMismatchError(
                f"a change has {len(self.ids)} ids, but {vectors} vectors and {values}"
                " rows of payload"
            )

    def applied(self, view: View, *, sequence: int) -> View:
        """The view after the change.

        Columns that the view does not have are left out: an import may have begun
        before one was dropped, and a repair may have left out the change that added it.
        """
        match self.kind:
            case "upsert":
                assert self.vectors is not None
                values = self.payload
                if values is not None:
                    values = fitting(values, view.schema)
                return view.upserted(self.ids, self.vectors, values, sequence=sequence)
            case "delete":
                return view.deleted(self.ids, sequence=sequence)
            case "schema":
                drop, add = self.reshaping(view.schema)
                return view.reshaped(drop=drop, add=add, sequence=sequence)
        values = self.new_values(view.schema)
        rows = view.find(self.ids)
        # A repair may have left out the change that brought one.
        there = np.flatnonzero(rows >= 0)
        if len(values) == len(rows):
            values = values.take(there)
        return view.payload_set(rows[there], values, sequence=sequence)

    def reshaping(self, schema: Schema) -> tuple[list[str], list[Column]]:
        """The columns that a change of the schema drops and adds."""
        drop = [name for name in self.dropped if name in schema]
        kept = schema.without(drop)
        return drop, [column for column in self.added if kept.lacks(column)]

    def new_values(self, schema: Schema) -> Payload:
        """What a payload update or deletion sets: a row for each id, or one for all."""
        if self.payload is None:
            names = [name for name in self.dropped if name in schema]
            return Payload.nulls(schema.select(names), 1)
        return fitting(self.payload, schema)

    def parts(self, most_bytes: int | None = None) -> Iterator["Change"]:
        """The change in parts that rows of the log have room for.

        Args:
            most_bytes: of vectors, or of payload, in a part; None for `MOST_BYTES`.
        """
        slices = self._slices(MOST_BYTES if most_bytes is None else most_bytes)
        if len(slices) <= 1:
            yield self
            return
        payload = self.payload
        for rows in slices:
            part = payload
            if payload is not None and len(payload) > 1:
                part = payload.slice(rows.start, rows.stop)
            yield Change(
                kind=self.kind,
                ids=self.ids[rows],
                vectors=None if self.vectors is None else self.vectors[rows],
                payload=part,
                dropped=self.dropped,
            )

    def _slices(self, most_bytes: int) -> list[slice]:
        """The rows of the parts."""
        payload, most = self.payload, MOST_ROWS
        if self.vectors is not None:
            most = min(most, max(1, most_bytes // (4 * self.vectors.shape[1])))
        slices = block_slices(len(self.ids), most)
        if payload is None or len(payload) == 1 or payload.nbytes <= most_bytes:
            return slices
        return [
            slice(rows.start + start, rows.start + stop)
            for rows in slices
            for start, stop in payload.slice(rows.start, rows.stop).bounds(most_bytes)
        ]

    def within(self, ids: IdLookup) -> "Change | None":
        """The part of a change of rows that concerns some ids; None for none."""
        rows = np.flatnonzero(ids.find(self.ids) >= 0)
        if not rows.size:
            return None
        vectors, payload = self.vectors, self.payload
        if payload is not None and len(payload) == len(self.ids):
            payload = payload.take(rows)
        return replace(
            self,
            ids=take_ids(self.ids, rows),
            vectors=None if vectors is None else vectors[rows],
            payload=payload,
        )

    def packed(self) -> PackedChange:
        """Its form in the log."""
        ids = b"" if self.kind == "schema" else _packed_ids(self.ids)
        return PackedChange(
            kind=self.kind,
            ids=ids,
            vectors=None if self.vectors is None else self.vectors.tobytes(),
            detail=self._detail(),
            payload=None if self.payload is None else self.payload.to_bytes(),
        )

    def _detail(self) -> str | None:
        if self.kind == "delete payload":
            return json.dumps(self.dropped)
        if self.kind == "schema":
            return json.dumps([self.dropped, Schema(self.added).to_values()])
        return None


def applied_upserts(upserts: Sequence[Change], view: View) -> View:
    """The view after consecutive upserts, at least one; in one step if possible."""
    ids = joined_ids([upsert.ids for upsert in upserts])
    if len(upserts) > 1 and repeated_id(ids) is None:
        return _joined(upserts, ids, view.schema).applied(
            view, sequence=view.sequence + len(upserts)
        )
    for upsert in upserts:
        view = upsert.applied(view, sequence=view.sequence + 1)
    return view


def _joined(upserts: Sequence[Change], ids: HeldIds, schema: Schema) -> Change:
    """One upsert in the place of several of distinct ids."""
    vectors = [upsert.vectors for upsert in upserts if upsert.vectors is not None]
    payload = None
    if any(upsert.payload is not None for upsert in upserts):
        payload = Payload.concat(
            Payload.nulls(schema, len(upsert.ids))
            if upsert.payload is None
            else upsert.payload.with_schema(schema)
            for upsert in upserts
        )
    return Change(
        kind="upsert", ids=ids, vectors=np.concatenate(vectors), payload=payload
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedChange:
    """A change with its sequence, which several parts may share."""

    sequence: int
    change: Change

    def applied(self, view: View) -> View:
        """The view after the change."""
        return self.change.applied(view, sequence=self.sequence)


def read_change(row: Row, view: View) -> LoggedChange:
    """The change in a row of the log, checked.

    Raises:
        CorruptDataError: it is damaged; the message names the row.
    """
    where = (
        f"change {row['sequence']} of {view.name!r} (row {row['number']} of the table"
        " changes)"
    )
    # A database that was not migrated has no checksums and no kinds.
    values = dict(row)
    packed = _packed_change(values)
    checksum = values.get("checksum")
    if packed is None or not isinstance(checksum, int | None):
        raise CorruptDataError(f"{where} is damaged: it holds values of other types")
    if checksum is not None:
        expected = change_checksum(view.number, packed) + sequence_bits(row["sequence"])
        if checksum != expected:
            raise CorruptDataError(f"{where} is damaged: its checksum does not match")
    try:
        change = _unpacked(packed, view.dim)
    except (DecodeError, GleannError, ValueError, TypeError) as error:
        raise CorruptDataError(f"{where} is damaged: {error}") from error
    return LoggedChange(sequence=row["sequence"], change=change)


def _packed_change(values: Mapping[str, Any]) -> PackedChange | None:
    """The columns of a row of the log; None if their types are not those of one."""
    vectors, name = values["vectors"], values.get("kind")
    detail, payload = values.get("detail"), values.get("payload")
    if name is None:
        name = "delete" if vectors is None else "upsert"
    kind = next((known for known in CHANGE_KINDS if known == name), None)
    whole = (
        isinstance(values["ids"], bytes)
        and isinstance(vectors, bytes | None)
        and isinstance(detail, str | None)
        and isinstance(payload, bytes | None)
    )
    if kind is None or not whole:
        return None
    return PackedChange(
        kind=kind, ids=values["ids"], vectors=vectors, detail=detail, payload=payload
    )


def _unpacked(packed: PackedChange, dim: int) -> Change:
    if packed.kind == "schema":
        dropped, added = json.loads(packed.detail or "")
        return Change(
            kind="schema",
            dropped=tuple(dropped),
            added=Schema.from_values(added).columns,
        )
    ids = ids_of(types_pb2.Ids.FromString(packed.ids), name="ids")
    vectors = _unpacked_vectors(packed, ids, dim)
    payload, dropped = None, ()
    if packed.payload is not None:
        payload = Payload.from_bytes(packed.payload)
    elif packed.kind == "delete payload":
        dropped = json.loads(packed.detail or "")
    return Change(
        kind=packed.kind,
        ids=ids,
        vectors=vectors,
        payload=payload,
        dropped=tuple(dropped),
    )


def _unpacked_vectors(packed: PackedChange, ids: HeldIds, dim: int) -> Vectors | None:
    if packed.vectors is None:
        if packed.kind == "upsert":
            raise InvalidInputError(f"{len(ids)} ids are upserted without vectors")
        return None
    vectors = np.frombuffer(packed.vectors, "<f4").reshape(-1, dim)
    finite = np.isfinite(vectors).all(axis=1).sum()
    if len(ids) != len(vectors) or finite != len(vectors):
        raise InvalidInputError(
            f"{len(ids)} ids, {len(vectors)} vectors, of which {finite} are finite"
        )
    return vectors


def _packed_ids(ids: HeldIds) -> bytes:
    return ids_to_wire(ids).SerializeToString()


def fitting(payload: Payload, schema: Schema) -> Payload:
    """The columns of a payload that a schema has, with the same types."""
    known = {column.name: column.type for column in schema.columns}
    names = [c.name for c in payload.schema.columns if known.get(c.name) == c.type]
    return payload if len(names) == len(payload.schema) else payload.select(names)
