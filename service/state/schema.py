"""Database schema and its migrations."""

import sqlite3
from functools import cache

from gleann.index.errors import CorruptDataError

VERSION = 4
"""What `PRAGMA user_version` says of a database with the tables below."""

SCHEMA = """
CREATE TABLE indexes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- names its directory, never used again
    name TEXT NOT NULL UNIQUE,
    dim INTEGER NOT NULL,
    metric TEXT NOT NULL,
    id_type TEXT,
    sequence INTEGER NOT NULL DEFAULT 0,       -- of the last acknowledged change
    version INTEGER NOT NULL DEFAULT 0,        -- of the sealed version, 0 for none
    sealed_sequence INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    built REAL,
    checksum INTEGER,                          -- see checksums.py; NULL is unchecked
    columns TEXT NOT NULL DEFAULT '[]',        -- of payload, JSON of a Schema
    sealed_columns TEXT NOT NULL DEFAULT '[]', -- those at `sealed_sequence`
    optimizer TEXT NOT NULL DEFAULT '{}'       -- JSON of the parameters that are set
);
CREATE TABLE changes (                         -- newer than the sealed version
    number INTEGER PRIMARY KEY,
    index_number INTEGER NOT NULL REFERENCES indexes (number) ON DELETE CASCADE,
    sequence INTEGER,                          -- NULL while an import is under way
    operation TEXT,                            -- the import that brought it
    ids BLOB NOT NULL,                         -- a serialised gleann.v1.Ids
    vectors BLOB,                              -- float32 rows, of an upsert only
    checksum INTEGER,                          -- likewise; NULL before version 2
    kind TEXT,                                 -- see change.py; NULL before version 3
    detail TEXT,                               -- JSON, columns dropped or added
    payload BLOB                               -- the bytes of a Payload
);
CREATE INDEX changes_by_sequence ON changes (index_number, sequence);
CREATE TABLE operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    index_name TEXT NOT NULL,
    request BLOB NOT NULL,                     -- serialised, to run it again
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    error BLOB,                                -- a serialised google.rpc.Status
    response BLOB,                             -- a serialised google.protobuf.Any
    checksum INTEGER,
    start_sequence INTEGER,                    -- of the index when an import started
    owner TEXT NOT NULL DEFAULT '',            -- name of the caller who asked for it
    log TEXT NOT NULL DEFAULT '[]',            -- JSON, the latest lines
    log_last INTEGER NOT NULL DEFAULT 0        -- number of the last line, from 1
);
CREATE TABLE selections (
    name TEXT PRIMARY KEY,
    description BLOB NOT NULL,                 -- a serialised gleann.v1.Selection
    items BLOB NOT NULL,                       -- a serialised gleann.v1.SelectedItems
    checksum INTEGER
);
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    index_number INTEGER NOT NULL REFERENCES indexes (number),
    version INTEGER NOT NULL,
    labelled INTEGER NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    state TEXT NOT NULL,                       -- JSON
    proxy BLOB,                                -- float64, estimates only
    checksum INTEGER,
    owner TEXT NOT NULL DEFAULT ''             -- name of the caller who began it
);
CREATE TABLE streams (                         -- acknowledged batches of upsert streams
    owner TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    index_number INTEGER NOT NULL REFERENCES indexes (number) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,                 -- of the last acknowledged batch
    count INTEGER NOT NULL,                    -- of the vectors acknowledged
    updated REAL NOT NULL,
    checksum INTEGER,
    PRIMARY KEY (owner, stream_id)
);
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    response BLOB NOT NULL,
    created REAL NOT NULL,
    checksum INTEGER
);
CREATE TABLE deleted (                         -- indexes whose files may still be there
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum INTEGER
);
CREATE TABLE commits (                         -- one row; see acknowledged.py
    count INTEGER NOT NULL
);
INSERT INTO commits VALUES (0);
"""

_TO_VERSION_2 = """
ALTER TABLE indexes ADD COLUMN checksum INTEGER;
ALTER TABLE changes ADD COLUMN checksum INTEGER;
ALTER TABLE operations ADD COLUMN checksum INTEGER;
ALTER TABLE selections ADD COLUMN checksum INTEGER;
ALTER TABLE sessions ADD COLUMN checksum INTEGER;
ALTER TABLE requests ADD COLUMN checksum INTEGER;
CREATE TABLE deleted (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum INTEGER);
CREATE TABLE commits (count INTEGER NOT NULL);
INSERT INTO commits VALUES (0);
"""

_TO_VERSION_3 = """
ALTER TABLE indexes ADD COLUMN columns TEXT NOT NULL DEFAULT '[]';
ALTER TABLE indexes ADD COLUMN sealed_columns TEXT NOT NULL DEFAULT '[]';
ALTER TABLE indexes ADD COLUMN optimizer TEXT NOT NULL DEFAULT '{}';
ALTER TABLE changes ADD COLUMN kind TEXT;
ALTER TABLE changes ADD COLUMN detail TEXT;
ALTER TABLE changes ADD COLUMN payload BLOB;
ALTER TABLE operations ADD COLUMN start_sequence INTEGER;
"""

_TO_VERSION_4 = """
ALTER TABLE operations ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN log TEXT NOT NULL DEFAULT '[]';
ALTER TABLE operations ADD COLUMN log_last INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN owner TEXT NOT NULL DEFAULT '';
CREATE TABLE streams (owner TEXT NOT NULL, stream_id TEXT NOT NULL,
    index_number INTEGER NOT NULL REFERENCES indexes (number) ON DELETE CASCADE,
    sequence INTEGER NOT NULL, count INTEGER NOT NULL, updated REAL NOT NULL,
    checksum INTEGER, PRIMARY KEY (owner, stream_id));
"""

_SINCE_VERSION_3 = {
    "indexes": {"columns", "sealed_columns", "optimizer"},
    "changes": {"kind", "detail", "payload"},
    "operations": {"start_sequence"},
}

_SINCE_VERSION_4 = {
    "operations": {"owner", "log", "log_last"},
    "sessions": {"owner"},
}

MIGRATIONS = {1: _TO_VERSION_2, 2: _TO_VERSION_3, 3: _TO_VERSION_4}
"""The statements that take a database of a version to the next one."""

Tables = dict[str, list[tuple[str, str]]]
"""(name, type) of the columns of each table."""


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of a database; 0 if empty."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate a database, new or of any older version, to `VERSION`.

    The caller has an open transaction, so the migration is atomic.
    """
    version = version_of(connection)
    scripts = [SCHEMA] if version == 0 else []
    if version:
        scripts = [MIGRATIONS[older] for older in range(version, VERSION)]
    for script in scripts:
        # Not `executescript`, which would commit the open transaction.
        for statement in script.split(";\n"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def require_known(connection: sqlite3.Connection, *, file: object) -> None:
    """Refuse a database that this gleann cannot read.

    Raises:
        CorruptDataError: it is from a later version or another program, or its
            schema is damaged; the message names `file`.
    """
    version, found = version_of(connection), tables_of(connection)
    if version > VERSION:
        raise CorruptDataError(
            f"{file} has schema version {version}, this gleann reads versions 1 to"
            f" {VERSION}: it was written by a later gleann"
        )
    if version not in (0, *MIGRATIONS, VERSION) or (version == 0 and found):
        raise CorruptDataError(
            f"{file} has schema version {version} and the tables"
            f" {sorted(found)}: it is not a database of gleann, or it is damaged"
        )
    for table, columns in expected_tables(version).items():
        if found.get(table) != columns:
            raise CorruptDataError(
                f"{file} describes its table {table} as {found.get(table)}, schema"
                f" version {version} has {columns}: it is damaged"
            )


def tables_of(connection: sqlite3.Connection) -> Tables:
    """The tables of a database, without SQLite's own."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    return {
        name: [
            (column[1], column[2])
            for column in connection.execute(f"PRAGMA table_info({_quoted(name)})")
        ]
        for (name,) in names
    }


@cache
def expected_tables(version: int = VERSION) -> Tables:
    """The tables of a schema version; do not modify the result."""
    if version == 0:
        return {}
    tables = _tables_made_by(SCHEMA)
    if version < 4:
        _leave_out(tables, _SINCE_VERSION_4)
        del tables["streams"]
    if version < 3:
        _leave_out(tables, _SINCE_VERSION_3)
    if version == 1:
        del tables["deleted"], tables["commits"]
        for columns in tables.values():
            columns.remove(("checksum", "INTEGER"))
    return tables


def _leave_out(tables: Tables, added: dict[str, set[str]]) -> None:
    """Remove the columns `added` by a later version."""
    for table, names in added.items():
        tables[table] = [one for one in tables[table] if one[0] not in names]


def _tables_made_by(script: str) -> Tables:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(script)
        return tables_of(connection)
    finally:
        connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
