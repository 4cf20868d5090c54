"""The manifest of a saved index: the name of its data folder, and a checksum."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gleann.index.errors import CorruptDataError, MissingFileError
from gleann.index.storage.regular_file import regular_descriptor

FORMAT = "gleann-index"
VERSION = 3
OLDEST_VERSION = 1
"""Versions from this one on are read."""
MANIFEST = "manifest.json"
NEW_MANIFEST = f"{MANIFEST}.new"
PAYLOAD_FILE = "payload.arrow"
EMPTY = "no rows"
"""The feature of a manifest that stands for no rows: it has no arrays and no files."""
RERANK_LAYOUT = "rerank_layout"
"""The feature, and the key, of rows in another precision than float32."""
PROJECTION = "projection"
"""The feature of codes of projected rows."""
KNOWN_FEATURES: frozenset[str] = frozenset({EMPTY, RERANK_LAYOUT, PROJECTION})
"""What may stand under "requires": features without which answers would be wrong."""
DATA_DIR = re.compile(r"data-[0-9a-f]{16}")


def publish_manifest(path: Path, content: Mapping[str, Any]) -> None:
    """Put a manifest of `content` in place, in one step; `OSError` if it cannot be."""
    publish_signed(path / MANIFEST, {"format": FORMAT, "version": VERSION, **content})


def publish_signed(file: Path, content: Mapping[str, Any]) -> None:
    """Put JSON and its checksum in place, in one step; `OSError` if it cannot be."""
    signed = {**content, "checksum": manifest_checksum(content)}
    new = file.with_name(f"{file.name}.new")
    with new.open("w", encoding="utf-8") as handle:
        json.dump(signed, handle, indent=1, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(file)
    sync_dir(file.parent)


def add_to_manifest(path: Path, name: str, value: Mapping[str, Any]) -> None:
    """Store JSON `value` under a key of its own in the manifest of the index at `path`.

    The index stays what it is: who reads it needs no such key.

    Raises:
        MissingFileError: there is no index.
        CorruptDataError: its manifest cannot be trusted.
        OSError: the disk refused; the manifest is as it was.
    """
    content = read_manifest(path)
    del content["checksum"]
    publish_manifest(path, {**content, name: dict(value)})


def publish_empty(path: Path, *, exist_ok: bool = False) -> None:
    """Make the directory `path`, with a manifest that stands for no rows.

    No index can be loaded from it; an older gleann names what it does not know.

    Args:
        path: of the directory.
        exist_ok: whether it may be there already.

    Raises:
        OSError: the disk refused, or there is something at `path`.
    """
    path.mkdir(exist_ok=exist_ok)
    content = {"data": f"data-{0:016x}", "arrays": {}, "index": {}}
    publish_manifest(path, {**content, "requires": [EMPTY]})


def is_empty(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest, as read, stands for no rows."""
    return EMPTY in manifest.get("requires", [])


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the index at `path`.

    Raises:
        MissingFileError: there is none.
        CorruptDataError: it cannot be trusted.
    """
    file = path / MANIFEST
    manifest: dict[str, Any] = read_signed(file, missing=f"no index at {file.parent}")
    _check_manifest(file, manifest)
    return manifest


def read_signed(file: Path, *, missing: str) -> Any:
    """The JSON of a file, whatever it is.

    Args:
        file: to read.
        missing: how the message begins where there is none.

    Raises:
        MissingFileError: there is none.
        CorruptDataError: it is not JSON.
    """
    try:
        with os.fdopen(regular_descriptor(file), "rb") as handle:
            return json.loads(handle.read())
    except MissingFileError as error:
        raise MissingFileError(f"{missing}: {error}") from error
    except OSError as error:
        raise MissingFileError(f"{missing}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"{file} is not JSON: {error}") from error


def require_signed(
    file: Path, content: Any, *, form: str, oldest: int, newest: int
) -> None:
    """Refuse JSON of another form or version, or that is not as it was published.

    Args:
        file: it was read from.
        content: its JSON.
        form: what its "format" has to be.
        oldest: version that is read.
        newest: version that is read.

    Raises:
        CorruptDataError: with what is wrong.
    """
    if not isinstance(content, dict) or content.get("format") != form:
        raise CorruptDataError(f"{file} is not a {form} manifest")
    version = content.get("version")
    # A bool is an int, and True is 1.
    if type(version) is not int or not oldest <= version <= newest:
        raise CorruptDataError(
            f"{file} has format version {version},"
            f" this gleann reads versions {oldest} to {newest}"
        )
    if content.get("checksum") != manifest_checksum(content):
        raise CorruptDataError(f"{file} does not match its checksum")


def _check_manifest(file: Path, manifest: Any) -> None:
    require_signed(file, manifest, form=FORMAT, oldest=OLDEST_VERSION, newest=VERSION)
    if not DATA_DIR.fullmatch(str(manifest.get("data"))):
        raise CorruptDataError(f"{file} names a data folder it must not")
    if not all(isinstance(manifest.get(key), dict) for key in ("arrays", "index")):
        raise CorruptDataError(f"{file} lacks its arrays or its header")
    for name, entry in manifest["arrays"].items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "sha256"}:
            raise CorruptDataError(f"{file} does not describe its array {name!r}")
    _check_features(file, manifest)
    _check_payload(file, manifest.get("payload"))


def _check_features(file: Path, manifest: Mapping[str, Any]) -> None:
    required = manifest.get("requires", [])
    if not isinstance(required, list):
        raise CorruptDataError(f"{file} does not list what it requires")
    for feature in required:
        if feature not in KNOWN_FEATURES:
            raise CorruptDataError(
                f"{file} requires {feature!r:.40}, which this gleann does not have: a"
                " newer one wrote it"
            )


def _check_payload(file: Path, entry: Any) -> None:
    if entry is None:
        return
    if not isinstance(entry, dict) or set(entry) != {
        "file",
        "rows",
        "sha256",
        "schema",
    }:
        raise CorruptDataError(f"{file} does not describe its payload")
    if entry["file"] != PAYLOAD_FILE:
        raise CorruptDataError(f"{file} names a payload file it must not")


def manifest_checksum(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest but its checksum, in hexadecimal."""
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sync_dir(path: Path) -> None:
    """Write the entries of a folder to disk, so that a rename survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
