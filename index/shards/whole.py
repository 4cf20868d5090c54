"""Folders and files that appear in one step, whole, or not at all."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import CorruptDataError, MissingFileError
from gleann.index.storage.array_file import refusing_disk
from gleann.index.storage.manifest import sync_dir

UNFINISHED = "tmp-"
"""Begins the names of what is not whole yet, or was not when its writer was killed."""


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` when the body ends; or nothing does.

    Where `path` is there by then, another try of the same task made it: it stays.

    Raises:
        StorageError: the disk refused.
    """
    temporary = path.with_name(f"{UNFINISHED}{path.name}-{secrets.token_hex(6)}")
    with refusing_disk(path):
        temporary.mkdir(parents=True)
    try:
        yield temporary
        with refusing_disk(path):
            sync_dir(temporary)
            try:
                temporary.rename(path)
            except OSError:
                if not path.is_dir():
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write, which becomes `path` when the body ends; or nothing does.

    Raises:
        StorageError: the disk refused.
    """
    temporary = path.with_name(f"{UNFINISHED}{secrets.token_hex(6)}-{path.name}")
    try:
        with refusing_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_array(handle: BinaryIO, array: NDArray[Any]) -> None:
    """Write an array as a `.npy` file, in the order of C.

    Not by `np.save`, which does not say why a file took less than it was given.

    Raises:
        OSError: the disk refused; with its reason.
    """
    rows = np.asarray(array, order="C")
    described = np.lib.format.header_data_from_array_1_0(rows)
    np.lib.format.write_array_header_1_0(handle, described)
    handle.write(rows.reshape(-1).view(np.uint8).data)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON in one step.

    Raises:
        StorageError: the disk refused.
    """
    with whole_file(path) as temporary:
        text = json.dumps(value, indent=1, sort_keys=True)
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
        MissingFileError: it is not there.
        CorruptDataError: something changed it.
    """
    value = found_json(path)
    if value is None:
        raise MissingFileError(f"{path} is not there")
    return value


def found_json(path: Path) -> dict[str, Any] | None:
    """As `read_json`; None where nothing is there."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MissingFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise CorruptDataError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise CorruptDataError(f"{path} is no JSON object")
    return value
