"""The log of acknowledged changes that are newer than the sealed version."""

import numpy as np

from gleann.index.arrays import Ids, Vectors
from gleann.index.errors import InvalidInputError
from gleann.service.live_index import View
from gleann.service.store import Store, Transaction
from gleann.service.values import IdType
from gleann.service.wire import ids_of, ids_to_wire
from gleann.v1 import types_pb2


def log_change(
    transaction: Transaction, view: View, ids: Ids, vectors: Vectors | None
) -> int:
    """Log an upsert, or a deletion where there are no vectors; return its sequence."""
    if vectors is not None:
        claim_id_type(transaction, view, ids)
    sequence = _advance(transaction, view)
    transaction.run(
        "INSERT INTO changes (index_number, sequence, ids, vectors)"
        " VALUES (?, ?, ?, ?)",
        view.number,
        sequence,
        ids_to_wire(ids).SerializeToString(),
        None if vectors is None else vectors.tobytes(),
    )
    return sequence


def log_staged(
    transaction: Transaction, view: View, operation: str, ids: Ids, vectors: Vectors
) -> None:
    """Log a part of an import, which has no sequence yet."""
    transaction.run(
        "INSERT INTO changes (index_number, operation, ids, vectors)"
        " VALUES (?, ?, ?, ?)",
        view.number,
        operation,
        ids_to_wire(ids).SerializeToString(),
        vectors.tobytes(),
    )


def drop_staged(transaction: Transaction, operation: str) -> None:
    """Remove the parts of an import that did not get through."""
    transaction.run(
        "DELETE FROM changes WHERE operation = ? AND sequence IS NULL", operation
    )


def publish_staged(
    transaction: Transaction, view: View, operation: str, ids: Ids
) -> None:
    """Give all parts of an import, which have `ids`, one sequence."""
    claim_id_type(transaction, view, ids)
    transaction.run(
        "UPDATE changes SET sequence = ? WHERE operation = ?",
        _advance(transaction, view),
        operation,
    )


def drop_sealed(transaction: Transaction, view: View) -> None:
    """Remove the changes that a version built from `view` holds."""
    transaction.run(
        "DELETE FROM changes WHERE index_number = ? AND sequence <= ?",
        view.number,
        view.sequence,
    )


def replayed(store: Store, view: View) -> View:
    """`view` with the logged changes that are newer."""
    changes = store.rows(
        "SELECT sequence, ids, vectors FROM changes"
        " WHERE index_number = ? AND sequence > ? ORDER BY sequence, number",
        view.number,
        view.sequence,
    )
    for change in changes:
        ids = ids_of(types_pb2.Ids.FromString(change["ids"]), name="ids")
        if change["vectors"] is None:
            view = view.deleted(ids, sequence=change["sequence"])
        else:
            vectors = np.frombuffer(change["vectors"], "<f4").reshape(-1, view.dim)
            view = view.upserted(ids, vectors, sequence=change["sequence"])
    return view


def claim_id_type(transaction: Transaction, view: View, ids: Ids) -> None:
    """Set the kind of ids by the first vectors, and hold later ones to it.

    Raises:
        InvalidInputError: the index has the other kind.
    """
    kind: IdType = "string" if ids.dtype.kind == "U" else "int64"
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


def _advance(transaction: Transaction, view: View) -> int:
    sequence = view.sequence + 1
    transaction.run(
        "UPDATE indexes SET sequence = ? WHERE number = ?", sequence, view.number
    )
    return sequence
