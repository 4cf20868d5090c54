"""The manifest of a snapshot: what it is, and the checksum of each of its files.

It is the only source of what is known of a snapshot: nothing of it is in the database.
A snapshot is a directory (or a tar file) with `snapshot.json`, the files of a sealed
version under `sealed/`, and the changes since as Arrow files
(`service/DECISIONS.md` 38).
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from gleann.index.errors import (
    CorruptDataError,
    ForbiddenPathError,
    GleannError,
    MissingFileError,
)
from gleann.index.params import Metric
from gleann.index.payload.schema import Schema
from gleann.index.storage.regular_file import open_without_links
from gleann.service.optimizer_params import OptimizerParams

FORMAT = "gleann-snapshot"
VERSION = 1
MANIFEST = "snapshot.json"
SEALED = "sealed"
"""The folder of the sealed version."""
NEWER, REMOVED, PATCHED = "newer.arrow", "removed.arrow", "patched.arrow"
"""Rows newer than it; rows of it that were removed; rows of it with other payload."""

MOST_MANIFEST_BYTES = 16 << 20
MOST_DIM = 1 << 16
MOST_NUMBER = 250_000_000_000
"""Above all counts and sizes, and the seconds of all dates."""
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}-[0-9a-f]{12}")
_FILE = re.compile(
    r"newer\.arrow|removed\.arrow|patched\.arrow"
    r"|sealed/manifest\.json|sealed/data-[0-9a-f]{16}/[a-z0-9_]{1,64}\.(npy|arrow)"
)
_INDEX = re.compile(r"[a-z][a-z0-9-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFile:
    """One file of a snapshot.

    Attributes:
        bytes: its size.
        sha256: of its content, in hexadecimal.
    """

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotManifest:
    """The description of a snapshot.

    Attributes:
        name: its directory's name, such as "words-3f2a9c418d20".
        index: the index that it was made of.
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        id_type: kind of its ids; None without vectors.
        count: number of vectors.
        sealed: the sealed version of the index that it holds, 0 for none.
        sequence: of the last change in it.
        columns: the JSON text of the payload's schema.
        optimizer: the JSON text of the optimizer's parameters.
        where: the condition that its vectors were chosen by; "" for all.
        parameters: the JSON list of its parameters.
        created: seconds since 1970.
        files: by path inside the snapshot, sorted.
    """

    name: str
    index: str
    dim: int
    metric: Metric
    id_type: str | None
    count: int
    sealed: int
    sequence: int
    columns: str
    optimizer: str
    where: str
    parameters: str
    created: float
    files: Mapping[str, SnapshotFile]

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files but the manifest."""
        return sum(file.bytes for file in self.files.values())

    @property
    def checksum(self) -> str:
        """SHA-256 of the manifest, in hexadecimal."""
        return _checksum(_content(self))

    def to_json(self) -> bytes:
        """The content of its `snapshot.json`."""
        content = _content(self)
        content["checksum"] = _checksum(content)
        return json.dumps(content, indent=1, sort_keys=True).encode()


def read_manifest(directory: Path) -> SnapshotManifest:
    """The manifest of the snapshot in a directory.

    Args:
        directory: its path has no links.

    Raises:
        MissingFileError: there is no snapshot.
        CorruptDataError: its manifest is damaged.
    """
    file = directory / MANIFEST
    try:
        with os.fdopen(open_without_links(file, str(file)), "rb") as handle:
            content = handle.read(MOST_MANIFEST_BYTES + 1)
    except OSError as error:
        raise MissingFileError(
            f"no snapshot in {directory}: {error.strerror}"
        ) from error
    except (ForbiddenPathError, MissingFileError) as error:
        raise MissingFileError(f"no snapshot in {directory}: {error}") from error
    return parse_manifest(content, shown=str(file))


def parse_manifest(content: bytes, *, shown: str) -> SnapshotManifest:
    """The manifest in the bytes of a `snapshot.json`; messages name it as `shown`.

    Raises:
        CorruptDataError: it is damaged, or names files that no snapshot has.
    """
    if len(content) > MOST_MANIFEST_BYTES:
        raise CorruptDataError(f"{shown} has more than {MOST_MANIFEST_BYTES} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"{shown} is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise CorruptDataError(f"{shown} is not a {FORMAT} manifest")
    # A bool is an int, and True is 1.
    if type(found.get("version")) is not int or found["version"] != VERSION:
        raise CorruptDataError(
            f"{shown} has format version {found.get('version')!r}, this gleann reads"
            f" version {VERSION}"
        )
    signed = {key: value for key, value in found.items() if key != "checksum"}
    if found.get("checksum") != _checksum(signed):
        raise CorruptDataError(f"{shown} does not match its checksum")
    names = {field.name for field in fields(SnapshotManifest)}
    if set(signed) != names | {"format", "version"}:
        raise CorruptDataError(f"{shown} has other keys than a manifest")
    values = {name: signed[name] for name in names}
    _check_values(values, shown)
    values["files"] = {
        path: SnapshotFile(**entry) for path, entry in sorted(values["files"].items())
    }
    return SnapshotManifest(**values)


def _content(manifest: SnapshotManifest) -> dict[str, Any]:
    return {"format": FORMAT, "version": VERSION, **asdict(manifest)}


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_values(values: Mapping[str, Any], shown: str) -> None:
    whole = ("dim", "count", "sealed", "sequence")
    texts = ("name", "index", "metric", "columns", "optimizer", "where", "parameters")
    checks = (
        *(_is_number(values[name], int) for name in whole),
        *(_is_text(values[name]) for name in texts),
        _is_number(values["created"], int | float),
        values["id_type"] in (None, "int64", "string"),
        values["metric"] in get_args(Metric),
    )
    if not all(checks) or not 1 <= values["dim"] <= MOST_DIM:
        raise CorruptDataError(f"{shown} holds values that no manifest has")
    if not NAME.fullmatch(values["name"]) or not _INDEX.fullmatch(values["index"]):
        raise CorruptDataError(f"{shown} has a name that no snapshot has")
    _check_parameters(values, shown)
    if not isinstance(values["files"], dict):
        raise CorruptDataError(f"{shown} lists no files")
    for path, entry in values["files"].items():
        _check_file(path, entry, shown)


def _is_number(value: Any, kind: Any) -> bool:
    """Whether it is one, not below 0 nor beyond what any manifest has."""
    return (
        isinstance(value, kind) and type(value) is not bool and 0 <= value < MOST_NUMBER
    )


def _is_text(value: Any) -> bool:
    """Whether it is a text with a UTF-8 form: JSON may have half of a surrogate."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _check_parameters(values: Mapping[str, Any], shown: str) -> None:
    try:
        Schema.from_json(values["columns"])
        OptimizerParams(**json.loads(values["optimizer"]))
        list(json.loads(values["parameters"]))
    except (GleannError, ValueError, TypeError, RecursionError) as error:
        raise CorruptDataError(
            f"{shown} does not describe the columns, the compaction or the condition:"
            f" {error}"
        ) from error


def _check_file(path: str, entry: Any, shown: str) -> None:
    if not _FILE.fullmatch(path):
        raise CorruptDataError(f"{shown} lists {path[:80]!r}, which no snapshot has")
    if not (
        isinstance(entry, dict)
        and set(entry) == {"bytes", "sha256"}
        and _is_number(entry["bytes"], int)
        and isinstance(entry["sha256"], str)
        and _SHA256.fullmatch(entry["sha256"])
    ):
        raise CorruptDataError(f"{shown} does not describe its file {path!r}")
