"""Read-only examination of a data directory: contents and damage."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Row
from typing import Any

from gleann.index import SoarIndex
from gleann.index.errors import CorruptDataError, GleannError
from gleann.index.payload.schema import Schema
from gleann.index.storage.manifest import is_empty, read_manifest
from gleann.service.recovery.snapshot import Snapshot
from gleann.service.state.damage.checksums import CHECKED
from gleann.service.state.loading import require_columns
from gleann.service.state.log.change import read_change
from gleann.service.state.orphans import is_unpublished
from gleann.service.state.seal import Seal, read_seal, require_sealed
from gleann.service.state.versions import LOST
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.live_payload import LivePayload

UNKNOWN_SEQUENCE = 1
"""Of a version without a seal: that it holds something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The logged changes of an index after a sequence.

    Attributes:
        whole: (sequence, row number) of the undamaged changes, in order.
        damaged: a description of each damaged change.
        missing: acknowledged sequences without an undamaged row.
    """

    whole: tuple[tuple[int, int], ...]
    damaged: tuple[str, ...]
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedIndex:
    """One index, from the database or from its directory.

    Attributes:
        number: the name of its directory.
        name: of the index.
        row: of the table `indexes`; None if missing.
        is_whole: whether the row exists and matches its checksum.
        seals: of the undamaged versions, oldest first.
        log: changes after the version in the row, if the row is undamaged.
        wrong: reasons why it cannot be served or identified; empty if none.
    """

    number: int
    name: str
    row: Row | None
    is_whole: bool
    seals: tuple[Seal, ...]
    log: Log
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Examination result of a data directory.

    Attributes:
        refusal: why a server would refuse the database, or None.
        indexes: indexes in the database or with a directory, by number.
        damaged: (table, name) of damaged rows of other tables.
        lost: number of entries in lost/.
    """

    refusal: str | None
    indexes: tuple[ExaminedIndex, ...]
    damaged: tuple[tuple[str, int | str], ...]
    lost: int

    @property
    def is_sound(self) -> bool:
        """Whether a server would serve everything."""
        wrong = any(index.wrong for index in self.indexes)
        return self.refusal is None and not wrong and not self.damaged


def examine(snapshot: Snapshot) -> Examination:
    """Check everything: each page, row and file is read once."""
    directory = snapshot.directory
    deleted = {row["number"] for row in _deleted(snapshot)}
    rows = {
        row["number"]: row
        for row in snapshot.readable_rows("indexes")
        if not (row["number"] in deleted and is_unpublished(row))
    }
    numbers = {
        int(path.name)
        for path in directory.glob("indexes/*")
        if path.name.isdecimal() and int(path.name) not in deleted
    }
    damaged = snapshot.damaged("indexes")
    indexes = [
        _examined(snapshot, number, rows.get(number), is_whole=number not in damaged)
        for number in sorted({*rows, *numbers})
    ]
    others = [table for table in CHECKED if table != "indexes"]
    lost = directory / LOST
    return Examination(
        refusal=snapshot.refusal,
        indexes=tuple(one for one in indexes if one.row is not None or one.wrong),
        damaged=tuple(
            (table, key)
            for table in others
            for key in sorted(snapshot.damaged(table), key=str)
        ),
        lost=len(list(lost.iterdir())) if lost.is_dir() else 0,
    )


def _deleted(snapshot: Snapshot) -> list[Row]:
    if snapshot.row("SELECT 1 FROM sqlite_master WHERE name = 'deleted'") is None:
        return []
    return snapshot.readable_rows("deleted")


def _examined(
    snapshot: Snapshot, number: int, row: Row | None, *, is_whole: bool
) -> ExaminedIndex:
    seals, wrong = _versions(snapshot.directory, number)
    log = Log(whole=(), damaged=(), missing=())
    reasons: list[str] = []
    if row is None:
        reasons = [*wrong.values()]
        reasons += ["the database does not know it"] if seals else []
    elif not is_whole:
        reasons = ["its row of the table indexes does not match its checksum"]
    else:
        log = log_of(snapshot, row)
        reasons = _wrong_with(snapshot, row, seals, wrong)
        reasons += log.damaged
        if log.missing:
            reasons.append(f"changes {_span(log.missing)} are not in the log")
        elif not log.damaged:
            reasons += _wrong_columns(snapshot, row, log)
    return ExaminedIndex(
        number=number,
        name=_name(number, row if is_whole or not seals else None, seals),
        row=row,
        is_whole=row is not None and is_whole,
        seals=tuple(seals),
        log=log,
        wrong=tuple(reasons),
    )


def _versions(directory: Path, number: int) -> tuple[list[Seal], dict[int, str]]:
    """The seals of undamaged versions, and the problems of the others."""
    whole: list[Seal] = []
    wrong: dict[int, str] = {}
    found = directory.glob(f"indexes/{number}/versions/*")
    for version in sorted(int(p.name) for p in found if p.name.isdecimal()):
        path = directory / "indexes" / str(number) / "versions" / str(version)
        try:
            if is_empty(read_manifest(path)):
                whole += [seal] if (seal := read_seal(path)) else []
                continue
            index = SoarIndex.load(path, engine="reference")
            seal = read_seal(path) or _seal_made_up(index, path, number)
            require_columns(Sealed(index), Schema.from_json(seal.columns))
            whole.append(seal)
        except GleannError as error:
            wrong[version] = str(error)
    return whole, wrong


def _seal_made_up(index: SoarIndex, path: Path, number: int) -> Seal:
    """A seal for a version of an older gleann, which has no name or sequence."""
    return Seal(
        number=number,
        name=f"recovered-{number}",
        dim=index.dim,
        metric=index.metric,
        id_type="string" if index.ids.dtype.kind == "U" else "int64",
        version=int(path.name),
        sequence=UNKNOWN_SEQUENCE,
        created=path.stat().st_mtime,
    )


def _wrong_with(
    snapshot: Snapshot,
    row: Row,
    seals: list[Seal],
    wrong: dict[int, str],
) -> list[str]:
    reasons = []
    version = row["version"]
    if version in wrong:
        reasons.append(wrong[version])
    elif version and version not in {seal.version for seal in seals}:
        reasons.append(f"its sealed version {version} is not there")
    elif version:
        path = f"indexes/{row['number']}/versions/{version}"
        try:
            require_sealed(snapshot.directory / path, row)
        except GleannError as error:
            reasons.append(str(error))
    reasons += [
        f"the database has it at sequence {row['sequence']}, its version"
        f" {seal.version} is of sequence {seal.sequence}: the database is older"
        for seal in seals
        if seal.version > version and seal.sequence > row["sequence"]
    ]
    return reasons


def _wrong_columns(snapshot: Snapshot, row: Row, log: Log) -> list[str]:
    stored = Schema.from_json(dict(row).get("columns", "[]"))
    replayed = schema_after(snapshot, row, log)
    if stored == replayed:
        return []
    return [
        f"the database has other columns of payload ({stored.described()}) than its log"
        f" leaves it with ({replayed.described()})"
    ]


def log_of(snapshot: Snapshot, row: Mapping[str, Any] | Row) -> Log:
    """Check the log of an index after the version in its row."""
    view = _empty_view(row)
    whole, damaged = [], []
    for sequence, number in logged_rows(snapshot, view.number, view.sequence):
        change = snapshot.change(number)
        try:
            if change is None:
                raise CorruptDataError(f"row {number} of the log cannot be read")
            read_change(change, view)
        except CorruptDataError as error:
            damaged.append(str(error))
        else:
            whole.append((sequence, number))
    there = {sequence for sequence, _ in whole}
    expected = range(view.sequence + 1, row["sequence"] + 1)
    return Log(
        whole=tuple(whole),
        damaged=tuple(damaged),
        missing=tuple(sequence for sequence in expected if sequence not in there),
    )


def schema_after(snapshot: Snapshot, row: Mapping[str, Any] | Row, log: Log) -> Schema:
    """The columns of payload after the undamaged changes of a log."""
    view = _empty_view(row)
    for _, number in log.whole:
        stored = snapshot.change(number)
        if stored is not None and dict(stored).get("kind") == "schema":
            view = read_change(stored, view).applied(view)
    return view.schema


def _empty_view(row: Mapping[str, Any] | Row) -> View:
    """A view of an index without rows, in the state of its sealed version."""
    columns = dict(row).get("sealed_columns", "[]")
    return View(
        number=row["number"],
        name=row["name"],
        dim=row["dim"],
        metric=row["metric"],
        delta=Delta(row["dim"]),
        sequence=row["sealed_sequence"],
        payload=LivePayload(schema=Schema.from_json(columns)),
    )


def logged_rows(
    snapshot: Snapshot, number: int, sequence: int
) -> list[tuple[int, int]]:
    """(sequence, row number) of an index's changes after a sequence, in order."""
    rows = snapshot.readable_rows(
        "changes",
        columns="sequence",
        where=f"index_number = {number} AND sequence > {sequence}",
    )
    return sorted((row["sequence"], row["row_number"]) for row in rows)


def _name(number: int, row: Row | None, seals: list[Seal]) -> str:
    if row is not None:
        return str(row["name"])
    return seals[-1].name if seals else f"recovered-{number}"


def _span(numbers: tuple[int, ...]) -> str:
    if numbers[-1] - numbers[0] + 1 == len(numbers):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers[:5])) + (" and more" if len(numbers) > 5 else "")
