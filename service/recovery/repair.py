"""Rebuild the database of a data directory from its undamaged parts.

The existing database is moved to lost/, never overwritten.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from sqlite3 import IntegrityError
from typing import Any, get_args

import numpy as np

from gleann.index.errors import StorageError, UnknownIndexError
from gleann.index.params import Metric
from gleann.index.storage.manifest import sync_dir
from gleann.service.recovery.examination import (
    Examination,
    ExaminedIndex,
    log_of,
    logged_rows,
    schema_after,
)
from gleann.service.recovery.snapshot import Snapshot
from gleann.service.state import schema
from gleann.service.state.commits.acknowledged import NAME as ACKNOWLEDGED
from gleann.service.state.commits.group import Transaction
from gleann.service.state.damage.checksums import (
    CHECKED,
    change_checksum,
    sequence_bits,
)
from gleann.service.state.database import NAME as DATABASE
from gleann.service.state.index_names import NAME
from gleann.service.state.packed_change import PackedChange
from gleann.service.state.seal import Seal, seal_of, write_seal
from gleann.service.state.store import Store
from gleann.service.state.versions import LOST
from gleann.service.values import IdType
from gleann.service.wire.arrays import ids_to_wire

OTHERS = ("operations", "selections", "sessions", "requests", "deleted")
"""Tables to copy.

Positions of streams are not copied: changes that they count may be lost, and a stream
that begins again stores the same vectors.
"""
NOTHING = PackedChange(
    kind="delete", ids=ids_to_wire(np.empty(0, np.int64)).SerializeToString()
)
"""In the place of a lost change: it removes no vector."""
MOST_FILLED = 1_000_000
"""Lost changes of one index that are filled in; more is a number that was damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPlan:
    """Data that a repair may drop.

    Attributes:
        skip: names of indexes to leave out; their files go to lost/.
        skip_damaged: drop damaged or lost changes, and use the newest undamaged
            version of an index whose current one is damaged.
    """

    skip: frozenset[str] = frozenset()
    skip_damaged: bool = False


def repair(snapshot: Snapshot, found: Examination, plan: RepairPlan) -> list[str]:
    """Rebuild the database; returns the actions taken, one line each.

    No process may have the directory open.

    Raises:
        UnknownIndexError: an index to skip does not exist.
        StorageError: a disk error; the old database is unchanged, or in lost/.
    """
    if unknown := plan.skip - {index.name for index in found.indexes}:
        raise UnknownIndexError(f"there is no index {sorted(unknown)[0]!r} to skip")
    directory = snapshot.directory
    scratch = directory / f".repaired-{token_hex(4)}"
    try:
        said = list(_made(snapshot, found, plan, scratch))
        lost = directory / LOST / f"database-{token_hex(4)}"
        _put_in_place(directory, scratch, lost)
    except OSError as error:
        raise StorageError(f"{error.filename}: {error.strerror}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for index in found.indexes:
        if index.name in plan.skip or _row_to_be(index, plan) is None:
            _set_index_aside(directory, index.number, lost)
    return [*said, f"what was there is kept in {lost}"]


def _made(
    snapshot: Snapshot, found: Examination, plan: RepairPlan, scratch: Path
) -> Iterator[str]:
    """Fill a new database in `scratch`."""
    with closing(Store(scratch)) as store, store.transaction() as transaction:
        kept = [index for index in found.indexes if index.name not in plan.skip]
        names = _distinct_names(kept)
        for index in kept:
            yield _add_index(transaction, snapshot, index, names[index.number], plan)
        damaged = set(found.damaged)
        for table in OTHERS:
            yield from _copy_table(transaction, snapshot, table, damaged)
        for name in sorted(plan.skip):
            yield f"{name!r} is left out"


def _distinct_names(indexes: list[ExaminedIndex]) -> dict[int, str]:
    """The name of each index; of two with the same name, the later one keeps it."""
    names: dict[int, str] = {}
    for index in sorted(indexes, key=lambda one: (one.row is None, -one.number)):
        taken = index.name in names.values()
        names[index.number] = f"recovered-{index.number}" if taken else index.name
    return names


def _add_index(
    transaction: Transaction,
    snapshot: Snapshot,
    index: ExaminedIndex,
    name: str,
    plan: RepairPlan,
) -> str:
    row = _row_to_be(index, plan)
    if row is None:
        return f"{name!r} is left out: nothing of it is whole"
    row["name"] = name
    log = log_of(snapshot, row)
    if not index.is_whole:
        row["sequence"] = max([row["sequence"], *(one for one, _ in log.whole)])
    row["columns"] = schema_after(snapshot, row, log).to_json()
    _insert(transaction, "indexes", row)
    version = row["version"]
    path = snapshot.directory / "indexes" / str(index.number) / "versions"
    if version and any(seal.version == version for seal in index.seals):
        # Its name may differ now, and an older gleann wrote no seal.
        seal = seal_of(row, version=version, sequence=row["sealed_sequence"])
        write_seal(path / str(version), seal)
    if plan.skip_damaged:
        filled = _copy_whole(transaction, snapshot, row)
        return f"{name!r} is kept without {filled} changes, which are lost"
    for _, number in logged_rows(snapshot, index.number, row["sealed_sequence"]):
        _insert(transaction, "changes", dict(snapshot.change(number) or {}))
    how = "kept" if index.is_whole else f"rebuilt from its version {version}"
    return f"{name!r} is {how}, up to change {row['sequence']}"


def _row_to_be(index: ExaminedIndex, plan: RepairPlan) -> dict[str, Any] | None:
    """The row of an index for the table `indexes`; None if it cannot be rebuilt."""
    newest = index.seals[-1] if index.seals else None
    row = None if index.row is None else dict(index.row)
    if row is None or not index.is_whole:
        if newest is not None:
            return _row_of(newest)
        # Never sealed: the log shows whether the remaining row is consistent with it.
        return row if row is not None and _is_plausible(row) else None
    if newest is not None and newest.sequence > row["sequence"]:
        return _row_of(newest)
    versions = {seal.version for seal in index.seals}
    if row["version"] and row["version"] not in versions and plan.skip_damaged:
        sealed: dict[str, Any] = {"version": 0, "sealed_sequence": 0}
        sealed["sealed_columns"] = row.get("columns", "[]")
        if newest is not None:
            sealed = _sealed_of(newest)
        return row | sealed
    return row


def _is_plausible(row: Mapping[str, Any]) -> bool:
    return (
        NAME.fullmatch(str(row["name"])) is not None
        and isinstance(row["dim"], int)
        and row["dim"] > 0
        and row["metric"] in get_args(Metric)
        and (row["version"], row["sealed_sequence"]) == (0, 0)
        and isinstance(row["sequence"], int)
        and isinstance(row["created"], float)
        and row["id_type"] in (None, *get_args(IdType))
    )


def _row_of(seal: Seal) -> dict[str, Any]:
    return {
        "number": seal.number,
        "name": seal.name,
        "dim": seal.dim,
        "metric": seal.metric,
        "id_type": seal.id_type,
        "sequence": seal.sequence,
        "created": seal.created,
        "built": seal.created,
        "optimizer": seal.optimizer,
    } | _sealed_of(seal)


def _sealed_of(seal: Seal) -> dict[str, Any]:
    return {
        "version": seal.version,
        "sealed_sequence": seal.sequence,
        "sealed_columns": seal.columns,
    }


def _copy_whole(
    transaction: Transaction, snapshot: Snapshot, row: Mapping[str, Any]
) -> int:
    """Copy undamaged changes; insert an empty change for each lost one."""
    log = log_of(snapshot, row)
    for _, number in log.whole:
        _insert(transaction, "changes", dict(snapshot.change(number) or {}))
    for sequence in log.missing[:MOST_FILLED]:
        checksum = change_checksum(row["number"], NOTHING)
        transaction.run(
            "INSERT INTO changes (index_number, sequence, kind, ids, checksum)"
            " VALUES (?, ?, ?, ?, ?)",
            row["number"],
            sequence,
            NOTHING.kind,
            NOTHING.ids,
            checksum + sequence_bits(sequence),
        )
    return len(log.missing)


def _copy_table(
    transaction: Transaction,
    snapshot: Snapshot,
    table: str,
    damaged: set[tuple[str, int | str]],
) -> Iterator[str]:
    for row in snapshot.readable_rows(table):
        key = row[CHECKED[table]]
        if (table, key) in damaged:
            yield f"the row {key!r} of {table} is left out: it is damaged"
            continue
        try:
            _insert(transaction, table, dict(row))
        except IntegrityError:
            yield f"the row {key!r} of {table} is left out: its index is"


def _insert(transaction: Transaction, table: str, row: Mapping[str, Any]) -> None:
    """Insert the values of existing columns; changes keep their checksum."""
    columns = [name for name, _ in schema.expected_tables()[table] if name in row]
    made_anew = "number" if table == "changes" else "checksum"
    columns = [name for name in columns if name != made_anew]
    places = ", ".join("?" * len(columns))
    transaction.run(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})",
        *(row[name] for name in columns),
    )


def _put_in_place(directory: Path, scratch: Path, lost: Path) -> None:
    """Replace the database by the one in `scratch`; move the old one to `lost`."""
    lost.mkdir(parents=True)
    for path in [*directory.glob(f"{DATABASE}*"), directory / ACKNOWLEDGED]:
        with suppress(FileNotFoundError):
            path.rename(lost / path.name)
    (scratch / ACKNOWLEDGED).replace(directory / ACKNOWLEDGED)
    (scratch / DATABASE).replace(directory / DATABASE)
    for changed in (lost, lost.parent, directory):
        sync_dir(changed)


def _set_index_aside(directory: Path, number: int, lost: Path) -> None:
    path = directory / "indexes" / str(number)
    if path.exists():
        path.rename(lost / f"index-{number}")
