"""Row checksums of the database: a damaged row is reported, not served.

The checksum of a change is computed when it is logged (`change_checksum`). Triggers of
the connection maintain those of the other tables, so statements need not set them.
"""

import sqlite3
from struct import pack
from zlib import crc32

from gleann.service.state import schema
from gleann.service.state.packed_change import ChangeKind, PackedChange

CHECKED = {
    "indexes": "number",
    "operations": "name",
    "selections": "name",
    "sessions": "name",
    "requests": "request_id",
    "deleted": "number",
    "streams": "stream_id",
}
"""Tables with checksums by trigger, and the column that names a row.

Streams of several owners may share an id: a damaged one is then refused to all of them.
"""

FIRST_CHECKED = 2
"""The first schema version with checksums."""

_KINDS: dict[ChangeKind, bytes] = {
    "upsert": b"upsert",
    "delete": b"deletion",
    "update payload": b"payload update",
    "delete payload": b"payload deletion",
    "schema": b"schema",
}


def change_checksum(index_number: int, change: PackedChange) -> int:
    """The checksum of a change's index and content, without its sequence.

    The sum with `sequence_bits` is the checksum of the published change. Upserts and
    deletions without payload have the one that schema version 2 gave them.
    """
    head = pack("<qq", index_number, len(change.ids)) + _KINDS[change.kind]
    checksum = crc32(change.vectors or b"", crc32(change.ids, crc32(head)))
    if change.detail is None and change.payload is None:
        return checksum
    detail = (change.detail or "").encode()
    checksum = crc32(pack("<q", len(detail)) + detail, checksum)
    return crc32(change.payload or b"", checksum)


def sequence_bits(sequence: int) -> int:
    """The sequence, shifted above the 32 bits of the content's checksum.

    So an import is published without a second read of its rows.
    """
    return sequence % (1 << 31) << 32


def keep_checksums(connection: sqlite3.Connection) -> None:
    """Create triggers that maintain the checksums of the tables in `CHECKED`."""
    know_checksums(connection)
    for table in CHECKED:
        columns = _columns(table)
        renew = (
            f"BEGIN UPDATE {table} SET checksum = {_expression(columns, 'NEW.')}"
            " WHERE rowid = NEW.rowid; END"
        )
        connection.execute(
            f"CREATE TEMP TRIGGER {table}_inserted AFTER INSERT ON main.{table} {renew}"
        )
        connection.execute(
            f"CREATE TEMP TRIGGER {table}_updated"
            f" AFTER UPDATE OF {', '.join(columns)} ON main.{table} {renew}"
        )


def know_checksums(connection: sqlite3.Connection) -> None:
    """Register the checksum function with this connection."""
    connection.create_function("row_checksum", -1, row_checksum, deterministic=True)


def seal_unchecked(connection: sqlite3.Connection) -> None:
    """Add a checksum to rows without one, as after a migration.

    Changes that were logged without one stay unchecked until a build moves them to a
    sealed version.
    """
    know_checksums(connection)
    for table in CHECKED:
        expression = _expression(_columns(table))
        connection.execute(
            f"UPDATE {table} SET checksum = {expression} WHERE checksum IS NULL"
        )


def renew_widened(connection: sqlite3.Connection, *, since: int) -> None:
    """Renew the checksums of rows whose table has columns that version `since` lacks.

    A row that did not match its checksum before does not match it afterwards.
    """
    know_checksums(connection)
    for table in known_tables(since) if since >= FIRST_CHECKED else ():
        before, now = _columns(table, since), _columns(table)
        if before != now:
            connection.execute(
                f"UPDATE {table} SET checksum = {_expression(now)}"
                f" WHERE checksum IS {_expression(before)}"
            )


def damaged_rows(connection: sqlite3.Connection, table: str) -> set[int | str]:
    """Keys of the rows of a table in `CHECKED` that do not match their checksum.

    A row without a checksum is a mismatch: `seal_unchecked` leaves none.
    """
    know_checksums(connection)
    version = schema.version_of(connection)
    if table not in known_tables(version):
        return set()
    columns = _columns(table, version)
    found = connection.execute(
        f"SELECT {CHECKED[table]} FROM {table}"
        f" WHERE checksum IS NOT {_expression(columns)}"
    )
    return {row[0] for row in found}


def known_tables(version: int) -> list[str]:
    """The tables in `CHECKED` that a schema version has."""
    return [table for table in CHECKED if table in schema.expected_tables(version)]


def _columns(table: str, version: int = schema.VERSION) -> list[str]:
    columns = [name for name, _ in schema.expected_tables(version)[table]]
    columns.remove("checksum")
    return columns


def _expression(columns: list[str], prefix: str = "") -> str:
    """SQL for the checksum of the row; as blobs, since damaged text may not decode."""
    values = (f"typeof({prefix}{c}), CAST({prefix}{c} AS BLOB)" for c in columns)
    return f"row_checksum({', '.join(values)})"


def row_checksum(*values: str | bytes | None) -> int:
    """CRC-32 of values, each with its length in bytes before it."""
    checksum = 0
    for value in values:
        content = value.encode() if isinstance(value, str) else value or b""
        checksum = crc32(content, crc32(pack("<q", len(content)), checksum))
    return checksum
