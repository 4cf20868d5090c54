"""Log of acknowledged changes after the sealed version."""

from collections.abc import Iterator
from dataclasses import dataclass
from sqlite3 import Row

import numpy as np
from google.protobuf.message import DecodeError

from gleann.index.arrays import HeldIds, Vectors
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
)
from gleann.index.texts import Texts
from gleann.service.state.checksums import change_checksum, sequence_bits
from gleann.service.state.live_index import View
from gleann.service.state.store import Store, Transaction
from gleann.service.values import IdType
from gleann.service.wire.arrays import ids_of, ids_to_wire
from gleann.v1 import types_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the log.

    Attributes:
        sequence: of the change, which may have several rows.
        ids: (m,).
        vectors: (m, dim) prepared rows; None for a deletion.
    """

    sequence: int
    ids: HeldIds
    vectors: Vectors | None


def log_change(
    transaction: Transaction, view: View, ids: HeldIds, vectors: Vectors | None
) -> int:
    """Log an upsert, or a deletion if `vectors` is None; return its sequence.

    Raises:
        DimensionMismatchError: not one vector per id.
        InvalidInputError: the index has the other kind of ids.
    """
    if vectors is not None:
        _require_pairs(ids, vectors)
        claim_id_type(transaction, view, ids)
    sequence = _advance(transaction, view)
    packed_ids = ids_to_wire(ids).SerializeToString()
    packed_vectors = None if vectors is None else vectors.tobytes()
    checksum = change_checksum(view.number, packed_ids, packed_vectors)
    transaction.run(
        "INSERT INTO changes (index_number, sequence, ids, vectors, checksum)"
        " VALUES (?, ?, ?, ?, ?)",
        view.number,
        sequence,
        packed_ids,
        packed_vectors,
        checksum + sequence_bits(sequence),
    )
    return sequence


def log_staged(
    transaction: Transaction, view: View, operation: str, ids: HeldIds, vectors: Vectors
) -> None:
    """Log a part of an import, without a sequence yet.

    Raises:
        DimensionMismatchError: not one vector per id.
    """
    _require_pairs(ids, vectors)
    packed_ids, packed_vectors = ids_to_wire(ids).SerializeToString(), vectors.tobytes()
    transaction.run(
        "INSERT INTO changes (index_number, operation, ids, vectors, checksum)"
        " VALUES (?, ?, ?, ?, ?)",
        view.number,
        operation,
        packed_ids,
        packed_vectors,
        change_checksum(view.number, packed_ids, packed_vectors),
    )


def _require_pairs(ids: HeldIds, vectors: Vectors) -> None:
    # Checked before: an invalid row in the log would break the whole index.
    if len(ids) != len(vectors):
        raise DimensionMismatchError(
            f"a change has {len(ids)} ids, but {len(vectors)} vectors"
        )


def drop_staged(transaction: Transaction, operation: str) -> int:
    """Remove the parts of a failed import; returns their number."""
    return transaction.run(
        "DELETE FROM changes WHERE operation = ? AND sequence IS NULL", operation
    ).rowcount


def drop_given_up(transaction: Transaction) -> int:
    """Remove the parts of all abandoned imports; returns their number."""
    return transaction.run(
        "DELETE FROM changes WHERE sequence IS NULL AND operation NOT IN"
        " (SELECT name FROM operations WHERE state IN ('queued', 'running'))"
    ).rowcount


def count_published(store: Store, operation: str) -> int:
    """Number of rows that an import published; valid until the next build."""
    parts = store.rows(
        "SELECT ids FROM changes WHERE operation = ? AND sequence IS NOT NULL",
        operation,
    )
    packed = (types_pb2.Ids.FromString(part["ids"]) for part in parts)
    return sum(len(ids_of(ids, name="ids")) for ids in packed)


def publish_staged(
    transaction: Transaction, view: View, operation: str, ids: HeldIds
) -> None:
    """Assign one sequence to all parts of an import, whose ids are `ids`."""
    claim_id_type(transaction, view, ids)
    sequence = _advance(transaction, view)
    transaction.run(
        "UPDATE changes SET sequence = ?, checksum = checksum + ?"
        " WHERE operation = ? AND sequence IS NULL",  # a run may have published
        sequence,
        sequence_bits(sequence),
        operation,
    )


def drop_sealed(transaction: Transaction, view: View) -> None:
    """Remove the changes in the version that was built from `view`."""
    transaction.run(
        "DELETE FROM changes WHERE index_number = ? AND sequence <= ?",
        view.number,
        view.sequence,
    )


def replayed(store: Store, view: View) -> View:
    """`view` with the newer logged changes applied.

    Raises:
        CorruptDataError: a change is missing or damaged; it is named.
    """
    for change in logged(store, view):
        if change.vectors is None:
            view = view.deleted(change.ids, sequence=change.sequence)
        else:
            view = view.upserted(change.ids, change.vectors, sequence=change.sequence)
    return view


def logged(store: Store, view: View) -> Iterator[Change]:
    """The changes newer than `view`, in order.

    Raises:
        CorruptDataError: as `replayed`, after the changes before it.
    """
    where = "index_number = ? AND sequence > ?"
    numbers = store.rows(
        f"SELECT number, sequence FROM changes WHERE {where} ORDER BY sequence, number",
        view.number,
        view.sequence,
    )
    last = view.sequence
    for row in numbers:
        if row["sequence"] > last + 1:
            break
        last = row["sequence"]
        # One row at a time: all rows together have the size of the log.
        whole = store.row("SELECT * FROM changes WHERE number = ?", row["number"])
        assert whole is not None, "the store runs one transaction at a time"
        yield read_change(whole, view)
    _require_last(store, view, last)


def read_change(row: Row, view: View) -> Change:
    """The change in a row of the log, checked.

    Raises:
        CorruptDataError: it is damaged; the message names the row.
    """
    where = (
        f"change {row['sequence']} of {view.name!r} (row {row['number']} of the table"
        " changes)"
    )
    ids, vectors = row["ids"], row["vectors"]
    # A database that was not migrated has no checksums.
    checksum = dict(row).get("checksum")
    kinds = isinstance(ids, bytes) and isinstance(vectors, bytes | None)
    if not kinds or not isinstance(checksum, int | None):
        raise CorruptDataError(f"{where} is damaged: it holds values of other types")
    if checksum is not None:
        expected = change_checksum(view.number, ids, vectors)
        expected += sequence_bits(row["sequence"])
        if checksum != expected:
            raise CorruptDataError(f"{where} is damaged: its checksum does not match")
    return _unpacked(row, view, where)


def _unpacked(row: Row, view: View, where: str) -> Change:
    try:
        ids = ids_of(types_pb2.Ids.FromString(row["ids"]), name="ids")
        if row["vectors"] is None:
            return Change(sequence=row["sequence"], ids=ids, vectors=None)
        vectors = np.frombuffer(row["vectors"], "<f4").reshape(-1, view.dim)
    except (DecodeError, InvalidInputError, ValueError) as error:
        raise CorruptDataError(f"{where} is damaged: {error}") from error
    if len(ids) != len(vectors) or not np.isfinite(vectors).all():
        raise CorruptDataError(
            f"{where} is damaged: {len(ids)} ids, {len(vectors)} vectors, of which"
            f" {np.isfinite(vectors).all(axis=1).sum()} are finite"
        )
    return Change(sequence=row["sequence"], ids=ids, vectors=vectors)


def _require_last(store: Store, view: View, last: int) -> None:
    row = store.row("SELECT sequence FROM indexes WHERE number = ?", view.number)
    if row is not None and row["sequence"] != last:
        raise CorruptDataError(
            f"the log of {view.name!r} ends with change {last}, but change"
            f" {row['sequence']} was acknowledged: {store.file} has lost what follows"
        )


def claim_id_type(transaction: Transaction, view: View, ids: HeldIds) -> None:
    """Set the id type from the first vectors, and require it of later ones.

    Raises:
        InvalidInputError: the index has the other kind.
    """
    kind = id_type_of(ids)
    row = transaction.run(
        "SELECT id_type FROM indexes WHERE number = ?", view.number
    ).fetchone()
    if row["id_type"] is None:
        transaction.run(
            "UPDATE indexes SET id_type = ? WHERE number = ?", kind, view.number
        )
    elif row["id_type"] != kind:
        raise InvalidInputError(
            f"{view.name!r} has {row['id_type']} ids, these are {kind} ids"
        )


def id_type_of(ids: HeldIds) -> IdType:
    """The kind of some ids."""
    return "string" if isinstance(ids, Texts) else "int64"


def _advance(transaction: Transaction, view: View) -> int:
    sequence = view.sequence + 1
    transaction.run(
        "UPDATE indexes SET sequence = ? WHERE number = ?", sequence, view.number
    )
    return sequence
