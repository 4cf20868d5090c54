"""`gleann doctor --data`: contents of a data directory, export and repair."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    InvalidParamsError,
    MissingFileError,
)
from gleann.service.cli.doctor.findings import Finding, echo_findings

if TYPE_CHECKING:
    from gleann.service.recovery.examination import Examination, ExaminedIndex
    from gleann.service.recovery.snapshot import Snapshot

DOCTOR = "gleann doctor --data"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataJob:
    """Parameters of `gleann doctor` for a data directory; None where not requested."""

    data: Path | None
    repair: bool
    export: Path | None
    skip: tuple[str, ...]
    skip_damaged: bool

    def __post_init__(self) -> None:
        if self.data is None and (self.repair or self.export):
            raise InvalidParamsError("--repair and --export need --data")
        if (self.skip or self.skip_damaged) and not self.repair:
            raise InvalidParamsError("--skip and --skip-damaged need --repair")


def look_at_data(data: Path, job: DataJob) -> bool:
    """Report the contents, export and repair as requested; return if it is sound now.

    Raises:
        MissingFileError: the directory does not exist.
        AlreadyExistsError: the export directory exists already.
        NotReadyError: a process has it open.
    """
    from gleann.service.recovery.examination import examine
    from gleann.service.recovery.repair import RepairPlan, repair
    from gleann.service.recovery.snapshot import Snapshot
    from gleann.service.state.store import refuse_index

    if not data.is_dir():
        raise MissingFileError(f"there is no directory {data}")
    refuse_index(data)
    if job.export is not None and job.export.exists():
        raise AlreadyExistsError(f"{job.export} exists already: name a new directory")
    with _locked(data):
        with closing(Snapshot(data)) as snapshot:
            found = examine(snapshot)
            echo_findings(_findings(found, data))
            if job.export is not None:
                echo_findings(_exports(snapshot, found, job.export))
            if not job.repair or (found.is_sound and not job.skip):
                return found.is_sound
            skip = frozenset(job.skip)
            plan = RepairPlan(skip=skip, skip_damaged=job.skip_damaged)
            done = repair(snapshot, found, plan)
        echo_findings([Finding(name="repair", says=line) for line in done])
        with closing(Snapshot(data)) as snapshot:
            found = examine(snapshot)
    echo_findings(_findings(found, data))
    return found.is_sound


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Lock the directory against other processes."""
    from gleann.service.state.database import disk_errors
    from gleann.service.state.store import lock_directory

    with disk_errors(data / "lock"):
        lock = lock_directory(data)
    try:
        yield
    finally:
        os.close(lock)


def _findings(found: "Examination", data: Path) -> Iterator[Finding]:
    repair = f"{DOCTOR} {data} --repair"
    remedy = f"put back the right one, or let it be rebuilt: {repair}"
    yield Finding(
        name="data",
        says=found.refusal or f"the database of {data} is whole",
        remedy=remedy if found.refusal else "",
    )
    for index in found.indexes:
        yield from _index_findings(index, repair)
    for table, key in found.damaged:
        says = f"the row {key!r} of {table} does not match its checksum"
        yield Finding(name="data", says=says, remedy=f"leave it out: {repair}")
    if found.lost:
        yield Finding(name="lost", says=f"{found.lost} things were set aside there")


def _index_findings(index: "ExaminedIndex", repair: str) -> Iterator[Finding]:
    row = index.row
    if row is not None and not index.wrong:
        sealed = f"version {row['version']}" if row["version"] else "never built"
        says = (
            f"{index.name!r} is whole: {sealed}, {len(index.log.whole)} newer changes"
        )
        yield Finding(name="index", says=says)
        return
    for reason in index.wrong:
        yield Finding(name="index", says=f"{index.name!r}: {reason}")
    save = f"save its rows with --export DIR; then {repair}"
    if index.is_whole:
        save += f" --skip-damaged, or --skip {index.name} to leave it out"
    yield Finding(name="index", says=f"{index.name!r} is not served", remedy=save)


def _exports(
    snapshot: "Snapshot", found: "Examination", folder: Path
) -> Iterator[Finding]:
    from gleann.service.recovery.export import export_index

    for index in found.indexes:
        try:
            made = export_index(snapshot, index, folder)
        except CorruptDataError as error:
            yield Finding(name="export", says=str(error))
            continue
        yield Finding(name="export", says=f"{made.count:,} rows in {made.file}")
        for reason in made.left_out:
            yield Finding(name="export", says=f"without {reason}")
