"""The seal of a sealed version: its index, and the state it was built from.

The manifest of each version holds it, so that a database that is lost, older or damaged
is noticed, and the list of indexes can be made again from the directories.
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
    """What the database says of a sealed version.

    Attributes:
        number: of the index; its directory bears it.
        name: of the index.
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        id_type: kind of its ids, "int64" or "string".
        version: of the sealed version; its directory bears it.
        sequence: of the last change that the version holds.
        created: when the index was made, seconds since 1970.
    """

    number: int
    name: str
    dim: int
    metric: str
    id_type: str | None
    version: int
    sequence: int
    created: float


def seal_of(row: Row | Mapping[str, Any], *, version: int, sequence: int) -> Seal:
    """The seal of a version of the index that `row` of the table `indexes` is of."""
    return Seal(
        number=row["number"],
        name=row["name"],
        dim=row["dim"],
        metric=row["metric"],
        id_type=row["id_type"],
        version=version,
        sequence=sequence,
        created=row["created"],
    )


def write_seal(path: Path, seal: Seal) -> None:
    """Put a seal into the manifest of the sealed version at `path`; may be OSError."""
    add_to_manifest(path, KEY, asdict(seal))


def read_seal(path: Path) -> Seal | None:
    """The seal of the sealed version at `path`; None if an older gleann wrote it.

    Raises:
        MissingFileError: there is no version.
        CorruptDataError: its manifest or its seal cannot be trusted.
    """
    found = read_manifest(path).get(KEY)
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise CorruptDataError(f"{path}: its seal is no object")
    values: dict[str, Any] = {f.name: found.get(f.name) for f in fields(Seal)}
    whole = ("number", "dim", "version", "sequence")
    texts = ("name", "metric")
    if not (
        all(isinstance(values[key], int) for key in whole)
        and all(isinstance(values[key], str) for key in texts)
        and isinstance(values["created"], int | float)
        and isinstance(values["id_type"], str | None)
    ):
        raise CorruptDataError(f"{path}: its seal holds values of other types")
    return Seal(**values)


def require_sealed(path: Path, row: Row) -> None:
    """Check that the version at `path` is the one that its index's row names.

    Raises:
        MissingFileError: there is no version.
        CorruptDataError: it is another one, or cannot be trusted.
    """
    seal = read_seal(path)
    if seal is None:
        return
    expected = seal_of(row, version=row["version"], sequence=row["sealed_sequence"])
    for field in fields(Seal):
        here, there = getattr(seal, field.name), getattr(expected, field.name)
        if here != there and field.name != "created":
            raise CorruptDataError(
                f"{path} is sealed with {field.name} {here!r}, the database says"
                f" {there!r}"
            )
