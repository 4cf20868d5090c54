"""The folder of a build that is under way: `.building` beside the shards to be.

Each piece in it appears in one step, whole, and under a name that says what it is; a
task that runs twice makes the same piece twice, and the second one is dropped.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gleann.index.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptDataError,
    MissingFileError,
)
from gleann.index.shards.manifest import MANIFEST, NEW_MANIFEST, shard_name
from gleann.index.storage.array_file import refusing_disk
from gleann.index.storage.manifest import sync_dir

BUILDING = ".building"
ASKED = "asked.json"
"""What is built of what, in the folder of a build."""

_UNFINISHED = "tmp-"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFolder:
    """Where the pieces of a build are.

    Attributes:
        out: the folder of the index in shards.
    """

    out: Path

    @property
    def root(self) -> Path:
        """The folder of the build itself."""
        return self.out / BUILDING

    @property
    def assigned(self) -> Path:
        """The folder with the lists of the rows."""
        return self.root / "assigned"

    @property
    def arranged(self) -> Path:
        """The folder with what was decided for all rows."""
        return self.root / "arranged"

    def placed(self, block: int) -> Path:
        """The folder of a block, its rows by shard."""
        return self.root / "placed" / f"block-{block:06d}"

    def shard(self, number: int) -> Path:
        """The folder of a shard to be."""
        return self.root / "shards" / shard_name(number)

    def scanned(self, number: int) -> Path:
        """The folder with lists and codes of a shard to be."""
        return self.root / "scanned" / shard_name(number)


@contextmanager
def opened_folder(
    out: Path, asked: dict[str, Any], *, overwrite: bool
) -> Iterator[BuildFolder]:
    """Begin a build, or go on with one that was stopped; one process at a time.

    Args:
        out: of the index in shards; made where it is missing.
        asked: what is built of what, as JSON; the same for the same files.
        overwrite: whether an index in shards may be replaced, and what is left of
            another build.

    Raises:
        AlreadyExistsError: there is something at `out`, or the rest of another build.
        ConflictError: another process builds there.
        StorageError: the disk refused.
    """
    folder = BuildFolder(out=out)
    require_free(out, overwrite=overwrite)
    with refusing_disk(out):
        folder.root.mkdir(parents=True, exist_ok=True)
    with _locked(folder.root):
        known = _read(folder.root / ASKED)
        if known is not None and known != asked:
            if not overwrite:
                raise AlreadyExistsError(
                    f"{folder.root} is left of another build:"
                    f" {differences(known, asked)}; build that, or overwrite it"
                )
            _empty(folder.root)
            known = None
        if known is None:
            write_json(folder.root / ASKED, asked)
        _sweep(folder.root)
        yield folder


def differences(known: dict[str, Any], asked: dict[str, Any]) -> str:
    """What differs between two builds, for a message."""
    names = [name for name in {**known, **asked} if known.get(name) != asked.get(name)]
    shown = [
        f"{name} was {_shown(known.get(name))}, now {_shown(asked.get(name))}"
        for name in names
    ]
    return ", ".join(shown)


def _shown(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 160 else f"{text[:160]}..."


def is_build_folder(path: Path) -> bool:
    """Whether a folder holds nothing but an index in shards, or what is to be one."""
    return all(
        child.name in (MANIFEST, NEW_MANIFEST, BUILDING)
        or child.name.startswith("shard-")
        for child in path.iterdir()
    )


def require_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder with an index that is not to be replaced, or with other things.

    Raises:
        AlreadyExistsError: it is one.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise AlreadyExistsError(f"{out} is a file, not a folder for shards")
    if not is_build_folder(out):
        count = len(list(out.iterdir()))
        raise AlreadyExistsError(
            f"{out} holds {count} files that are no index in shards; choose another"
        )
    if (out / MANIFEST).exists() and not overwrite:
        raise AlreadyExistsError(f"there is an index in shards at {out}")


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    with refusing_disk(root):
        descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(f"another process builds in {root}") from error
        yield
    finally:
        os.close(descriptor)


def _empty(root: Path) -> None:
    for child in root.iterdir():
        if child.is_dir():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)


def _sweep(root: Path) -> None:
    """Remove what tasks that were killed left behind."""
    for child in root.rglob(f"{_UNFINISHED}*"):
        if child.is_dir():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` when the body ends; or nothing does.

    Where `path` is there by then, another try of the same task made it: it stays.

    Raises:
        StorageError: the disk refused.
    """
    temporary = path.with_name(f"{_UNFINISHED}{path.name}-{secrets.token_hex(6)}")
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
    temporary = path.with_name(f"{_UNFINISHED}{secrets.token_hex(6)}-{path.name}")
    try:
        with refusing_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    value = _read(path)
    if value is None:
        raise MissingFileError(f"{path} is not there")
    return value


def _read(path: Path) -> dict[str, Any] | None:
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
