"""Directories that the database does not list: removal, quarantine or refusal.

A start removes only explained files: those of an index with a recorded deletion,
versions replaced by a newer one, and versions that were never published and whose
changes are all in the database. Unexplained sealed rows mean that the database is the
wrong one.
"""

import logging
from pathlib import Path
from sqlite3 import Row

from gleann.index.errors import CorruptDataError, GleannError
from gleann.service.state.database import remedy
from gleann.service.state.seal import Seal, read_seal
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions

UNPUBLISHED = "."
"""How the name of an index begins that is being made; no index is named so."""

_log = logging.getLogger(__name__)


def settle_indexes(store: Store, versions: Versions) -> None:
    """Remove files of deleted indexes; move directories without sealed rows to lost/.

    Indexes that were never published, see `Adoption`, count as deleted.

    Raises:
        CorruptDataError: a sealed version is missing in the database.
    """
    damaged = store.damaged("deleted")
    gone = {row["number"] for row in store.rows("SELECT number FROM deleted")} - damaged
    rows = store.rows("SELECT number, name FROM indexes")
    begun = {row["number"] for row in rows if is_unpublished(row)} & gone
    known = {row["number"] for row in rows} - begun
    for path in versions.index_directories():
        number = int(path.name) if path.name.isdecimal() else -1
        if number in known:
            continue
        if number in gone:
            versions.forget(number)
        elif sealed := sorted(path.glob("versions/*/manifest.json")):
            raise CorruptDataError(
                f"{store.file} knows no index of number {path.name}, but there is"
                f" {sealed[0].parent}{_sealed_as(sealed[0].parent)}: the database is an"
                f" older copy or another one; {remedy(store.file.parent)}"
            )
        else:
            _set_aside(versions, path)
    with store.transaction() as transaction:
        for number in begun:
            transaction.run("DELETE FROM indexes WHERE number = ?", number)
            transaction.after_commit(store.give_back_space_soon)
        for number in gone - known:
            if not versions.index_directory(number).exists():
                transaction.run("DELETE FROM deleted WHERE number = ?", number)


def is_unpublished(row: Row) -> bool:
    """Whether the row of an index says that it was never published."""
    return str(row["name"]).startswith(UNPUBLISHED)


def require_not_older(store: Store, versions: Versions, row: Row) -> None:
    """Compare an index's row with the versions in its directory.

    Raises:
        CorruptDataError: a version has changes that are missing in the database.
    """
    for version, path in versions.numbered(row["number"]):
        seal = _readable_seal(path)
        if seal is None or version <= row["version"] or seal.number != row["number"]:
            continue
        if seal.sequence > row["sequence"]:
            raise CorruptDataError(
                f"{store.file} has {row['name']!r} at sequence {row['sequence']}, its"
                f" sealed version {path} is of sequence {seal.sequence}: the database"
                f" is an older copy; {remedy(store.file.parent)}"
            )


def sweep_versions(versions: Versions, row: Row, needed: set[int]) -> None:
    """Clean up the versions of an index that was loaded completely from `row`.

    An unneeded version is removed if it was replaced or never published, and moved to
    lost/ if neither is certain.
    """
    known = dict(versions.numbered(row["number"]))
    for version, path in known.items():
        if version in needed:
            continue
        if version < row["version"] or _was_never_published(path, row):
            versions.drop(row["number"], version)
        else:
            _set_aside(versions, path)
    for path in versions.entries(row["number"]):
        if versions.is_scratch(path):
            versions.remove(path)
        elif path not in known.values():
            _set_aside(versions, path)


def _was_never_published(path: Path, row: Row) -> bool:
    """Whether all changes in the version at `path` are in the log too."""
    seal = _readable_seal(path)
    return (
        seal is not None
        and (seal.number, seal.name) == (row["number"], row["name"])
        and seal.sequence <= row["sequence"]
    )


def _readable_seal(path: Path) -> Seal | None:
    try:
        return read_seal(path)
    except GleannError:
        return None


def _sealed_as(path: Path) -> str:
    seal = _readable_seal(path)
    return "" if seal is None else f" of {seal.name!r}, sequence {seal.sequence}"


def _set_aside(versions: Versions, path: Path) -> None:
    _log.warning("%s is not known; it is kept as %s", path, versions.set_aside(path))
