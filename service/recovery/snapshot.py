"""Read-only access to a data directory, even if damaged; for `gleann doctor`."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from sqlite3 import Row

from gleann.index.errors import CorruptDataError, GleannError
from gleann.service.state import schema
from gleann.service.state.damage.checksums import CHECKED, damaged_rows
from gleann.service.state.database import NAME, damage, disk_errors, open_read_only
from gleann.service.state.database import require_usable as require_usable_database


class Snapshot:
    """The database of a directory that no process has open; never written.

    Attributes:
        directory: the data directory.
        file: its database.
        refusal: why a server would refuse the database, or None.
        is_readable: whether its tables can be read at all.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / NAME
        self._connection: sqlite3.Connection | None = None
        self.refusal = self._refusal()
        self.is_readable = self._connection is not None

    def _refusal(self) -> str | None:
        try:
            with disk_errors(self.file):
                self._open()
                require_usable_database(self.directory)
                return self._page_damage()
        except GleannError as error:
            return str(error)

    def _open(self) -> None:
        if not self.file.exists() or not self.file.stat().st_size:
            return
        connection = open_read_only(self.file)
        try:
            schema.require_known(connection, file=self.file)
            if schema.version_of(connection):
                self._connection = connection
        finally:
            if self._connection is None:
                connection.close()

    def _page_damage(self) -> str | None:
        if self._connection is None:
            return None
        found = damage(self._connection, seconds=float("inf"))
        return f"{self.file} is damaged: {'; '.join(found)[:300]}" if found else None

    def rows(self, sql: str, *values: object) -> list[Row]:
        """All rows of a query; [] if the database cannot be read.

        Raises:
            CorruptDataError: a read fails before the end.
        """
        if self._connection is None:
            return []
        with disk_errors(self.file):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> Row | None:
        """The first row of a query, or None."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def readable_rows(
        self, table: str, *, columns: str = "*", where: str = "TRUE"
    ) -> list[Row]:
        """The readable rows of a table, read from both ends."""
        found: dict[int, Row] = {}
        for order in ("ASC", "DESC"):
            # No index: the index itself may be damaged.
            for row in self._until_damage(
                f"SELECT rowid AS row_number, {columns} FROM {table} NOT INDEXED"
                f" WHERE {where} ORDER BY rowid {order}"
            ):
                found[row["row_number"]] = row
        return [found[number] for number in sorted(found)]

    def change(self, number: int) -> Row | None:
        """A row of the log by number; None if it cannot be read."""
        found = self.readable_rows("changes", where=f"rowid = {number}")
        return found[0] if found else None

    def damaged(self, table: str) -> set[int | str]:
        """Keys of the rows of a table that do not match their checksum."""
        if self._connection is None or schema.version_of(self._connection) < 2:
            return set()
        with suppress(sqlite3.DatabaseError):
            return damaged_rows(self._connection, table)
        return {row[CHECKED[table]] for row in self.readable_rows(table)}

    def require_whole(self, table: str, key: int | str) -> None:
        """Refuse a row that does not match its checksum.

        Raises:
            CorruptDataError: checksum mismatch.
        """
        if key in self.damaged(table):
            raise CorruptDataError(
                f"the row {key!r} of the table {table} does not match its checksum"
            )

    def close(self) -> None:
        """Close the database."""
        if self._connection is not None:
            self._connection.close()

    def _until_damage(self, sql: str) -> Iterator[Row]:
        if self._connection is None:
            return
        with suppress(sqlite3.DatabaseError):
            yield from self._connection.execute(sql)
