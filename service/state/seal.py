"""The seal of a sealed version: its index, and the state it was built from.

It is in the manifest of each version, so that a lost, older or damaged database is
detected, and the list of indexes can be rebuilt from the directories.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from sqlite3 import Row
from typing import Any

from gleann.index.errors import CorruptDataError
from gleann.index.storage.manifest import add_to_manifest, read_manifest

KEY = "seal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The database's description of a sealed version.

    Attributes:
        number: of the index; names its directory.
        name: of the index.
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        id_type: kind of its ids, "int64" or "string".
        version: of the sealed version; names its directory.
        sequence: of the last change in the version.
        created: creation time of the index, seconds since 1970.
        columns: of payload in the version, JSON of a Schema.
        optimizer: JSON of what was set of the compaction when it was built.
    """

    number: int
    name: str
    dim: int
    metric: str
    id_type: str | None
    version: int
    sequence: int
    created: float
    columns: str = "[]"
    optimizer: str = "{}"


_MAY_DIFFER = ("created", "optimizer")
"""Fields of a seal that need not be those of the database."""


def seal_of(
    row: Row | Mapping[str, Any],
    *,
    version: int,
    sequence: int,
    columns: str | None = None,
) -> Seal:
    """The seal of a version of the index in `row` of the table `indexes`.

    Args:
        row: of a database of any schema version.
        version: of the sealed version.
        sequence: of the last change in it.
        columns: of payload in it; None takes those that the row says are sealed.
    """
    values = dict(row)
    if columns is None:
        columns = values.get("sealed_columns", "[]")
    return Seal(
        number=row["number"],
        name=row["name"],
        dim=row["dim"],
        metric=row["metric"],
        id_type=row["id_type"],
        version=version,
        sequence=sequence,
        created=row["created"],
        columns=columns,
        optimizer=values.get("optimizer", "{}"),
    )


def write_seal(path: Path, seal: Seal) -> None:
    """Add a seal to the manifest of the sealed version at `path`; may raise OSError."""
    add_to_manifest(path, KEY, asdict(seal))


def read_seal(path: Path) -> Seal | None:
    """The seal of the sealed version at `path`; None if an older gleann wrote it.

    Raises:
        MissingFileError: no version at `path`.
        CorruptDataError: its manifest or its seal is invalid.
    """
    found = read_manifest(path).get(KEY)
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise CorruptDataError(f"{path}: its seal is no object")
    values: dict[str, Any] = {f.name: found.get(f.name) for f in fields(Seal)}
    # A gleann without payload wrote neither.
    values |= {"columns": found.get("columns", "[]")}
    values |= {"optimizer": found.get("optimizer", "{}")}
    whole = ("number", "dim", "version", "sequence")
    texts = ("name", "metric", "columns", "optimizer")
    if not (
        all(isinstance(values[key], int) for key in whole)
        and all(isinstance(values[key], str) for key in texts)
        and isinstance(values["created"], int | float)
        and isinstance(values["id_type"], str | None)
    ):
        raise CorruptDataError(f"{path}: its seal holds values of other types")
    return Seal(**values)


def require_sealed(path: Path, row: Row) -> None:
    """Check that the version at `path` matches its index's row.

    Raises:
        MissingFileError: no version at `path`.
        CorruptDataError: another version, or an invalid seal.
    """
    seal = read_seal(path)
    if seal is None:
        return
    expected = seal_of(row, version=row["version"], sequence=row["sealed_sequence"])
    for field in fields(Seal):
        here, there = getattr(seal, field.name), getattr(expected, field.name)
        if here != there and field.name not in _MAY_DIFFER:
            raise CorruptDataError(
                f"{path} is sealed with {field.name} {here!r}, the database says"
                f" {there!r}"
            )
