"""`gleann verify`: compare files with their checksums, wherever they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gleann.index.errors import MissingFileError
from gleann.service.cli import options
from gleann.service.cli.doctor.doctor_data import DataJob, look_at_data
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import add_to, result, say

if TYPE_CHECKING:
    from gleann.service.cli.progress import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyJob:
    """Parameters of `gleann verify`."""

    path: Path
    progress: bool


@click.command(
    "verify",
    short_help="Compare all files of an index, a snapshot or a data directory.",
    epilog=options.examples(
        "gleann verify library",
        "gleann verify docs.tar",
        "gleann verify words.gleann",
    ),
)
@click.argument("path", type=options.PATH)
@options.progress_option
@options.takes(VerifyJob)
def command(job: VerifyJob) -> None:
    """Compare every file at PATH with its checksum; exits with 0 if all match.

    PATH is a data directory that no process has open, a saved index, or a snapshot: a
    tar file or a directory that `gleann snapshot export` wrote.
    """
    from gleann.index.storage.manifest import MANIFEST as INDEX_MANIFEST
    from gleann.service.snapshots.manifest import MANIFEST as SNAPSHOT_MANIFEST
    from gleann.service.state.database import NAME as DATABASE

    path = job.path
    with progress_bars(wanted=job.progress) as report:
        if path.is_file():
            _verify_tar(path, report)
        elif (path / SNAPSHOT_MANIFEST).is_file():
            _verify_snapshot(path, report)
        elif (path / INDEX_MANIFEST).is_file() and not (path / DATABASE).exists():
            _verify_index(path)
        elif path.is_dir():
            _verify_data(path, report)
        else:
            raise MissingFileError(f"{path}: there is no such file or directory")


def _verify_tar(path: Path, report: "Report") -> None:
    from gleann.service.snapshots.transferring import verify_archive

    manifest = verify_archive(path, report=report)
    say(f"{path} is whole: a snapshot of {manifest.index}, {manifest.count:,} rows")
    result(path=path, kind="snapshot", count=manifest.count)


def _verify_snapshot(path: Path, report: "Report") -> None:
    from gleann.service.snapshots.manifest import read_manifest
    from gleann.service.snapshots.transferring import verify_directory

    manifest = read_manifest(path.resolve())
    verify_directory(path, manifest, report=report)
    say(f"{path} is whole: a snapshot of {manifest.index}, {manifest.count:,} rows")
    result(path=path, kind="snapshot", count=manifest.count)


def _verify_index(path: Path) -> None:
    from gleann.index import SoarIndex

    # All files are read and compared when it is opened; no engine is needed.
    index = SoarIndex.load(path, engine="reference")
    say(f"{path} is whole: an index of {len(index):,} rows")
    result(path=path, kind="index", count=len(index))


def _verify_data(path: Path, report: "Report") -> None:
    from gleann.index.errors import GleannError
    from gleann.service.snapshots.shelf import FOLDER, Shelf
    from gleann.service.snapshots.transferring import verify_directory

    result(path=path, kind="data")
    job = DataJob(data=path, repair=False, export=None, skip=(), skip_damaged=False)
    is_sound = look_at_data(path, job)
    shelf = Shelf(path)
    # The names of unfinished ones, which the next start removes, begin with a dot.
    for folder in sorted((path / FOLDER).glob("[!.]*-*")):
        try:
            manifest = shelf.get(folder.name)
            verify_directory(folder, manifest, report=report)
        except GleannError as error:
            is_sound = False
            say(f"{'snapshot':<8} {error}")
            add_to("snapshots", [{"name": folder.name, "error": str(error)}])
        else:
            say(f"{'snapshot':<8} {folder.name!r} is whole")
            add_to("snapshots", [{"name": folder.name, "error": ""}])
    if not is_sound:
        raise click.exceptions.Exit(1)
