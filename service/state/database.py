"""Open the database file, and check it before the first write."""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import disk_usage
from urllib.parse import quote

from gleann.index.errors import CorruptDataError, ServiceError, StorageError
from gleann.service.state import schema
from gleann.service.state.commits.acknowledged import read_acknowledged
from gleann.service.state.damage.checksums import (
    keep_checksums,
    renew_widened,
    seal_unchecked,
)

NAME = "gleann.sqlite3"
CHECK_SECONDS = 10.0
"""Longest look at the whole database while it is opened."""
FEW_BYTES = 1 << 20
"""Free bytes on a disk below which errors name them."""
MOST_LOG_BYTES = 64 * 1024 * 1024
"""Size that the write-ahead log keeps after a checkpoint."""

_log = logging.getLogger(__name__)


def open_database(directory: Path) -> sqlite3.Connection:
    """Open the database in `directory`; create or migrate it if necessary.

    Nothing is written before the checks have passed: the write-ahead log is not changed
    either.

    Raises:
        CorruptDataError: it existed and is missing, lacks acknowledged changes, is
            damaged, or is from another program or a later version.
    """
    file = directory / NAME
    with disk_errors(file):
        require_usable(directory)
        connection = sqlite3.connect(
            file, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, file)
        except BaseException:
            connection.close()
            raise
    return connection


def require_usable(directory: Path) -> None:
    """Refuse a database that must not be opened for writing; see `open_database`."""
    file = directory / NAME
    if file.exists() and file.with_name(f"{NAME}-journal").exists():
        _roll_back(file)
    if not file.exists() or file.stat().st_size == 0:
        log = file.with_name(f"{NAME}-wal")
        found = [log] if log.exists() and log.stat().st_size else []
        _require_new(directory, "missing or empty", found)
        return
    with closing(open_read_only(file)) as connection:
        schema.require_known(connection, file=file)
        version = schema.version_of(connection)
        if version == 0:
            _require_new(directory, "without a table", [])
            return
        count = commits(connection)
        acknowledged = read_acknowledged(directory)
        if acknowledged is not None and count < acknowledged:
            raise CorruptDataError(
                f"{file} ends with commit {count}, but commit {acknowledged} was"
                f" acknowledged: it is an older copy, or its log {file.name}-wal is"
                f" missing or damaged; {remedy(directory)}"
            )


def _roll_back(file: Path) -> None:
    """Undo what was begun when the database was made, before it had its log.

    A reader cannot: it is refused a database with such a journal.
    """
    with closing(sqlite3.connect(file)) as connection:
        schema.version_of(connection)


def open_read_only(file: Path) -> sqlite3.Connection:
    """A read-only connection, which changes neither the file nor its log."""
    connection = sqlite3.connect(
        f"file:{quote(str(file))}?mode=ro", uri=True, check_same_thread=False
    )
    lenient(connection)
    return connection


def lenient(connection: sqlite3.Connection) -> None:
    """Allow reads of damaged text, so that the checksum detects it."""
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda text: text.decode(errors="replace")


def commits(connection: sqlite3.Connection) -> int:
    """Number of the last commit; 0 if commits are not counted yet."""
    if schema.version_of(connection) < 2:
        return 0
    row = connection.execute("SELECT count FROM commits").fetchone()
    return 0 if row is None else int(row[0])


def damage(connection: sqlite3.Connection, *, seconds: float) -> list[str]:
    """Problems in the pages of a database; empty if none was found.

    A check longer than `seconds` is aborted with a warning in the log.
    """
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
    try:
        rows = connection.execute("PRAGMA integrity_check(5)").fetchall()
    except sqlite3.OperationalError as error:
        if "interrupt" not in str(error):
            raise
        _log.warning("the database was not looked at whole in %.0f s", seconds)
        return []
    finally:
        connection.set_progress_handler(None, 0)
    return [line for (line,) in rows if line != "ok"]


def shrink(connection: sqlite3.Connection, *, pages: int = 0) -> None:
    """Release free pages, at most `pages`; 0 for all."""
    # `execute` would stop at the first page: each is a row without columns.
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")


def remedy(directory: Path) -> str:
    """The remedy in error messages about a data directory."""
    return (
        "put back what belongs there, or see what can be rebuilt:"
        f" gleann doctor --data {directory}"
    )


@contextmanager
def disk_errors(file: Path) -> Iterator[None]:
    """Convert errors of SQLite and the operating system to gleann's exceptions."""
    try:
        yield
    except sqlite3.OperationalError as error:
        free = _shown_if_few(file.parent)
        raise StorageError(f"{file}: the database refused: {error}{free}") from error
    except sqlite3.ProgrammingError as error:
        raise ServiceError("the data directory was closed") from error
    except sqlite3.DatabaseError as error:
        raise CorruptDataError(
            f"{file}: the database cannot be used: {error}"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{error.filename or file}: {reason}") from error


def _shown_if_few(directory: Path) -> str:
    """The free bytes of a disk where they may be why it refuses; SQLite does not say.

    A start takes some as well, for the index of the write-ahead log.
    """
    try:
        free = disk_usage(directory).free
    except OSError:
        return ""
    return f" ({free} bytes are free)" if free < FEW_BYTES else ""


def sealed_directories(directory: Path) -> list[Path]:
    """All sealed versions in a data directory, listed in the database or not."""
    manifests = directory.glob("indexes/*/versions/*/manifest.json")
    return sorted(manifest.parent for manifest in manifests)


def _require_new(directory: Path, how: str, found: list[Path]) -> None:
    """Refuse to create a database where state of an earlier one remains."""
    found = [*found, *sealed_directories(directory)]
    acknowledged = read_acknowledged(directory)
    if not found and not acknowledged:
        return
    what = f"there is {found[0]}" if found else f"{acknowledged} commits were made"
    raise CorruptDataError(
        f"{directory / NAME} is {how}, but {what}"
        f" ({len(found)} files and sealed versions in all); {remedy(directory)}"
    )


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    lenient(connection)
    # Effective only before the first table exists: later it needs a VACUUM.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # What one large transaction left behind is cut off at the next checkpoint.
    connection.execute(f"PRAGMA journal_size_limit = {MOST_LOG_BYTES}")
    connection.execute("PRAGMA foreign_keys = ON")
    if found := damage(connection, seconds=CHECK_SECONDS):
        raise CorruptDataError(
            f"{file} is damaged: {'; '.join(found)[:300]}; {remedy(file.parent)}"
        )
    migrate(connection, file)
    keep_checksums(connection)
    give_back_space(connection, file)


def migrate(connection: sqlite3.Connection, file: Path) -> None:
    """Bring what an older gleann wrote to the tables of this one."""
    if (version := schema.version_of(connection)) == schema.VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        schema.migrate(connection)
        renew_widened(connection, since=version)
        seal_unchecked(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if version:
        _log.info("%s: schema version %d is now %d", file, version, schema.VERSION)


def give_back_space(connection: sqlite3.Connection, file: Path) -> None:
    """Shrink the file by its free pages; enable later shrinking in small steps."""
    (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    if mode == 0 and disk_usage(file.parent).free > 2 * file.stat().st_size:
        # A database from before version 2: needed only once.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
    shrink(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
