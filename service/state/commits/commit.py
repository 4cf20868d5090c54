"""COMMIT, and its outcome when the disk fails.

SQLite writes the write-ahead log first and syncs it then. If the sync fails, SQLite
reports an error, and all processes see the database without the change; but the log
contains it, and an open after a crash may apply it. The next commit overwrites it. So
one is made immediately; the outcome is unknown only if that fails too.
"""

import sqlite3
from pathlib import Path

from gleann.index.errors import OutcomeUnknownError

_NOT_IN_LOG = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
"""The log itself could not be written: the change is not in it as a whole."""


def commit(connection: sqlite3.Connection, *, file: Path) -> None:
    """Commit the open transaction.

    Raises:
        sqlite3.OperationalError: a disk error; the change was not made.
        OutcomeUnknownError: the change is not visible, but may reappear after a crash.
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
    """Commit an empty change; return whether it was synced."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version}")
    except sqlite3.OperationalError:
        return False
    return True
