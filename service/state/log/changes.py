"""Log of acknowledged changes after the sealed version."""

from collections.abc import Iterable, Iterator

from gleann.index.arrays import HeldIds
from gleann.index.errors import CorruptDataError, InvalidInputError
from gleann.index.texts import Texts
from gleann.service.state.commits.group import Transaction
from gleann.service.state.damage.checksums import change_checksum, sequence_bits
from gleann.service.state.log.change import Change, LoggedChange, read_change
from gleann.service.state.packed_change import PackedChange
from gleann.service.state.store import Store
from gleann.service.values import IdType
from gleann.service.views.live_index import View
from gleann.service.wire.arrays import ids_of
from gleann.v1 import types_pb2

_INSERT = (
    "INSERT INTO changes (index_number, sequence, operation, kind, ids, vectors,"
    " detail, payload, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def log_change(
    transaction: Transaction, view: View, change: Change, *, sequence: int
) -> None:
    """Log a change of the index of `view`.

    The sequence in the table `indexes` is brought up to date before the commit.
    """
    for part in change.parts():
        log_packed(transaction, view, [(sequence, part.packed())])


def log_packed(
    transaction: Transaction, view: View, packed: Iterable[tuple[int, PackedChange]]
) -> None:
    """Log changes of the index of `view`, each with its sequence."""
    rows = (
        _values(view, change, sequence=sequence, operation=None)
        for sequence, change in packed
    )
    transaction.run_many(_INSERT, rows)


def log_staged(
    transaction: Transaction, view: View, operation: str, change: Change
) -> None:
    """Log a part of an import, without a sequence yet."""
    for part in change.parts():
        row = _values(view, part.packed(), sequence=None, operation=operation)
        transaction.run(_INSERT, *row)


def _values(
    view: View, change: PackedChange, *, sequence: int | None, operation: str | None
) -> tuple[object, ...]:
    checksum = change_checksum(view.number, change)
    return (
        view.number,
        sequence,
        operation,
        change.kind,
        change.ids,
        change.vectors,
        change.detail,
        change.payload,
        checksum if sequence is None else checksum + sequence_bits(sequence),
    )


def drop_staged(transaction: Transaction, operation: str) -> int:
    """Remove the parts of a failed import; returns their number."""
    return transaction.run(
        "DELETE FROM changes WHERE operation = ? AND sequence IS NULL", operation
    ).rowcount


def drop_one(transaction: Transaction, index_number: int) -> bool:
    """Remove one row of the log of an index; returns whether there was one."""
    dropped = transaction.run(
        "DELETE FROM changes WHERE number ="
        " (SELECT number FROM changes WHERE index_number = ? LIMIT 1)",
        index_number,
    )
    return dropped.rowcount > 0


def drop_given_up(transaction: Transaction) -> int:
    """Remove the parts of all abandoned imports; returns their number."""
    return transaction.run(
        "DELETE FROM changes WHERE sequence IS NULL AND operation NOT IN"
        " (SELECT name FROM operations WHERE state IN ('queued', 'running', 'paused'))"
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
) -> int:
    """Assign one sequence to all parts of an import, whose ids are `ids`; return it."""
    claim_id_type(transaction, view, ids)
    sequence = view.sequence + 1
    transaction.run(
        "UPDATE changes SET sequence = ?, checksum = checksum + ?"
        " WHERE operation = ? AND sequence IS NULL",  # a run may have published
        sequence,
        sequence_bits(sequence),
        operation,
    )
    return sequence


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
    for logged_change in logged(store, view):
        view = logged_change.applied(view)
    return view


def replayed_to(store: Store, view: View, sequence: int) -> View:
    """`view` with the logged changes up to a sequence applied.

    Raises:
        CorruptDataError: a change is damaged; it is named.
    """
    for logged_change in following(store, view):
        if logged_change.sequence > sequence:
            break
        view = logged_change.applied(view)
    return view


def caught_up(store: Store, view: View) -> View:
    """`view` with changes that are committed by now, while others are being made.

    Raises:
        CorruptDataError: a change is damaged; it is named.
    """
    for logged_change in following(store, view):
        view = logged_change.applied(view)
    return view


def logged(store: Store, view: View) -> Iterator[LoggedChange]:
    """The changes newer than `view`, in order.

    Raises:
        CorruptDataError: as `replayed`, after the changes before it.
    """
    last = view.sequence
    for change in following(store, view):
        last = change.sequence
        yield change
    _require_last(store, view, last)


def following(store: Store, view: View) -> Iterator[LoggedChange]:
    """The changes after `view`, in order, up to the first that is missing.

    Raises:
        CorruptDataError: a change is damaged; it is named.
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
        if whole is None:
            return  # the index was removed meanwhile
        yield read_change(whole, view)


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
    if view.id_type == kind:
        return
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


def set_sequence(transaction: Transaction, view: View, sequence: int) -> None:
    """Store the sequence of the last change of the index of `view`."""
    transaction.run(
        "UPDATE indexes SET sequence = ? WHERE number = ?", sequence, view.number
    )
