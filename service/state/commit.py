"""COMMIT, and its outcome when the disk fails.

The write-ahead log is written first, and put on disk then. Where the second fails
SQLite says so, and this process and others see the database without the change; but all
of it is in the log, and who opens the database after a crash may find it. The next
commit overwrites it. So one is made at once; the change is in doubt only where that
fails too.
"""

import sqlite3
from pathlib import Path

from gleann.index.errors import OutcomeUnknownError

_NOT_IN_LOG = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
"""The log itself could not be written: the change is not in it as a whole."""


def commit(connection: sqlite3.Connection, *, file: Path) -> None:
    """Commit the open transaction.

    Raises:
        sqlite3.OperationalError: the disk refused; the change is not there.
        OutcomeUnknownError: the change is not seen, but a crash may bring it back.
    """
    try:
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if error.sqlite_errorcode in _NOT_IN_LOG or _overwritten(connection):
            raise
        raise OutcomeUnknownError(
            f"{file}: the disk failed while a change was committed ({error}): it is not"
            " known whether the change is kept; repeat the request with the same"
            " request_id, and it is carried out once"
        ) from error


def _overwritten(connection: sqlite3.Connection) -> bool:
    """Commit something that changes nothing; whether that was put on disk."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version}")
    except sqlite3.OperationalError:
        return False
    return True
